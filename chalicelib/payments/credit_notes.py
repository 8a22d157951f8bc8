"""Use cases of credit notes: apply, withdraw."""

from collections.abc import Mapping
from typing import Any

from chalicelib.audit.rules import FieldChange
from chalicelib.audit.service import record_audit_event
from chalicelib.errors import NotFound
from chalicelib.invoices import ledger, queries
from chalicelib.invoices.rules import CREDIT_NOTE, Invoice, invoice_local_date
from chalicelib.json_values import to_json_value
from chalicelib.payments import rules, settlements
from chalicelib.request_context import RequestContext
from chalicelib.table import keys, store

CreditNote = Invoice
"""An invoice of that kind."""


def apply_credit_note(context: RequestContext, credit_note_id: str, given: list[dict[str, Any]]) -> CreditNote:
    """Apply a credit note to invoices, as of today where the account is; two reads.

    Raises NotFound, Conflict when it is not a credit note or void, InvalidInput that names every fault.
    """
    wanted = settlements.parse_allocations(given)

    def attempt() -> CreditNote:
        item, *items = store.get_items_for_write(
            context, keys.invoice(credit_note_id), *(keys.invoice(one.invoice_id) for one in wanted)
        )
        if item is None:
            raise NotFound
        before = store.from_item(Invoice, item)
        today = invoice_local_date(before, context.now)
        source = rules.credit_note_source(before, today)
        invoices = settlements.invoices_by_id(items)
        spread = rules.settle_invoices(source, wanted, invoices, "applications")
        changes = [(invoices[invoice_id], after) for invoice_id, after in spread.items()]
        after = rules.with_applications(before, wanted, today)
        transaction = store.Transaction(context)
        written = _write_credit_note(transaction, context, source, changes, (before, after), "credit_note.applied")
        transaction.record_response(credit_note_id, 200)
        transaction.commit()
        return written

    return store.retry_on_conflict(attempt)


def withdraw_credit_note(context: RequestContext, credit_note_id: str, invoice_id: str) -> None:
    """Withdraw a credit note from an invoice, which opens again; two reads.

    Raises NotFound when it settles nothing there.
    """

    def attempt() -> None:
        item, head = store.get_items_for_write(context, keys.invoice(credit_note_id), keys.invoice(invoice_id))
        before = store.from_item(Invoice, item) if item is not None else None
        if before is None or head is None or invoice_id not in before.applications:
            raise NotFound
        source = rules.credit_note_source(before, invoice_local_date(before, context.now))
        invoice = store.from_item(Invoice, head)
        opened = rules.without_settlement(invoice, CREDIT_NOTE, before.applications[invoice_id])
        after = rules.without_applications(before, [invoice_id])
        transaction = store.Transaction(context)
        _write_credit_note(transaction, context, source, [(invoice, opened)], (before, after), "credit_note.withdrawn")
        transaction.record_response(credit_note_id, 204)
        transaction.commit()

    store.retry_on_conflict(attempt)


def _write_credit_note(
    transaction: store.Transaction,
    context: RequestContext,
    source: rules.SettlementSource,
    changes: list[settlements.InvoiceChange],
    credit_note: settlements.InvoiceChange,
    action: str,
) -> CreditNote:
    before, after = credit_note
    found = settlements.read_balances(source, changes)
    written = ledger.write_invoice_changes(transaction, found, [credit_note, *changes])
    settlements.write_settlements(transaction, source, after.applications, [one.invoice_id for _, one in changes])
    record_audit_event(
        transaction,
        context,
        action,
        "credit_note",
        after.invoice_id,
        _application_changes(before.applications, after.applications),
        account_id=after.account_id,
        bill_group_id=after.bill_group_id,
    )
    return written[0]


def _application_changes(before: Mapping[str, int], after: Mapping[str, int]) -> tuple[FieldChange, ...]:
    return (FieldChange("applications", to_json_value(dict(before)), to_json_value(dict(after))),)


def get_credit_note(credit_note_id: str) -> CreditNote:
    """Read a credit note; one read. Raises NotFound, also of an invoice."""
    found = queries.get_invoice_head(credit_note_id)
    if not found.is_credit_note:
        raise NotFound
    return found
