"""Audit events: written in the transaction of their cause, read by staff, and served as the feed of changes."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from chalicelib.audit.rules import FieldChange
from chalicelib.errors import NotFound
from chalicelib.ids import AUDIT_EVENT_PREFIX, lowest_id_at, new_id, time_of_id
from chalicelib.request_context import RequestContext
from chalicelib.table import keys, store
from chalicelib.table.items import AccountItem, AuditEventItem

SETTLING_TIME = timedelta(seconds=30)
"""Age at which an event appears in the feed. An event gets its id before its transaction commits, and a request lives
at most 29 seconds; so after this time no event can appear before it."""

_FEED_RETENTION = timedelta(days=400)
_MAX_DAYS_PER_CALL = 31


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
    changes: tuple[FieldChange, ...]
    correlation_id: str
    account_id: str | None = None
    bill_group_id: str | None = None


@dataclass(frozen=True)
class AuditEventPage:
    """A page of audit events, and where the next one begins (None at the end)."""

    events: tuple[AuditEvent, ...]
    after: str | None


@dataclass(frozen=True)
class ChangeFeedPage:
    """Changes, the position for the next call, and whether more exist already."""

    events: tuple[AuditEvent, ...]
    position: str
    more: bool


def record_audit_event(
    transaction: store.Transaction,
    context: RequestContext,
    action: str,
    resource_kind: str,
    resource_id: str,
    changes: tuple[FieldChange, ...],
    *,
    account_id: str | None = None,
    entity_id: str | None = None,
    bill_group_id: str | None = None,
) -> None:
    """Add the audit event of a change to the transaction that makes it.

    ``action`` is what was done, as ``contact.created``. The event belongs to the account, else to the issuing
    entity, else to the deployment.
    """
    event_id = new_id(AUDIT_EVENT_PREFIX, context.now)
    if account_id is not None:
        key = keys.account_audit_event(account_id, event_id)
    elif entity_id is not None:
        key = keys.entity_audit_event(entity_id, event_id)
    else:
        key = keys.deployment_audit_event(event_id)
    listed = keys.audit_event_listed(context.now.date(), event_id)
    transaction.create(
        AuditEventItem(
            key.pk,
            key.sk,
            gsi1_pk=listed.pk,
            gsi1_sk=listed.sk,
            audit_event_id=event_id,
            at=context.now,
            actor_kind=context.actor.kind,
            actor_id=context.actor.id,
            actor_name=context.actor.name,
            action=action,
            resource_kind=resource_kind,
            resource_id=resource_id,
            account_id=account_id,
            bill_group_id=bill_group_id,
            changes=[vars(change) for change in changes],
            correlation_id=context.correlation_id,
        )
    )


def list_account_events(account_id: str, after: str | None, limit: int) -> AuditEventPage:
    """Return a page of an account's audit events, newest first. Raises NotFound without such an account."""
    key = keys.account(account_id)
    if after is None and store.get_item(AccountItem, key) is None:
        raise NotFound()
    first = keys.account_audit_event(account_id, "")
    page = store.query_items(first.pk, first.sk, limit=limit, after=after, newest_first=True)
    return AuditEventPage(tuple(store.from_item(AuditEvent, item) for item in page.items), page.after)


def list_changes(now: datetime, position: str | None, limit: int) -> ChangeFeedPage:
    """Return the changes after ``position``, in the order in which they were made.

    Changes appear once they are 30 seconds old (see SETTLING_TIME). The feed has no end: there is always a new
    position, and ``more`` tells whether to ask again at once. One call reads at most 31 days, so a feed that starts 400
    days ago may return only a position. Raises ValueError for a position that was not issued.
    """
    settled = now - SETTLING_TIME
    ceiling = lowest_id_at(AUDIT_EVENT_PREFIX, settled)
    position = position or lowest_id_at(AUDIT_EVENT_PREFIX, settled - _FEED_RETENTION)
    day = time_of_id(AUDIT_EVENT_PREFIX, position).date()
    if position >= ceiling:
        return ChangeFeedPage((), position, more=False)
    found: list[AuditEvent] = []
    last_day = min(settled.date(), day + timedelta(days=_MAX_DAYS_PER_CALL))
    while day <= last_day:
        # A position is an id that was already returned; nothing sorts between it and itself with a digit added.
        span = (position + "0", ceiling)
        page = store.query_items_by_index(keys.audit_event_listed(day, "").pk, limit=limit - len(found), span=span)
        found += [store.from_item(AuditEvent, item) for item in page.items]
        if page.after is not None:
            return ChangeFeedPage(tuple(found), found[-1].audit_event_id if found else position, more=True)
        day += timedelta(days=1)
        if len(found) >= limit:
            break
    finished = day > settled.date()
    if found and not finished:
        return ChangeFeedPage(tuple(found), found[-1].audit_event_id, more=True)
    reached = ceiling if finished else lowest_id_at(AUDIT_EVENT_PREFIX, datetime.combine(day, time.min, UTC))
    return ChangeFeedPage(tuple(found), reached, more=not finished)
