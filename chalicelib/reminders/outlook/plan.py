"""The plan of the days to come: what each account would be reminded of if nothing happened meanwhile (R7)."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from chalicelib import clock
from chalicelib.contacts.rules import Recipient
from chalicelib.errors import NotFound
from chalicelib.reminders.outlook.rules import Forecast, ForecastInput, forecast_reminders
from chalicelib.reminders.policy.rules import TONES, PlannedStep
from chalicelib.reminders.run import account_context, candidates, rules
from chalicelib.reminders.run.account_context import AccountContext
from chalicelib.reminders.run.candidates import InvoiceFacts
from chalicelib.reminders.run.planning import account_due_row
from chalicelib.table import keys, store
from chalicelib.table.items import ReminderDueItem, ReminderPlanItem

MAX_PLAN_INVOICES = 500
"""Of one account, that a plan looks at."""
MAX_PLAN_ENTITIES = 100
"""To whose reminders of one account a plan has regard."""
MAX_PLAN_DAYS = 92
DEFAULT_PLAN_DAYS = 30
_ROWS_PER_PAGE = 1000
"""Of accounts that are to be looked at, in one page of the plan of all."""


@dataclass(frozen=True)
class PlannedInvoice:
    """An invoice in a planned digest. Amounts are minor units.

    ``asked`` is what is open (``balance``) less what is disputed and the credit that counts on it.
    """

    invoice_id: str
    number: str
    due_date: date
    balance: int
    disputed: int
    credit: int
    asked: int
    step: str
    tone: str


@dataclass(frozen=True)
class PlannedDigest:
    """A digest that would be sent on a day, if nothing happened meanwhile. ``total`` is in minor units."""

    on: date
    currency: str
    tone: str
    shadow: bool
    total: int
    contacts: tuple[Recipient, ...]
    invoices: tuple[PlannedInvoice, ...]


@dataclass(frozen=True)
class AccountPlan:
    """What an account would get from an issuing entity, in order of days."""

    account_id: str
    account_name: str
    entity_id: str
    digests: tuple[PlannedDigest, ...]
    complete: bool
    """False when the account has more invoices than a plan looks at."""


@dataclass(frozen=True)
class UpcomingInvoices:
    """What of an account's invoices to an entity is to be looked at within some days."""

    about: AccountContext
    found: list[InvoiceFacts]
    complete: bool

    @property
    def forecast_input(self) -> ForecastInput:
        """Return the same as a forecast looks at it."""
        return to_forecast_input(self.about, self.found)


def plan_account(
    account_id: str, now: datetime, days: int, entity_id: str | None = None, limit: int = 20
) -> list[AccountPlan]:
    """Return the same from one entity, or from as many as ``limit`` lets. Raises NotFound."""
    if not store.batch_get_items([keys.account(account_id)]):
        raise NotFound
    return [one for one in _account_plans(account_id, now, days) if entity_id in (None, one.entity_id)][:limit]


def _account_plans(account_id: str, now: datetime, days: int) -> list[AccountPlan]:
    of_entities = load_upcoming_invoices(account_id, now, days)
    forecast = forecast_reminders([one.forecast_input for one in of_entities], days)
    planned = [(one, _planned_digests(one.about, one.found, forecast)) for one in of_entities]
    return [
        AccountPlan(account_id, one.about.account.name, one.about.entity.entity_id, tuple(digests), one.complete)
        for one, digests in planned
        if digests
    ]


def load_upcoming_invoices(
    account_id: str, now: datetime, days: int, without: str | None = None
) -> list[UpcomingInvoices]:
    """Read what each entity may remind an account of within ``days`` days, but for one entity.

    Two Queries for each entity, one for each invoice that is to be looked at by then, and what ``facts`` reads.
    """
    found = []
    for entity_id in _upcoming_entity_ids(account_id, MAX_PLAN_ENTITIES):
        about = account_context.load_account_context(account_id, entity_id, now) if entity_id != without else None
        if about is not None:
            ids, complete = _upcoming_invoice_ids(about, days)
            found.append(UpcomingInvoices(about, load_invoice_facts(about, ids), complete))
    return found


def load_other_entities(about: AccountContext, now: datetime, days: int) -> list[ForecastInput]:
    """Return what the other entities may remind the account of within ``days`` days."""
    return [
        one.forecast_input
        for one in load_upcoming_invoices(about.account.account_id, now, days, without=about.entity.entity_id)
    ]


def load_other_invoices(about: AccountContext, invoice_id: str, days: int) -> list[InvoiceFacts]:
    """Return what else of the account's invoices to the entity is to be looked at within ``days`` days."""
    ids, _ = _upcoming_invoice_ids(about, days)
    return load_invoice_facts(about, [one for one in ids if one != invoice_id])


def load_invoice_facts(about: AccountContext, invoice_ids: Sequence[str]) -> list[InvoiceFacts]:
    """Read what the decisions about invoices of an account depend on."""
    rows = [found for found in map(candidates.load_invoice_rows, invoice_ids) if found is not None]
    return candidates.gather_invoice_facts(about, rows) if rows else []


def to_forecast_input(about: AccountContext, found: Sequence[InvoiceFacts]) -> ForecastInput:
    """Return invoices of an account to an entity as a forecast looks at them."""
    return ForecastInput([(one.candidate, one.policy) for one in found], about.calendar, about.today)


def forecast_steps(
    about: AccountContext, found: Sequence[InvoiceFacts], days: int, others: Sequence[ForecastInput] = ()
) -> Forecast:
    """Return what would be sent of invoices of an account within ``days`` days, and otherwise why not.

    ``others`` are what other entities may remind it of meanwhile.
    """
    return forecast_reminders([to_forecast_input(about, found), *others], days)


