"""The history of why an invoice was not reminded of."""

from datetime import date, timedelta

import pytest

from chalicelib.reminders.run.rules import MAX_REASONS, NO_REMINDER_REASONS, record_reason

DAY = date(2026, 3, 10)
WEEKEND = {"code": "weekend", "since": "2026-03-07", "last_on": "2026-03-08"}
DISPUTED = {"code": "disputed", "since": "2026-03-09", "last_on": "2026-03-09"}


def test_the_first_reason_begins_the_history() -> None:
    assert record_reason([], NO_REMINDER_REASONS["disputed"], DAY, None) == [
        {"code": "disputed", "since": "2026-03-10", "last_on": "2026-03-10"}
    ]


def test_a_reason_that_lasts_is_noted_once() -> None:
    assert record_reason([WEEKEND, DISPUTED], NO_REMINDER_REASONS["disputed"], DAY, None) == [
        WEEKEND,
        {"code": "disputed", "since": "2026-03-09", "last_on": "2026-03-10"},
    ]


def test_another_reason_follows() -> None:
    after = record_reason([WEEKEND, DISPUTED], NO_REMINDER_REASONS["weekend"], DAY, None)
    assert after == [WEEKEND, DISPUTED, {"code": "weekend", "since": "2026-03-10", "last_on": "2026-03-10"}]


@pytest.mark.parametrize(("reminded_on", "reasons"), [(8, 1), (9, 2), (10, 2)])
def test_the_same_reason_after_a_reminder_is_another(reminded_on: int, reasons: int) -> None:
    assert len(record_reason([DISPUTED], NO_REMINDER_REASONS["disputed"], DAY, date(2026, 3, reminded_on))) == reasons


@pytest.mark.parametrize("code", [None, "not_yet"])
def test_that_nothing_is_in_the_way_is_no_news(code: str | None) -> None:
    assert record_reason([WEEKEND, DISPUTED], NO_REMINDER_REASONS[code] if code else None, DAY, None) == [
        WEEKEND,
        DISPUTED,
    ]


def test_what_was_noted_before_is_left_as_it_was() -> None:
    before = [dict(DISPUTED)]
    record_reason(before, NO_REMINDER_REASONS["disputed"], DAY, None)[0]["since"] = "changed"
    record_reason(before, None, DAY, None)[0]["since"] = "changed"
    assert before == [DISPUTED]


def test_the_oldest_are_forgotten() -> None:
    before = [
        {"code": ("weekend", "holiday")[number % 2], "since": day, "last_on": day}
        for number in range(MAX_REASONS + 1)
        for day in [(date(2026, 1, 1) + timedelta(days=number)).isoformat()]
    ]
    assert MAX_REASONS == 60
    assert record_reason(before, None, DAY, None) == before[-60:]
    after = record_reason(before, NO_REMINDER_REASONS["disputed"], DAY, None)
    assert after[:-1] == before[-59:]
    assert after[-1]["code"] == "disputed"
