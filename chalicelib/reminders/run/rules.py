"""Whether an invoice is reminded of today, by which step, and if not, why not: pure decisions (R1–R9).

All dates are local dates of the account. A step is due on its offset to the due date; it is sent on the first day from
then on that the calendar leaves free. Nothing here reads a clock: ``today`` is an argument.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import Enum

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
class AmountAsked:
    """What a reminder asks for of an invoice (R2, R6), in minor units.

    ``credit`` is what counts on it of the account's unallocated credit; it counts on undisputed amounts only.
    """

    balance: int
    """What is open."""
    disputed: int = 0
    credit: int = 0

    @property
    def asked(self) -> int:
        """Return what is left to be asked for, never below zero."""
        return max(0, self.balance - self.disputed - self.credit)


@dataclass(frozen=True)
class ReminderCandidate:
    """Everything that the decision about one invoice depends on. Amounts are minor units.

    Of a field that may be None, None means "not known here": its caller has not read it, and it blocks nothing.
    ``build_candidate`` makes the value from what has been read.
    """

    invoice_id: str
    kind: str
    status: str
    balance: int
    """What is open of it."""
    due_date: date | None
    """None when the invoice has none, which is always known."""
    recorded_on: date
    """When the invoice, or the due date that it has now, was recorded here."""
    issue_date: date
    disputed: int = 0
    """What of the balance is disputed."""
    credit: int | None = None
    """What counts on it of the account's unallocated credit."""
    auto_pay: bool | None = False
    auto_pay_failed: bool = False
    deliveries_failed: bool | None = None
    pauses: tuple[Pause, ...] = ()
    spent: frozenset[str] = frozenset()
    """Names of steps, of this due date, that were sent, superseded or skipped."""
    taken_until: date | None = None
    """The latest day for which a step of this due date was taken; what does not lie after it is superseded."""
    claimed_due_date: date | None = None
    """The due date that the invoice had when a digest chose its step; not known before one has."""
    mode: str = OFF
    """How far the entity's reminder mail has gone live, for this account: a pilot account's is ``live``."""
    live_from: date | None = None
    """None when the entity has no such day, which is always known."""
    released_on: date | None = None
    """When staff released the account's invoices from before ``live_from`` (R9); None: they have not."""
    last_reminded_on: date | None = None
    """When the account was last reminded, of whatever."""
    digest_today: bool = False
    """Whether today's digest of the invoice's currency is there already: there is one a day (R3)."""
    contacts: int | None = None
    """How many contacts are to get reminders."""
    reachable_contacts: int | None = None
    payments_current: bool | None = None
    """Whether payments are known up to at least the limit that the billing system is held to (R2)."""

    @property
    def amount(self) -> AmountAsked:
        """Return what a reminder asks for, as far as is known."""
        return AmountAsked(self.balance, self.disputed, self.credit or 0)


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


class Lifts(Enum):
    """What removes an obstacle, and so when it is worth deciding again."""

    BY_CHANGE = "by_change"
    """Only a change of what was read."""
    WITH_PAUSE = "with_pause"
    """The end of the longest pause."""
    OVERNIGHT = "overnight"
    """Something that is not reported here: it is looked at again on the next business day."""
    WITHIN_DAY = "within_day"
    """The billing system, which reports several times a day."""


@dataclass(frozen=True)
class Obstacle:
    """One reason for which an invoice must not be reminded of, whatever step is due."""

    reason: NoReminderReason
    holds: Callable[[ReminderCandidate, date], bool]
    lifts: Lifts = Lifts.BY_CHANGE


def find_obstacle(candidate: ReminderCandidate, today: date) -> Obstacle | None:
    """Return why an invoice may not be reminded of on ``today``, None if it may (R2, R9).

    The one place where that is decided: planning and the run ask it before they look at steps, a digest before it
    claims a step, and the mail before it is sent. To add a reason, add it to ``OBSTACLES``.
    """
    return next((obstacle for obstacle in OBSTACLES if obstacle.holds(candidate, today)), None)


