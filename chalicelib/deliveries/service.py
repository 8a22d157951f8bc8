"""Deliver an issued invoice: who gets it, in which emails, written once (I3, R9, C7, C8)."""

from dataclasses import dataclass
from typing import Any

from chalicelib import clock, ids
from chalicelib.accounts.rules import Account
from chalicelib.bill_groups.rules import BillGroup
from chalicelib.contacts import recipients
from chalicelib.deliveries import bundles, emails, rules
from chalicelib.deliveries.emails import MailedInvoice
from chalicelib.deliveries.rules import Delivery, DeliveryDecision
from chalicelib.entities.rules import Entity
from chalicelib.invoices.rules import Invoice
from chalicelib.mail import outbox
from chalicelib.observability import logger, metrics
from chalicelib.request_context import Actor, RequestContext
from chalicelib.table import keys, store
from chalicelib.table.items import ContactRolesItem, DeliveryItem, InvoiceItem
from chalicelib.table.keys import Key
from chalicelib.tasks.kinds import DeliverInvoice, SendBundle
from chalicelib.tasks.queue import TaskMessage
from chalicelib.tasks.service import complete_task

DELIVERER = Actor("system", "deliveries", "Deliveries")


@dataclass(frozen=True)
class DeliveryContext:
    """The rows that decide a delivery, beside the invoice."""

    account: Account
    group: BillGroup | None
    entity: Entity
    roles: ContactRolesItem | None
    rest: tuple[Any, ...] = ()


def issue_delivery_id(invoice: Invoice) -> str:
    """Return the id of the delivery that follows an issue: exactly one, so the id is derived from the invoice."""
    return ids.lowest_id_at(ids.DELIVERY_PREFIX, invoice.recorded_at)


def process_delivery_task(message: TaskMessage[DeliverInvoice] | TaskMessage[SendBundle]) -> None:
    """Process a delivery task: deliver an invoice, or send the bundle of a contact."""
    context = RequestContext(DELIVERER, clock.utc_now(), message.correlation_id)
    task = message.task
    if isinstance(task, SendBundle):
        store.retry_on_conflict(lambda: bundles.send_bundle(context, task, message.key))
    else:
        store.retry_on_conflict(lambda: _deliver(context, task.invoice_id, message.key))


def _deliver(context: RequestContext, invoice_id: str, task_key: Key) -> None:
    item = store.get_item(InvoiceItem, keys.invoice(invoice_id))
    invoice = store.from_item(Invoice, item) if item else None
    if invoice is None or invoice.pdf is None:
        # Rendering the PDF adds the task again.
        logger.warning("A task names an invoice that does not exist or has no PDF.")
        complete_task(task_key)
        return
    delivery_id = issue_delivery_id(invoice)
    key = keys.delivery(invoice.invoice_id, delivery_id)
    around = read_delivery_context(context, invoice, key)
    if around.rest[0] is not None:
        complete_task(task_key)
        return
    decision = _decide(invoice, around)
    transaction = store.Transaction(context)
    planned_only = decision.outcome == rules.IN_SHADOW
    email_ids = [
        None
        if planned_only
        else outbox.enqueue_mail(transaction, context, _build_mail(invoice, around, decision, mail))
        for mail in decision.mails
    ]
    delivery = Delivery(
        delivery_id=delivery_id,
        invoice_id=invoice.invoice_id,
        reason=rules.ISSUED,
        outcome=decision.outcome,
        at=context.now,
        recipients=rules.delivery_recipients(decision, email_ids),
    )
    transaction.create(store.to_item(DeliveryItem, key, delivery))
    if decision.held:
        bundles.add_to_bundles(transaction, context, invoice, delivery_id, decision.held)
    transaction.delete_unconditionally(task_key)
    transaction.commit()
    logger.info("An invoice was delivered.", extra={"outcome": decision.outcome, "mails": len(decision.mails)})
    metrics.add_metric(name="InvoicesDelivered" if decision.mails else "InvoicesNotMailed", unit="Count", value=1)


def read_delivery_context(context: RequestContext, invoice: Invoice, *further: Key) -> DeliveryContext:
    """Read the rows that decide the delivery of ``invoice``, and ``further`` rows; one read.

    The idempotency key of ``context`` counts, as in ``store.get_items_for_write``.
    """
    account, entity, group, roles, *rest = store.get_items_for_write(
        context,
        keys.account(invoice.account_id),
        keys.entity(invoice.entity_id),
        keys.bill_group(invoice.bill_group_id),
        keys.contact_roles(invoice.account_id),
        *further,
    )
    if account is None or entity is None:
        raise LookupError("The account or issuing entity of an invoice is not here.")
    return DeliveryContext(
        account=store.from_item(Account, account),
        group=store.from_item(BillGroup, group) if group else None,
        # With the entity's mail off the invoice is never emailed, so a cached entity is not good enough.
        entity=store.from_item(Entity, entity),
        roles=roles,
        rest=tuple(rest),
    )


def _decide(invoice: Invoice, around: DeliveryContext) -> DeliveryDecision:
    against = rules.blocking_outcome(invoice, around.entity, around.account)
    if against is not None:
        return DeliveryDecision(against)
    who = recipients.list_invoice_recipients(around.account, around.group, around.roles)
    size = invoice.pdf.size if invoice.pdf else 0
    return rules.decide_delivery(invoice, around.entity, around.account, who, size)


def _build_mail(
    invoice: Invoice, around: DeliveryContext, decision: DeliveryDecision, mail: rules.PlannedMail
) -> outbox.Mail:
    mailed = MailedInvoice(invoice, mail.attached, rules.other_recipients(mail, decision))
    return emails.invoice_mail(around.entity, around.account, mail.to, [mailed], mail.cause)
