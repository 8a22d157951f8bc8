"""What happens to a mail, decided over plain values (I4).

A mail's own statuses are ``queued``, ``sending``, ``unknown``, ``captured`` and ``failed``. What SES reports stands
above them, and among its reports the graver one stands above the lighter (``reports.gravity``). A status only ever
rises in that order, so reports lead to the same status in whatever order they come, how often they
come, and whether they come before or after our own note that the mail was sent.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from chalicelib.mail import reports
from chalicelib.mail.recipients import Recipients
from chalicelib.mail.recipients import RecipientStatus as RecipientStatus
from chalicelib.mail.recipients import recipient_statuses as recipient_statuses
from chalicelib.mail.reports import BOUNCED as BOUNCED
from chalicelib.mail.reports import COMPLAINED as COMPLAINED
from chalicelib.mail.reports import DELIVERED as DELIVERED
from chalicelib.mail.reports import FAILED as FAILED
from chalicelib.mail.reports import SENT as SENT
from chalicelib.mail.reports import Event as Event
from chalicelib.mail.reports import RecipientReport

QUEUED = "queued"
SENDING = "sending"
UNKNOWN = "unknown"
CAPTURED = "captured"

LEASE = timedelta(minutes=2)
"""How long a claim holds. The functions that send live for one minute at most."""

SILENCE = timedelta(minutes=15)
"""How long SES may be silent about a mail of unknown fate before it is sent again."""

EXPIRED = "expired"
TOO_LARGE = "too_large"

_FIRST_PAUSE = timedelta(seconds=30)
_LONGEST_PAUSE = timedelta(minutes=30)


@dataclass(frozen=True)
class State:
    """Where a mail stands. Instants are aware UTC."""

    status: str
    not_after: datetime
    reason: str | None = None
    attempts: int = 0
    refusals: int = 0
    not_before: datetime | None = None
    lease_until: datetime | None = None
    claimed_at: datetime | None = None
    claim_id: str | None = None
    sent_at: datetime | None = None
    message_id: str | None = None
    events: tuple[Event, ...] = ()
    recipients: tuple[RecipientReport, ...] = ()
    withheld: Mapping[str, str] = field(default_factory=dict)
    redirected_to: str | None = None
    recipient_count: int = 0
    """To how many addresses the mail went, or was to go, at its last attempt."""


@dataclass(frozen=True)
class Outcome:
    """What came of one attempt: ``accepted``, ``refused_for_now``, ``refused`` or ``unknown``."""

    kind: str
    reason: str = ""
    message_id: str | None = None
    soon: bool = False
    """Whether a moment's pause may help (a rate limit)."""


@dataclass(frozen=True)
class Decision:
    """What to do with a mail now.

    ``send`` it, ``wait`` until an instant, let it ``expire``, ``leave`` it to whoever is sending it at this moment,
    or ``drop`` the duty, because nothing is left to do.
    """

    action: str
    until: datetime | None = None


def decide(state: State, now: datetime) -> Decision:
    """Decide what whoever holds the duty of a mail is to do at ``now``."""
    if state.status == QUEUED:
        if now >= state.not_after:
            return Decision("expire")
        if state.not_before is not None and now < state.not_before:
            return Decision("wait", state.not_before)
        return Decision("send")
    if state.status not in {SENDING, UNKNOWN} or state.reason == EXPIRED:
        return Decision("drop")
    if state.status == SENDING and state.lease_until is not None and now < state.lease_until:
        return Decision("leave")
    # The lease is over, so whoever sent this is gone: nobody knows what became of it.
    heard_by = (state.claimed_at or now) + SILENCE
    if now < heard_by:
        return Decision("wait", heard_by)
    return Decision("expire" if now >= state.not_after else "send")


def addressed(state: State, chosen: Recipients) -> State:
    """Return the state once it is decided who really gets the mail at its next attempt."""
    return replace(
        state,
        withheld=dict(chosen.withheld),
        redirected_to=chosen.redirected_to,
        recipient_count=chosen.count,
    )


def claim(state: State, now: datetime, claim_id: str) -> State:
    """Return the state once ``claim_id`` has claimed the mail for one attempt."""
    return replace(
        state,
        status=SENDING,
        reason=None,
        attempts=state.attempts + 1,
        not_before=None,
        lease_until=now + LEASE,
        claimed_at=now,
        claim_id=claim_id,
    )


def expire(state: State) -> State:
    """Return the state of a mail that is not sent any more: failed, or unknown if it may have been sent before."""
    return replace(state, status=FAILED if state.status == QUEUED else UNKNOWN, reason=EXPIRED, lease_until=None)


def withhold(state: State, reason: str) -> State:
    """Return the state of a mail that may not go, as was found when it was claimed."""
    return replace(state, status=FAILED, reason=reason, lease_until=None)


def capture(state: State, reason: str) -> State:
    """Return the state of a mail that the mail mode keeps here."""
    return replace(state, status=CAPTURED, reason=reason, lease_until=None)


def settle(state: State, claim_id: str, outcome: Outcome, now: datetime) -> State:
    """Return the state after the attempt of ``claim_id``, which may meet reports that were quicker."""
    if outcome.kind == "accepted":
        settled = _raised(state, SENT, None)
        return replace(
            settled,
            message_id=outcome.message_id,
            sent_at=_earlier(state.sent_at, now),
            lease_until=None,
            not_before=None,
        )
    if state.status != SENDING or state.claim_id != claim_id:
        return state
    if outcome.kind == "refused":
        return replace(state, status=FAILED, reason=outcome.reason, lease_until=None)
    if outcome.kind == "refused_for_now":
        return replace(
            state,
            status=QUEUED,
            reason=outcome.reason,
            refusals=state.refusals + 1,
            not_before=now + pause(state.refusals),
            lease_until=None,
        )
    return replace(state, status=UNKNOWN, reason=outcome.reason, lease_until=None)


def pause(refusals: int) -> timedelta:
    """Return how long to wait after the mail was refused for now, ``refusals`` times before: 30 s to 30 min."""
    return min(_FIRST_PAUSE * (1 << min(refusals, 10)), _LONGEST_PAUSE)


def report(state: State, event: Event) -> State:
    """Return the state after ``event``, which may come in any order, repeatedly, and before our own note."""
    reported = _raised(state, *reports.standing_of(event.kind))
    return replace(
        reported,
        sent_at=_earlier(state.sent_at, datetime.fromisoformat(event.at)),
        events=reports.kept({*state.events, event}),
        recipients=reports.joined(state.recipients, event),
        lease_until=None,
        not_before=None,
    )


def _raised(state: State, status: str, reason: str | None) -> State:
    if reports.gravity(status, reason) <= reports.gravity(state.status, state.reason):
        return state
    return replace(state, status=status, reason=reason)


def _earlier(first: datetime | None, second: datetime) -> datetime:
    return second if first is None else min(first, second)
