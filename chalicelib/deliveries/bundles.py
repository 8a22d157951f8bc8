"""Bundles: invoices that wait to be sent to a contact in one email (C7)."""

from collections.abc import Sequence
from dataclasses import dataclass

from chalicelib.accounts.rules import Account
from chalicelib.bill_groups.rules import BillGroup
from chalicelib.contacts import recipients
from chalicelib.contacts.rules import Recipient
from chalicelib.deliveries import emails, rules
from chalicelib.deliveries.emails import MailedInvoice
from chalicelib.deliveries.rules import Delivery
from chalicelib.entities.rules import LIVE, Entity
from chalicelib.invoices.rules import Invoice
from chalicelib.mail import outbox
from chalicelib.observability import logger, metrics
from chalicelib.request_context import RequestContext
from chalicelib.table import keys, store
from chalicelib.table.items import BundleItem, DeliveryItem
from chalicelib.table.keys import Key
from chalicelib.tasks.kinds import DeliverInvoice, SendBundle
from chalicelib.tasks.service import add_task, complete_task


@dataclass(frozen=True)
class _BundledInvoice:
    """One invoice of a bundle, its delivery, and its recipients now."""

    invoice: Invoice
    delivery: DeliveryItem
    recipient: Recipient | None
    """The contact of the bundle; None if it is a recipient no longer."""
    others: tuple[str, ...]
    """The names of those to whom the delivery goes beside the contact."""


def add_to_bundles(
    transaction: store.Transaction,
    context: RequestContext,
    invoice: Invoice,
    delivery_id: str,
    held: Sequence[Recipient],
) -> None:
    """Add an invoice to the bundles of contacts, and schedule each bundle in time; one read.

    The first invoice of a bundle waits for at most ``rules.MAX_BUNDLE_WAIT``; a full bundle is sent at once.
    """
    places = {one.contact_id: keys.bundle(invoice.account_id, invoice.entity_id, one.contact_id) for one in held}
    found = store.batch_get_items(list(places.values()))
    for contact_id, key in places.items():
        item: BundleItem | None = found.get(key)
        row = item or BundleItem(
            key.pk,
            key.sk,
            account_id=invoice.account_id,
            entity_id=invoice.entity_id,
            contact_id=contact_id,
            invoices=[],
            due=context.now + rules.MAX_BUNDLE_WAIT,
        )
        entry = {
            "invoice_id": invoice.invoice_id, "delivery_id": delivery_id, "bill_group_id": invoice.bill_group_id,
        }  # fmt: skip
        row.invoices = [*row.invoices, entry]
        if len(row.invoices) >= rules.MAX_BUNDLE_SIZE:
            row.due = context.now
        transaction.put(row, new=item is None)
        if item is None or row.due <= context.now:
            task = SendBundle(invoice.account_id, invoice.entity_id, contact_id)
            add_task(transaction, context, task, row.due)


