"""Bulk mail leaves a fifth of what SES allows, of the rate and of the 24-hour quota, to sign-ins (I7).

SES counts recipients. One row of the table gives out the turns of all consumers, however many there are, a batch of
turns in one write; so together they never send faster than four fifths of the rate. How fast that is, and how much of
the quota is used, SES tells; each process asks at most once a minute, and near the end of bulk's share of the quota
every few seconds. What was given out since it was asked, the row counts.
"""

import time
from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta

from chalicelib import clock
from chalicelib.mail import ses
from chalicelib.observability import logger, metrics
from chalicelib.table import keys, turns

SHARE = 0.8
"""Of rate and quota, for bulk mail."""
PATIENCE = timedelta(seconds=8)
"""How long a consumer waits for the first turn of its batch; beyond that, its mails go back to the table."""
LONGEST_WAIT = timedelta(seconds=10)
"""How long it waits for one mail: the function must have time left to send it."""
QUOTA_PAUSE = timedelta(minutes=15)
"""When to try again once bulk's share of the quota is used up."""

_REMEMBERED = timedelta(minutes=1)
_REMEMBERED_AT_THE_EDGE = timedelta(seconds=5)
_UNKNOWN = ses.Limits(a_second=1.0, a_day=None, sent=0)
"""What is assumed while SES does not tell: the rate of a new account."""


@dataclass
class _Known:
    """What SES told and when, with the turns that were given since; ``given`` is how many there were ever."""

    limits: ses.Limits
    at: datetime
    given: int | None = None


_known: _Known | None = None


def forget() -> None:
    """Ask SES afresh at the next turn (tests, snapshots)."""
    global _known
    _known = None


class BulkPace:
    """The turns of one consumer's batch of at most ``mails`` mails."""

    def __init__(self, mails: int) -> None:
        """Take no turn yet: perhaps no mail of the batch leaves."""
        self._mails = mails
        self._turns: deque[datetime] = deque()

    def turn(self, recipients: int) -> datetime | None:
        """Wait until a mail to so many recipients may leave. If that is too far off, return when to try again (UTC)."""
        missing = recipients - len(self._turns)
        if missing > 0:
            # As many more as the rest of the batch needs at least, in the same write.
            later = self._take(missing, missing + self._mails - 1)
            if later is not None:
                return later
        self._mails = max(1, self._mails - 1)
        begin = self._turns[0]
        seconds = (begin - clock.now()).total_seconds()
        if seconds > LONGEST_WAIT.total_seconds():
            self._turns.clear()
            return begin
        for _ in range(recipients):
            self._turns.popleft()
        if seconds > 0:
            time.sleep(seconds)
        return None

    def _take(self, needed: int, wanted: int) -> datetime | None:
        now = clock.now()
        known = _asked(now, _REMEMBERED)
        if _left(known) < wanted:
            known = _asked(now, _REMEMBERED_AT_THE_EDGE)
        if _left(known) < needed:
            logger.warning("The share of the daily quota that is for bulk mail is used up.")
            metrics.add_metric(name="BulkMailOverQuota", unit="Count", value=1)
            return now + QUOTA_PAUSE
        count = int(min(wanted, _left(known)))
        length = timedelta(seconds=1 / (SHARE * known.limits.a_second))
        taken = turns.take(keys.sending_pace(), now, length, count, PATIENCE)
        if isinstance(taken, datetime):
            metrics.add_metric(name="BulkMailPaced", unit="Count", value=1)
            return taken
        before = taken.given - count if known.given is None else known.given
        known.limits = known.limits.after(taken.given - before)
        known.given = taken.given
        self._turns.extend(taken.begin + number * length for number in range(count))
        return None


def _asked(now: datetime, at_most_old: timedelta) -> _Known:
    """Return what SES told, at most so long ago, with what has been given out since."""
    global _known
    if _known is None or not timedelta() <= now - _known.at < at_most_old:
        limits = ses.limits()
        if limits is not None:
            _known = _Known(limits, now)
        elif _known is not None:
            _known.at = now
        else:
            _known = _Known(_UNKNOWN, now)
    return _known


def _left(known: _Known) -> float:
    if known.limits.a_day is None:
        return float("inf")
    return int(SHARE * known.limits.a_day) - known.limits.sent
