"""The one place that reads the clock.

Everything else receives instants as arguments, so that the local service and the tests can live in
another time than the machine does.
"""

from collections.abc import Callable
from datetime import UTC, datetime

_source: Callable[[], datetime] | None = None


def now() -> datetime:
    """Return the present instant, aware, in UTC."""
    if _source is None:
        return datetime.now(UTC)
    return _source()


def set_source(source: Callable[[], datetime] | None) -> None:
    """Replace the clock by ``source``, which returns aware UTC instants; None brings the machine's back."""
    global _source
    _source = source
