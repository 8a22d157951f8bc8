"""The invoices and settlement rows that all writes of payments and credit notes share."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from chalicelib.invoices import ledger
from chalicelib.invoices.rules import Invoice
from chalicelib.payments.rules import Allocation, Payment, Settlement, SettlementSource
from chalicelib.table import keys, store
from chalicelib.table.items import PaymentItem, SettlementItem, UnallocatedPaymentItem
from chalicelib.table.keys import Key

InvoiceChange = tuple[Invoice, Invoice]


def parse_allocations(given: Iterable[Mapping[str, Any]]) -> list[Allocation]:
    """Return the allocations of a request."""
    return [Allocation(str(one["invoice_id"]), int(one["amount"])) for one in given]


def invoices_by_id(items: Iterable[Any]) -> dict[str, Invoice]:
    """Return the invoices of the rows read, by id; None is skipped."""
    loaded = [store.from_item(Invoice, item) for item in items if item is not None]
    return {invoice.invoice_id: invoice for invoice in loaded}


def read_balances(source: SettlementSource, changes: Sequence[InvoiceChange], *others: Key) -> dict[Key, Any]:
    """Read what changed invoices and their source affect (balances, planned reminders), and ``others``; one read."""
    groups = [after.bill_group_id for _, after in changes]
    balances = ledger.balance_keys(source.account_id, source.entity_id, source.currency, groups)
    reminders = [keys.invoice_reminders(after.invoice_id) for _, after in changes]
    return store.batch_get_items([*balances, *reminders, *others])


def write_settlements(
    transaction: store.Transaction, source: SettlementSource, spread: Mapping[str, int], ids: Iterable[str]
) -> None:
    """Write the settlements of the invoices ``ids`` by a source; ``spread`` is all that it settles from now on.

    The heads of those invoices are written in the same transaction, and their conditions protect these rows.
    """
    for invoice_id in ids:
        key = keys.settlement(invoice_id, source.kind, source.id)
        amount = spread.get(invoice_id, 0)
        if not amount:
            transaction.delete_unconditionally(key)
            continue
        settlement = Settlement(invoice_id, source.kind, source.id, amount, source.day)
        transaction.overwrite(store.to_item(SettlementItem, key, settlement))


def write_payment(transaction: store.Transaction, before: Payment | None, after: Payment) -> int:
    """Write a payment and, while a part of it is unallocated, its pointer; return its new version."""
    listed = keys.payment_listed(after.account_id, after.received_on, after.payment_id)
    row = store.to_item(PaymentItem, keys.payment(after.account_id, after.payment_id), after, listed=listed)
    transaction.put(row, new=before is None)
    pointer = keys.unallocated_payment(after.account_id, after.entity_id, after.currency, after.payment_id)
    was_free = before is not None and before.unallocated > 0
    if after.unallocated and not was_free:
        transaction.overwrite(UnallocatedPaymentItem(pointer.pk, pointer.sk, payment_id=after.payment_id))
    if was_free and not after.unallocated:
        transaction.delete_unconditionally(pointer)
    return int(row.version)
