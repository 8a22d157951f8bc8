"""Whether an invoice is reminded of today, by which step, and if not, why not: decided over plain values (R1–R9).

All dates are local dates of the account. A step is due on its offset to the due date; it is sent on the first day from
then on that the calendar leaves free. Nothing here reads a clock: ``today`` is an argument.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from chalicelib.invoices.rules import Invoice
from chalicelib.reminders.policy.rules import Calendar, PlannedStep, ReminderPolicy, planned_steps

_DIGITS = re.compile("([0-9]+)")
OFF, SHADOW, PILOT, LIVE = "off", "shadow", "pilot", "live"

MAX_REASONS = 60
"""How many reasons are kept of an invoice; the oldest are forgotten."""


@dataclass(frozen=True)
class Pause:
    """Reminders are paused: at an ``invoice``, its ``bill_group`` or its ``account``, or by a ``promise`` to pay.

    Without an end it is for good.
    """

    level: str
    until: date | None
    """The last day of the pause."""
    reason: str | None = None


@dataclass(frozen=True)
class ReminderCandidate:
    """What the decision upon one invoice rests on. Amounts are minor units."""

    invoice_id: str
    kind: str
    status: str
    balance: int
    """What is open of it."""
    due_date: date | None
    recorded_on: date
    """When the invoice, or the due date that it has now, was recorded here."""
    issue_date: date
    disputed: bool = False
    covered_by_credit: bool = False
    """Whether nothing stays open once the account's unallocated credit is counted (``after_credit``)."""
    auto_pay: bool = False
    auto_pay_failed: bool = False
    deliveries_failed: bool = False
    pauses: tuple[Pause, ...] = ()
    spent: frozenset[str] = frozenset()
    """Names of steps, of this due date, that were sent, superseded or skipped."""
    mode: str = OFF
    """How far the entity's reminder mail has gone live, for this account: a pilot account's is ``live``."""
    live_from: date | None = None
    released_on: date | None = None
    """When staff released the account's invoices from before ``live_from`` (R9)."""
    last_reminded_on: date | None = None
    """When the account was last reminded, of whatever."""
    digest_today: bool = False
    """Whether today's digest of the invoice's currency is there already: there is one a day (R3)."""
    contacts: int = 1
    """How many contacts are to get reminders."""
    reachable_contacts: int = 1
    payments_current: bool = True
    """Whether payments are known up to at least the limit that the billing system is held to (R2)."""


@dataclass(frozen=True)
class NoReminderReason:
    """Why an invoice is not reminded of, as a code and in words for staff."""

    code: str
    text: str


@dataclass(frozen=True)
class ReminderDecision:
    """What to do about one invoice today: remind of it by ``step``, or not, for ``reason``.

    ``superseded`` are steps that will not be sent any more. ``next_on`` is the day on which to decide again; None if
    only an event can change the answer.
    """

    step: PlannedStep | None = None
    reason: NoReminderReason | None = None
    superseded: tuple[PlannedStep, ...] = ()
    next_on: date | None = None
    shadow: bool = False


def balances_after_credit(balances: Iterable[tuple[str, date | None, int]], credit: int) -> dict[str, int]:
    """Return what stays open of each invoice once ``credit`` is counted on them, the earliest due first (R2).

    ``balances`` are triples of invoice id, due date and open balance, in minor units of one currency.
    """
    left: dict[str, int] = {}
    for invoice_id, _, balance in sorted(balances, key=lambda one: (one[1] or date.max, one[0])):
        covered = min(balance, max(credit, 0))
        credit -= covered
        left[invoice_id] = balance - covered
    return left


def decide_reminder(
    subject: ReminderCandidate, policy: ReminderPolicy, calendar: Calendar, today: date
) -> ReminderDecision:
    """Decide whether ``subject`` is reminded of on ``today``, and when to decide again (R1–R5, R9)."""
    never = _blocking_reason(subject)
    if never is not None or subject.due_date is None:
        return ReminderDecision(reason=never)
    gone, steps = remaining_steps(subject, policy, subject.due_date)
    if not steps:
        return ReminderDecision(reason=NO_REMINDER_REASONS["all_steps_done"], superseded=gone)
    held = _postponement(subject, calendar, steps[0].on, today)
    if held is not None:
        return replace(held, superseded=gone)
    due = [step for step in steps if step.on <= today]
    if not due:
        return ReminderDecision(
            reason=NO_REMINDER_REASONS["not_yet"], superseded=gone, next_on=calendar.first_free(steps[0].on)
        )
    too_soon = _gap_postponement(subject, policy, calendar, today)
    if too_soon is not None:
        return replace(too_soon, superseded=gone)
    # After an outage only the newest step goes out; the ones before it would be a burst (R5).
    following = [step for step in steps if step.on > today]
    next_on = calendar.first_free(following[0].on) if following else None
    return ReminderDecision(due[-1], None, (*gone, *due[:-1]), next_on, shadow=subject.mode == SHADOW)


