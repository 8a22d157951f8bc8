"""The plan of the days to come, and why an invoice was or was not reminded of (R7)."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from chalicelib.contacts.rules import Recipient
from chalicelib.errors import NotFound
from chalicelib.reminders import facts, rules
from chalicelib.reminders.facts import Around, Facts
from chalicelib.reminders.forecast import Forecast, forecast
from chalicelib.reminders.policy import TONES, PlannedStep, Policy, planned_steps
from chalicelib.reminders.rules import Decision
from chalicelib.table import keys, store
from chalicelib.table.items import ReminderDueItem, ReminderPlanItem, ReminderStepItem

MOST_INVOICES = 500
"""Of one account, that a plan looks at."""
MOST_DAYS = 92


@dataclass(frozen=True)
class PlannedInvoice:
    """An invoice in a planned digest. ``balance`` is in minor units."""

    invoice_id: str
    number: str
    due_date: date
    balance: int
    step: str
    tone: str


@dataclass(frozen=True)
class PlannedDigest:
    """A digest that would be sent on a day, if nothing happened meanwhile."""

    on: date
    account_id: str
    entity_id: str
    currency: str
    tone: str
    shadow: bool
    contacts: tuple[Recipient, ...]
    invoices: tuple[PlannedInvoice, ...]


@dataclass(frozen=True)
class History:
    """The reminders of one invoice: what was done, why not, and what comes next."""

    due_date: date | None
    taken: tuple[ReminderStepItem, ...]
    reasons: tuple[dict[str, str], ...]
    left: tuple[PlannedStep, ...]
    decision: Decision
    expected: Forecast
    policy: Policy
    state: Any
    today: date


def history(invoice_id: str, now: datetime, days: int = 30) -> History:
    """Return all that is known of an invoice's reminders; four reads and those of its contacts. Raises NotFound."""
    rows = facts.rows_of(invoice_id)
    about = facts.around(rows.invoice.account_id, rows.invoice.entity_id, now) if rows else None
    if rows is None or about is None:
        raise NotFound
    (found,) = facts.of_invoices(about, [rows])
    due = rows.invoice.due_date
    steps = planned_steps(found.policy, due) if due else ()
    return History(
        due_date=due,
        taken=tuple(sorted(rows.steps, key=lambda step: (step.due_date, step.at))),
        reasons=tuple(rows.state.reasons) if rows.state else (),
        left=tuple(step for step in steps if step.name not in rows.spent),
        decision=rules.decide(found.subject, found.policy, about.calendar, about.today),
        expected=forecast([(found.subject, found.policy)], about.calendar, about.today, days),
        policy=found.policy,
        state=rows.state,
        today=about.today,
    )


def of_account(
    account_id: str, entity_id: str, now: datetime, days: int, policy: Policy | None = None
) -> list[PlannedDigest]:
    """Return the digests that an account would get within ``days`` days, in order of days.

    ``policy`` takes the place of the entity's and account's, where a change is tried before it is saved; then all
    open invoices are looked at, since any of them may move.
    """
    about = facts.around(account_id, entity_id, now)
    if about is None:
        return []
    ids = _to_come(about, days) if policy is None else _open(about)
    rows = [found for found in map(facts.rows_of, ids) if found is not None]
    gathered = facts.of_invoices(about, rows)
    if policy is not None:
        gathered = [replace(one, policy=policy) for one in gathered]
    return _digests(about, gathered, days)


def _digests(about: Around, gathered: Sequence[Facts], days: int) -> list[PlannedDigest]:
    by_id = {one.invoice.invoice_id: one for one in gathered}
    expected = forecast([(one.subject, one.policy) for one in gathered], about.calendar, about.today, days).expected
    grouped: dict[tuple[date, str], list[tuple[Facts, PlannedStep]]] = defaultdict(list)
    for one in expected:
        found = by_id[one.invoice_id]
        grouped[one.on, found.invoice.currency].append((found, one.step))
    return [
        PlannedDigest(
            on=day,
            account_id=about.account.account_id,
            entity_id=about.entity.entity_id,
            currency=currency,
            tone=max((step.tone for _, step in of_day), key=TONES.index),
            shadow=about.mode == rules.SHADOW,
            contacts=tuple(_contacts(of_day)),
            invoices=tuple(_planned(found, step) for found, step in of_day),
        )
        for (day, currency), of_day in sorted(grouped.items(), key=lambda one: one[0])
    ]


def _contacts(of_day: Sequence[tuple[Facts, PlannedStep]]) -> list[Recipient]:
    contacts = {one.contact_id: one for found, _ in of_day for one in found.recipients if not one.suppressed}
    return [contacts[contact_id] for contact_id in sorted(contacts)]


def _planned(found: Facts, step: PlannedStep) -> PlannedInvoice:
    invoice = found.invoice
    if invoice.due_date is None:
        raise ValueError("An invoice without a due date has no steps.")
    return PlannedInvoice(invoice.invoice_id, invoice.number, invoice.due_date, invoice.balance, step.name, step.tone)


def _to_come(about: Around, days: int) -> list[str]:
    """Return the invoices of the account that are to be looked at within ``days`` days."""
    last = about.today + timedelta(days=days)
    end = keys.reminder_to_come(about.account.account_id, about.entity.entity_id, last, "")
    begin = end.sk.removesuffix(f"{last.isoformat()}#")
    page = store.query(end.pk, span=(begin, end.sk), limit=MOST_INVOICES)
    return [row.invoice_id for row in page.items if isinstance(row, ReminderPlanItem)]


def _open(about: Around) -> list[str]:
    """Return the open invoices of the account, those that are due first before others."""
    account_id, entity_id = about.account.account_id, about.entity.entity_id
    page = store.query(keys.account(account_id).pk, f"OPEN#{entity_id}#", limit=MOST_INVOICES)
    return [row.invoice_id for row in page.items]


def of_all(
    now: datetime, days: int, after: list[Any] | None, limit: int, entity_id: str | None = None
) -> tuple[list[PlannedDigest], list[Any] | None]:
    """Return a page of the digests of all accounts within ``days`` days, and where the next page begins.

    Accounts come by when they are next looked at; each with all its digests. A page holds those of at most ``limit``
    accounts.
    """
    until = keys.instant(now + timedelta(days=days))
    shards = keys.DUTY_SHARDS["reminder"]
    shard, position = (int(after[0]), after[1]) if after else (0, None)
    found: list[PlannedDigest] = []
    accounts = 0
    while shard < shards and accounts < limit:
        page = store.query(keys.duty_partition("reminder", shard), until=until, after=position, limit=limit - accounts)
        for row in page.items:
            if isinstance(row, ReminderDueItem) and (entity_id is None or row.entity_id == entity_id):
                accounts += 1
                if _is_first(row):
                    found += of_account(row.account_id, row.entity_id, now, days)
        position = page.after
        if position is None:
            shard += 1
    return sorted(found, key=lambda one: (one.on, one.account_id)), [shard, position] if shard < shards else None


def _is_first(due: ReminderDueItem) -> bool:
    """Tell whether a row is the one by which the account is found first; a later one would tell it again."""
    page = store.query(keys.account(due.account_id).pk, f"REMIND#{due.entity_id}#", limit=1)
    about = facts.around(due.account_id, due.entity_id, due.due)
    return bool(page.items) and about is not None and page.items[0].on >= about.today
