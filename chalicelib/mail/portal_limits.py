"""Limits of the emails that people of a customer cause: by actor, by account and by address (A13).

They hold whoever's words an email carries: an account's people could otherwise mail strangers without end. The counts
are rows that the transaction of the email writes conditionally, so they hold under concurrency. Staff, API keys,
imports and the service itself are not limited here, nor are sign-in and reset emails, which A5 limits.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from chalicelib.errors import LimitReached
from chalicelib.mailboxes import mailbox_of
from chalicelib.rate_limits import RateLimits, instants_in_window, next_allowed_at
from chalicelib.request_context import RequestContext
from chalicelib.table import keys, store
from chalicelib.table.items import RateLimitItem
from chalicelib.table.keys import Key
from chalicelib.tokens import sha256_hex

LIMITED_ACTORS = frozenset({"portal_user", "contact"})
"""Kinds of actors: a signed-in portal user, and a contact who replies to a reminder."""

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
ACTOR_LIMITS: RateLimits = ((30, _HOUR), (100, _DAY))
"""Emails that one person may cause."""
ACCOUNT_LIMITS: RateLimits = ((60, _HOUR), (200, _DAY))
"""Emails that all people of an account may cause together."""
NOTICE_LIMITS: RateLimits = ((5, _HOUR), (20, _DAY))
"""Notices (contact added, role changed, removed, temporary password) to one mailbox, from all accounts together."""
COPY_LIMITS: RateLimits = ((20, _HOUR), (40, _DAY))
"""Invoices, statements and other emails sent again to one mailbox, from all accounts together."""
NEW_CONTACT_LIMITS: RateLimits = ((30, _DAY),)
"""Contacts that the people of an account may add or restore."""

COPY_KINDS = frozenset({"invoice", "statement"})
"""Kinds of emails that carry a document which somebody asked for; each other kind is a notice."""


def is_limited(context: RequestContext) -> bool:
    """Tell whether the emails of a use case count towards these limits."""
    return context.actor.kind in LIMITED_ACTORS


def count_email(
    transaction: store.Transaction,
    context: RequestContext,
    account_id: str | None,
    addresses: Iterable[str],
    *,
    copy: bool,
) -> None:
    """Count an email to ``addresses`` that is caused by ``context``; one read and a row for each limit.

    An email to staff names no addresses. Raises LimitReached, with nothing counted, when a limit is used up.
    """
    kind, of_address = ("portal_copy_to", COPY_LIMITS) if copy else ("portal_notice_to", NOTICE_LIMITS)
    actor = f"{context.actor.kind}:{mailbox_of(context.actor.id)}"
    wanted = {keys.rate_limit("portal_mail_by", sha256_hex(actor)): ACTOR_LIMITS}
    if account_id is not None:
        wanted[keys.rate_limit("portal_mail_of", account_id)] = ACCOUNT_LIMITS
    for address in addresses:
        wanted[keys.rate_limit(kind, sha256_hex(mailbox_of(address)))] = of_address
    _count(
        transaction,
        context.now,
        wanted,
        "too_many_emails",
        "Too many emails were sent from the portal lately, so nothing was changed or sent. Try again later, or ask the "
        "vendor.",
    )


def count_new_contact(transaction: store.Transaction, context: RequestContext, account_id: str) -> None:
    """Count a contact that ``context`` adds or restores, where that is limited; one read and one row.

    Raises LimitReached when the people of the account have added as many as they may in a day.
    """
    if not is_limited(context):
        return
    most = NEW_CONTACT_LIMITS[0][0]
    _count(
        transaction,
        context.now,
        {keys.rate_limit("portal_contacts_of", account_id): NEW_CONTACT_LIMITS},
        "too_many_contacts",
        f"{most} contacts a day can be added from the portal, so nothing was changed. Try again later, or ask the "
        "vendor to add them.",
    )


def _count(
    transaction: store.Transaction, now: datetime, wanted: dict[Key, RateLimits], code: str, message: str
) -> None:
    """Count once in each row; all of them or none."""
    staged = {key: transaction.staged(key) for key in wanted}
    unread = [key for key, item in staged.items() if item is None]
    found = store.batch_get_items(unread) if unread else {}
    earlier: dict[Key, list[datetime]] = {}
    waits = []
    for key, limits in wanted.items():
        row = staged[key] or found.get(key)
        earlier[key] = [datetime.fromisoformat(text) for text in row.instants] if row is not None else []
        free_at = next_allowed_at(earlier[key], limits, now)
        if free_at is not None:
            waits.append(free_at)
    if waits:
        raise LimitReached(code, message, retry_after=int((max(waits) - now).total_seconds()) + 1)
    for key, limits in wanted.items():
        row = staged[key] or found.get(key)
        counting = row or RateLimitItem(key.pk, key.sk)
        counting.instants = [keys.format_instant(one) for one in instants_in_window([*earlier[key], now], limits, now)]
        counting.expires_at = now + limits[-1][1]
        if staged[key] is None:
            # A row that this transaction writes already is changed where it stands.
            transaction.put(counting, new=row is None)
