"""Going live safely: a run that is larger than an entity's limit waits for staff (R9)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from chalicelib.audit.rules import FieldChange
from chalicelib.audit.service import record_audit_event
from chalicelib.entities.rules import LIVE, PILOT, Entity
from chalicelib.errors import Conflict, NotFound
from chalicelib.mail import outbox
from chalicelib.observability import logger, metrics
from chalicelib.reminders.policy.service import ENTITY, effective_policy, reminder_policy_key
from chalicelib.reminders.run import emails
from chalicelib.request_context import RequestContext
from chalicelib.staff.rules import group_mail_recipients
from chalicelib.staff.service import list_acting_staff
from chalicelib.table import keys, store
from chalicelib.table.items import ReminderRunItem

WAITING, APPROVED, LAPSED = "waiting", "approved", "lapsed"
APPROVAL_LIFETIME = timedelta(hours=24)
"""How long an approval holds: long enough for the run of one day; the next day's needs its own."""


@dataclass(frozen=True)
class ReminderRun:
    """A run that was, or is, larger than its limit: numbers of accounts, and who said yes when (UTC)."""

    entity_id: str
    run_hour: str
    started: datetime
    accounts: int
    limit: int
    status: str
    decided_by: str | None = None
    decided_at: datetime | None = None


def entities_awaiting_approval(
    context: RequestContext,
    counts: Mapping[str, int],
    count_mailed: Callable[[Entity], int] | None = None,
    *,
    dry_run: bool = False,
    narrowed: bool = False,
) -> dict[str, int]:
    """Return the entities whose runs wait for approval, with the number of accounts that each would mail (R9).

    ``counts`` tells for each entity how many accounts are due now. Where these are more than its limit,
    ``count_mailed`` counts those that would be mailed: what was paid meanwhile does not count. Called by every hourly
    run, and by a dry run, which writes nothing. What was ``narrowed`` to some accounts says nothing of a run that
    waits. Staff are notified once. A run that they approved goes for a day, as long as it does not outgrow what they
    saw by more than the limit. One read, and one for each entity, besides those of ``count_mailed``.
    """
    wanted = [key for one in counts for key in (keys.entity(one), reminder_policy_key(ENTITY, one))]
    rows = store.batch_get_items(wanted)
    waiting = {}
    for entity_id, accounts in counts.items():
        row = rows.get(keys.entity(entity_id))
        if row is None:
            continue
        entity = store.from_item(Entity, row)
        limit = effective_policy(rows.get(reminder_policy_key(ENTITY, entity_id))).run_limit
        newest = _newest_run(entity_id)
        mailed = _most_mailed_accounts(entity, accounts)
        if mailed > limit and count_mailed is not None:
            mailed = min(mailed, count_mailed(entity))
        if mailed <= limit:
            if newest is not None and newest.status == WAITING and not dry_run and not narrowed:
                _lapse(newest)
        elif not _is_approved(newest, mailed, limit, context.now):
            waiting[entity_id] = mailed
            if not dry_run:
                _hold_run(context, entity, mailed, limit, newest)
    return waiting


def _most_mailed_accounts(entity: Entity, accounts: int) -> int:
    """Return how many accounts at most would get mail: what is in shadow mode need not wait."""
    if entity.reminder_mail.mode == PILOT:
        return min(accounts, len(entity.reminder_mail.pilot_account_ids))
    return accounts if entity.reminder_mail.mode == LIVE else 0


def _newest_run(entity_id: str) -> ReminderRunItem | None:
    page = store.query_items(keys.reminder_run(entity_id, "").pk, limit=1, newest_first=True)
    return page.items[0] if page.items else None


def _is_approved(run: ReminderRunItem | None, accounts: int, limit: int, now: datetime) -> bool:
    if run is None or run.status != APPROVED or run.decided_at is None:
        return False
    return now - run.decided_at < APPROVAL_LIFETIME and accounts <= run.accounts + limit


def _lapse(run: ReminderRunItem) -> None:
    run.status = LAPSED
    try:
        store.replace_item(run)
    except store.WriteConflict:
        logger.info("Another run came to it first.")


