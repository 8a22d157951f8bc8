"""What SES reports about a mail, and what becomes of it for each of its recipients, over plain values (I4).

Reports come in any order, repeatedly, and before or after our own note that the mail was sent. What is kept of them is
therefore a set that only grows: of each recipient, which kinds of report came, and the earliest of each kind. All
that is told or counted is derived from it, so that the same reports always lead to the same state.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

SENT = "sent"
DELIVERED = "delivered"
BOUNCED = "bounced"
COMPLAINED = "complained"
FAILED = "failed"

PERMANENT = "permanent"
TRANSIENT = "transient"
REJECTED = "rejected"

PERMANENT_BOUNCE = "permanent_bounce"
COMPLAINT = "complaint"
MAX_EVENTS = 40


@dataclass(frozen=True, order=True)
class Event:
    """A report of SES about a mail. ``at`` is its ISO 8601 instant in UTC; ``kind`` one of ``EVENTS``."""

    at: str
    kind: str
    message_id: str
    detail: str = ""
    recipients: tuple[str, ...] = ()


@dataclass(frozen=True)
class RecipientReport:
    """What SES has reported of one recipient: by kind, the instant and detail of the earliest report.

    The address of somebody who was erased is empty.
    """

    email: str
    kinds: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def gravest(self) -> str:
        """Return the kind that decides how the recipient stands."""
        return max(self.kinds, key=report_severity)


# SES's word for a report: the status that it leads to, its reason, and how grave it is. A transient bounce weighs
# less than a delivery, because automatic replies come as such; a delay only says that SES has the mail.
_REPORTS: dict[str, tuple[str, str | None]] = {
    "send": (SENT, None),
    "delivery_delay": (SENT, None),
    "transient_bounce": (BOUNCED, TRANSIENT),
    "reject": (FAILED, REJECTED),
    "delivery": (DELIVERED, None),
    PERMANENT_BOUNCE: (BOUNCED, PERMANENT),
    COMPLAINT: (COMPLAINED, None),
}
EVENTS = tuple(_REPORTS)
_SEVERITY_ORDER = list(dict.fromkeys(_REPORTS.values()))


def status_of_report(kind: str) -> tuple[str, str | None]:
    """Return the status that a kind of report leads to, and its reason."""
    return _REPORTS[kind]


def status_severity(status: str, reason: str | None) -> int:
    """Return how grave a standing is among those that reports lead to; 0 for a mail's own statuses."""
    standing = (status, reason)
    return _SEVERITY_ORDER.index(standing) + 1 if standing in _SEVERITY_ORDER else 0


def report_severity(kind: str) -> tuple[int, int]:
    """Return how grave a kind of report is, so that no two are alike."""
    return status_severity(*_REPORTS[kind]), EVENTS.index(kind)


def most_severe_events(events: Iterable[Event]) -> tuple[Event, ...]:
    """Return the gravest events, in order of time, as many as are kept."""
    gravest = sorted(events, key=lambda event: (-status_severity(*_REPORTS[event.kind]), event))
    return tuple(sorted(gravest[:MAX_EVENTS]))


def restrict_to_recipients(event: Event, known: Collection[str], sent_to: int) -> Event:
    """Return ``event`` as far as it is about the recipients that the mail is known to have.

    Whoever was erased is not brought back by a report, nor is anybody else told of. A mail that went to one address
    (``sent_to``) cannot be reported about another: what comes back by a forwarding is that one's.
    """
    about = tuple(sorted({address for address in event.recipients if address in known}))
    if event.recipients and not about and sent_to == len(known) == 1:
        return replace(event, recipients=tuple(known))
    strange = set(event.recipients) - set(about)
    return replace(event, recipients=about, detail="" if strange or not known else event.detail)


def merge_event(recipients: tuple[RecipientReport, ...], event: Event) -> tuple[RecipientReport, ...]:
    """Return what is known of each recipient once ``event`` is known too."""
    found = {one.email: one for one in recipients if one.email}
    told = (event.at, event.detail)
    for email in event.recipients:
        kinds = found[email].kinds if email in found else {}
        earliest = min(told, kinds.get(event.kind, told))
        known = {**kinds, event.kind: earliest}
        found[email] = RecipientReport(email, {kind: known[kind] for kind in sorted(known)})
    erased = [one for one in recipients if not one.email]
    return (*erased, *(found[email] for email in sorted(found)))
