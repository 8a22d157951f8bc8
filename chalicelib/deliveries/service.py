"""Delivering an invoice that was issued: who gets it, by which mails, written once (I3, R9, C7, C8)."""

from dataclasses import dataclass
from typing import Any

from chalicelib import clock, ids
from chalicelib.accounts.rules import Account
from chalicelib.bill_groups.rules import BillGroup
from chalicelib.call import Actor, Call
from chalicelib.contacts import recipients
from chalicelib.deliveries import bundles, emails, rules
from chalicelib.deliveries.rules import Decision, Delivery
from chalicelib.duties import service as duties
from chalicelib.duties.queue import Message
from chalicelib.entities.rules import Entity
from chalicelib.invoices.rules import Invoice
from chalicelib.mail import outbox
from chalicelib.observability import logger, metrics
from chalicelib.table import keys, store
from chalicelib.table.items import ContactRolesItem, DeliveryItem, InvoiceItem

DELIVERER = Actor("system", "deliveries", "Deliveries")


@dataclass(frozen=True)
class Around:
    """What a delivery is decided upon, beside the invoice."""

    account: Account
    group: BillGroup | None
    entity: Entity
    roles: ContactRolesItem | None
    rest: tuple[Any, ...] = ()


def delivery_on_issue(invoice: Invoice) -> str:
    """Return the id of the delivery that follows from an invoice's issue. There is one, so its id is given."""
    return ids.first_id(ids.DELIVERY, invoice.recorded_at)


def run(message: Message) -> None:
    """Do what the duty that ``message`` names asks for: deliver an invoice, or send the bundle of a contact."""
    call = Call(DELIVERER, clock.now(), message.correlation_id)
    if bundles.is_reference(message.subject):
        store.deciding_again(lambda: bundles.send(call, message))
    else:
        store.deciding_again(lambda: _deliver(call, message))


def _deliver(call: Call, message: Message) -> None:
    item = store.get(InvoiceItem, keys.invoice(message.subject))
    invoice = store.load(Invoice, item) if item else None
    if invoice is None or invoice.pdf is None:
        # Whoever makes the PDF adds the duty again.
        logger.warning("There is a duty to deliver an invoice that is not here, or has no PDF.")
        duties.done(message.key)
        return
    delivery_id = delivery_on_issue(invoice)
    key = keys.delivery(invoice.invoice_id, delivery_id)
    around = gather(call, invoice, key)
    if around.rest[0] is not None:
        duties.done(message.key)
        return
    decision = _decide(invoice, around)
    transaction = store.Transaction(call)
    planned_only = decision.outcome == rules.SHADOW
    email_ids = [
        None if planned_only else outbox.enqueue(transaction, call, _mail(invoice, around, mail))
        for mail in decision.mails
    ]
    delivery = Delivery(
        delivery_id=delivery_id,
        invoice_id=invoice.invoice_id,
        reason=rules.ISSUED,
        outcome=decision.outcome,
        at=call.now,
        recipients=rules.recipients_of(decision, email_ids),
    )
    transaction.create(store.row(DeliveryItem, key, delivery))
    if decision.held:
        bundles.hold(transaction, call, invoice, delivery_id, decision.held)
    transaction.erase(message.key)
    transaction.commit()
    logger.info("An invoice was delivered.", extra={"outcome": decision.outcome, "mails": len(decision.mails)})
    metrics.add_metric(name="InvoicesDelivered" if decision.mails else "InvoicesNotMailed", unit="Count", value=1)


def gather(call: Call, invoice: Invoice, *further: keys.Key) -> Around:
    """Read what a delivery of ``invoice`` is decided upon, and ``further`` rows; one read.

    An idempotency key of the call counts, as in ``store.gather``.
    """
    account, entity, group, roles, *rest = store.gather(
        call,
        keys.account(invoice.account_id),
        keys.entity(invoice.entity_id),
        keys.bill_group(invoice.bill_group_id),
        keys.contact_roles(invoice.account_id),
        *further,
    )
    if account is None or entity is None:
        raise LookupError("The account or issuing entity of an invoice is not here.")
    return Around(
        account=store.load(Account, account),
        group=store.load(BillGroup, group) if group else None,
        # What is not mailed because the entity's mail is off never is, so no older state of the entity will do.
        entity=store.load(Entity, entity),
        roles=roles,
        rest=tuple(rest),
    )


def _decide(invoice: Invoice, around: Around) -> Decision:
    against = rules.stands_against(invoice, around.entity, around.account)
    if against is not None:
        return Decision(against)
    who = recipients.invoicing(around.account, around.group, around.roles)
    size = invoice.pdf.size if invoice.pdf else 0
    return rules.decide(invoice, around.entity, around.account, who, size)


def _mail(invoice: Invoice, around: Around, mail: rules.PlannedMail) -> outbox.Mail:
    return emails.invoice(around.entity, around.account, mail.to, [(invoice, mail.attached)], mail.cause)
