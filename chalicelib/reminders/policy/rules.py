"""Reminder policies: which steps an invoice takes, and on which days nobody is reminded (R1, R4)."""

from dataclasses import dataclass
from datetime import date, timedelta

from chalicelib.errors import InvalidInput

TONES = ("friendly", "neutral", "firm", "final")
"""From the mildest to the strongest."""


MAX_STEPS = 12
MAX_REPETITIONS = 24
MAX_OFFSET_DAYS = 365
LATEST_SEND_AT = "22:00"
"""Sending begins with the next hourly run, which has to come on the same local day."""
_MAX_SEARCH_DAYS = 400
"""How far ahead a free day is searched for."""


@dataclass(frozen=True)
class PolicyStep:
    """A step of a policy: so many days after the due date (before it, if negative), in what tone."""

    offset: int
    tone: str
    template: str | None = None
    """The entity's own words for it, by their id; None: those of the tone."""


DEFAULT_STEPS = (
    PolicyStep(-3, "friendly"),
    PolicyStep(1, "friendly"),
    PolicyStep(7, "neutral"),
    PolicyStep(14, "firm"),
    PolicyStep(30, "final"),
)


@dataclass(frozen=True)
class QuietSpell:
    """Days on which nobody is reminded, both ends included."""

    first: date
    last: date
    reason: str | None = None


@dataclass(frozen=True)
class Calendar:
    """The days on which an account is not reminded. ``weekend`` holds weekdays, Monday being 0."""

    weekend: frozenset[int] = frozenset()
    worked: frozenset[date] = frozenset()
    """Days of a weekend on which a country works all the same, in exchange for another."""
    holidays: frozenset[date] = frozenset()
    closing_days: frozenset[date] = frozenset()
    quiet_spells: tuple[QuietSpell, ...] = ()

    def closed(self, day: date) -> str | None:
        """Return why nobody is reminded on ``day``, None if it is free."""
        if day.weekday() in self.weekend and day not in self.worked:
            return "weekend"
        if day in self.holidays:
            return "holiday"
        if day in self.closing_days:
            return "closing_day"
        if any(spell.first <= day <= spell.last for spell in self.quiet_spells):
            return "quiet_spell"
        return None

    def first_free(self, day: date) -> date:
        """Return the first free day from ``day`` on; where none of 400 is free, the day behind them, to look again."""
        ahead = 0
        while ahead < _MAX_SEARCH_DAYS and self.closed(day + timedelta(days=ahead)) is not None:
            ahead += 1
        return day + timedelta(days=ahead)


@dataclass(frozen=True)
class ReminderPolicy:
    """When and how invoices are reminded of (R1). It holds for an account; bill groups may have other steps."""

    steps: tuple[PolicyStep, ...] = DEFAULT_STEPS
    repeat_every_days: int | None = None
    repeat_at_most: int = 0
    send_at: str = "09:00"
    """Local time of the account from which its reminders are sent."""
    business_days_only: bool = True
    closing_days: tuple[date, ...] = ()
    quiet_spells: tuple[QuietSpell, ...] = ()
    minimum_gap_days: int = 2
    """How many days lie at least between two days on which an account is reminded."""
    promise_limit_days: int = 14
    """Maximum days ahead of a payment promise."""
    run_limit: int = 500
    """A run of an entity with more accounts than that waits for staff (R9)."""
    payments_limit_days: int = 1
    """How many business days old what is known of an entity's payments may be, once it is reported (R2)."""


@dataclass(frozen=True)
class PlannedStep:
    """A step of one invoice: ``name`` is its offset and repetition number, ``on`` the day from which it is due."""

    name: str
    offset: int
    repetition: int
    on: date
    tone: str
    template: str | None = None


def step_name(offset: int, repetition: int) -> str:
    """Return the name of a step: ``+7``, or ``+30.2`` for the second repetition after it."""
    return f"{offset:+d}" + (f".{repetition}" if repetition else "")


def step_sort_key(name: str) -> tuple[int, int]:
    """Return the offset and the repetition number of the step of a name, by which steps are sorted."""
    offset, _, repetition = name.partition(".")
    return int(offset), int(repetition or 0)


def planned_steps(policy: ReminderPolicy, anchor: date) -> tuple[PlannedStep, ...]:
    """Return the steps of an invoice whose offsets count from ``anchor``, repetitions included, in order of days."""
    ordered = sorted(policy.steps, key=lambda step: step.offset)
    planned = [
        PlannedStep(
            step_name(step.offset, 0), step.offset, 0, anchor + timedelta(days=step.offset), step.tone, step.template
        )
        for step in ordered
    ]
    if ordered and policy.repeat_every_days:
        last = ordered[-1]
        for number in range(1, policy.repeat_at_most + 1):
            on = anchor + timedelta(days=last.offset + number * policy.repeat_every_days)
            name = step_name(last.offset, number)
            planned.append(PlannedStep(name, last.offset, number, on, last.tone, last.template))
    return tuple(planned)


def check_reminder_policy(policy: ReminderPolicy) -> None:
    """Raise InvalidInput that names what of a policy cannot be (R1)."""
    offsets = [step.offset for step in policy.steps]
    if not offsets:
        raise InvalidInput.field("steps", "required", "A policy has at least one step. Switch reminders off instead.")
    if len(offsets) > MAX_STEPS:
        raise InvalidInput.field("steps", "too_many", f"A policy has at most {MAX_STEPS} steps. Leave some out.")
    for number, step in enumerate(policy.steps):
        if offsets.count(step.offset) > 1:
            raise InvalidInput.field(
                f"steps[{number}].offset", "repeated", "Two steps have this offset. Change one of them."
            )
    if offsets != sorted(offsets):
        raise InvalidInput.field("steps", "not_in_order", "Steps must be in order of their offsets. Sort them.")
    tones = [TONES.index(step.tone) for step in policy.steps]
    if tones != sorted(tones):
        raise InvalidInput.field(
            "steps", "milder_again", "A later step has a milder tone than one before it. Change either."
        )
    if policy.send_at > LATEST_SEND_AT:
        raise InvalidInput.field(
            "send_at", "too_late", f"This is too late in the day. Send {LATEST_SEND_AT} or earlier."
        )
    if policy.repeat_every_days is None and policy.repeat_at_most:
        raise InvalidInput.field(
            "repeat_every_days", "required", "Say every how many days the last step is repeated, or do not repeat it."
        )
    for number, spell in enumerate(policy.quiet_spells):
        if spell.last < spell.first:
            raise InvalidInput.field(
                f"quiet_spells[{number}].last", "too_early", "The period ends before it begins. Correct either date."
            )
