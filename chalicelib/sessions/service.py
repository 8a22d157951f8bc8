"""Sessions: opened in the transaction that authenticates a person; listed and ended (A8)."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from chalicelib import ids
from chalicelib.audit.rules import FieldChange
from chalicelib.audit.service import record_audit_event
from chalicelib.config import settings
from chalicelib.errors import NotFound, Unauthenticated
from chalicelib.permissions import BillGroupRef, Principal
from chalicelib.request_context import Actor, RequestContext
from chalicelib.sessions import rules
from chalicelib.table import keys, store
from chalicelib.table.items import IdentityItem, SessionItem
from chalicelib.tokens import SESSION, new_secret, sha256_hex


@dataclass(frozen=True)
class Session:
    """A session without its secret. Instants are UTC."""

    session_id: str
    kind: str
    origin: str
    created_at: datetime
    last_seen_at: datetime
    ends_at: datetime
    client: str | None = None


def open_session(
    transaction: store.Transaction,
    context: RequestContext,
    *,
    kind: str,
    email: str,
    bill_groups: Iterable[BillGroupRef],
    origin: str,
    client: str | None = None,
    preview: dict[str, Any] | None = None,
) -> tuple[str, str]:
    """Add a session to ``transaction`` and return its id and its token, which cannot be shown again.

    ``kind`` is ``portal_user``, ``staff`` or ``preview``; ``email`` is its person, normalised; ``bill_groups`` are the
    pairs of bill group id and account id that admit the person now (permissions are read again in every request);
    ``origin`` is the proof: ``link``, ``code``, ``password``, or ``preview``; ``client`` is the browser's name. The
    audit events name the person as the actor, except for a preview, which staff open.
    """
    session_id = ids.new_id(ids.SESSION_PREFIX, context.now)
    token = new_secret(SESSION.prefix)
    own, listed = keys.session(sha256_hex(token)), keys.session_listed(email, session_id)
    ends_at = rules.compute_session_end(kind, context.now)
    pairs = sorted(set(bill_groups))
    transaction.create(
        SessionItem(
            own.pk,
            own.sk,
            gsi1_pk=listed.pk,
            gsi1_sk=listed.sk,
            session_id=session_id,
            kind=kind,
            email=email,
            bill_groups=[list(pair) for pair in pairs],
            origin=origin,
            client=rules.tidy_client_name(client),
            created_at=context.now,
            last_seen_at=context.now,
            ends_at=ends_at,
            preview=preview,
            expires_at=ends_at,
        )
    )
    told = context if kind == "preview" else replace(context, actor=Actor(kind, email, email))
    changes = [FieldChange("origin", None, origin), FieldChange("ends_at", None, keys.format_instant(ends_at))]
    if preview is not None:
        changes.append(FieldChange("preview", None, preview))
    accounts: list[str | None] = [*sorted({account_id for _, account_id in pairs})]
    for account_id in accounts[: rules.MAX_AUDITED_ACCOUNTS] or [None]:
        record_audit_event(
            transaction,
            told,
            "session.opened",
            "session",
            session_id,
            tuple(changes),
            account_id=account_id,
            bill_group_id=pairs[0][0] if len(pairs) == 1 else None,
        )
    return session_id, token


def get_principal_session(principal: Principal) -> Session:
    """Return the current session. Raises NotFound for an API key, which has none, Unauthenticated once it ended."""
    return store.from_item(Session, _get_principal_session_item(principal))


def _get_principal_session_item(principal: Principal) -> SessionItem:
    if principal.session_hash is None:
        raise NotFound
    item = store.get_item(SessionItem, keys.session(principal.session_hash))
    if item is None:
        raise Unauthenticated
    return item


def list_own_sessions(
    context: RequestContext, principal: Principal, limit: int, after: Any
) -> tuple[list[Session], Any]:
    """Return a page of the caller's open sessions, newest first, and where the next begins.

    A session of the last moment may be missing: the index that lists them lags. Raises NotFound for an API key.
    """
    own = _get_principal_session_item(principal)
    identity = store.get_item(IdentityItem, keys.identity(own.email))
    page = store.query_items_by_index(
        keys.session_listed(own.email, "").pk, limit=limit, after=after, newest_first=True
    )
    seen = [item for item in page.items if _may_see(own, item) and not _is_over(item, identity, context.now)]
    return [store.from_item(Session, item) for item in seen], page.after


def _may_see(own: SessionItem, other: SessionItem) -> bool:
    by_password = own.origin == rules.PASSWORD_ORIGIN
    return rules.may_see_session(own.kind, _account_ids(own) if by_password else None, other.kind, _account_ids(other))


def _account_ids(item: SessionItem) -> frozenset[str]:
    return frozenset(account_id for _, account_id in item.bill_groups)


def _is_over(item: SessionItem, identity: IdentityItem | None, now: datetime) -> bool:
    return rules.is_over(
        now,
        created_at=item.created_at,
        last_seen_at=item.last_seen_at,
        ends_at=item.ends_at,
        idle=timedelta(minutes=settings().session_idle_minutes),
        not_before=identity.sessions_not_before if identity else None,
    )


def end_principal_session(context: RequestContext, principal: Principal) -> None:
    """End the current session. Raises NotFound for an API key."""
    _end_session(context, _get_principal_session_item(principal))


def end_own_session(context: RequestContext, principal: Principal, session_id: str) -> None:
    """End one of the caller's sessions. Raises NotFound when it is somebody else's, or has ended (A12)."""
    own = _get_principal_session_item(principal)
    page = store.query_items_by_index(keys.session_listed(own.email, "").pk, session_id, limit=1)
    found = [item for item in page.items if item.session_id == session_id and _may_see(own, item)]
    if not found:
        raise NotFound
    _end_session(context, found[0])


def _end_session(context: RequestContext, item: SessionItem) -> None:
    def attempt() -> None:
        # Requests record the last use, so the version moves; the key is never reused.
        transaction = store.Transaction(context)
        transaction.delete_unconditionally(item.key)
        accounts: list[str | None] = [*sorted(_account_ids(item))]
        for account_id in accounts[: rules.MAX_AUDITED_ACCOUNTS] or [None]:
            record_audit_event(
                transaction, context, "session.ended", "session", item.session_id, (), account_id=account_id
            )
        transaction.commit()

    store.retry_on_conflict(attempt)


def end_all_sessions(
    transaction: store.Transaction, email: str, identity: IdentityItem | None, not_before: datetime
) -> None:
    """End with ``transaction`` every session of ``email`` that was opened before an instant (UTC).

    ``identity`` is the row at ``keys.identity(email)`` as read; the instant never moves back.
    """
    if identity is None:
        key = keys.identity(email)
        transaction.create(IdentityItem(key.pk, key.sk, sessions_not_before=not_before))
    elif identity.sessions_not_before < not_before:
        identity.sessions_not_before = not_before
        transaction.replace(identity)
    else:
        transaction.check(identity)


def compute_session_cutoff(now: datetime, used_at: datetime | None) -> datetime:
    """Return an instant after which no session was opened by what was last used at ``used_at``, nor before ``now``.

    An earlier request may be written later: its own instant alone could leave such a session alive.
    """
    return now if used_at is None else max(now, used_at + timedelta(milliseconds=1))


def end_password_sessions(transaction: store.Transaction, email: str, account_id: str) -> None:
    """End with ``transaction`` the sessions that a password of the account opened for ``email``."""
    page = store.query_items_by_index(
        keys.session_listed(email, "").pk, limit=rules.MAX_ENDED_PER_TRANSACTION, newest_first=True
    )
    for item in page.items:
        if item.origin == rules.PASSWORD_ORIGIN and _account_ids(item) <= {account_id}:
            transaction.delete_unconditionally(item.key)
