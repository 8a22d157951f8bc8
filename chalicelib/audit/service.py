"""Audit events: written in the transaction of their cause, read by staff, and told as changes."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from chalicelib.audit.rules import Change
from chalicelib.call import Call
from chalicelib.errors import NotFound
from chalicelib.ids import AUDIT_EVENT, first_id, new_id, time_of_id
from chalicelib.table import keys, store
from chalicelib.table.items import AccountItem, AuditEventItem

SETTLING = timedelta(seconds=30)
"""How old an event must be to be told as a change. An event gets its id before its transaction commits, and a
request lives at most 29 seconds; so once this time has passed, nothing can appear before it any more."""

_FEED_BEGINS = timedelta(days=400)
_DAYS_A_CALL = 31


@dataclass(frozen=True)
class AuditEvent:
    """Who changed what, when (UTC), from what to what."""

    audit_event_id: str
    at: datetime
    actor_kind: str
    actor_id: str
    actor_name: str
    action: str
    resource_kind: str
    resource_id: str
    changes: tuple[Change, ...]
    correlation_id: str
    account_id: str | None = None
    bill_group_id: str | None = None


@dataclass(frozen=True)
class Events:
    """A page of audit events, and where the next one begins (None at the end)."""

    events: tuple[AuditEvent, ...]
    after: str | None


@dataclass(frozen=True)
class Changes:
    """Some changes, the position that the next call is to begin with, and whether more are there already."""

    events: tuple[AuditEvent, ...]
    position: str
    more: bool


def record(
    transaction: store.Transaction,
    call: Call,
    action: str,
    resource_kind: str,
    resource_id: str,
    changes: tuple[Change, ...],
    *,
    account_id: str | None = None,
    entity_id: str | None = None,
    bill_group_id: str | None = None,
) -> None:
    """Add the audit event of a change to the transaction that makes it.

    ``action`` is what was done, as ``contact.created``. The event belongs to the account, else to the issuing
    entity, else to the deployment.
    """
    event_id = new_id(AUDIT_EVENT, call.now)
    if account_id is not None:
        key = keys.account_audit_event(account_id, event_id)
    elif entity_id is not None:
        key = keys.entity_audit_event(entity_id, event_id)
    else:
        key = keys.deployment_audit_event(event_id)
    listed = keys.change(call.now.date(), event_id)
    transaction.create(
        AuditEventItem(
            key.pk,
            key.sk,
            gsi1_pk=listed.pk,
            gsi1_sk=listed.sk,
            audit_event_id=event_id,
            at=call.now,
            actor_kind=call.actor.kind,
            actor_id=call.actor.id,
            actor_name=call.actor.name,
            action=action,
            resource_kind=resource_kind,
            resource_id=resource_id,
            account_id=account_id,
            bill_group_id=bill_group_id,
            changes=[vars(change) for change in changes],
            correlation_id=call.correlation_id,
        )
    )


def list_of_account(account_id: str, after: str | None, limit: int) -> Events:
    """Return a page of an account's audit events, newest first. Raises NotFound without such an account."""
    key = keys.account(account_id)
    if after is None and store.get(AccountItem, key) is None:
        raise NotFound()
    page = store.query(key.pk, "AUDIT#", limit=limit, after=after, newest_first=True)
    return Events(tuple(store.load(AuditEvent, item) for item in page.items), page.after)


def list_changes(now: datetime, position: str | None, limit: int) -> Changes:
    """Return the changes that follow ``position``, in the order in which they were made.

    Changes are told once they are 30 seconds old (see SETTLING). The feed has no end: there is always a new
    position, and ``more`` tells whether it is worth asking at once. One call looks at no more than 31 days, so
    that a feed that begins, 400 days ago, may answer with nothing but a position. Raises ValueError when
    ``position`` is none that was given out.
    """
    settled = now - SETTLING
    ceiling = first_id(AUDIT_EVENT, settled)
    position = position or first_id(AUDIT_EVENT, settled - _FEED_BEGINS)
    day = time_of_id(AUDIT_EVENT, position).date()
    if position >= ceiling:
        return Changes((), position, more=False)
    found: list[AuditEvent] = []
    last_day = min(settled.date(), day + timedelta(days=_DAYS_A_CALL))
    while day <= last_day:
        # A position is an id that was told already; nothing sorts between it and itself with a digit added.
        span = (position + "0", ceiling)
        page = store.query_index(keys.change(day, "").pk, limit=limit - len(found), span=span)
        found += [store.load(AuditEvent, item) for item in page.items]
        if page.after is not None:
            return Changes(tuple(found), found[-1].audit_event_id if found else position, more=True)
        day += timedelta(days=1)
        if len(found) >= limit:
            break
    finished = day > settled.date()
    if found and not finished:
        return Changes(tuple(found), found[-1].audit_event_id, more=True)
    reached = ceiling if finished else first_id(AUDIT_EVENT, datetime.combine(day, time.min, UTC))
    return Changes(tuple(found), reached, more=not finished)
