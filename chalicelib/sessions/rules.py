"""How long sessions live (A8, A10)."""

from datetime import datetime, timedelta

MAX_DURATION_BY_KIND = {
    "portal_user": timedelta(hours=12),
    "staff": timedelta(hours=8),
    "preview": timedelta(minutes=30),
}
"""The maximum age of a session, however active it is."""
PASSWORD_ORIGIN = "password"  # noqa: S105 - the word, not one of them.
MAX_ENDED_PER_TRANSACTION = 50
"""Sessions that one transaction ends one by one."""
MAX_CLIENT_LENGTH = 200
MAX_AUDITED_ACCOUNTS = 20
"""Accounts that get an audit event when one person signs in to all of them at once."""


def compute_session_end(kind: str, opened_at: datetime) -> datetime:
    """Return the latest end of a session of this kind."""
    return opened_at + MAX_DURATION_BY_KIND[kind]


def tidy_client_name(text: str | None) -> str | None:
    """Return the name of a browser or client, fit to be stored and shown; None without one."""
    if text is None:
        return None
    tidy = "".join(letter for letter in text if letter.isprintable()).strip()[:MAX_CLIENT_LENGTH]
    return tidy or None


def is_over(
    now: datetime,
    *,
    created_at: datetime,
    last_seen_at: datetime,
    ends_at: datetime,
    idle: timedelta,
    not_before: datetime | None,
) -> bool:
    """Tell whether a session has ended: expired, idle for too long, or older than its person's sessions may be (A8)."""
    return ends_at <= now or last_seen_at + idle <= now or (not_before is not None and created_at < not_before)


def may_see_session(
    own_kind: str, password_accounts: frozenset[str] | None, kind: str, accounts: frozenset[str]
) -> bool:
    """Tell whether a session may list and end another one of the same email address.

    Staff see sessions of staff and their previews, portal users those of the portal. ``password_accounts`` are the
    accounts of a session that was opened by password, None otherwise: a password proves its person at its own account
    only, so such a session sees none that reach beyond it (A6).
    """
    family = {"staff": {"staff", "preview"}, "portal_user": {"portal_user"}}.get(own_kind, set())
    return kind in family and (password_accounts is None or accounts <= password_accounts)
