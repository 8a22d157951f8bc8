"""Use cases of payments: record, allocate, withdraw, reverse."""

from dataclasses import dataclass, replace
from typing import Any

from chalicelib.audit.rules import diff_fields
from chalicelib.audit.service import record_audit_event
from chalicelib.errors import Conflict, InvalidInput, NotFound
from chalicelib.ids import PAYMENT_PREFIX, new_id
from chalicelib.invoices import ledger
from chalicelib.invoices.rules import Invoice
from chalicelib.payments import rules, settlements
from chalicelib.payments.rules import Allocation, Payment, Reversal, SettlementSource
from chalicelib.payments.settlements import InvoiceChange
from chalicelib.request_context import RequestContext
from chalicelib.serialization import build_dataclass
from chalicelib.table import keys, store
from chalicelib.table.items import PaymentItem
from chalicelib.table.keys import Key


@dataclass(frozen=True)
class PaymentWriteResult:
    """The payment after a write, and whether the write created it."""

    payment: Payment
    created: bool
    changed: bool = True
    """False when nothing changed and nothing was written."""


def record_payment(
    context: RequestContext, account_id: str, payment_id: str, given: dict[str, Any]
) -> PaymentWriteResult:
    """Record a payment under the vendor's id and allocate it to invoices; two reads.

    The same content again changes nothing, whatever happened to the payment since. Raises NotFound without the account,
    Conflict when the payment exists with other content, InvalidInput that names every invalid field.
    """
    rules.check_received_on(given["received_on"], context.now)
    wanted = settlements.parse_allocations(given.get("allocations") or ())
    said = rules.payment_content_hash(given)

    def attempt() -> PaymentWriteResult:
        key = keys.payment(account_id, payment_id)
        item, account, *items = store.get_items_for_write(
            context, key, keys.account(account_id), *(keys.invoice(one.invoice_id) for one in wanted)
        )
        if account is None:
            raise NotFound
        if item is not None:
            return _repeat_payment(store.from_item(Payment, item), said)
        entity_id = given.get("entity_id") or account.entity_id
        made = {**given, "account_id": account_id, "payment_id": payment_id, "entity_id": entity_id}
        payment = build_dataclass(
            Payment, {**made, "allocations": {}, "content_hash": said, "recorded_at": context.now}
        )
        return _record_new(context, payment, wanted, settlements.invoices_by_id(items), account)

    return store.retry_on_conflict(attempt)


def _repeat_payment(before: Payment, said: str) -> PaymentWriteResult:
    if before.content_hash != said:
        raise Conflict(
            "payment_exists",
            "There is already a payment with this id and different content. Send the same content, or use another id.",
        )
    return PaymentWriteResult(before, created=False, changed=False)


def record_invoice_payment(context: RequestContext, invoice_id: str, given: dict[str, Any]) -> PaymentWriteResult:
    """Record a payment of one invoice under a generated id; what exceeds its balance stays unallocated. Two reads.

    Raises NotFound, InvalidInput when the currency differs, Conflict when nothing is open.
    """
    rules.check_received_on(given["received_on"], context.now)
    payment_id = new_id(PAYMENT_PREFIX, context.now)

    def attempt() -> PaymentWriteResult:
        (item,) = store.get_items_for_write(context, keys.invoice(invoice_id))
        if item is None:
            raise NotFound
        invoice = store.from_item(Invoice, item)
        rules.check_payable(invoice, given["currency"])
        made = {**given, "account_id": invoice.account_id, "payment_id": payment_id, "entity_id": invoice.entity_id}
        hashed = rules.payment_content_hash(given)
        payment = build_dataclass(
            Payment, {**made, "allocations": {}, "content_hash": hashed, "recorded_at": context.now}
        )
        wanted = [Allocation(invoice_id, min(payment.amount, invoice.balance))]
        return _record_new(context, payment, wanted, {invoice_id: invoice}, None)

    return store.retry_on_conflict(attempt)


def _record_new(
    context: RequestContext, payment: Payment, wanted: list[Allocation], invoices: dict[str, Invoice], account: Any
) -> PaymentWriteResult:
    source = rules.payment_source(payment)
    spread = rules.settle_invoices(source, wanted, invoices, "allocations")
    changes = [(invoices[invoice_id], after) for invoice_id, after in spread.items()]
    entity = keys.entity(payment.entity_id)
    found = settlements.read_balances(source, changes, entity)
    if entity not in found:
        raise InvalidInput.field("entity_id", "unknown", "Not found. Create it first, or correct the id.")
    transaction = store.Transaction(context)
    if account is not None:
        transaction.check_exists(account)
    after = rules.with_allocations(payment, wanted)
    written = _write_payment_change(transaction, context, found, source, changes, None, after, "payment.recorded")
    transaction.record_response(payment.payment_id, 201)
    transaction.commit()
    return PaymentWriteResult(written, created=True)


