"""Ledger of an account for tests: issue invoices on it, and check that all rows agree."""

from collections import Counter, defaultdict
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from chalicelib.invoices import ledger
from chalicelib.invoices.rules import INVOICE, UNSETTLED, Invoice, derive_invoice_status
from chalicelib.payments.rules import RECEIVED, Payment
from chalicelib.request_context import Actor, RequestContext
from chalicelib.table import keys, store
from chalicelib.table.items import (
    AccountBalanceItem,
    BillGroupBalanceItem,
    InvoiceItem,
    Item,
    PaymentItem,
    SettlementItem,
)

NOW = datetime(2026, 1, 31, 9, tzinfo=UTC)


def context() -> RequestContext:
    """The circumstances of what a test writes itself."""
    return RequestContext(Actor("staff", "s1", "Sam"), NOW, "books-0001")


def issue(invoice_id: str, total: int, **fields: Any) -> Invoice:
    """Put an invoice, or by ``kind`` a credit note, on the books of account a1, bill group b1."""
    known: dict[str, Any] = {
        "kind": INVOICE, "number": invoice_id, "entity_id": "acme", "account_id": "a1", "bill_group_id": "b1",
        "currency": "EUR", "issue_date": date(2026, 1, 1), "due_date": date(2026, 1, 15), "net_total": total,
        "tax_total": 0, "total": total, "content_hash": "", "content_parts": 0, "recorded_at": NOW,
    }  # fmt: skip
    invoice = Invoice(invoice_id=invoice_id, **{**known, **fields})
    invoice = replace(invoice, paid=invoice.prepaid)
    return change(None, replace(invoice, status=derive_invoice_status(invoice)))


def change(before: Invoice | None, after: Invoice) -> Invoice:
    """Make one invoice another."""
    transaction = store.Transaction(context())
    (written,) = ledger.write_invoice_changes(
        transaction, store.batch_get_items(ledger.invoice_balance_keys(after)), [(before, after)]
    )
    transaction.commit()
    return written


def head(invoice_id: str) -> Invoice:
    """Read an invoice."""
    item = store.get_item(InvoiceItem, keys.invoice(invoice_id))
    assert item is not None
    return store.from_item(Invoice, item)


def check(rows: list[dict[str, Any]]) -> None:
    """Check that heads, settlements, payments, pointers and balances say the same; ``rows`` are the whole table."""
    items: list[Any] = [Item.from_raw_data(row) for row in rows if row["PK"]["S"].startswith(_OURS)]
    heads = [store.from_item(Invoice, item) for item in items if isinstance(item, InvoiceItem)]
    payments = [store.from_item(Payment, item) for item in items if isinstance(item, PaymentItem)]
    found = {item.key for item in items}
    _check_settlements(heads, payments, [item for item in items if isinstance(item, SettlementItem)])
    _check_balances(heads, payments, items)
    for one in heads:
        pointer = keys.open_invoice(one.account_id, one.entity_id, one.currency, one.due_date, one.invoice_id)
        assert (pointer in found) == (one.status in UNSETTLED)
    for paid in payments:
        free = keys.unallocated_payment(paid.account_id, paid.entity_id, paid.currency, paid.payment_id)
        assert (free in found) == (paid.unallocated > 0)
    pointers = [key for key in found if key.sk.startswith(("OPEN#", "UNALLOCATED#"))]
    assert len(pointers) == sum(one.status in UNSETTLED for one in heads) + sum(
        paid.unallocated > 0 for paid in payments
    )


_OURS = ("INVOICE#", "ACCOUNT#", "BILLGROUP#")


def _check_settlements(heads: list[Invoice], payments: list[Payment], rows: list[SettlementItem]) -> None:
    by_source: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    by_invoice: Counter[tuple[str, str]] = Counter()
    for row in rows:
        assert row.amount > 0
        by_source[row.source_kind, row.source_id][row.invoice_id] = int(row.amount)
        by_invoice[row.invoice_id, row.source_kind] += int(row.amount)
    for one in heads:
        assert one.balance >= 0
        if one.is_credit_note:
            assert by_source.pop(("credit_note", one.invoice_id), {}) == one.applications
            assert one.credited == sum(one.applications.values())
            continue
        assert one.paid == one.prepaid + by_invoice[one.invoice_id, "payment"]
        assert one.credited == by_invoice[one.invoice_id, "credit_note"]
    for paid in payments:
        assert by_source.pop(("payment", paid.payment_id), {}) == paid.allocations
        assert paid.unallocated >= 0
        spread = sum(paid.allocations.values())
        assert spread + paid.unallocated == (paid.amount if paid.status == RECEIVED else 0)
    assert not by_source


def _check_balances(heads: list[Invoice], payments: list[Payment], items: list[Any]) -> None:
    owed: Counter[tuple[str, str, str]] = Counter()
    numbers: Counter[tuple[str, str, str]] = Counter()
    free: Counter[tuple[str, str, str]] = Counter()
    groups: Counter[tuple[str, str]] = Counter()
    group_numbers: Counter[str] = Counter()
    for one in heads:
        place = (one.account_id, one.entity_id, one.currency)
        if one.is_credit_note:
            free[place] += one.balance
        elif one.status in UNSETTLED:
            owed[place] += one.balance
            numbers[place] += 1
            groups[one.bill_group_id, one.currency] += one.balance
            group_numbers[one.bill_group_id] += 1
    for paid in payments:
        free[paid.account_id, paid.entity_id, paid.currency] += paid.unallocated
    for item in items:
        if isinstance(item, AccountBalanceItem):
            place = (item.account_id, item.entity_id, item.currency)
            assert (item.open_invoices, item.open_balance, item.unallocated) == (
                numbers.pop(place, 0), owed.pop(place, 0), free.pop(place, 0),
            )  # fmt: skip
        if isinstance(item, BillGroupBalanceItem):
            assert item.open_invoices == group_numbers.pop(item.bill_group_id, 0)
            for currency, amount in item.open_balances.items():
                assert amount == groups.pop((item.bill_group_id, currency))
    assert not any((*owed.values(), *numbers.values(), *free.values(), *groups.values(), *group_numbers.values()))
