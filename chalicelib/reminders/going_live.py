"""Going live safely: a run that is larger than an entity's limit waits for staff (R9)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from chalicelib.audit import service as audit
from chalicelib.audit.rules import Change
from chalicelib.call import Call
from chalicelib.contacts.coverage import staff_that_act
from chalicelib.entities.rules import LIVE, PILOT, Entity
from chalicelib.errors import Conflict, NotFound
from chalicelib.mail import outbox
from chalicelib.observability import logger, metrics
from chalicelib.reminders import emails, policies
from chalicelib.table import keys, store
from chalicelib.table.items import ReminderRunItem

WAITING, APPROVED, LAPSED = "waiting", "approved", "lapsed"
APPROVAL_LIVES = timedelta(hours=24)
"""How long a yes holds: the run of a day goes out within it, and the next day's needs its own."""
_STAFF_A_MAIL = 45


@dataclass(frozen=True)
class Run:
    """A run that was, or is, larger than its limit: numbers of accounts, and who said yes when (UTC)."""

    entity_id: str
    run_hour: str
    started: datetime
    accounts: int
    limit: int
    status: str
    decided_by: str | None = None
    decided_at: datetime | None = None


def held(call: Call, counts: Mapping[str, int], *, rehearsed: bool = False, narrowed: bool = False) -> frozenset[str]:
    """Return which entities' runs wait for a yes; ``counts`` tells for each how many accounts are due now.

    Called by every hourly run, and ``rehearsed`` by a dry run, which leaves nothing behind. What was ``narrowed`` to
    some accounts says nothing of a run that waits. Staff are told once. A run that they approved goes for a day, as
    long as it does not outgrow what they saw by more than the limit. One read, and one for each entity.
    """
    wanted = [key for one in counts for key in (keys.entity(one), policies.policy_key(policies.ENTITY, one))]
    rows = store.batch(wanted)
    waiting = set()
    for entity_id, accounts in counts.items():
        row = rows.get(keys.entity(entity_id))
        if row is None:
            continue
        entity = store.load(Entity, row)
        limit = policies.effective(rows.get(policies.policy_key(policies.ENTITY, entity_id))).run_limit
        newest = _newest(entity_id)
        mailed = _mailed(entity, accounts)
        if mailed <= limit:
            if newest is not None and newest.status == WAITING and not rehearsed and not narrowed:
                _lapse(newest)
        elif not _is_approved(newest, mailed, limit, call.now):
            waiting.add(entity_id)
            if not rehearsed:
                _wait(call, entity, mailed, limit, newest)
    return frozenset(waiting)


def _mailed(entity: Entity, accounts: int) -> int:
    """Return how many accounts at most would get mail: what is in shadow mode need not wait."""
    if entity.reminder_mail.mode == PILOT:
        return min(accounts, len(entity.reminder_mail.pilot_account_ids))
    return accounts if entity.reminder_mail.mode == LIVE else 0


def _newest(entity_id: str) -> ReminderRunItem | None:
    page = store.query(keys.reminder_run(entity_id, "").pk, limit=1, newest_first=True)
    return page.items[0] if page.items else None


def _is_approved(run: ReminderRunItem | None, accounts: int, limit: int, now: datetime) -> bool:
    if run is None or run.status != APPROVED or run.decided_at is None:
        return False
    return now - run.decided_at < APPROVAL_LIVES and accounts <= run.accounts + limit


def _lapse(run: ReminderRunItem) -> None:
    run.status = LAPSED
    try:
        store.replace(run)
    except store.Contended:
        logger.info("Another run came to it first.")


