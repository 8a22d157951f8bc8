"""What is foretold is what the runs do: day by day the same decisions, with what they leave behind (R7)."""

from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise

from chalicelib.reminders.outlook.rules import ForecastInput, forecast_reminders
from chalicelib.reminders.policy.rules import Calendar, PolicyStep, ReminderPolicy
from chalicelib.reminders.run.rules import Pause, ReminderCandidate, next_step, remaining_steps

DUE = date(2026, 3, 10)
TODAY = date(2026, 3, 2)
FREE = Calendar()
OPEN = ReminderCandidate("i1", "invoice", "open", 100, DUE, date(2026, 2, 1), date(2026, 2, 1), mode="live")
NO_GAP = ReminderPolicy(minimum_gap_days=0)


def told(
    *subjects: ReminderCandidate, policy: ReminderPolicy = NO_GAP, calendar: Calendar = FREE, days: int = 60
) -> list[tuple[str, str]]:
    found = forecast_reminders([ForecastInput([(one, policy) for one in subjects], calendar, TODAY)], days)
    return [(one.on.isoformat(), one.step.name) for one in found.expected]


def test_every_step_on_its_day() -> None:
    assert told(OPEN) == [
        ("2026-03-07", "-3"),
        ("2026-03-11", "+1"),
        ("2026-03-17", "+7"),
        ("2026-03-24", "+14"),
        ("2026-04-09", "+30"),
    ]


def test_the_gap_counts_for_the_account() -> None:
    other = replace(OPEN, invoice_id="i2", due_date=DUE + timedelta(days=1))
    found = forecast_reminders(
        [ForecastInput([(one, ReminderPolicy(minimum_gap_days=3)) for one in (OPEN, other)], FREE, TODAY)], 14
    )
    days = [one.on for one in found.expected]
    assert all((after - before).days == 0 or (after - before).days >= 3 for before, after in pairwise(days))
    assert {one.invoice_id for one in found.expected} == {"i1", "i2"}


def test_the_gap_counts_for_all_whom_the_account_owes() -> None:
    gap = ReminderPolicy(minimum_gap_days=3)
    other = replace(OPEN, invoice_id="i2", due_date=DUE + timedelta(days=1))
    closed = Calendar(closing_days=frozenset({date(2026, 3, 7)}))
    found = forecast_reminders(
        [ForecastInput([(OPEN, gap)], closed, TODAY), ForecastInput([(other, gap)], FREE, TODAY + timedelta(days=1))],
        12,
    )
    told = [(one.on.day, one.invoice_id, one.step.name) for one in found.expected]
    # What is due on the 7th waits for the 8th, and both go on that day; the next day that is far enough is the 11th.
    assert told == [(8, "i1", "-3"), (8, "i2", "-3"), (11, "i1", "+1"), (14, "i2", "+1")]
    assert all((after.on - before.on).days in (0, 3) for before, after in pairwise(found.expected))
    assert forecast_reminders([], 12).expected == ()


def test_all_of_a_day_go_together() -> None:
    other = replace(OPEN, invoice_id="i2")
    found = forecast_reminders([ForecastInput([(OPEN, ReminderPolicy()), (other, ReminderPolicy())], FREE, TODAY)], 7)
    assert [(one.on.day, one.invoice_id) for one in found.expected] == [(7, "i1"), (7, "i2")]


def test_todays_digest_is_of_today_alone() -> None:
    done = replace(OPEN, due_date=date(2026, 3, 1), digest_today=True)
    assert told(done, policy=ReminderPolicy(steps=(PolicyStep(1, "friendly"),)))[0] == ("2026-03-04", "+1")


def test_the_billing_system_is_counted_on_to_report_again() -> None:
    late = replace(OPEN, due_date=date(2026, 3, 1), payments_current=False)
    assert told(late)[0] == ("2026-03-03", "+1")


def test_why_there_are_none() -> None:
    found = forecast_reminders(
        [ForecastInput([(replace(OPEN, pauses=(Pause("account", None),)), NO_GAP)], FREE, TODAY)], 30
    )
    assert found.expected == ()
    assert found.reasons["i1"].code == "paused_account"


def test_the_step_that_would_be_taken_next() -> None:
    assert next_step(OPEN, NO_GAP, DUE, TODAY)[0].name == "-3"  # type: ignore[union-attr]
    step, superseded = next_step(OPEN, NO_GAP, DUE, date(2026, 3, 18))
    assert (step.name if step else None, [one.name for one in superseded]) == ("+7", ["-3", "+1"])
    late = replace(OPEN, recorded_on=date(2026, 3, 12))
    gone, left = remaining_steps(late, NO_GAP, DUE)
    assert ([one.name for one in gone], [one.name for one in left]) == (["-3", "+1"], ["+7", "+14", "+30"])
    assert next_step(replace(OPEN, spent=frozenset({"-3", "+1", "+7", "+14", "+30"})), NO_GAP, DUE, TODAY) == (None, ())
