"""SES events about an email, and the resulting status of each recipient, over plain values (I4).

Events come in any order, repeatedly, and before or after our own record that the email was sent. They are therefore
stored as a set that only grows: for each recipient, which kinds of event came, and the earliest of each kind. Every
status and count is derived from it, so the same events always lead to the same state.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from chalicelib.mailboxes import mailbox_of

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
    """An SES event about an email. ``at`` is its ISO 8601 instant in UTC; ``kind`` one of ``EVENTS``."""

    at: str
    kind: str
    message_id: str
    detail: str = ""
    recipients: tuple[str, ...] = ()


@dataclass(frozen=True)
class RecipientReport:
    """The SES events about one recipient: by kind, the instant and detail of the earliest.

    The address of an erased person is empty.
    """

    email: str
    kinds: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def gravest(self) -> str:
        """Return the kind that decides the recipient's status."""
        return max(self.kinds, key=report_severity)


# SES's event: the resulting status, its reason, and its severity. A transient bounce weighs less than a delivery,
# because automatic replies arrive as such; a delay only proves that SES has the email.
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
    """Return the status that a kind of event leads to, and its reason."""
    return _REPORTS[kind]


def status_severity(status: str, reason: str | None) -> int:
    """Return the severity of a status that an event leads to; 0 for an email's own statuses."""
    standing = (status, reason)
    return _SEVERITY_ORDER.index(standing) + 1 if standing in _SEVERITY_ORDER else 0


def report_severity(kind: str) -> tuple[int, int]:
    """Return the severity of a kind of event; no two are equal."""
    return status_severity(*_REPORTS[kind]), EVENTS.index(kind)


def most_severe_events(events: Iterable[Event]) -> tuple[Event, ...]:
    """Return the most severe events that are stored, in order of time."""
    gravest = sorted(events, key=lambda event: (-status_severity(*_REPORTS[event.kind]), event))
    return tuple(sorted(gravest[:MAX_EVENTS]))


def restrict_to_recipients(event: Event, known: Collection[str], sent_to: int) -> Event:
    """Return ``event`` restricted to the known recipients of the email.

    An event never brings back an erased person, nor adds a stranger. An email to one address (``sent_to``) cannot have
    events about another: a bounce of a forwarding counts for that address.
    """
    about = tuple(sorted({address for address in event.recipients if address in known}))
    if event.recipients and not about and sent_to == len(known) == 1:
        return replace(event, recipients=tuple(known))
    if names_several(replace(event, recipients=about)):
        # SES names all who may have complained: nobody is known to.
        return replace(event, recipients=(), detail="")
    strange = set(event.recipients) - set(about)
    return replace(event, recipients=about, detail="" if strange or not known else event.detail)


def names_several(event: Event) -> bool:
    """Tell whether a complaint names several mailboxes, so that it is not known whose it is."""
    return event.kind == COMPLAINT and len({mailbox_of(email) for email in event.recipients}) > 1


def merge_event(recipients: tuple[RecipientReport, ...], event: Event) -> tuple[RecipientReport, ...]:
    """Return the events of each recipient with ``event`` merged."""
    found = {one.email: one for one in recipients if one.email}
    told = (event.at, event.detail)
    for email in event.recipients:
        kinds = found[email].kinds if email in found else {}
        earliest = min(told, kinds.get(event.kind, told))
        known = {**kinds, event.kind: earliest}
        found[email] = RecipientReport(email, {kind: known[kind] for kind in sorted(known)})
    erased = [one for one in recipients if not one.email]
    return (*erased, *(found[email] for email in sorted(found)))