def _wait(call: Call, entity: Entity, accounts: int, limit: int, newest: ReminderRunItem | None) -> None:
    extra = {"entity_id": entity.entity_id, "accounts": accounts, "limit": limit}
    logger.warning("A run of reminders is larger than its limit, and waits for staff.", extra=extra)
    metrics.add_metric(name="ReminderRunsWaiting", unit="Count", value=1)
    try:
        if newest is not None and newest.status == WAITING:
            if (newest.accounts, newest.limit) != (accounts, limit):
                newest.accounts, newest.limit = accounts, limit
                store.replace(newest)
        else:
            _begin_to_wait(call, entity, accounts, limit, newest)
    except store.Contended:
        # Another run has held it in this moment, and told staff.
        logger.info("Another run came to it first.")


def _begin_to_wait(call: Call, entity: Entity, accounts: int, limit: int, newest: ReminderRunItem | None) -> None:
    run_hour = keys.hour(call.now)
    key, listed = keys.reminder_run(entity.entity_id, run_hour), keys.reminder_run_listed(entity.entity_id, run_hour)
    again = newest if newest is not None and newest.sk == key.sk else None
    row = again or ReminderRunItem(key.pk, key.sk, gsi1_pk=listed.pk, gsi1_sk=listed.sk)
    row.entity_id, row.run_hour, row.started = entity.entity_id, run_hour, call.now
    row.accounts, row.limit, row.status = accounts, limit, WAITING
    row.decided_by = row.decided_at = None
    transaction = store.Transaction(call)
    transaction.put(row, new=again is None)
    told: dict[str, Any] = {"accounts": accounts, "limit": limit}
    changes = tuple(Change(name, None, value) for name, value in told.items())
    audit.record(transaction, call, "reminder_run.waits", "reminder_run", run_hour, changes, entity_id=entity.entity_id)
    staff = staff_that_act() or [entity.support_email or entity.reply_to or entity.sender_email]
    for start in range(0, len(staff), _STAFF_A_MAIL):
        to = tuple(staff[start : start + _STAFF_A_MAIL])
        outbox.enqueue(transaction, call, emails.run_waits(entity, to, run_hour, accounts, limit))
    transaction.commit()


def approve(call: Call, entity_id: str, run_hour: str) -> Run:
    """Let a run go that waits; the next hourly run sends it. Again, it changes nothing.

    Raises NotFound, Conflict when the run does not wait any more.
    """

    def attempt() -> Run:
        (row,) = store.gather(call, keys.reminder_run(entity_id, run_hour))
        if row is None:
            raise NotFound
        if row.status == APPROVED:
            return store.load(Run, row)
        if row.status != WAITING:
            raise Conflict("run_not_waiting", "This run does not wait any more: it came within its limit.")
        row.status, row.decided_by, row.decided_at = APPROVED, call.actor.name, call.now
        transaction = store.Transaction(call)
        transaction.replace(row)
        changes = (Change("status", WAITING, APPROVED), Change("accounts", None, int(row.accounts)))
        audit.record(transaction, call, "reminder_run.approved", "reminder_run", run_hour, changes, entity_id=entity_id)
        transaction.answers(run_hour, 200)
        transaction.commit()
        return store.load(Run, row)

    return store.deciding_again(attempt)


def get_run(entity_id: str, run_hour: str) -> Run:
    """Read a run that waits, or has waited. Raises NotFound."""
    row = store.get(ReminderRunItem, keys.reminder_run(entity_id, run_hour))
    if row is None:
        raise NotFound
    return store.load(Run, row)


def waiting(entity_id: str) -> str | None:
    """Return the hour of the entity's run that waits for staff, None when none does. One Query."""
    newest = _newest(entity_id)
    return str(newest.run_hour) if newest is not None and newest.status == WAITING else None


def list_runs(entity_id: str | None, after: str | None, limit: int) -> tuple[list[Run], str | None]:
    """Return a page of the runs that wait or have waited, of one entity or all, newest first."""
    if entity_id is not None:
        page = store.query(keys.reminder_run(entity_id, "").pk, limit=limit, after=after, newest_first=True)
    else:
        page = store.query_index(keys.reminder_run_listed("", "").pk, limit=limit, after=after, newest_first=True)
    return [store.load(Run, row) for row in page.items], page.after