def plan_digests(
    about: AccountContext, found: Sequence[InvoiceFacts], days: int, others: Sequence[ForecastInput] = ()
) -> list[PlannedDigest]:
    """Return the digests that would be made of invoices of an account, in order of days."""
    return _planned_digests(about, found, forecast_steps(about, found, days, others))


def _planned_digests(about: AccountContext, found: Sequence[InvoiceFacts], forecast: Forecast) -> list[PlannedDigest]:
    by_id = {one.invoice.invoice_id: one for one in found}
    grouped: dict[tuple[date, str], list[tuple[InvoiceFacts, PlannedStep]]] = defaultdict(list)
    for one in forecast.expected:
        of_invoice = by_id.get(one.invoice_id)
        if of_invoice is None:
            continue
        grouped[one.on, of_invoice.invoice.currency].append((of_invoice, one.step))
    for of_day in grouped.values():
        of_day.sort(key=lambda one: rules.invoice_sort_key(one[0].invoice))
    return [
        PlannedDigest(
            on=day,
            currency=currency,
            tone=max((step.tone for _, step in of_day), key=TONES.index),
            shadow=about.mode == rules.SHADOW,
            total=sum(of_invoice.candidate.amount.asked for of_invoice, _ in of_day),
            contacts=tuple(_contacts(of_day)),
            invoices=tuple(_planned_invoice(of_invoice, step) for of_invoice, step in of_day),
        )
        for (day, currency), of_day in sorted(grouped.items(), key=lambda one: one[0])
    ]


def _contacts(of_day: Sequence[tuple[InvoiceFacts, PlannedStep]]) -> list[Recipient]:
    contacts = {one.contact_id: one for found, _ in of_day for one in found.recipients if not one.suppressed}
    return [contacts[contact_id] for contact_id in sorted(contacts)]


def _planned_invoice(found: InvoiceFacts, step: PlannedStep) -> PlannedInvoice:
    invoice = found.invoice
    if invoice.due_date is None:
        raise ValueError("An invoice without a due date has no steps.")
    amount = found.candidate.amount
    return PlannedInvoice(
        invoice_id=invoice.invoice_id,
        number=invoice.number,
        due_date=invoice.due_date,
        balance=amount.balance,
        disputed=amount.disputed,
        credit=amount.credit,
        asked=amount.asked,
        step=step.name,
        tone=step.tone,
    )


def _upcoming_invoice_ids(about: AccountContext, days: int) -> tuple[list[str], bool]:
    """Return the invoices of the account that are to be looked at within ``days`` days, and whether those are all."""
    account_id, entity_id = about.account.account_id, about.entity.entity_id
    first = keys.reminder_plans(account_id, entity_id)
    end = keys.reminder_plan(account_id, entity_id, about.today + timedelta(days=days), "")
    page = store.query_items(first.pk, span=(first.sk, end.sk), limit=MAX_PLAN_INVOICES)
    return [row.invoice_id for row in page.items if isinstance(row, ReminderPlanItem)], page.after is None


def _upcoming_entity_ids(account_id: str, limit: int) -> list[str]:
    """Return the entities of whose invoices the account has some to be looked at. One Query for each."""
    found: list[str] = []
    last: str | None = None
    while len(found) < limit:
        first, end = keys.reminder_plans_after_entity(account_id, last)
        page = store.query_items(first.pk, span=(first.sk, end.sk), limit=1)
        if not page.items:
            break
        last = str(page.items[0].entity_id)
        found.append(last)
    return found


def plan_all_accounts(
    now: datetime, days: int, after: list[Any] | None, limit: int, entity_id: str | None = None
) -> tuple[list[AccountPlan], list[Any] | None]:
    """Return a page of what accounts would get within ``days`` days, and where the next page begins.

    They come by when they are next looked at; each is listed once for an entity. At most a thousand rows are looked at
    for one page.
    """
    until = keys.format_instant(now + timedelta(days=days))
    partitions = keys.reminder_due_partitions()
    shard, position = (int(after[0]), after[1]) if after else (0, None)
    found: dict[tuple[str, str], AccountPlan] = {}
    # An account is found for each entity that it owes, and planned for all of them together.
    plans: dict[str, dict[str, AccountPlan]] = {}
    rows = 0
    while shard < len(partitions) and len(found) < limit and rows < _ROWS_PER_PAGE:
        page = store.query_items(partitions[shard], until=until, after=position, limit=limit - len(found))
        rows += len(page.items)
        for row in page.items:
            account = (row.account_id, row.entity_id)
            if entity_id in (None, row.entity_id) and account not in found and _is_first_row(row):
                if row.account_id not in plans:
                    plans[row.account_id] = {one.entity_id: one for one in _account_plans(row.account_id, now, days)}
                planned = plans[row.account_id].get(row.entity_id)
                if planned is not None:
                    found[account] = planned
        position = page.after
        if position is None:
            shard += 1
    return list(found.values()), [shard, position] if shard < len(partitions) else None


def _is_first_row(due: ReminderDueItem) -> bool:
    """Tell whether a row is the one by which the account is found first; a later one would list it again."""
    about = account_context.load_account_context(due.account_id, due.entity_id, due.due)
    if about is None:
        return False
    day = clock.local_date(due.due, about.time_zone)
    first = keys.reminder_plans(due.account_id, due.entity_id)
    end = keys.reminder_plan(due.account_id, due.entity_id, day, "")
    # Rows of invoices that are looked at on an earlier day, of which the account has been found then.
    page = store.query_items(first.pk, span=(first.sk, end.sk), limit=MAX_PLAN_INVOICES)
    earlier = {row.on for row in page.items if isinstance(row, ReminderPlanItem)}
    return not store.batch_get_items([account_due_row(about, one).key for one in sorted(earlier)])
