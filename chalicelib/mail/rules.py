"""What happens to a mail, decided over plain values (I4).

A mail's own statuses are ``queued``, ``sending``, ``unknown``, ``captured`` and ``failed``. What SES reports stands
above them, and among its reports the graver one stands above the lighter (``reports.status_severity``). A status only ever
rises in that order, so reports lead to the same status in whatever order they come, how often they
come, and whether they come before or after our own note that the mail was sent.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from chalicelib.mail.feedback import reports
from chalicelib.mail.feedback.reports import BOUNCED as BOUNCED
from chalicelib.mail.feedback.reports import COMPLAINED as COMPLAINED
from chalicelib.mail.feedback.reports import DELIVERED as DELIVERED
from chalicelib.mail.feedback.reports import FAILED as FAILED
from chalicelib.mail.feedback.reports import SENT as SENT
from chalicelib.mail.feedback.reports import Event as Event
from chalicelib.mail.feedback.reports import RecipientReport
from chalicelib.mail.sending.recipients import Recipients
from chalicelib.mail.sending.recipients import RecipientStatus as RecipientStatus
from chalicelib.mail.sending.recipients import recipient_statuses as recipient_statuses

QUEUED = "queued"
SENDING = "sending"
UNKNOWN = "unknown"
CAPTURED = "captured"

LEASE = timedelta(minutes=2)
"""How long a claim holds. The functions that send live for one minute at most."""

OUTCOME_TIMEOUT = timedelta(minutes=15)
"""How long SES may be silent about a mail of unknown fate before it is sent again."""

EXPIRED = "expired"
TOO_LARGE = "too_large"

_MIN_RETRY_DELAY = timedelta(seconds=30)
_MAX_RETRY_DELAY = timedelta(minutes=30)


@dataclass(frozen=True)
class MailState:
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
class SendOutcome:
    """What came of one attempt: ``accepted``, ``refused_for_now``, ``refused`` or ``unknown``."""

    kind: str
    reason: str = ""
    message_id: str | None = None
    soon: bool = False
    """Whether a moment's pause may help (a rate limit)."""


@dataclass(frozen=True)
class SendDecision:
    """What to do with a mail now.

    ``send`` it, ``wait`` until an instant, let it ``expire``, ``leave`` it to whoever is sending it at this moment,
    or ``drop`` the task, because nothing is left to do.
    """

    action: str
    until: datetime | None = None


def decide(state: MailState, now: datetime) -> SendDecision:
    """Decide what whoever holds the task of a mail is to do at ``now``."""
    if state.status == QUEUED:
        if now >= state.not_after:
            return SendDecision("expire")
        if state.not_before is not None and now < state.not_before:
            return SendDecision("wait", state.not_before)
        return SendDecision("send")
    if state.status not in {SENDING, UNKNOWN} or state.reason == EXPIRED:
        return SendDecision("drop")
    if state.status == SENDING and state.lease_until is not None and now < state.lease_until:
        return SendDecision("leave")
    # The lease is over, so whoever sent this is gone: nobody knows what became of it.
    heard_by = (state.claimed_at or now) + OUTCOME_TIMEOUT
    if now < heard_by:
        return SendDecision("wait", heard_by)
    return SendDecision("expire" if now >= state.not_after else "send")


def with_recipients(state: MailState, chosen: Recipients) -> MailState:
    """Return the state once it is decided who really gets the mail at its next attempt."""
    return replace(
        state,
        withheld=dict(chosen.withheld),
        redirected_to=chosen.redirected_to,
        recipient_count=chosen.count,
    )


def claim(state: MailState, now: datetime, claim_id: str) -> MailState:
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


def expire(state: MailState) -> MailState:
    """Return the state of a mail that is not sent any more: failed, or unknown if it may have been sent before."""
    return replace(state, status=FAILED if state.status == QUEUED else UNKNOWN, reason=EXPIRED, lease_until=None)


def withhold(state: MailState, reason: str) -> MailState:
    """Return the state of a mail that may not go, as was found when it was claimed."""
    return replace(state, status=FAILED, reason=reason, lease_until=None)


def capture(state: MailState, reason: str) -> MailState:
    """Return the state of a mail that the mail mode keeps here."""
    return replace(state, status=CAPTURED, reason=reason, lease_until=None)


def apply_outcome(state: MailState, claim_id: str, outcome: SendOutcome, now: datetime) -> MailState:
    """Return the state after the attempt of ``claim_id``, which may meet reports that were quicker."""
    if outcome.kind == "accepted":
        settled = _raise_status(state, SENT, None)
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
            not_before=now + retry_delay(state.refusals),
            lease_until=None,
        )
    return replace(state, status=UNKNOWN, reason=outcome.reason, lease_until=None)


def retry_delay(refusals: int) -> timedelta:
    """Return how long to wait after the mail was refused for now, ``refusals`` times before: 30 s to 30 min."""
    return min(_MIN_RETRY_DELAY * (1 << min(refusals, 10)), _MAX_RETRY_DELAY)


def apply_event(state: MailState, event: Event) -> MailState:
    """Return the state after ``event``, which may come in any order, repeatedly, and before our own note."""
    reported = _raise_status(state, *reports.status_of_report(event.kind))
    return replace(
        reported,
        sent_at=_earlier(state.sent_at, datetime.fromisoformat(event.at)),
        events=reports.most_severe_events({*state.events, event}),
        recipients=reports.merge_event(state.recipients, event),
        lease_until=None,
        not_before=None,
    )


def _raise_status(state: MailState, status: str, reason: str | None) -> MailState:
    if reports.status_severity(status, reason) <= reports.status_severity(state.status, state.reason):
        return state
    return replace(state, status=status, reason=reason)


def _earlier(first: datetime | None, second: datetime) -> datetime:
    return second if first is None else min(first, second)
