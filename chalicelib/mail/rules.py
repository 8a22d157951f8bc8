"""The states of an email, decided over plain values (I4).

An email's own statuses are ``queued``, ``sending``, ``unknown``, ``captured`` and ``failed``. SES events rank above
them, and among the events the more severe ones above the others (``reports.status_severity``). A status only ever rises
in that order, so events lead to the same status in any order, any number of times, and before or after our own record
that the email was sent.
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
"""The lease of a claim. The functions that send run for one minute at most."""

OUTCOME_TIMEOUT = timedelta(minutes=15)
"""How long to wait for SES events about an email of unknown outcome before it is sent again."""

EXPIRED = "expired"
TOO_LARGE = "too_large"

_MIN_RETRY_DELAY = timedelta(seconds=30)
_MAX_RETRY_DELAY = timedelta(minutes=30)


@dataclass(frozen=True)
class MailState:
    """The state of an email. Instants are aware UTC."""

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
    """The number of recipients of the last attempt."""


@dataclass(frozen=True)
class SendOutcome:
    """The outcome of one attempt: ``accepted``, ``refused_for_now``, ``refused`` or ``unknown``."""

    kind: str
    reason: str = ""
    message_id: str | None = None
    soon: bool = False
    """Whether a short wait may help (a rate limit)."""


@dataclass(frozen=True)
class SendDecision:
    """The next action for an email.

    ``send`` it, ``wait`` until an instant, let it ``expire``, ``leave`` it to the consumer that is sending it, or
    ``drop`` the task, because nothing is left to do.
    """

    action: str
    until: datetime | None = None


def decide(state: MailState, now: datetime) -> SendDecision:
    """Decide the next action of the consumer that has the email's task at ``now``."""
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
    # The lease has expired, so the sender has crashed: the outcome is unknown.
    heard_by = (state.claimed_at or now) + OUTCOME_TIMEOUT
    if now < heard_by:
        return SendDecision("wait", heard_by)
    return SendDecision("expire" if now >= state.not_after else "send")


def with_recipients(state: MailState, chosen: Recipients) -> MailState:
    """Return the state after the recipients of the next attempt are decided."""
    return replace(
        state,
        withheld=dict(chosen.withheld),
        redirected_to=chosen.redirected_to,
        recipient_count=chosen.count,
    )


def claim(state: MailState, now: datetime, claim_id: str) -> MailState:
    """Return the state after ``claim_id`` has claimed the email for one attempt."""
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
    """Return the state of an expired email: failed, or unknown if it may have been sent before."""
    return replace(state, status=FAILED if state.status == QUEUED else UNKNOWN, reason=EXPIRED, lease_until=None)


def withhold(state: MailState, reason: str) -> MailState:
    """Return the state of an email that was withheld at its claim."""
    return replace(state, status=FAILED, reason=reason, lease_until=None)


def capture(state: MailState, reason: str) -> MailState:
    """Return the state of an email that the mail mode captures."""
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
    """Return the retry delay after ``refusals`` earlier refusals: 30 s to 30 min."""
    return min(_MIN_RETRY_DELAY * (1 << min(refusals, 10)), _MAX_RETRY_DELAY)


def apply_event(state: MailState, event: Event) -> MailState:
    """Return the state after ``event``, which may come in any order, repeatedly, and before our own record."""
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
