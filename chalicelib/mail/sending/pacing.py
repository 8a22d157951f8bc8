"""The rate limit of bulk mail, which leaves a fifth of the SES rate and of the 24-hour quota to sign-ins (I7).

SES counts recipients. One row of the table hands out send slots to all consumers, a batch of slots in one write; so
together they never send faster than four fifths of the rate. SES reports the rate and the quota used; each process asks
at most once a minute, and near the end of bulk's share of the quota every few seconds. The row counts the slots
reserved since.
"""

import time
from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta

from chalicelib import clock
from chalicelib.mail.sending import ses
from chalicelib.observability import logger, metrics
from chalicelib.table import keys, send_slots

BULK_SHARE = 0.8
"""Share of rate and quota for bulk mail."""
MAX_BATCH_WAIT = timedelta(seconds=8)
"""How long a consumer waits for the first slot of its batch; beyond that, its emails go back to the table."""
MAX_MAIL_WAIT = timedelta(seconds=10)
"""How long it waits for one email: the function must have time left to send it."""
QUOTA_PAUSE = timedelta(minutes=15)
"""When to retry once bulk's share of the quota is used up."""

_CACHE_LIFETIME = timedelta(minutes=1)
_CACHE_LIFETIME_NEAR_LIMIT = timedelta(seconds=5)
_DEFAULT_LIMITS = ses.Limits(a_second=1.0, a_day=None, sent=0)
"""Assumed while SES does not answer: the rate of a new account."""


@dataclass
class _CachedLimits:
    """The limits that SES reported and when, with the slots reserved since; ``given`` is their total ever."""

    limits: ses.Limits
    at: datetime
    given: int | None = None


_cached_limits: _CachedLimits | None = None


def forget_limits() -> None:
    """Ask SES again at the next slot (tests, snapshots)."""
    global _cached_limits
    _cached_limits = None


class BulkPacer:
    """The send slots of one consumer's batch of at most ``mails`` emails."""

    def __init__(self, mails: int) -> None:
        """Reserve no slot yet: perhaps no email of the batch leaves."""
        self._mails = mails
        self._turns: deque[datetime] = deque()

    def wait_for_slot(self, recipients: int) -> datetime | None:
        """Wait until an email to so many recipients may leave. If that is too far off, return when to retry (UTC)."""
        missing = recipients - len(self._turns)
        if missing > 0:
            # Reserve the minimum for the rest of the batch in the same write.
            later = self._reserve(missing, missing + self._mails - 1)
            if later is not None:
                return later
        self._mails = max(1, self._mails - 1)
        begin = self._turns[0]
        seconds = (begin - clock.utc_now()).total_seconds()
        if seconds > MAX_MAIL_WAIT.total_seconds():
            self._turns.clear()
            return begin
        for _ in range(recipients):
            self._turns.popleft()
        if seconds > 0:
            time.sleep(seconds)
        return None

    def _reserve(self, needed: int, wanted: int) -> datetime | None:
        now = clock.utc_now()
        known = _current_limits(now, _CACHE_LIFETIME)
        if _remaining_quota(known) < wanted:
            known = _current_limits(now, _CACHE_LIFETIME_NEAR_LIMIT)
        if _remaining_quota(known) < needed:
            logger.warning("The share of the daily quota that is for bulk mail is used up.")
            metrics.add_metric(name="BulkMailOverQuota", unit="Count", value=1)
            return now + QUOTA_PAUSE
        count = int(min(wanted, _remaining_quota(known)))
        length = timedelta(seconds=1 / (BULK_SHARE * known.limits.a_second))
        taken = send_slots.reserve_slots(keys.sending_pace(), now, length, count, MAX_BATCH_WAIT)
        if isinstance(taken, datetime):
            metrics.add_metric(name="BulkMailPaced", unit="Count", value=1)
            return taken
        before = taken.given - count if known.given is None else known.given
        known.limits = known.limits.after(taken.given - before)
        known.given = taken.given
        self._turns.extend(taken.begin + number * length for number in range(count))
        return None


def _current_limits(now: datetime, at_most_old: timedelta) -> _CachedLimits:
    """Return the limits that SES reported at most so long ago, minus the slots reserved since."""
    global _cached_limits
    if _cached_limits is None or not timedelta() <= now - _cached_limits.at < at_most_old:
        limits = ses.fetch_limits()
        if limits is not None:
            _cached_limits = _CachedLimits(limits, now)
        elif _cached_limits is not None:
            _cached_limits.at = now
        else:
            _cached_limits = _CachedLimits(_DEFAULT_LIMITS, now)
    return _cached_limits


def _remaining_quota(known: _CachedLimits) -> float:
    if known.limits.a_day is None:
        return float("inf")
    return int(BULK_SHARE * known.limits.a_day) - known.limits.sent
