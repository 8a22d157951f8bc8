"""Send an invoice on request, also to others than its invoicing contacts (I3, R6)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from chalicelib import ids
from chalicelib.audit.rules import FieldChange
from chalicelib.audit.service import record_audit_event
from chalicelib.contacts import recipients
from chalicelib.contacts.rules import ACTIVE, Contact, DeliveryStyle, Recipient
from chalicelib.deliveries import emails, rules, service
from chalicelib.deliveries.emails import MailedInvoice
from chalicelib.deliveries.rules import Delivery, DeliveryDecision, RequestedRecipients
from chalicelib.deliveries.service import DeliveryContext
from chalicelib.errors import Conflict, NotFound
from chalicelib.invoices.pdf import pdfs
from chalicelib.invoices.rules import Invoice
from chalicelib.mail import outbox
from chalicelib.request_context import RequestContext
from chalicelib.table import keys, store
from chalicelib.table.items import ContactAddressItem, DeliveryItem, InvoiceItem, RateLimitItem
from chalicelib.table.suppressed import find_suppressed, suppression_keys


@dataclass(frozen=True)
class SendingPlan:
    """The emails by which an invoice would be sent, and the recipients that none of them reaches."""

    invoice: Invoice
    around: DeliveryContext
    decision: DeliveryDecision
    named: bool
    """Whether the request named its recipients."""
    cc: tuple[str, ...]


def send_invoice_on_request(
    context: RequestContext,
    invoice_id: str,
    asked: RequestedRecipients,
    also: Callable[[store.Transaction], None] | None = None,
) -> Delivery:
    """Send an invoice, again or for the first time; three to six reads and one transaction, plus ``also``.

    Payment terms and age do not matter, and it waits for no other invoice. Raises NotFound; Conflict when it has no PDF
    yet, is void, its issuing entity's mail is not live, or a named address is suppressed; InvalidInput naming
    recipients that are no contacts; LimitReached for a portal user who requests too many.
    """

    def attempt() -> Delivery:
        made = plan_sending(context, invoice_id, asked)
        invoice, around = made.invoice, made.around
        transaction = store.Transaction(context)
        email_ids = []
        for mail in made.decision.mails:
            cause = rules.REQUESTED if made.named else mail.cause
            mailed = MailedInvoice(invoice, mail.attached, rules.other_recipients(mail, made.decision))
            written = emails.invoice_mail(around.entity, around.account, mail.to, [mailed], cause, mail.cc)
            email_ids.append(outbox.enqueue_mail(transaction, context, written))
        delivery = Delivery(
            delivery_id=ids.new_id(ids.DELIVERY_PREFIX, context.now),
            invoice_id=invoice_id,
            reason=rules.SENT_AGAIN,
            outcome=rules.MAILED,
            at=context.now,
            recipients=rules.delivery_recipients(made.decision, email_ids),
            requested_by=_requester(context),
        )
        transaction.create(store.to_item(DeliveryItem, keys.delivery(invoice_id, delivery.delivery_id), delivery))
        _count_sending(transaction, context, around)
        contacts = sorted(
            one.contact_id for one in delivery.recipients if one.state == rules.MAILED and one.contact_id and not one.cc
        )
        told = (FieldChange("cc", None, len(made.cc)), FieldChange("to", None, contacts))
        record_audit_event(
            transaction, context, "invoice.sent_again", "invoice", invoice_id, told,
            account_id=invoice.account_id, bill_group_id=invoice.bill_group_id,
        )  # fmt: skip
        if also is not None:
            also(transaction)
        transaction.record_response(delivery.delivery_id, 202)
        transaction.commit()
        return delivery

    return store.retry_on_conflict(attempt)


def plan_sending(context: RequestContext, invoice_id: str, asked: RequestedRecipients) -> SendingPlan:
    """Return how an invoice would be sent, without writing. Raises what ``send_invoice_on_request`` raises."""
    item = store.get_item(InvoiceItem, keys.invoice(invoice_id))
    if item is None:
        raise NotFound
    invoice = store.from_item(Invoice, item)
    named = [keys.contact(invoice.account_id, contact_id) for contact_id in asked.to or ()]
    suppressions = suppression_keys(asked.cc)
    known = [keys.contact_address(invoice.account_id, address) for address in asked.cc]
    limit = keys.rate_limit("invoice_sending", invoice.account_id)
    around = service.read_delivery_context(context, invoice, *named, *suppressions, *known, limit)
    rules.check_sendable(invoice, around.entity)
    size = pdfs.require_invoice_pdf(invoice).size
    of_to, rest = around.rest[: len(named)], around.rest[len(named) : -1]
    of_cc, addresses = rest[: len(suppressions)], rest[len(suppressions) :]
    if context.actor.kind == "portal_user":
        _check_known_addresses([address is not None for address in addresses])
        rules.check_send_limit(_recent_sendings(around.rest[-1]), context.now)
    suppressed = {key: row for key, row in zip(suppressions, of_cc, strict=True) if row is not None}
    rules.check_not_suppressed(find_suppressed(asked.cc, suppressed))
    if asked.to is None:
        who = recipients.list_invoice_recipients(around.account, around.group, around.roles)
        reached, unreachable = _require_reachable(who)
    else:
        reached, unreachable = _named_recipients(_require_active_contacts(of_to)), ()
    mailed = {one.email for one in reached}
    known_cc = {address: row for address, row in zip(asked.cc, addresses, strict=True) if address not in mailed}
    cc = _recipients_in_cc(invoice.account_id, known_cc)
    mails = rules.plan_mails(reached, around.entity.invoice_addressing, size, cc)
    decision = DeliveryDecision(rules.MAILED, mails, unreachable=unreachable)
    return SendingPlan(invoice, around, decision, asked.to is not None, tuple(known_cc))


def _require_reachable(who: Sequence[Recipient]) -> tuple[list[Recipient], tuple[Recipient, ...]]:
    """Return who can be reached, and who cannot. Raises Conflict when nobody can."""
    reached = [one for one in who if not one.suppressed]
    if not reached:
        code, message = rules.NO_CONTACTS, "The bill group has no invoicing contact. Name contacts under `to`."
        if who:
            code = rules.NO_REACHABLE_CONTACTS
            message = "Emails to all invoicing contacts bounced or were marked as spam. Name others under `to`."
        raise Conflict(code, message)
    return reached, tuple(one for one in who if one.suppressed)


def _named_recipients(contacts: Sequence[Contact]) -> list[Recipient]:
    """Return ``contacts`` as recipients. Raises Conflict naming suppressed addresses."""
    addresses = [contact.email for contact in contacts]
    rules.check_not_suppressed(find_suppressed(addresses, store.batch_get_items(suppression_keys(addresses))))
    return [_requested_recipient(one) for one in contacts]


def _requested_recipient(contact: Contact) -> Recipient:
    # Whoever is named gets it on request: it is no copy with an unsubscribe link.
    return Recipient(
        contact.contact_id, contact.email, contact.name, contact.locale, contact.delivery_style,
        copy=False, suppressed=False,
    )  # fmt: skip


def _recipients_in_cc(account_id: str, known: Mapping[str, ContactAddressItem | None]) -> list[Recipient]:
    """Return the addresses in Cc as recipients; one read if one of them is a contact of the account.

    A contact's locale and delivery style hold here too (I8, C7). Anybody else is named by the address.
    """
    wanted = {address: keys.contact(account_id, row.contact_id) for address, row in known.items() if row is not None}
    rows = store.batch_get_items(list(wanted.values())) if wanted else {}
    found = []
    for address in known:
        row = rows.get(wanted[address]) if address in wanted else None
        contact = store.from_item(Contact, row) if row is not None and row.status == ACTIVE else None
        found.append(
            _requested_recipient(contact)
            if contact is not None and contact.email == address
            else Recipient("", address, address, None, DeliveryStyle(), copy=False, suppressed=False)
        )
    return found


def _require_active_contacts(rows: Sequence[object]) -> list[Contact]:
    contacts = [store.from_item(Contact, row) if row is not None else None for row in rows]  # type: ignore[arg-type]
    absent = [place for place, one in enumerate(contacts) if one is None or one.status != ACTIVE]
    if absent:
        raise rules.unknown_recipients_error(
            "to", absent, "This is not an active contact of the account. Add the contact first."
        )
    return [one for one in contacts if one is not None]


def _check_known_addresses(known: Sequence[bool]) -> None:
    absent = [place for place, is_known in enumerate(known) if not is_known]
    if absent:
        raise rules.unknown_recipients_error(
            "cc", absent, "Only contacts of the account can get a copy. Add the contact first."
        )


def _requester(context: RequestContext) -> dict[str, str]:
    # The address of a portal user is in the audit event, where an erasure finds it.
    named = {} if context.actor.kind == "portal_user" else {"name": context.actor.name}
    return {"kind": context.actor.kind, **named}


def _recent_sendings(row: RateLimitItem | None) -> list[datetime]:
    return [datetime.fromisoformat(instant) for instant in row.instants] if row else []


def _count_sending(transaction: store.Transaction, context: RequestContext, around: DeliveryContext) -> None:
    if context.actor.kind != "portal_user":
        return
    key = keys.rate_limit("invoice_sending", around.account.account_id)
    row: RateLimitItem | None = around.rest[-1]
    counting = row or RateLimitItem(key.pk, key.sk)
    recent = [instant for instant in _recent_sendings(row) if context.now - instant < rules.SEND_LIMIT_WINDOW]
    counting.instants = [keys.format_instant(instant) for instant in (*recent, context.now)]
    counting.expires_at = context.now + rules.SEND_LIMIT_WINDOW
    transaction.put(counting, new=row is None)