def remaining_steps(
    subject: ReminderCandidate, policy: ReminderPolicy, due_date: date
) -> tuple[tuple[PlannedStep, ...], tuple[PlannedStep, ...]]:
    """Return the steps of an invoice that are too old to be taken, and those that can be, in order of days."""
    anchor, earliest = _anchor(subject, policy, due_date)
    unspent = [step for step in planned_steps(policy, anchor) if step.name not in subject.spent]
    gone = tuple(step for step in unspent if step.on < earliest)
    return gone, tuple(step for step in unspent if step.on >= earliest)


def next_step(
    subject: ReminderCandidate, policy: ReminderPolicy, due_date: date, today: date
) -> tuple[PlannedStep | None, tuple[PlannedStep, ...]]:
    """Return the step that would be taken next, whatever holds it up, and those that it supersedes."""
    gone, steps = remaining_steps(subject, policy, due_date)
    due = [step for step in steps if step.on <= today]
    if due:
        return due[-1], (*gone, *due[:-1])
    return (steps[0] if steps else None), gone


def _blocking_reason(subject: ReminderCandidate) -> NoReminderReason | None:
    """Return the reason that only an event can take away, if there is one."""
    endless = [pause for pause in subject.pauses if pause.until is None]
    found = [
        ("credit_note", subject.kind == "credit_note"),
        (subject.status, subject.status in {"void", "paid", "uncollectible"}),
        ("nothing_open", subject.balance <= 0),
        ("no_due_date", subject.due_date is None),
        ("disputed", subject.disputed),
        ("auto_pay", subject.auto_pay and not subject.auto_pay_failed),
        ("reminders_off", subject.mode == OFF),
        ("not_in_pilot", subject.mode == PILOT),
        ("before_live", _predates_go_live(subject) and subject.released_on is None),
        *((f"paused_{pause.level}", True) for pause in endless),
    ]
    return next((NO_REMINDER_REASONS[code] for code, holds in found if holds), None)


def _predates_go_live(subject: ReminderCandidate) -> bool:
    return subject.live_from is not None and subject.issue_date < subject.live_from


def _anchor(subject: ReminderCandidate, policy: ReminderPolicy, due_date: date) -> tuple[date, date]:
    """Return the day from which offsets count, and the day before which steps are superseded.

    An invoice from before the start begins with the mildest step that speaks of an overdue invoice, on the day of its
    release (R9).
    """
    released = subject.released_on
    if released is None or not _predates_go_live(subject):
        return due_date, subject.recorded_on
    overdue = [step.offset for step in policy.steps if step.offset > 0]
    anchor = released - timedelta(days=min(overdue, default=0))
    return max(anchor, due_date), max(released, subject.recorded_on)


def _postponement(
    subject: ReminderCandidate, calendar: Calendar, first_due: date, today: date
) -> ReminderDecision | None:
    """Return why nothing goes out today, whatever step is due, and when to look again."""
    running = [pause for pause in subject.pauses if pause.until is not None and pause.until >= today]
    if running:
        last = max(running, key=lambda pause: pause.until or today)
        resumes = max((last.until or today) + timedelta(days=1), first_due)
        return ReminderDecision(
            reason=NO_REMINDER_REASONS[f"paused_{last.level}"], next_on=calendar.first_free(resumes)
        )
    if first_due > today:
        return None
    tomorrow = calendar.first_free(today + timedelta(days=1))
    closed = calendar.closed(today)
    if closed is not None:
        return ReminderDecision(reason=NO_REMINDER_REASONS[closed], next_on=tomorrow)
    passing = [
        ("covered_by_credit", subject.covered_by_credit),
        ("payments_not_current", not subject.payments_current),
        ("deliveries_failed", subject.deliveries_failed),
        ("no_contact", subject.contacts == 0),
        ("all_suppressed", subject.contacts > 0 and subject.reachable_contacts == 0),
    ]
    code = next((code for code, holds in passing if holds), None)
    if code is None:
        return None
    # The run waits for the billing system, and goes on as soon as it has reported.
    return ReminderDecision(
        reason=NO_REMINDER_REASONS[code], next_on=today if code == "payments_not_current" else tomorrow
    )


