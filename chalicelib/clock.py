"""The one place that reads the clock.

Everything else receives instants as arguments, so that the local service and the tests can live in
another time than the machine does.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

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


def local_date(instant: datetime, time_zone: str) -> date:
    """Return the date that ``instant`` has in a time zone of the IANA database."""
    return instant.astimezone(ZoneInfo(time_zone)).date()