def allocate_payment(context: RequestContext, account_id: str, payment_id: str, given: list[dict[str, Any]]) -> Payment:
    """Allocate more of a payment to invoices; two reads. Raises NotFound, Conflict, InvalidInput naming every fault."""
    wanted = settlements.parse_allocations(given)

    def attempt() -> Payment:
        key = keys.payment(account_id, payment_id)
        item, *items = store.get_items_for_write(context, key, *(keys.invoice(one.invoice_id) for one in wanted))
        before = _require_payment(item)
        source = rules.payment_source(before)
        invoices = settlements.invoices_by_id(items)
        spread = rules.settle_invoices(source, wanted, invoices, "allocations")
        changes = [(invoices[invoice_id], after) for invoice_id, after in spread.items()]
        found = settlements.read_balances(source, changes)
        transaction = store.Transaction(context)
        after = rules.with_allocations(before, wanted)
        written = _write_payment_change(
            transaction, context, found, source, changes, before, after, "payment.allocated"
        )
        transaction.record_response(payment_id, 200)
        transaction.commit()
        return written

    return store.retry_on_conflict(attempt)


def deallocate_payment(context: RequestContext, account_id: str, payment_id: str, invoice_id: str) -> None:
    """Withdraw a payment from an invoice, which opens again; two reads. Raises NotFound when it settles nothing."""

    def attempt() -> None:
        item, head = store.get_items_for_write(context, keys.payment(account_id, payment_id), keys.invoice(invoice_id))
        before = _require_payment(item)
        if invoice_id not in before.allocations or head is None:
            raise NotFound
        transaction = store.Transaction(context)
        _release_invoices(
            transaction, context, before, [invoice_id], settlements.invoices_by_id([head]), "payment.deallocated"
        )
        transaction.record_response(payment_id, 204)
        transaction.commit()

    store.retry_on_conflict(attempt)


def reverse_payment(context: RequestContext, account_id: str, payment_id: str, reason: str) -> Payment:
    """Reverse a payment: all its invoices open again. A reversed payment stays as it is.

    A payment of many invoices is withdrawn from the first ones in transactions of their own; until the last one it is
    an ordinary payment with less allocated. So repeating this after a failure completes it. Raises NotFound.
    """

    def attempt() -> Payment | None:
        (item,) = store.get_items_for_write(context, keys.payment(account_id, payment_id))
        before = _require_payment(item)
        if before.status == rules.REVERSED:
            return before
        ids = sorted(before.allocations)[: rules.MAX_INVOICES_PER_WRITE]
        last = len(ids) == len(before.allocations)
        # The idempotency record belongs to the transaction that completes the request.
        own = context if last else replace(context, idempotency=None)
        invoices = settlements.invoices_by_id(
            store.batch_get_items([keys.invoice(invoice_id) for invoice_id in ids]).values()
        )
        transaction = store.Transaction(own)
        reversal = Reversal(reason, context.now, context.actor.name) if last else None
        action = "payment.reversed" if last else "payment.deallocated"
        after = _release_invoices(transaction, own, before, ids, invoices, action, reversal)
        transaction.record_response(payment_id, 200)
        transaction.commit()
        return after if last else None

    while True:
        done = store.retry_on_conflict(attempt)
        if done is not None:
            return done


def _require_payment(item: PaymentItem | None) -> Payment:
    if item is None:
        raise NotFound
    return store.from_item(Payment, item)


def _release_invoices(
    transaction: store.Transaction,
    context: RequestContext,
    before: Payment,
    ids: list[str],
    invoices: dict[str, Invoice],
    action: str,
    reversal: Reversal | None = None,
) -> Payment:
    changes = [
        (
            invoices[invoice_id],
            rules.without_settlement(invoices[invoice_id], rules.PAYMENT, before.allocations[invoice_id]),
        )
        for invoice_id in ids
    ]
    after = rules.without_allocations(before, ids)
    if reversal is not None:
        after = rules.with_reversal(after, reversal)
    source = rules.payment_source(before)
    found = settlements.read_balances(source, changes)
    return _write_payment_change(transaction, context, found, source, changes, before, after, action)


def _write_payment_change(
    transaction: store.Transaction,
    context: RequestContext,
    found: dict[Key, Any],
    source: SettlementSource,
    changes: list[InvoiceChange],
    before: Payment | None,
    after: Payment,
    action: str,
) -> Payment:
    grown = after.unallocated - (before.unallocated if before else 0)
    unallocated = ledger.UnallocatedChange(after.account_id, after.entity_id, after.currency, grown)
    ledger.write_invoice_changes(transaction, found, changes, [unallocated])
    settlements.write_settlements(transaction, source, after.allocations, [one.invoice_id for _, one in changes])
    version = settlements.write_payment(transaction, before, after)
    groups = {one.bill_group_id for _, one in changes}
    record_audit_event(
        transaction,
        context,
        action,
        "payment",
        after.payment_id,
        diff_fields(before, after),
        account_id=after.account_id,
        bill_group_id=groups.pop() if len(groups) == 1 else None,
    )
    return replace(after, version=version)
