from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from chalicelib import clock
from tests.aws import aws

__all__ = ["aws"]


class Time:
    """The clock of a test."""

    now = datetime(2026, 3, 2, 9, tzinfo=UTC)

    def passes(self, **delta: float) -> None:
        self.now += timedelta(**delta)


@pytest.fixture
def time(aws: None) -> Iterator[Time]:
    moving = Time()
    clock.set_clock_source(lambda: moving.now)
    yield moving
    clock.set_clock_source(None)
