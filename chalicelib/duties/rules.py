"""When duties fall due, and when one that nobody has done is handed out again."""

from datetime import datetime, timedelta

KINDS = ("urgent_mail", "bulk_mail", "import", "erase", "document", "delivery", "coverage", "planning", "replanning")

GRACE = timedelta(minutes=2)
"""How long after its message was sent a duty is left alone: whoever has the message is at work on it."""

SWEEP_LIMIT = 500
"""How many duties one run of the sweeper hands out at most."""

_LONGEST_DEFERMENT = timedelta(minutes=60)


def due_in_table(due: datetime, now: datetime) -> datetime:
    """Return when the sweeper may take a duty that falls due at ``due``.

    What is due now travels by message first; the sweeper comes only if that is lost.
    """
    return due if due > now else now + GRACE


def next_due(tries: int, now: datetime) -> datetime:
    """Return when a duty that was handed out ``tries`` times before is handed out again: 1, 2, 4 … 60 minutes."""
    return now + min(timedelta(minutes=2 ** min(tries, 10)), _LONGEST_DEFERMENT)
