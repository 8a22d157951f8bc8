"""When duties fall due, and when one that nobody has done is handed out again."""

from datetime import datetime, timedelta

TASK_KINDS = (
    "urgent_mail",
    "bulk_mail",
    "import",
    "erase",
    "document",
    "delivery",
    "coverage",
    "planning",
    "replanning",
)

SWEEP_GRACE_PERIOD = timedelta(minutes=2)
"""How long after its message was sent a duty is left alone: whoever has the message is at work on it."""

SWEEP_LIMIT = 500
"""How many duties one run of the sweeper hands out at most."""

_MAX_RETRY_DELAY = timedelta(minutes=60)


def first_sweep_at(due: datetime, now: datetime) -> datetime:
    """Return when the sweeper may take a duty that falls due at ``due``.

    What is due now travels by message first; the sweeper comes only if that is lost.
    """
    return due if due > now else now + SWEEP_GRACE_PERIOD


def next_sweep_at(tries: int, now: datetime) -> datetime:
    """Return when a duty that was handed out ``tries`` times before is handed out again: 1, 2, 4 … 60 minutes."""
    return now + min(timedelta(minutes=2 ** min(tries, 10)), _MAX_RETRY_DELAY)
