"""When tasks are due."""

from datetime import UTC, datetime, timedelta

from chalicelib.tasks import rules

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


def test_what_is_due_now_is_left_to_its_message_for_two_minutes() -> None:
    assert rules.first_sweep_at(NOW, NOW) == NOW + timedelta(minutes=2)


def test_what_is_due_later_is_due_then() -> None:
    assert rules.first_sweep_at(NOW + timedelta(seconds=30), NOW) == NOW + timedelta(seconds=30)


def test_what_nobody_does_is_requeued_ever_more_rarely() -> None:
    minutes = [(rules.next_sweep_at(tries, NOW) - NOW).total_seconds() / 60 for tries in (0, 1, 2, 3, 4, 5, 6, 1000)]
    assert minutes == [1, 2, 4, 8, 16, 32, 60, 60]
