"""Whose holidays count, and when a morning begins."""

from datetime import UTC, date, datetime, timedelta

import pytest

from chalicelib.clock import local_date
from chalicelib.reminders.policy.calendars import account_calendar, sending_starts_at
from chalicelib.reminders.policy.rules import QuietSpell, ReminderPolicy
from chalicelib.reminders.run.rules import ReminderCandidate, decide_reminder

TODAY = date(2026, 6, 1)


@pytest.mark.parametrize(
    ("country", "subdivision", "day", "why"),
    [
        ("DE", None, date(2026, 10, 3), "weekend"),
        ("DE", None, date(2026, 5, 1), "holiday"),
        ("DE", None, date(2026, 6, 4), None),
        ("DE", "DE-BY", date(2026, 6, 4), "holiday"),
        ("DE", "DE-QQ", date(2026, 5, 1), "holiday"),
        ("IL", None, date(2026, 6, 5), "weekend"),
        ("IL", None, date(2026, 6, 7), None),
        ("NP", None, date(2026, 6, 6), "weekend"),
        ("MY", "MY-14", date(2026, 6, 14), "weekend"),
        ("MY", "MY-03", date(2026, 6, 12), "weekend"),
        ("MY", "MY-03", date(2026, 6, 14), None),
        ("AQ", None, date(2026, 6, 6), "weekend"),
        (None, None, date(2026, 6, 7), "weekend"),
        (None, None, date(2026, 12, 25), None),
        ("HU", None, date(2024, 8, 3), None),
    ],
)
def test_a_country_closes_its_own_days(
    country: str | None, subdivision: str | None, day: date, why: str | None
) -> None:
    assert account_calendar(country, subdivision, ReminderPolicy(), TODAY).closed(day) == why


def test_staff_close_days_and_spells_whatever_the_country() -> None:
    spells = (QuietSpell(date(2026, 12, 20), date(2026, 12, 31)),)
    policy = ReminderPolicy(business_days_only=False, closing_days=(date(2026, 6, 10),), quiet_spells=spells)
    calendar = account_calendar("DE", None, policy, TODAY)
    assert calendar.closed(date(2026, 6, 6)) is None
    assert calendar.closed(date(2026, 6, 10)) == "closing_day"
    assert calendar.closed(date(2026, 12, 31)) == "quiet_spell"
    assert calendar.first_free(date(2026, 12, 20)) == date(2027, 1, 1)


def test_where_no_day_is_free_for_long_it_is_looked_at_again() -> None:
    for_years = ReminderPolicy(quiet_spells=(QuietSpell(date(2026, 1, 1), date(2029, 12, 31)),))
    calendar = account_calendar(None, None, for_years, TODAY)
    subject = ReminderCandidate("i1", "invoice", "open", 1, TODAY, TODAY, TODAY, mode="live")
    decision = decide_reminder(subject, for_years, calendar, TODAY + timedelta(days=30))
    assert decision.reason is not None
    assert decision.reason.code == "quiet_spell"
    assert decision.next_on is not None, "else nobody would ever look at it again"
    assert TODAY + timedelta(days=365) < decision.next_on < date(2029, 12, 31)


@pytest.mark.parametrize(
    ("zone", "day", "at", "instant"),
    [
        ("Europe/Berlin", date(2026, 3, 28), "09:00", "2026-03-28T08:00"),
        ("Europe/Berlin", date(2026, 3, 29), "09:00", "2026-03-29T07:00"),
        ("Europe/Berlin", date(2026, 3, 29), "02:30", "2026-03-29T01:30"),
        ("Europe/Berlin", date(2026, 10, 25), "02:30", "2026-10-25T00:30"),
        ("Asia/Kathmandu", date(2026, 3, 29), "09:00", "2026-03-29T03:15"),
        ("Australia/Lord_Howe", date(2026, 4, 4), "09:00", "2026-04-03T22:00"),
        ("Australia/Lord_Howe", date(2026, 4, 5), "09:00", "2026-04-04T22:30"),
        ("America/Sao_Paulo", date(2018, 11, 4), "00:00", "2018-11-04T03:00"),
        ("Pacific/Kiritimati", date(2026, 1, 1), "09:00", "2025-12-31T19:00"),
    ],
)
def test_a_morning_begins_where_the_account_is(zone: str, day: date, at: str, instant: str) -> None:
    assert sending_starts_at(day, at, zone) == datetime.fromisoformat(instant).replace(tzinfo=UTC)


def test_a_day_is_the_accounts() -> None:
    assert local_date(datetime(2026, 1, 1, 3, 0, tzinfo=UTC), "America/Los_Angeles") == date(2025, 12, 31)
