"""What an account would be reminded of in the days to come, if nothing happened meanwhile (R7)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from chalicelib.reminders.policy import PlannedStep, Policy
from chalicelib.reminders.rules import Calendar, Reason, Subject, decide


@dataclass(frozen=True)
class Expected:
    """A step that would be sent on a day."""

    on: date
    invoice_id: str
    step: PlannedStep


@dataclass(frozen=True)
class Forecast:
    """The steps that would be sent, in order of days, and of the invoices without any, why."""

    expected: tuple[Expected, ...]
    reasons: dict[str, Reason]


def forecast(invoices: Sequence[tuple[Subject, Policy]], calendar: Calendar, today: date, days: int) -> Forecast:
    """Decide day by day for ``days`` days from ``today`` on upon the invoices of one account, as the runs would."""
    subjects = {subject.invoice_id: (subject, policy) for subject, policy in invoices}
    look_on: dict[str, date | None] = dict.fromkeys(subjects, today)
    expected: list[Expected] = []
    reasons: dict[str, Reason] = {}
    last = max((subject.last_reminded_on for subject, _ in invoices if subject.last_reminded_on), default=None)
    for ahead in range(days):
        day = today + timedelta(days=ahead)
        reminded = False
        for invoice_id, (subject, policy) in subjects.items():
            wanted = look_on[invoice_id]
            if wanted is None or day < wanted:
                continue
            decision = decide(_as_of(subject, ahead, last), policy, calendar, day)
            spent = {step.name for step in decision.superseded}
            look_on[invoice_id] = decision.next_on
            if decision.step is not None:
                reminded = True
                spent.add(decision.step.name)
                expected.append(Expected(day, invoice_id, decision.step))
                reasons.pop(invoice_id, None)
            elif decision.reason is not None and not any(one.invoice_id == invoice_id for one in expected):
                reasons[invoice_id] = decision.reason
            subjects[invoice_id] = (replace(subject, spent=subject.spent | spent), policy)
        # All of one day goes into one run, so the gap counts from it only afterwards.
        last = day if reminded else last
    return Forecast(tuple(expected), reasons)


def _as_of(subject: Subject, ahead: int, last_reminded_on: date | None) -> Subject:
    """Return what is known of an invoice as it would be some days ahead: the billing system goes on reporting."""
    if ahead == 0:
        return replace(subject, last_reminded_on=last_reminded_on)
    return replace(subject, last_reminded_on=last_reminded_on, digest_today=False, payments_current=True)
