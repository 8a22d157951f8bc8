"""What an account would be reminded of in the days to come, if nothing happened meanwhile (R7)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from chalicelib.reminders.policy.rules import Calendar, PlannedStep, ReminderPolicy
from chalicelib.reminders.run.rules import NoReminderReason, ReminderCandidate, decide_reminder


@dataclass(frozen=True)
class ForecastInput:
    """An account's invoices to one issuing entity, each with its policy; ``today`` is the account's date there."""

    invoices: Sequence[tuple[ReminderCandidate, ReminderPolicy]]
    calendar: Calendar
    today: date


@dataclass(frozen=True)
class ExpectedStep:
    """A step that would be sent on a day."""

    on: date
    invoice_id: str
    step: PlannedStep


@dataclass(frozen=True)
class Forecast:
    """The steps that would be sent, in order of days, and of the invoices without any, why."""

    expected: tuple[ExpectedStep, ...]
    reasons: dict[str, NoReminderReason]


def forecast_reminders(sides: Sequence[ForecastInput], days: int) -> Forecast:
    """Decide day by day, for ``days`` days from today on, about the invoices of one account, as the runs would.

    ``sides`` are all entities that it owes something: a reminder of one postpones those of the others.
    """
    found = _ForecastState({}, [], {})
    last = max(
        (one.last_reminded_on for side in sides for one, _ in side.invoices if one.last_reminded_on), default=None
    )
    first = min((side.today for side in sides), default=date.min)
    end = max((side.today + timedelta(days=days) for side in sides), default=date.min)
    day = first
    while day < end:
        open_today = [side for side in sides if side.today <= day < side.today + timedelta(days=days)]
        # All of one day goes into one run, so the gap counts from it only afterwards.
        reminded = [_simulate_run(side, day, last, found) for side in open_today]
        last = day if any(reminded) else last
        day += timedelta(days=1)
    return Forecast(tuple(found.expected), found.reasons)


@dataclass(frozen=True)
class _ForecastState:
    """What the days so far have brought, by invoice: how it stands and when it is looked at next."""

    standing: dict[str, tuple[frozenset[str], date | None]]
    expected: list[ExpectedStep]
    reasons: dict[str, NoReminderReason]


def _simulate_run(side: ForecastInput, day: date, last: date | None, found: _ForecastState) -> bool:
    """Decide about the invoices of one entity as the run of a day would, and tell whether any is reminded of."""
    reminded = False
    for subject, policy in side.invoices:
        invoice_id = subject.invoice_id
        spent, wanted = found.standing.get(invoice_id, (subject.spent, side.today))
        if wanted is None or day < wanted:
            continue
        decision = decide_reminder(
            _project_candidate(replace(subject, spent=spent), (day - side.today).days, last), policy, side.calendar, day
        )
        spent |= {step.name for step in decision.superseded}
        if decision.step is not None:
            reminded = True
            spent |= {decision.step.name}
            found.expected.append(ExpectedStep(day, invoice_id, decision.step))
            found.reasons.pop(invoice_id, None)
        elif decision.reason is not None and not any(one.invoice_id == invoice_id for one in found.expected):
            found.reasons[invoice_id] = decision.reason
        found.standing[invoice_id] = (spent, decision.next_on)
    return reminded


def _project_candidate(subject: ReminderCandidate, ahead: int, last_reminded_on: date | None) -> ReminderCandidate:
    """Return what is known of an invoice as it would be some days ahead: the billing system goes on reporting."""
    if ahead == 0:
        return replace(subject, last_reminded_on=last_reminded_on)
    return replace(subject, last_reminded_on=last_reminded_on, digest_today=False, payments_current=True)