def decide_reminder(
    subject: ReminderCandidate, policy: ReminderPolicy, calendar: Calendar, today: date
) -> ReminderDecision:
    """Decide whether ``subject`` is reminded of on ``today``, by which step, and when to decide again (R1–R5, R9)."""
    obstacle = find_obstacle(subject, today)
    lifts = obstacle.lifts if obstacle is not None else None
    if subject.due_date is None or (obstacle is not None and lifts is Lifts.BY_CHANGE):
        return ReminderDecision(reason=obstacle.reason if obstacle is not None else None)
    gone, steps = remaining_steps(subject, policy, subject.due_date)
    if not steps:
        return ReminderDecision(reason=NO_REMINDER_REASONS["all_steps_done"], superseded=gone)
    first_due = steps[0].on
    if obstacle is not None and lifts is Lifts.WITH_PAUSE:
        return _postponed(obstacle.reason, calendar.first_free(max(_day_after_pause(subject, today), first_due)), gone)
    if first_due > today:
        return _postponed(NO_REMINDER_REASONS["not_yet"], calendar.first_free(first_due), gone)
    tomorrow = calendar.first_free(today + timedelta(days=1))
    closed = calendar.closed(today)
    if closed is not None:
        return _postponed(NO_REMINDER_REASONS[closed], tomorrow, gone)
    if obstacle is not None:
        return _postponed(obstacle.reason, today if lifts is Lifts.WITHIN_DAY else tomorrow, gone)
    free_from = _end_of_gap(subject, policy, today)
    if free_from is not None and today < free_from:
        return _postponed(NO_REMINDER_REASONS["too_soon"], calendar.first_free(free_from), gone)
    # After an outage only the newest step is sent; the ones before it would be a burst (R5).
    due = [step for step in steps if step.on <= today]
    following = [step for step in steps if step.on > today]
    next_on = calendar.first_free(following[0].on) if following else None
    return ReminderDecision(due[-1], None, (*gone, *due[:-1]), next_on, shadow=subject.mode == SHADOW)


def _postponed(reason: NoReminderReason, next_on: date, gone: tuple[PlannedStep, ...]) -> ReminderDecision:
    return ReminderDecision(reason=reason, superseded=gone, next_on=next_on)


def remaining_steps(
    subject: ReminderCandidate, policy: ReminderPolicy, due_date: date
) -> tuple[tuple[PlannedStep, ...], tuple[PlannedStep, ...]]:
    """Return the steps of an invoice that are too old to be taken, and those that can be, in order of days.

    Too old is what was due before the invoice was recorded, and what does not lie after the newest step taken: a policy
    that has changed since brings neither a milder reminder nor the same again (R5). An invoice of which nothing is open
    has no steps.
    """
    if subject.balance <= 0:
        return (), ()
    anchor, earliest = _anchor(subject, policy, due_date)
    if subject.taken_until is not None:
        earliest = max(earliest, subject.taken_until + timedelta(days=1))
    unspent = [step for step in planned_steps(policy, anchor) if step.name not in subject.spent]
    gone = tuple(step for step in unspent if step.on < earliest)
    return gone, tuple(step for step in unspent if step.on >= earliest)


def next_step(
    subject: ReminderCandidate, policy: ReminderPolicy, due_date: date, today: date
) -> tuple[PlannedStep | None, tuple[PlannedStep, ...]]:
    """Return the step that would be taken next, whatever keeps it back, and those that it supersedes."""
    gone, steps = remaining_steps(subject, policy, due_date)
    due = [step for step in steps if step.on <= today]
    if due:
        return due[-1], (*gone, *due[:-1])
    return (steps[0] if steps else None), gone


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


def _end_of_gap(subject: ReminderCandidate, policy: ReminderPolicy, today: date) -> date | None:
    """Return from which day on the account may be reminded again after the last time; None when nothing keeps it."""
    last = today if subject.digest_today else subject.last_reminded_on
    # Another digest of the same day, as of another currency, belongs to the same run.
    if last is None or (last >= today and not subject.digest_today):
        return None
    return last + timedelta(days=max(policy.minimum_gap_days, 1))


def _longest_pause(candidate: ReminderCandidate, today: date) -> Pause | None:
    active = [pause for pause in candidate.pauses if pause.until is None or pause.until >= today]
    return max(active, key=lambda pause: pause.until or date.max, default=None)


def _day_after_pause(candidate: ReminderCandidate, today: date) -> date:
    pause = _longest_pause(candidate, today)
    return (pause.until if pause is not None and pause.until is not None else today) + timedelta(days=1)


