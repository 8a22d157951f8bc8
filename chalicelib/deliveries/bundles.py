"""Invoices that wait for each other, to go to a contact in one mail (C7)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib.accounts.rules import Account
from chalicelib.bill_groups.rules import BillGroup
from chalicelib.call import Call
from chalicelib.contacts import recipients
from chalicelib.contacts.rules import Recipient
from chalicelib.deliveries import emails, rules
from chalicelib.deliveries.rules import Delivery
from chalicelib.duties import service as duties
from chalicelib.duties.queue import Message
from chalicelib.entities.rules import LIVE, Entity
from chalicelib.invoices.rules import Invoice
from chalicelib.mail import outbox
from chalicelib.observability import logger, metrics
from chalicelib.table import keys, store
from chalicelib.table.items import BundleItem, ContactRolesItem, DeliveryItem

_DIVIDER = "/"
"""Stands in no id of the vendor's, so a bundle's reference is never taken for an invoice."""


@dataclass(frozen=True)
class _Held:
    """One invoice of a bundle, its delivery, and the contact as who it gets it now; None if it does not any more."""

    invoice: Invoice
    delivery: DeliveryItem
    recipient: Recipient | None


def reference(account_id: str, entity_id: str, contact_id: str) -> str:
    """Return what the duty to send a bundle names it by."""
    return _DIVIDER.join((account_id, entity_id, contact_id))


def is_reference(subject: str) -> bool:
    """Tell whether the subject of a duty is a bundle, and not an invoice."""
    return _DIVIDER in subject


def hold(
    transaction: store.Transaction, call: Call, invoice: Invoice, delivery_id: str, held: Sequence[Recipient]
) -> None:
    """Put an invoice into the bundles of contacts, and see to it that each is sent in time; one read.

    The first invoice of a bundle waits for at most ``rules.BUNDLE_WAITS``; a bundle that is full is sent at once.
    """
    places = {one.contact_id: keys.bundle(invoice.account_id, invoice.entity_id, one.contact_id) for one in held}
    found = store.batch(list(places.values()))
    for contact_id, key in places.items():
        item: BundleItem | None = found.get(key)
        row = item or BundleItem(
            key.pk,
            key.sk,
            account_id=invoice.account_id,
            entity_id=invoice.entity_id,
            contact_id=contact_id,
            invoices=[],
            due=call.now + rules.BUNDLE_WAITS,
        )
        entry = {
            "invoice_id": invoice.invoice_id, "delivery_id": delivery_id, "bill_group_id": invoice.bill_group_id,
        }  # fmt: skip
        row.invoices = [*row.invoices, entry]
        if len(row.invoices) >= rules.MOST_IN_A_BUNDLE:
            row.due = call.now
        transaction.put(row, new=item is None)
        if item is None or row.due <= call.now:
            subject = reference(invoice.account_id, invoice.entity_id, contact_id)
            duties.add(transaction, call, "delivery", subject, row.due)


def send(call: Call, message: Message) -> None:
    """Send the bundle that ``message`` names, in as many mails as it needs; nothing if that was done.

    Everything is decided afresh. An invoice of which the contact is no recipient any more, and that went to nobody
    else either, is delivered anew, to whoever its recipients are now.
    """
    account_id, entity_id, contact_id = message.subject.split(_DIVIDER)
    row = store.get(BundleItem, keys.bundle(account_id, entity_id, contact_id))
    if row is None or row.due > call.now:
        # Another bundle than that of this duty, which was sent before its time, has a duty of its own.
        duties.done(message.key)
        return
    # What came in while a full bundle waited for its turn goes by the next.
    taken, left = row.invoices[: rules.MOST_IN_A_BUNDLE], row.invoices[rules.MOST_IN_A_BUNDLE :]
    entity, account, held = _held(account_id, entity_id, contact_id, taken)
    going = [one for one in held if _goes(one, entity, account)]
    transaction = store.Transaction(call)
    email_ids: dict[str, str | None] = {}
    sizes = [one.invoice.pdf.size if one.invoice.pdf else 0 for one in going]
    first = going[0].recipient if going else None
    if first is not None:
        for part in rules.parts(sizes, rules.limit(first.style)):
            invoices = [(going[place].invoice, place in part.attached) for place in part.places]
            cause = rules.COPY if first.copy else rules.ROLE
            email_id = outbox.enqueue(transaction, call, emails.invoice(entity, account, (first,), invoices, cause))
            email_ids.update((one.invoice_id, email_id) for one, _ in invoices)
    for one in held:
        _settle(transaction, call, one, contact_id, email_ids.get(one.invoice.invoice_id))
    if left:
        full = len(left) >= rules.MOST_IN_A_BUNDLE
        row.invoices, row.due = left, call.now if full else call.now + rules.BUNDLE_WAITS
        transaction.replace(row)
        duties.add(transaction, call, "delivery", message.subject, row.due)
    else:
        transaction.delete(row)
    transaction.erase(message.key)
    transaction.commit()
    logger.info("A bundle of invoices was sent.", extra={"invoices": len(going), "held": len(held)})
    metrics.add_metric(name="BundlesSent", unit="Count", value=1)


def _held(
    account_id: str, entity_id: str, contact_id: str, entries: Sequence[dict[str, str]]
) -> tuple[Entity, Account, list[_Held]]:
    heads = {one["invoice_id"]: keys.invoice(one["invoice_id"]) for one in entries}
    places = {one["invoice_id"]: keys.delivery(one["invoice_id"], one["delivery_id"]) for one in entries}
    groups = {one["invoice_id"]: keys.bill_group(one["bill_group_id"]) for one in entries}
    account_key, roles_key = keys.account(account_id), keys.contact_roles(account_id)
    entity_key = keys.entity(entity_id)
    found = store.batch([account_key, roles_key, entity_key, *heads.values(), *places.values(), *groups.values()])
    account = store.load(Account, found[account_key])
    known: dict[tuple[str, ...], Recipient | None] = {}
    held = []
    for invoice_id, key in heads.items():
        group = store.load(BillGroup, found[groups[invoice_id]])
        narrowed = group.invoicing_contact_ids
        if narrowed not in known:
            known[narrowed] = _as_recipient(account, group, found.get(roles_key), contact_id)
        held.append(_Held(store.load(Invoice, found[key]), found[places[invoice_id]], known[narrowed]))
    return store.load(Entity, found[entity_key]), account, held


def _as_recipient(account: Account, group: BillGroup, roles: ContactRolesItem | None, contact_id: str) -> Any:
    who = recipients.invoicing(account, group, roles)
    return next((one for one in who if one.contact_id == contact_id and not one.suppressed), None)


def _goes(held: _Held, entity: Entity, account: Account) -> bool:
    if held.recipient is None or held.invoice.pdf is None:
        return False
    live = entity.invoice_mail.for_account(account.account_id) == LIVE
    return live and rules.stands_against(held.invoice, entity, account) is None


def _settle(transaction: store.Transaction, call: Call, held: _Held, contact_id: str, email_id: str | None) -> None:
    row = held.delivery
    before = store.load(Delivery, row)
    after = rules.after_waiting(before, contact_id, email_id)
    if email_id is None and rules.reaches_nobody(after):
        # Nothing was sent by it yet, so another one takes its place.
        transaction.delete(row)
        duties.add(transaction, call, "delivery", held.invoice.invoice_id)
        return
    written = store.row(DeliveryItem, row.key, after)
    written.version = row.version
    transaction.replace(written)
