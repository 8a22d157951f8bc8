"""Releasing what is older than an entity's start: some accounts a day, each from the mildest step on (R9).

Open invoices are walked through, those that are due first before others. An account of which one is from before the
start is released, and its invoices planned anew. The walk keeps its place in the row of the release, and goes round
until nobody is found any more, since invoices move about while it lasts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from chalicelib import clock
from chalicelib.audit import service as audit
from chalicelib.audit.rules import Change
from chalicelib.call import Call
from chalicelib.duties import service as duties
from chalicelib.duties.queue import Message
from chalicelib.entities.rules import LIVE, PILOT, Entity
from chalicelib.entities.service import get_entity
from chalicelib.errors import Conflict, NotFound
from chalicelib.invoices.rules import INVOICE, OPEN, PART_PAID
from chalicelib.reminders.calendars import local_day
from chalicelib.reminders.planning import PLANNER
from chalicelib.table import keys, merging, store
from chalicelib.table.items import AccountItem, AccountRemindersItem, DutyItem, InvoiceItem, ReleaseItem
from chalicelib.table.keys import Key
from chalicelib.table.merging import Stretch

RELEASE = "release"
_INVOICES_A_MESSAGE = 200
_ACCOUNTS_A_MESSAGE = 25
_ENTITIES_A_PAGE = 100


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


def get_release(entity_id: str) -> Release:
    """Read how a release stands, or that none was begun yet. Raises NotFound when there is no such entity."""
    row = store.get(ReleaseItem, keys.release(entity_id))
    if row is None:
        get_entity(entity_id)
        return Release(entity_id, accounts_a_day=0, released=0, released_today=0, finished=False)
    return store.load(Release, row)


def release(call: Call, entity_id: str, accounts_a_day: int) -> Release:
    """Release so many accounts a day, from now on and as long as there are some; 0 stops it.

    What has come to its end stays so when it is stopped; any number else looks for further accounts.

    Raises NotFound, Conflict when reminders are not live, or there is no day on which they went live.
    """

    def attempt() -> Release:
        entity_row, row = store.gather(call, keys.entity(entity_id), keys.release(entity_id))
        if entity_row is None:
            raise NotFound
        entity = store.load(Entity, entity_row)
        if not _is_live(entity):
            raise Conflict(
                "reminders_not_live", "Reminders of this entity are not live, so there is nothing to release yet."
            )
        before = int(row.accounts_a_day) if row is not None else None
        finished = row is not None and bool(row.finished) and not accounts_a_day
        if row is not None and before == accounts_a_day and row.finished == finished:
            return store.load(Release, row)
        key = keys.release(entity_id)
        after = row or ReleaseItem(key.pk, key.sk, entity_id=entity_id)
        after.accounts_a_day, after.finished = accounts_a_day, finished
        after.cursor, after.released_in_pass = None, 0
        _list(after)
        transaction = store.Transaction(call)
        transaction.put(after, new=row is None)
        transaction.check_exists(entity_row)
        changes = (Change("accounts_a_day", before, accounts_a_day),)
        audit.record(transaction, call, "reminders.release", "entity", entity_id, changes, entity_id=entity_id)
        if accounts_a_day:
            duties.add(transaction, call, "replanning", f"{RELEASE} {entity_id}")
        transaction.answers(entity_id, 200)
        transaction.commit()
        return store.load(Release, after)

    return store.deciding_again(attempt)


def go_on(call: Call) -> None:
    """Begin the releases of a new day, for every entity that has one; called by the hourly run.

    One read where there is none.
    """
    after: str | None = None
    while True:
        page = store.query_index(keys.releases(), limit=_ENTITIES_A_PAGE, after=after)
        entities = store.batch([keys.entity(row.entity_id) for row in page.items])
        for row in page.items:
            entity = entities.get(keys.entity(row.entity_id))
            if entity is None or not _is_live(store.load(Entity, entity)):
                continue
            if _is_going_on(row) and row.on != local_day(call.now, entity.time_zone):
                transaction = store.Transaction(call)
                duties.add(transaction, call, "replanning", f"{RELEASE} {row.entity_id}")
                transaction.commit()
        after = page.after
        if after is None:
            return


def _is_live(entity: Entity) -> bool:
    """Tell whether reminders are mailed; a release waits while they are not."""
    return entity.live_from is not None and entity.reminder_mail.mode in (PILOT, LIVE)


def _is_going_on(row: ReleaseItem) -> bool:
    return row.accounts_a_day > 0 and not row.finished


def _list(row: ReleaseItem) -> None:
    """Let the hourly run find a release as long as it goes on."""
    row.gsi1_pk, row.gsi1_sk = (keys.releases(), row.entity_id) if _is_going_on(row) else (None, None)


def run(message: Message) -> None:
    """Release some accounts of the entity that ``message`` names, if any are left for today. One transaction."""
    call = Call(PLANNER, clock.now(), message.correlation_id)
    store.deciding_again(lambda: _some(call, message.subject, message.key))


def _some(call: Call, subject: str, duty_key: Key) -> None:
    entity_id = subject.partition(" ")[2]
    wanted = (duty_key, keys.release(entity_id), keys.entity(entity_id))
    duty, row, entity_row = map(store.batch(wanted).get, wanted)
    if not isinstance(duty, DutyItem):
        return
    transaction = store.Transaction(call)
    transaction.delete(duty)
    if isinstance(row, ReleaseItem) and entity_row is not None:
        goes_on = _walk_on(transaction, call, row, store.load(Entity, entity_row))
        if goes_on:
            duties.add(transaction, call, "replanning", subject)
    transaction.commit()


def _walk_on(transaction: store.Transaction, call: Call, row: ReleaseItem, entity: Entity) -> bool:
    """Release accounts from where the walk stands, and tell whether more can be done today."""
    today = local_day(call.now, entity.time_zone)
    if row.on != today:
        row.on, row.released_today = today, 0
    left = int(row.accounts_a_day) - int(row.released_today)
    if row.finished or left <= 0 or entity.live_from is None or not _is_live(entity):
        return False
    stretches = [Stretch(keys.invoices_of_status(entity.entity_id, INVOICE, status)) for status in (OPEN, PART_PAID)]
    page = merging.merge(stretches, limit=_INVOICES_A_MESSAGE, after=row.cursor, second_index=True)
    waiting = _not_released(entity, entity.live_from, page.items)
    chosen = waiting[: min(left, _ACCOUNTS_A_MESSAGE)]
    for account, of_account in chosen:
        _release_account(transaction, call, entity, account, of_account)
    row.released_today += len(chosen)
    row.released += len(chosen)
    row.released_in_pass += len(chosen)
    if len(chosen) == len(waiting):
        row.cursor = page.after
        if page.after is None:
            # Whoever was behind the walk when an invoice moved there is found by the next one.
            row.finished = not row.released_in_pass
            row.released_in_pass = 0
    _list(row)
    transaction.replace(row)
    return not row.finished and int(row.released_today) < int(row.accounts_a_day)


def _not_released(
    entity: Entity, live_from: date, invoices: Sequence[InvoiceItem]
) -> list[tuple[AccountItem, AccountRemindersItem | None]]:
    """Return the accounts of old ones among ``invoices`` that get reminders and are not released, in their order."""
    old = [row.account_id for row in invoices if row.issue_date < live_from]
    ids = [one for one in dict.fromkeys(old) if entity.reminder_mail.for_account(one) == LIVE]
    found: Mapping[Key, Any] = store.batch([key(one) for one in ids for key in (keys.account, keys.account_reminders)])
    accounts = [(found.get(keys.account(one)), found.get(keys.account_reminders(one))) for one in ids]
    return [
        (account, of_account)
        for account, of_account in accounts
        if account is not None and (of_account is None or entity.entity_id not in of_account.released)
    ]


def _release_account(
    transaction: store.Transaction,
    call: Call,
    entity: Entity,
    account: AccountItem,
    of_account: AccountRemindersItem | None,
) -> None:
    key = keys.account_reminders(account.account_id)
    row = of_account or AccountRemindersItem(key.pk, key.sk, account_id=account.account_id)
    day = local_day(call.now, account.time_zone or entity.time_zone).isoformat()
    row.released = {**row.released, entity.entity_id: day}
    transaction.put(row, new=of_account is None)
    changes = (Change(f"released.{entity.entity_id}", None, day),)
    audit.record(
        transaction, call, "reminders.released", "account", account.account_id, changes, account_id=account.account_id
    )
    duties.add(transaction, call, "replanning", f"account {account.account_id}")
