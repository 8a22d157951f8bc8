"""Releasing what is older than an entity's start: some accounts a day, each from the mildest step on (R9).

Open invoices are walked through, the earliest due first. The account of an invoice from before the start is released,
and its invoices are planned again. The walk keeps its position in the row of the release, and repeats until it finds no
account, since invoices move while it lasts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from chalicelib import clock
from chalicelib.audit.rules import FieldChange
from chalicelib.audit.service import record_audit_event
from chalicelib.entities.rules import LIVE, PILOT, Entity
from chalicelib.entities.service import get_entity
from chalicelib.errors import Conflict, NotFound
from chalicelib.invoices.rules import INVOICE, OPEN, PART_PAID
from chalicelib.reminders.policy.service import ACCOUNT
from chalicelib.reminders.run.planning import PLANNER
from chalicelib.request_context import RequestContext
from chalicelib.table import keys, merged_query, store
from chalicelib.table.items import AccountItem, AccountRemindersItem, InvoiceItem, ReleaseItem, TaskItem
from chalicelib.table.keys import Key
from chalicelib.table.merged_query import KeyRange
from chalicelib.tasks.kinds import ReleaseOldInvoices, ReplanInvoices
from chalicelib.tasks.queue import TaskMessage
from chalicelib.tasks.service import add_task

_INVOICES_PER_MESSAGE = 200
_ACCOUNTS_PER_MESSAGE = 25
_ENTITIES_PER_PAGE = 100


@dataclass(frozen=True)
class Release:
    """How the release of an entity's old invoices stands. ``accounts_a_day`` is 0 when it was stopped."""

    entity_id: str
    accounts_a_day: int
    released: int
    """Accounts in all."""
    released_today: int
    finished: bool
    on: date | None = None
    """The day of the entity to which ``released_today`` belongs."""


def get_release_progress(entity_id: str) -> Release:
    """Read how a release stands, or that none was begun yet. Raises NotFound when there is no such entity."""
    row = store.get_item(ReleaseItem, keys.release(entity_id))
    if row is None:
        get_entity(entity_id)
        return Release(entity_id, accounts_a_day=0, released=0, released_today=0, finished=False)
    return store.from_item(Release, row)


def set_release_rate(context: RequestContext, entity_id: str, accounts_a_day: int) -> Release:
    """Release so many accounts a day, from now on and as long as there are some; 0 stops it.

    What has come to its end stays so when it is stopped; any number else looks for further accounts.

    Raises NotFound, Conflict when reminders are not live, or there is no day on which they went live.
    """

    def attempt() -> Release:
        entity_row, row = store.get_items_for_write(context, keys.entity(entity_id), keys.release(entity_id))
        if entity_row is None:
            raise NotFound
        entity = store.from_item(Entity, entity_row)
        if not _reminders_are_live(entity):
            raise Conflict(
                "reminders_not_live", "Reminders of this entity are not live, so there is nothing to release yet."
            )
        before = int(row.accounts_a_day) if row is not None else None
        finished = row is not None and bool(row.finished) and not accounts_a_day
        if row is not None and before == accounts_a_day and row.finished == finished:
            return store.from_item(Release, row)
        key = keys.release(entity_id)
        after = row or ReleaseItem(key.pk, key.sk, entity_id=entity_id)
        after.accounts_a_day, after.finished = accounts_a_day, finished
        after.cursor, after.released_in_pass = None, 0
        _update_index(after)
        transaction = store.Transaction(context)
        transaction.put(after, new=row is None)
        transaction.check_exists(entity_row)
        changes = (FieldChange("accounts_a_day", before, accounts_a_day),)
        record_audit_event(transaction, context, "reminders.release", "entity", entity_id, changes, entity_id=entity_id)
        if accounts_a_day:
            add_task(transaction, context, ReleaseOldInvoices(entity_id))
        transaction.record_response(entity_id, 200)
        transaction.commit()
        return store.from_item(Release, after)

    return store.retry_on_conflict(attempt)


def start_daily_releases(context: RequestContext) -> None:
    """Begin the releases of a new day, for every entity that has one; called by the hourly run.

    One read where there is none.
    """
    rows = list(store.iterate_items(keys.releases(), page_size=_ENTITIES_PER_PAGE, by_index=True))
    entities = store.batch_get_items([keys.entity(row.entity_id) for row in rows])
    for row in rows:
        entity = entities.get(keys.entity(row.entity_id))
        if entity is None or not _reminders_are_live(store.from_item(Entity, entity)):
            continue
        if _is_active(row) and row.on != clock.local_date(context.now, entity.time_zone):
            transaction = store.Transaction(context)
            add_task(transaction, context, ReleaseOldInvoices(row.entity_id))
            transaction.commit()