def record_reason(
    reasons: Sequence[Mapping[str, str]], reason: NoReminderReason | None, today: date, reminded_on: date | None
) -> list[dict[str, str]]:
    """Return the history of reasons with that of ``today``, the newest last.

    A lasting reason is recorded once, and again when it returns after a reminder on ``reminded_on``. "Not due yet" is
    not recorded.
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


def _obstacle(
    code: str, text: str, holds: Callable[[ReminderCandidate], bool], lifts: Lifts = Lifts.BY_CHANGE
) -> Obstacle:
    return Obstacle(NoReminderReason(code, text), lambda candidate, today: holds(candidate), lifts)


def _pause_obstacle(level: str, text: str, *, ends: bool) -> Obstacle:
    def holds(candidate: ReminderCandidate, today: date) -> bool:
        pause = _longest_pause(candidate, today)
        return pause is not None and pause.level == level and (pause.until is not None) == ends

    reason = NoReminderReason(f"paused_{level}", text)
    return Obstacle(reason, holds, Lifts.WITH_PAUSE if ends else Lifts.BY_CHANGE)


_PAUSES = {
    "invoice": "Reminders for this invoice are paused.",
    "bill_group": "Reminders for the bill group are paused.",
    "account": "Reminders for the account are paused.",
    "promise": "The customer promised to pay by a later day.",
}

OBSTACLES: tuple[Obstacle, ...] = (
    _obstacle("credit_note", "Credit notes are not reminded.", lambda one: one.kind == "credit_note"),
    _obstacle("void", "The invoice is void.", lambda one: one.status == "void"),
    _obstacle("paid", "The invoice is paid.", lambda one: one.status == "paid"),
    _obstacle("uncollectible", "The invoice is uncollectible.", lambda one: one.status == "uncollectible"),
    _obstacle("nothing_open", "The invoice has no open amount.", lambda one: one.balance <= 0),
    _obstacle("no_due_date", "The invoice has no due date.", lambda one: one.due_date is None),
    _obstacle(
        "due_date_changed",
        "The due date was changed after the step was chosen; the new one has steps of its own.",
        lambda one: one.claimed_due_date is not None and one.claimed_due_date != one.due_date,
    ),
    _obstacle(
        "disputed",
        "All that is open of the invoice is disputed.",
        lambda one: 0 < one.balance <= one.disputed,
    ),
    _obstacle(
        "auto_pay",
        "The bill group pays automatically, and the payment has not failed.",
        lambda one: one.auto_pay is True and not one.auto_pay_failed,
    ),
    _obstacle("reminders_off", "Reminders of the issuing entity are off.", lambda one: one.mode == OFF),
    _obstacle(
        "not_in_pilot",
        "Reminders of the issuing entity are in pilot, and the account is not in it.",
        lambda one: one.mode == PILOT,
    ),
    _obstacle(
        "before_live",
        "The invoice predates going live, and staff have not released the account's invoices.",
        lambda one: _predates_go_live(one) and one.released_on is None,
    ),
    *(_pause_obstacle(level, text, ends=ends) for ends in (False, True) for level, text in _PAUSES.items()),
    _obstacle(
        "covered_by_credit",
        "The account's unallocated credit covers the open amount.",
        lambda one: bool(one.credit) and one.amount.asked == 0,
        Lifts.OVERNIGHT,
    ),
    _obstacle(
        "payments_not_current",
        "Payments from the billing system are out of date. The run waits.",
        lambda one: one.payments_current is False,
        Lifts.WITHIN_DAY,
    ),
    _obstacle(
        "deliveries_failed",
        "Every delivery of the invoice failed, so no one has it.",
        lambda one: one.deliveries_failed is True,
        Lifts.OVERNIGHT,
    ),
    _obstacle(
        "no_contact",
        "The account has no accounts payable contact.",
        lambda one: one.contacts == 0,
        Lifts.OVERNIGHT,
    ),
    _obstacle(
        "all_suppressed",
        "No accounts payable contact has a working email address.",
        lambda one: one.reachable_contacts == 0,
        Lifts.OVERNIGHT,
    ),
)
"""All that keeps an invoice from being reminded of; of several, the first is named.

What only a change removes comes first, then pauses that end, then what may be gone within a day.
"""

NO_REMINDER_REASONS = {
    **{obstacle.reason.code: obstacle.reason for obstacle in OBSTACLES},
    **{
        code: NoReminderReason(code, text)
        for code, text in {
            "weekend": "Weekend where the account is. The step waits for the next business day.",
            "holiday": "Public holiday where the account is. The step waits for the next business day.",
            "closing_day": "Closing day set by staff. The step waits for the next business day.",
            "quiet_spell": "Quiet period set by staff. The step waits for its end.",
            "too_soon": "The account was reminded recently.",
            "not_yet": "The next step is not due yet.",
            "all_steps_done": "All steps of the policy are complete.",
        }.items()
    },
}
"""Why an invoice is not reminded of, in words that staff read: obstacles, and why no step is sent today."""