def _hold_run(
    context: RequestContext, entity: Entity, accounts: int, limit: int, newest: ReminderRunItem | None
) -> None:
    extra = {"entity_id": entity.entity_id, "accounts": accounts, "limit": limit}
    logger.warning("A run of reminders is larger than its limit, and waits for staff.", extra=extra)
    metrics.add_metric(name="ReminderRunsWaiting", unit="Count", value=1)
    try:
        if newest is not None and newest.status == WAITING:
            if (newest.accounts, newest.limit) != (accounts, limit):
                newest.accounts, newest.limit = accounts, limit
                store.replace_item(newest)
        else:
            _record_new_hold(context, entity, accounts, limit, newest)
    except store.WriteConflict:
        # A concurrent run has recorded it and notified staff.
        logger.info("Another run came to it first.")


def _record_new_hold(
    context: RequestContext, entity: Entity, accounts: int, limit: int, newest: ReminderRunItem | None
) -> None:
    run_hour = keys.format_hour(context.now)
    key, listed = keys.reminder_run(entity.entity_id, run_hour), keys.reminder_run_listed(entity.entity_id, run_hour)
    again = newest if newest is not None and newest.sk == key.sk else None
    row = again or ReminderRunItem(key.pk, key.sk, gsi1_pk=listed.pk, gsi1_sk=listed.sk)
    row.entity_id, row.run_hour, row.started = entity.entity_id, run_hour, context.now
    row.accounts, row.limit, row.status = accounts, limit, WAITING
    row.decided_by = row.decided_at = None
    transaction = store.Transaction(context)
    transaction.put(row, new=again is None)
    told: dict[str, Any] = {"accounts": accounts, "limit": limit}
    changes = tuple(FieldChange(name, None, value) for name, value in told.items())
    record_audit_event(
        transaction, context, "reminder_run.waits", "reminder_run", run_hour, changes, entity_id=entity.entity_id
    )
    for to in group_mail_recipients(list_acting_staff(), entity):
        outbox.enqueue_mail(transaction, context, emails.run_awaiting_approval(entity, to, run_hour, accounts, limit))
    transaction.commit()


def approve_reminder_run(context: RequestContext, entity_id: str, run_hour: str) -> ReminderRun:
    """Let a run go that waits; the next hourly run sends it. Again, it changes nothing.

    Raises NotFound, Conflict when the run does not wait any more.
    """

    def attempt() -> ReminderRun:
        (row,) = store.get_items_for_write(context, keys.reminder_run(entity_id, run_hour))
        if row is None:
            raise NotFound
        if row.status == APPROVED:
            return store.from_item(ReminderRun, row)
        if row.status != WAITING:
            raise Conflict("run_not_waiting", "This run no longer needs approval: it is within its limit.")
        row.status, row.decided_by, row.decided_at = APPROVED, context.actor.name, context.now
        transaction = store.Transaction(context)
        transaction.replace(row)
        changes = (FieldChange("status", WAITING, APPROVED), FieldChange("accounts", None, int(row.accounts)))
        record_audit_event(
            transaction, context, "reminder_run.approved", "reminder_run", run_hour, changes, entity_id=entity_id
        )
        transaction.record_response(run_hour, 200)
        transaction.commit()
        return store.from_item(ReminderRun, row)

    return store.retry_on_conflict(attempt)


def get_reminder_run(entity_id: str, run_hour: str) -> ReminderRun:
    """Read a run that waits, or has waited. Raises NotFound."""
    row = store.get_item(ReminderRunItem, keys.reminder_run(entity_id, run_hour))
    if row is None:
        raise NotFound
    return store.from_item(ReminderRun, row)


def waiting_run_hour(entity_id: str) -> str | None:
    """Return the hour of the entity's run that waits for staff, None when none does. One Query."""
    newest = _newest_run(entity_id)
    return str(newest.run_hour) if newest is not None and newest.status == WAITING else None


def list_reminder_runs(entity_id: str | None, after: str | None, limit: int) -> tuple[list[ReminderRun], str | None]:
    """Return a page of the runs that wait or have waited, of one entity or all, newest first."""
    if entity_id is not None:
        page = store.query_items(keys.reminder_run(entity_id, "").pk, limit=limit, after=after, newest_first=True)
    else:
        page = store.query_items_by_index(
            keys.reminder_run_listed("", "").pk, limit=limit, after=after, newest_first=True
        )
    return [store.from_item(ReminderRun, row) for row in page.items], page.after
