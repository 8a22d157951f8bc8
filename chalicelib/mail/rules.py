"""What happens to a mail, decided over plain values (I4, I6, I7).

A mail's own statuses are ``queued``, ``sending``, ``unknown``, ``captured`` and ``failed``. What SES reports stands
above them, and among its reports the graver one stands above the lighter (``_gravity``). A status only ever
rises in that order, so reports lead to the same status in whatever order they come, how often they
come, and whether they come before or after our own note that the mail was sent.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

QUEUED = "queued"
SENDING = "sending"
SENT = "sent"
DELIVERED = "delivered"
BOUNCED = "bounced"
COMPLAINED = "complained"
FAILED = "failed"
UNKNOWN = "unknown"
CAPTURED = "captured"

LEASE = timedelta(minutes=2)
"""How long a claim holds. The functions that send live for one minute at most."""

SILENCE = timedelta(minutes=15)
"""How long SES may be silent about a mail of unknown fate before it is sent again."""

PERMANENT = "permanent"
TRANSIENT = "transient"
REJECTED = "rejected"
EXPIRED = "expired"
NOT_ALLOWED = "not_on_allowlist"
TOO_LARGE = "too_large"
SUPPRESSED = "suppressed"

MOST_EVENTS = 40
_FIRST_PAUSE = timedelta(seconds=30)
_LONGEST_PAUSE = timedelta(minutes=30)


@dataclass(frozen=True, order=True)
class Event:
    """A report of SES about a mail. ``at`` is its ISO 8601 instant in UTC; ``kind`` one of ``EVENTS``."""

    at: str
    kind: str
    message_id: str
    detail: str = ""
    recipients: tuple[str, ...] = ()


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


@dataclass(frozen=True)
class Recipients:
    """Who really gets a mail under the deployment's mail mode. Nobody: it is captured, for ``reason``."""

    to: tuple[str, ...]
    cc: tuple[str, ...] = ()
    meant_for: tuple[str, ...] = ()
    """Whom the mail was meant for, where others get it."""
    reason: str = ""


# SES's word for a report: the status that it leads to, its reason, and how grave it is. A transient bounce weighs
# less than a delivery, because automatic replies come as such; a delay only says that SES has the mail.
_REPORTS: dict[str, tuple[str, str | None]] = {
    "send": (SENT, None),
    "delivery_delay": (SENT, None),
    "transient_bounce": (BOUNCED, TRANSIENT),
    "reject": (FAILED, REJECTED),
    "delivery": (DELIVERED, None),
    "permanent_bounce": (BOUNCED, PERMANENT),
    "complaint": (COMPLAINED, None),
}
EVENTS = tuple(_REPORTS)
_ORDER = list(dict.fromkeys(_REPORTS.values()))


def _gravity(status: str, reason: str | None) -> int:
    standing = (status, reason)
    return _ORDER.index(standing) + 1 if standing in _ORDER else 0


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
    status, reason = _REPORTS[event.kind]
    reported = _raised(state, status, reason)
    reported = replace(reported, sent_at=_earlier(state.sent_at, datetime.fromisoformat(event.at)))
    return replace(reported, events=_kept({*state.events, event}), lease_until=None, not_before=None)


def _raised(state: State, status: str, reason: str | None) -> State:
    if _gravity(status, reason) <= _gravity(state.status, state.reason):
        return state
    return replace(state, status=status, reason=reason)


def _kept(events: Iterable[Event]) -> tuple[Event, ...]:
    """Return the gravest events, in order of time, as many as are kept."""
    gravest = sorted(events, key=lambda event: (-_gravity(*_REPORTS[event.kind]), event))
    return tuple(sorted(gravest[:MOST_EVENTS]))


def _earlier(first: datetime | None, second: datetime) -> datetime:
    return second if first is None else min(first, second)


def recipients(
    mode: str, to: tuple[str, ...], cc: tuple[str, ...], redirect_to: str, allowlist: tuple[str, ...]
) -> Recipients:
    """Decide who gets a mail under the deployment's mail mode (I7). The allowlist holds addresses and domains."""
    if mode == "live":
        return Recipients(to, cc)
    if mode == "redirect":
        return Recipients((redirect_to,), (), meant_for=(*to, *cc))
    if mode == "allowlist":
        allowed_to = tuple(address for address in to if _allowed(address, allowlist))
        allowed_cc = tuple(address for address in cc if _allowed(address, allowlist))
        if not allowed_to and not allowed_cc:
            return Recipients((), reason=NOT_ALLOWED)
        all_of_them = (allowed_to, allowed_cc) == (to, cc)
        if not allowed_to:
            allowed_to, allowed_cc = allowed_cc, ()
        return Recipients(allowed_to, allowed_cc, meant_for=() if all_of_them else (*to, *cc))
    return Recipients((), reason="mail_mode_capture")


def _allowed(address: str, allowlist: tuple[str, ...]) -> bool:
    wanted = address.lower()
    domain = wanted.rpartition("@")[2]
    return any(entry.lower() in {wanted, domain, f"@{domain}"} for entry in allowlist)