def _reminders_are_live(entity: Entity) -> bool:
    """Tell whether reminders are mailed; a release waits while they are not."""
    return entity.live_from is not None and entity.reminder_mail.mode in (PILOT, LIVE)


def _is_active(row: ReleaseItem) -> bool:
    return row.accounts_a_day > 0 and not row.finished


def _update_index(row: ReleaseItem) -> None:
    """Let the hourly run find a release as long as it goes on."""
    row.gsi1_pk, row.gsi1_sk = (keys.releases(), row.entity_id) if _is_active(row) else (None, None)


def handle_release_task(message: TaskMessage[ReleaseOldInvoices]) -> None:
    """Release some accounts of the entity that ``message`` names, if any are left for today. One transaction."""
    context = RequestContext(PLANNER, clock.utc_now(), message.correlation_id)
    store.retry_on_conflict(lambda: _release_batch(context, message.task, message.key))


def _release_batch(context: RequestContext, task: ReleaseOldInvoices, task_key: Key) -> None:
    wanted = (task_key, keys.release(task.entity_id), keys.entity(task.entity_id))
    task_row, row, entity_row = map(store.batch_get_items(wanted).get, wanted)
    if not isinstance(task_row, TaskItem):
        return
    transaction = store.Transaction(context)
    transaction.delete(task_row)
    if isinstance(row, ReleaseItem) and entity_row is not None:
        goes_on = _advance_release(transaction, context, row, store.from_item(Entity, entity_row))
        if goes_on:
            add_task(transaction, context, task)
    transaction.commit()


def _advance_release(transaction: store.Transaction, context: RequestContext, row: ReleaseItem, entity: Entity) -> bool:
    """Release accounts from where the walk stands, and tell whether more can be done today."""
    today = clock.local_date(context.now, entity.time_zone)
    if row.on != today:
        row.on, row.released_today = today, 0
    left = int(row.accounts_a_day) - int(row.released_today)
    if row.finished or left <= 0 or entity.live_from is None or not _reminders_are_live(entity):
        return False
    stretches = [KeyRange(keys.invoices_by_status(entity.entity_id, INVOICE, status)) for status in (OPEN, PART_PAID)]
    page = merged_query.query_merged_ranges(stretches, limit=_INVOICES_PER_MESSAGE, after=row.cursor, second_index=True)
    waiting = _unreleased_accounts(entity, entity.live_from, page.items)
    chosen = waiting[: min(left, _ACCOUNTS_PER_MESSAGE)]
    for account, of_account in chosen:
        _release_account(transaction, context, entity, account, of_account)
    row.released_today += len(chosen)
    row.released += len(chosen)
    row.released_in_pass += len(chosen)
    if len(chosen) == len(waiting):
        row.cursor = page.after
        if page.after is None:
            # An invoice that moved to a page that was passed already is found by the next walk.
            row.finished = not row.released_in_pass
            row.released_in_pass = 0
    _update_index(row)
    transaction.replace(row)
    return not row.finished and int(row.released_today) < int(row.accounts_a_day)


def _unreleased_accounts(
    entity: Entity, live_from: date, invoices: Sequence[InvoiceItem]
) -> list[tuple[AccountItem, AccountRemindersItem | None]]:
    """Return the accounts of old ones among ``invoices`` that get reminders and are not released, in their order."""
    old = [row.account_id for row in invoices if row.issue_date < live_from]
    ids = [one for one in dict.fromkeys(old) if entity.reminder_mail.mode_for_account(one) == LIVE]
    found: Mapping[Key, Any] = store.batch_get_items(
        [key(one) for one in ids for key in (keys.account, keys.account_reminders)]
    )
    accounts = [(found.get(keys.account(one)), found.get(keys.account_reminders(one))) for one in ids]
    return [
        (account, of_account)
        for account, of_account in accounts
        if account is not None and (of_account is None or entity.entity_id not in of_account.released)
    ]


def _release_account(
    transaction: store.Transaction,
    context: RequestContext,
    entity: Entity,
    account: AccountItem,
    of_account: AccountRemindersItem | None,
) -> None:
    key = keys.account_reminders(account.account_id)
    row = of_account or AccountRemindersItem(key.pk, key.sk, account_id=account.account_id)
    day = clock.local_date(context.now, account.time_zone or entity.time_zone).isoformat()
    row.released = {**row.released, entity.entity_id: day}
    transaction.put(row, new=of_account is None)
    changes = (FieldChange(f"released.{entity.entity_id}", None, day),)
    record_audit_event(
        transaction,
        context,
        "reminders.released",
        "account",
        account.account_id,
        changes,
        account_id=account.account_id,
    )
    add_task(transaction, context, ReplanInvoices(ACCOUNT, account.account_id))
