"""When the sweeper sends a task to its queue again."""

from datetime import datetime, timedelta

SWEEP_GRACE_PERIOD = timedelta(minutes=2)
"""How long the sweeper leaves a task alone after its message was sent: a consumer may be at work on it."""

SWEEP_LIMIT = 500
"""How many tasks one run of the sweeper sends at most."""

_MAX_RETRY_DELAY = timedelta(minutes=60)


def first_sweep_at(due: datetime, now: datetime) -> datetime:
    """Return when the sweeper may send a task that falls due at ``due``.

    A task that is due now was announced by a message; the sweeper sends another if it is lost.
    """
    return due if due > now else now + SWEEP_GRACE_PERIOD


def next_sweep_at(tries: int, now: datetime) -> datetime:
    """Return when a task that the sweeper has sent ``tries`` times is sent again: after 1, 2, 4 … 60 minutes."""
    return now + min(timedelta(minutes=2 ** min(tries, 10)), _MAX_RETRY_DELAY)
