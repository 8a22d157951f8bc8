"""The one place that reads the clock.

Everything else receives instants as arguments, so that the local service and the tests can live in
another time than the machine does.
"""

from collections.abc import Callable
from datetime import UTC, datetime

_clock_source: Callable[[], datetime] | None = None


def utc_now() -> datetime:
    """Return the present instant, aware, in UTC."""
    if _clock_source is None:
        return datetime.now(UTC)
    return _clock_source()


def set_clock_source(source: Callable[[], datetime] | None) -> None:
    """Replace the clock by ``source``, which returns aware UTC instants; None brings the machine's back."""
    global _clock_source
    _clock_source = source
