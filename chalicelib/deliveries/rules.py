"""Decide the delivery of an invoice: who gets it in which emails, or why nobody does (I3, R9)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from chalicelib.accounts.rules import Account
from chalicelib.contacts.rules import TOGETHER, DeliveryStyle, Recipient
from chalicelib.entities.rules import EACH, LIVE, OFF, SHADOW, Entity
from chalicelib.errors import Conflict, FieldError, InvalidInput, LimitReached
from chalicelib.invoices.rules import VOID, Invoice

ISSUED, SENT_AGAIN = "issued", "sent_again"
"""Why an invoice is delivered: because it was issued, or on request."""

MAILED, WAITING, IN_SHADOW = "mailed", "waiting", "shadow"
"""The outcome of a delivery: emails, only places in bundles, or a plan that is not carried out."""
INVOICE_VOID, MAIL_OFF, BEFORE_LIVE_FROM, PORTAL_ONLY = "void", "mail_off", "before_live_from", "portal_only"
NO_CONTACTS, NO_REACHABLE_CONTACTS = "no_contacts", "no_reachable_contacts"
OUTCOMES = (
    MAILED, WAITING, IN_SHADOW, INVOICE_VOID, MAIL_OFF, BEFORE_LIVE_FROM, PORTAL_ONLY, NO_CONTACTS,
    NO_REACHABLE_CONTACTS,
)  # fmt: skip

PLANNED, UNREACHABLE, LEFT_OUT = "planned", "unreachable", "left_out"
"""Outcomes of a recipient beside MAILED and WAITING: only planned, unreachable, or dropped from a bundle."""

ROLE, COPY, REQUESTED = "role", "copy", "asked"
"""Why a reader gets an email: by a contact role, by a preference, or on request."""

MAX_BUNDLE_WAIT = timedelta(minutes=30)
"""How long the first invoice of a bundle waits for others. Those of one billing run arrive within that time."""
MAX_BUNDLE_SIZE = 20
MAX_RECIPIENTS = 10
"""Maximum recipients of one request, in ``to`` and ``cc`` each."""
PORTAL_USER_SEND_LIMIT = 20
"""Invoices that the portal users of an account may send within SEND_LIMIT_WINDOW."""
SEND_LIMIT_WINDOW = timedelta(hours=1)
MAX_ATTACHED_BYTES = 18 * 1024 * 1024
"""The size that mail programs commonly accept: 25 MB once encoded."""


@dataclass(frozen=True)
class RequestedRecipients:
    """The recipients of a request: contacts of the account, and addresses in Cc, for this email only.

    ``to`` None: all invoicing contacts of its bill group. Addresses are normalised.
    """

    to: tuple[str, ...] | None = None
    cc: tuple[str, ...] = ()


@dataclass(frozen=True)
class DeliveredTo:
    """A recipient of an invoice, the outcome, and the email."""

    contact_id: str | None
    """None for a Cc who is no contact; the address is in the email."""
    state: str
    """MAILED, WAITING, PLANNED, UNREACHABLE or LEFT_OUT."""
    email_id: str | None = None
    copy: bool = False
    cc: bool = False
    """Whether it was a Cc of a request, with an email of its own. A Cc of an email to several is in that email only."""


@dataclass(frozen=True)
class Delivery:
    """The outcome of a delivery. ``at`` is UTC."""

    delivery_id: str
    invoice_id: str
    reason: str
    outcome: str
    at: datetime
    recipients: tuple[DeliveredTo, ...] = ()
    requested_by: Mapping[str, str] | None = None
    """Who requested it: kind and, except for a portal user, name."""


@dataclass(frozen=True)
class PlannedMail:
    """An email to one recipient or several. ``attached`` is False when the PDF is too large."""

    to: tuple[Recipient, ...]
    attached: bool
    cc: tuple[str, ...] = ()
    """Addresses that are in Cc of this email to several."""
    once: bool = False
    """Whether its one recipient was requested as a Cc."""

    @property
    def cause(self) -> str:
        """Return why its readers get it."""
        if self.cc or self.once:
            return REQUESTED
        return COPY if self.to[0].copy else ROLE


@dataclass(frozen=True)
class DeliveryDecision:
    """The decision about a delivery: the emails, who gets the invoice later in a bundle, and who is unreachable."""

    outcome: str
    mails: tuple[PlannedMail, ...] = ()
    held: tuple[Recipient, ...] = ()
    unreachable: tuple[Recipient, ...] = ()


@dataclass(frozen=True)
class BundleMail:
    """One email of a bundle: the positions of its invoices in the bundle, and of those whose PDF is attached."""

    places: tuple[int, ...]
    attached: frozenset[int]


def blocking_outcome(invoice: Invoice, entity: Entity, account: Account) -> str | None:
    """Return the outcome that blocks an issued invoice for all contacts, None if nothing does."""
    if invoice.status == VOID:
        return INVOICE_VOID
    if entity.invoice_mail.mode_for_account(account.account_id) == OFF:
        return MAIL_OFF
    if entity.live_from is not None and invoice.issue_date < entity.live_from:
        return BEFORE_LIVE_FROM
    if account.payment_terms.kind != "net":
        return PORTAL_ONLY
    return None


def decide_delivery(
    invoice: Invoice, entity: Entity, account: Account, recipients: Sequence[Recipient], size: int
) -> DeliveryDecision:
    """Decide the delivery of an issued invoice whose PDF has ``size`` bytes (I3, R9, C7, C8)."""
    against = blocking_outcome(invoice, entity, account)
    if against is not None:
        return DeliveryDecision(against)
    if not recipients:
        return DeliveryDecision(NO_CONTACTS)
    unreachable = tuple(one for one in recipients if one.suppressed)
    reached = [one for one in recipients if not one.suppressed]
    if not reached:
        return DeliveryDecision(NO_REACHABLE_CONTACTS, unreachable=unreachable)
    if entity.invoice_mail.mode_for_account(account.account_id) == SHADOW:
        return DeliveryDecision(
            IN_SHADOW, plan_mails(reached, entity.invoice_addressing, size), unreachable=unreachable
        )
    held = tuple(one for one in reached if one.style.grouping == TOGETHER)
    mails = plan_mails([one for one in reached if one not in held], entity.invoice_addressing, size)
    return DeliveryDecision(MAILED if mails else WAITING, mails, held, unreachable)


def plan_mails(
    recipients: Iterable[Recipient], addressing: str, size: int, cc: Sequence[Recipient] = ()
) -> tuple[PlannedMail, ...]:
    """Return the emails that send one invoice to ``recipients`` at once, and to ``cc`` for this once (I3).

    Each gets an email of their own, in the order given, unless the role holders share one; then those for whom the PDF
    is too large share another one, and ``cc`` is on the first. A copy is always an email of its own,
    because it carries its reader's unsubscribe link (C7).
    """
    if addressing == EACH:
        own = [PlannedMail((one,), size <= attachment_limit(one.style)) for one in recipients]
        once = [PlannedMail((one,), size <= attachment_limit(one.style), once=True) for one in cc]
        return (*own, *once)
    mails: list[PlannedMail] = []
    shared: dict[bool, list[Recipient]] = {}
    for one in recipients:
        attached = size <= attachment_limit(one.style)
        if one.copy:
            mails.append(PlannedMail((one,), attached))
        else:
            shared.setdefault(attached, []).append(one)
    together = [PlannedMail(tuple(to), attached) for attached, to in sorted(shared.items(), reverse=True)]
    planned = (*together, *mails)
    if not cc:
        return planned
    # A Cc applies once, so it is on one of the emails only.
    return (replace(planned[0], cc=tuple(one.email for one in cc)), *planned[1:])


def other_recipients(mail: PlannedMail, decision: DeliveryDecision) -> tuple[str, ...]:
    """Return the names of those who get the invoice by another email, now or in a bundle (I3).

    Whoever chose to get copies is not named, as in reminders. Somebody in Cc who is no contact is named by the address.
    """
    sent = [one for other in decision.mails for one in other.to]
    within = {one.email for one in mail.to}.union(mail.cc)
    named = [one.name for one in (*sent, *decision.held) if not one.copy and one.email not in within]
    in_cc = [address for other in decision.mails for address in other.cc if address not in within]
    return (*named, *in_cc)


def other_delivered(delivery: Delivery, recipients: Iterable[Recipient], contact_id: str) -> tuple[str, ...]:
    """Return the names of those of ``recipients`` to whom ``delivery`` goes beside a contact."""
    reached = {one.contact_id for one in delivery.recipients if one.state in {MAILED, WAITING}} - {contact_id}
    return tuple(one.name for one in recipients if one.contact_id in reached and not one.copy)


def attachment_limit(style: DeliveryStyle) -> int:
    """Return how many bytes of attachments a mail in this style may carry."""
    return MAX_ATTACHED_BYTES if style.size_limit_kib is None else style.size_limit_kib * 1024


def split_bundle(sizes: Sequence[int], most: int) -> tuple[BundleMail, ...]:
    """Split the invoices of a bundle, given by the sizes of their PDFs, into emails of at most ``most`` bytes each.

    The order is kept. A PDF that is too large for any email is not attached; its invoice is listed all the same.
    """
    found: list[BundleMail] = []
    places: list[int] = []
    carried = 0
    for place, size in enumerate(sizes):
        weight = size if size <= most else 0
        if places and carried + weight > most:
            found.append(_build_bundle_mail(places, sizes, most))
            places, carried = [], 0
        places.append(place)
        carried += weight
    if places:
        found.append(_build_bundle_mail(places, sizes, most))
    return tuple(found)


def _build_bundle_mail(places: list[int], sizes: Sequence[int], most: int) -> BundleMail:
    return BundleMail(tuple(places), frozenset(place for place in places if sizes[place] <= most))


def delivery_recipients(decision: DeliveryDecision, email_ids: Sequence[str | None]) -> tuple[DeliveredTo, ...]:
    """Return the outcome of each recipient, given the emails of the plan; without emails it is a mere plan."""
    found = []
    for mail, email_id in zip(decision.mails, email_ids, strict=True):
        state = MAILED if email_id else PLANNED
        found += [DeliveredTo(one.contact_id or None, state, email_id, one.copy, mail.once) for one in mail.to]
    found += [DeliveredTo(one.contact_id, WAITING, copy=one.copy) for one in decision.held]
    found += [DeliveredTo(one.contact_id, UNREACHABLE, copy=one.copy) for one in decision.unreachable]
    return tuple(found)


def with_bundle_result(delivery: Delivery, contact_id: str, email_id: str | None) -> Delivery:
    """Return a delivery after the bundle of a contact was sent by an email, or dropped the invoice (None)."""
    settled = tuple(
        replace(one, state=MAILED if email_id else LEFT_OUT, email_id=email_id)
        if (one.contact_id, one.state) == (contact_id, WAITING)
        else one
        for one in delivery.recipients
    )
    mailed = any(one.state == MAILED for one in settled)
    return replace(delivery, outcome=MAILED if mailed else delivery.outcome, recipients=settled)


def reaches_nobody(delivery: Delivery) -> bool:
    """Tell whether a delivery has reached nobody and never will."""
    return not any(one.state in {MAILED, WAITING} for one in delivery.recipients)


def check_sendable(invoice: Invoice, entity: Entity) -> None:
    """Raise Conflict when the invoice cannot be sent on request.

    Payment terms and age do not matter, but the entity's invoice mail must be live for the account (R9).
    """
    if invoice.status == VOID:
        raise Conflict("invoice_is_void", "This invoice is void and can no longer be sent.")
    mode = entity.invoice_mail.mode_for_account(invoice.account_id)
    if mode != LIVE:
        raise Conflict(
            "invoice_mail_not_live",
            f"Invoice email of {entity.name} is {entity.invoice_mail.mode}, so this account gets none. Set "
            "invoice_mail of the issuing entity to live, or name the account in its pilot.",
            details={"mode": entity.invoice_mail.mode},
        )


def check_not_suppressed(suppressed: Iterable[str]) -> None:
    """Raise Conflict that names the suppressed addresses, if any (I6)."""
    named = sorted(suppressed)
    if named:
        raise Conflict(
            "address_suppressed",
            f"Email to {', '.join(named)} bounced or was marked as spam. Correct the address, or clear its "
            "suppression once it works again.",
            details={"addresses": named},
        )


def unknown_recipients_error(field: str, places: Iterable[int], what: str) -> InvalidInput:
    """Return the error for recipients that a caller may not name."""
    faults = tuple(FieldError(f"{field}.{place}", "not_a_contact", what) for place in places)
    return InvalidInput("invalid_body", "The invoice cannot be sent to everyone who was named.", fields=faults)


def check_send_limit(instants: Sequence[datetime], now: datetime) -> None:
    """Raise LimitReached when portal users of an account have requested too many sends lately."""
    recent = sorted(instant for instant in instants if now - instant < SEND_LIMIT_WINDOW)
    if len(recent) >= PORTAL_USER_SEND_LIMIT:
        wait = recent[-PORTAL_USER_SEND_LIMIT] + SEND_LIMIT_WINDOW - now
        raise LimitReached(
            "too_many_sendings",
            f"You can resend {PORTAL_USER_SEND_LIMIT} invoices an hour from the portal. Try again later.",
            retry_after=max(1, int(wait.total_seconds())),
        )
