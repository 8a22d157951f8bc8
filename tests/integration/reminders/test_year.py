"""A year of reminders in five time zones, hour by hour where clocks change: every step is accounted for (R4, R5)."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from chalicelib.invoices.rules import Invoice
from chalicelib.reminders import facts, policies, rules
from chalicelib.reminders.calendars import calendar_of
from chalicelib.reminders.policy import Policy, planned_steps
from chalicelib.table import keys, store
from chalicelib.table.items import InvoiceItem, ReminderStepItem
from tests.integration.invoices.invoices import customer
from tests.integration.reminders.world import World, digests, mails, rows

PROOF = bool(os.environ.get("COUNTERFOIL_PROOF"))


@dataclass(frozen=True)
class Place:
    """Where an account is. Two of the five put their clocks forward and back in the year."""

    account_id: str
    time_zone: str
    country: str
    subdivision: str | None = None


PLACES = (
    Place("lord-howe", "Australia/Lord_Howe", "AU", "AU-NSW"),
    Place("kathmandu", "Asia/Kathmandu", "NP"),
    Place("sao-paulo", "America/Sao_Paulo", "BR", "BR-SP"),
    Place("berlin", "Europe/Berlin", "DE", "DE-BE"),
    Place("st-johns", "America/St_Johns", "CA", "CA-NL"),
)
START = datetime(2026, 2, 26, 12, tzinfo=UTC)
END = datetime(2027, 2, 2, tzinfo=UTC) if PROOF else datetime(2026, 4, 12, tzinfo=UTC)
CLOCKS_CHANGE = (date(2026, 3, 29), date(2026, 4, 5))
"""Berlin's clocks go forward on the first of these days, Lord Howe's back on the second."""
MONTHS = 9 if PROOF else 1


def hours() -> Iterator[datetime]:
    """Return the hours to run: all where clocks change, else those in which a morning begins somewhere."""
    at = START.replace(minute=0)
    while at < END:
        mornings = any(at.astimezone(ZoneInfo(place.time_zone)).hour == 9 for place in PLACES)
        if PROOF or mornings or any(abs((at.date() - day).days) <= 1 for day in CLOCKS_CHANGE):
            yield at
        at += timedelta(hours=1)


def issue_all(world: World) -> None:
    """Give each place invoices that fall due through the year, a pause, a dispute, and one that pays by itself."""
    for place in PLACES:
        customer(
            world.service,
            place.account_id,
            f"g-{place.account_id}",
            time_zone=place.time_zone,
            country=place.country,
            subdivision=place.subdivision,
        )
        world.contact(place.account_id.title(), "accounts_payable", account_id=place.account_id)
        for month in range(MONTHS):
            for number, day in enumerate((3, 14, 27)):
                due = date(2026, 3 + month, day)
                world.issue(f"{place.account_id}-{month}-{number}", due, bill_group_id=f"g-{place.account_id}")


def live(world: World) -> None:
    """Live through the year: every third invoice is paid after its first steps, one is paused, one disputed a while."""
    paused = f"{PLACES[0].account_id}-0-1"
    disputed = f"{PLACES[3].account_id}-0-1"
    for at in hours():
        world.service.clock.now = at
        for place in PLACES:
            for month in range(MONTHS):
                if at == datetime(2026, 3 + month, 20, 12 if PROOF else at.hour, tzinfo=UTC):
                    head = store.get(InvoiceItem, keys.invoice(f"{place.account_id}-{month}-0"))
                    if head is not None and head.status == "open":
                        world.pay(head.invoice_id)
        if at.date() == date(2026, 3, 16) and not world.state(paused).pause:
            world.service.put(f"/invoices/{paused}/reminder-pause", until="2026-03-25")
            world.service.put(f"/invoices/{disputed}/dispute", reason="amount")
            world.plan()
        if at.date() == date(2026, 4, 9):
            world.service.ask("DELETE", f"/invoices/{disputed}/dispute")
            world.plan()
        world.hour()


def test_every_step_of_every_invoice_is_accounted_for(world: World) -> None:
    world.service.clock.now = START
    world.service.put("/reminder-policies/acme", repeat_every_days=30, repeat_at_most=1)
    issue_all(world)
    live(world)
    taken: dict[str, dict[str, ReminderStepItem]] = {}
    for step in rows(ReminderStepItem):
        assert step.step not in taken.setdefault(step.invoice_id, {}), "a step was taken twice"
        taken[step.invoice_id][step.step] = step
    policy = policies.get_policy(policies.ENTITY, "acme").effective
    for item in rows(InvoiceItem):
        _account_for(world, store.load(Invoice, item), policy, taken.get(item.invoice_id, {}))
    _mails_went_in_the_morning()


def _account_for(world: World, invoice: Invoice, policy: Policy, taken: dict[str, ReminderStepItem]) -> None:
    place = next(one for one in PLACES if one.account_id == invoice.account_id)
    calendar = calendar_of(place.country, place.subdivision, policy, world.today)
    assert invoice.due_date is not None
    found = facts.rows_of(invoice.invoice_id)
    assert found is not None
    for step in planned_steps(policy, invoice.due_date):
        outcome = taken.get(step.name)
        if outcome is not None:
            assert outcome.outcome in {"sent", "superseded"}
            assert outcome.on >= step.on
            assert calendar.closed(outcome.on) is None
            continue
        free = calendar.first_free(step.on)
        assert free is not None
        noted = {reason["code"] for reason in found.state.reasons} if found.state else set()
        # What was not taken has not come due, or was held up for a reason that stands written.
        to_come = free >= world.today - timedelta(days=policy.minimum_gap_days + 4)
        assert to_come or noted & (rules.REASONS.keys() - {"not_yet", "weekend", "holiday"}), (invoice, step)


def _mails_went_in_the_morning() -> None:
    claimed = [(invoice_id, digest.digest_id) for digest in digests() for invoice_id in digest.claimed]
    assert len(claimed) == len(set(claimed))
    told = sorted(one for mail in mails() for one in mail.context["invoice_ids"])
    assert told == sorted(invoice_id for invoice_id, _ in claimed), "each claim was mailed once, to its one contact"
    zones = {place.account_id: ZoneInfo(place.time_zone) for place in PLACES}
    for mail in mails():
        assert mail.created_at.astimezone(zones[mail.account_id]).hour == 9, (mail.account_id, mail.created_at)