def _gap_postponement(
    subject: ReminderCandidate, policy: ReminderPolicy, calendar: Calendar, today: date
) -> ReminderDecision | None:
    last = today if subject.digest_today else subject.last_reminded_on
    # Another digest of the same day, as of another currency, belongs to the same run.
    if last is None or (last >= today and not subject.digest_today):
        return None
    from_day = last + timedelta(days=max(policy.minimum_gap_days, 1))
    if today >= from_day:
        return None
    return ReminderDecision(reason=NO_REMINDER_REASONS["too_soon"], next_on=calendar.first_free(from_day))


def record_reason(
    reasons: Sequence[Mapping[str, str]], reason: NoReminderReason | None, today: date, reminded_on: date | None
) -> list[dict[str, str]]:
    """Return the history of reasons with that of ``today``, the newest last.

    A reason that lasts is noted once; one that comes again after the invoice was reminded of, on ``reminded_on``, is
    another. That a step has not come due yet is no news.
    """
    kept = [dict(one) for one in reasons][-MAX_REASONS:]
    if reason is None or reason.code == "not_yet":
        return kept
    day = today.isoformat()
    last = kept[-1] if kept else None
    if last and last["code"] == reason.code and not (reminded_on and last["last_on"] <= reminded_on.isoformat()):
        return [*kept[:-1], {**last, "last_on": day}]
    return [*kept, {"code": reason.code, "since": day, "last_on": day}][-MAX_REASONS:]


def invoice_sort_key(invoice: Invoice) -> tuple[date, list[tuple[str, int]], str]:
    """Return by what invoices are sorted: what is due first comes first, then by number, R0-2 before R0-10."""
    return invoice.due_date or date.max, _natural_key(invoice.number), invoice.number


def _natural_key(number: str) -> list[tuple[str, int]]:
    # Text and digits take turns; each text goes with the digits behind it.
    parts = [*_DIGITS.split(number), "0"]
    return [(text, int(digits)) for text, digits in zip(parts[::2], parts[1::2], strict=True)]


NO_REMINDER_REASONS = {
    code: NoReminderReason(code, text)
    for code, text in {
        "credit_note": "A credit note is not reminded of.",
        "void": "The invoice is void.",
        "paid": "The invoice is paid.",
        "uncollectible": "The invoice was given up as uncollectible.",
        "nothing_open": "Nothing is open of the invoice.",
        "covered_by_credit": "Nothing is open once the account's unallocated credit is counted.",
        "no_due_date": "The invoice has no due date.",
        "disputed": "The invoice is disputed.",
        "auto_pay": "The bill group pays automatically, and the payment has not failed.",
        "reminders_off": "Reminders of the issuing entity are off.",
        "not_in_pilot": "Reminders of the issuing entity are in pilot, and the account is not in it.",
        "before_live": "The invoice is from before reminders went live, and staff have not released the account's.",
        "paused_invoice": "Reminders of the invoice are paused.",
        "paused_bill_group": "Reminders of the bill group are paused.",
        "paused_account": "Reminders of the account are paused.",
        "paused_promise": "The customer has promised to pay by a day that has not passed.",
        "weekend": "Today is a weekend where the account is; the step waits for the next business day.",
        "holiday": "Today is a public holiday where the account is; the step waits for the next business day.",
        "closing_day": "Today is a closing day that staff have set; the step waits for the next business day.",
        "quiet_spell": "Staff have set a quiet spell; the step waits for its end.",
        "payments_not_current": "The billing system has not reported payments lately enough; the run waits.",
        "deliveries_failed": "Every delivery of the invoice has failed, so nobody has it.",
        "no_contact": "The account has no accounts-payable contact.",
        "all_suppressed": "No address of the accounts-payable contacts works.",
        "too_soon": "The account was reminded too short a time ago.",
        "not_yet": "No further step has come due.",
        "all_steps_done": "All steps of the policy are done.",
    }.items()
}
"""Why an invoice is not reminded of, in words that staff read."""