def send_bundle(context: RequestContext, task: SendBundle, task_key: Key) -> None:
    """Send the bundle that ``task`` names, in as many emails as it needs; a no-op if it was sent.

    Everything is decided again. If the contact is no recipient of an invoice any more, and it was sent to nobody else,
    the invoice is delivered again to its current recipients.
    """
    account_id, entity_id, contact_id = task.account_id, task.entity_id, task.contact_id
    row = store.get_item(BundleItem, keys.bundle(account_id, entity_id, contact_id))
    if row is None or row.due > context.now:
        # This task's bundle was sent early; a newer bundle has a task of its own.
        complete_task(task_key)
        return
    # Invoices that arrived while a full bundle waited go into the next one.
    taken, left = row.invoices[: rules.MAX_BUNDLE_SIZE], row.invoices[rules.MAX_BUNDLE_SIZE :]
    entity, account, held = _read_bundle(account_id, entity_id, contact_id, taken)
    going = [one for one in held if _is_sendable(one, entity, account)]
    transaction = store.Transaction(context)
    email_ids: dict[str, str | None] = {}
    sizes = [one.invoice.pdf.size if one.invoice.pdf else 0 for one in going]
    first = going[0].recipient if going else None
    if first is not None:
        for part in rules.split_bundle(sizes, rules.attachment_limit(first.style)):
            invoices = [
                MailedInvoice(going[place].invoice, place in part.attached, going[place].others)
                for place in part.places
            ]
            cause = rules.COPY if first.copy else rules.ROLE
            email_id = outbox.enqueue_mail(
                transaction, context, emails.invoice_mail(entity, account, (first,), invoices, cause)
            )
            email_ids.update((one.invoice.invoice_id, email_id) for one in invoices)
    for one in held:
        _record_bundle_result(transaction, context, one, contact_id, email_ids.get(one.invoice.invoice_id))
    if left:
        full = len(left) >= rules.MAX_BUNDLE_SIZE
        row.invoices, row.due = left, context.now if full else context.now + rules.MAX_BUNDLE_WAIT
        transaction.replace(row)
        add_task(transaction, context, task, row.due)
    else:
        transaction.delete(row)
    transaction.delete_unconditionally(task_key)
    transaction.commit()
    logger.info("A bundle of invoices was sent.", extra={"invoices": len(going), "held": len(held)})
    metrics.add_metric(name="BundlesSent", unit="Count", value=1)


def _read_bundle(
    account_id: str, entity_id: str, contact_id: str, entries: Sequence[dict[str, str]]
) -> tuple[Entity, Account, list[_BundledInvoice]]:
    heads = {one["invoice_id"]: keys.invoice(one["invoice_id"]) for one in entries}
    places = {one["invoice_id"]: keys.delivery(one["invoice_id"], one["delivery_id"]) for one in entries}
    groups = {one["invoice_id"]: keys.bill_group(one["bill_group_id"]) for one in entries}
    account_key, roles_key = keys.account(account_id), keys.contact_roles(account_id)
    entity_key = keys.entity(entity_id)
    found = store.batch_get_items(
        [account_key, roles_key, entity_key, *heads.values(), *places.values(), *groups.values()]
    )
    account = store.from_item(Account, found[account_key])
    known: dict[tuple[str, ...], list[Recipient]] = {}
    held = []
    for invoice_id, key in heads.items():
        group = store.from_item(BillGroup, found[groups[invoice_id]])
        narrowed = group.invoicing_contact_ids
        if narrowed not in known:
            known[narrowed] = recipients.list_invoice_recipients(account, group, found.get(roles_key))
        held.append(
            _build_bundled(store.from_item(Invoice, found[key]), found[places[invoice_id]], known[narrowed], contact_id)
        )
    return store.from_item(Entity, found[entity_key]), account, held


def _build_bundled(
    invoice: Invoice, delivery: DeliveryItem, who: Sequence[Recipient], contact_id: str
) -> _BundledInvoice:
    recipient = next((one for one in who if one.contact_id == contact_id and not one.suppressed), None)
    others = rules.other_delivered(store.from_item(Delivery, delivery), who, contact_id)
    return _BundledInvoice(invoice, delivery, recipient, others)


def _is_sendable(held: _BundledInvoice, entity: Entity, account: Account) -> bool:
    if held.recipient is None or held.invoice.pdf is None:
        return False
    live = entity.invoice_mail.mode_for_account(account.account_id) == LIVE
    return live and rules.blocking_outcome(held.invoice, entity, account) is None


def _record_bundle_result(
    transaction: store.Transaction,
    context: RequestContext,
    held: _BundledInvoice,
    contact_id: str,
    email_id: str | None,
) -> None:
    row = held.delivery
    before = store.from_item(Delivery, row)
    after = rules.with_bundle_result(before, contact_id, email_id)
    if email_id is None and rules.reaches_nobody(after):
        # Nothing was sent with it yet, so another one replaces it.
        transaction.delete(row)
        add_task(transaction, context, DeliverInvoice(held.invoice.invoice_id))
        return
    written = store.to_item(DeliveryItem, row.key, after)
    written.version = row.version
    transaction.replace(written)
