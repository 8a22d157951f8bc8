"""Rows of invoices, credit notes and payments: required fields, and the call of the use cases."""

from collections.abc import Iterator
from dataclasses import replace

from chalicelib.errors import InvalidInput, NotFound
from chalicelib.field_types import VendorId
from chalicelib.imports.rows.outcomes import RowOutcome, row_outcome, unknown_reference_error, values_without
from chalicelib.invoices import ledger, queries
from chalicelib.invoices.inputs import InvoiceBody
from chalicelib.invoices.issue_rules import describe_warning
from chalicelib.invoices.rules import normalize_number
from chalicelib.invoices.service import issue_invoice
from chalicelib.payments.inputs import PaymentBody
from chalicelib.payments.service import record_payment
from chalicelib.request_context import RequestContext
from chalicelib.table import keys
from chalicelib.table.keys import Key


class InvoiceRow(InvoiceBody):
    """An invoice or a credit note in rows."""

    invoice_id: VendorId


class PaymentRow(PaymentBody):
    """A payment in rows."""

    payment_id: VendorId
    account_id: VendorId | None = None


def write_invoice(context: RequestContext, row: InvoiceRow) -> RowOutcome:
    """Issue an invoice or credit note, once (I1). It is emailed only if the context allows emails (I3)."""
    written = issue_invoice(context, row.invoice_id, values_without(row, "invoice_id"))
    outcome = row_outcome(written.created, written.changed, written.overrides)
    told = tuple(describe_warning(one) for one in written.invoice.warnings or ()) if written.created else ()
    return replace(outcome, notes=(*outcome.notes, *told))


def write_payment(context: RequestContext, row: PaymentRow) -> RowOutcome:
    """Record a payment; without an account in the row, for the account of the first invoice that it pays."""
    account_id = row.account_id or _account_of(row)
    try:
        written = record_payment(context, account_id, row.payment_id, values_without(row, "account_id", "payment_id"))
    except NotFound:
        raise unknown_reference_error("account_id") from None
    return row_outcome(written.created, written.changed)


def _account_of(row: PaymentRow) -> str:
    if not row.allocations:
        raise InvalidInput.field("account_id", "required", "Nothing tells whose payment this is. Map the account.")
    try:
        return queries.get_invoice_head(row.allocations[0].invoice_id).account_id
    except NotFound:
        raise unknown_reference_error("allocations.0.invoice_id") from None


def invoice_reads(row: InvoiceRow) -> Iterator[Key]:
    """Yield the keys that issuing an invoice reads first; the rest is found by its bill group."""
    yield keys.invoice(row.invoice_id)
    if row.bill_group_id:
        yield keys.bill_group(row.bill_group_id)


def invoice_reads_next(row: InvoiceRow, account_id: str, entity_id: str) -> Iterator[Key]:
    """Yield the keys that issuing an invoice reads once its account and issuing entity are known."""
    yield keys.account(account_id)
    yield keys.entity(entity_id)
    if row.number:
        yield keys.invoice_number(entity_id, normalize_number(row.number))
    if row.currency and row.bill_group_id:
        yield from ledger.balance_keys(account_id, entity_id, row.currency, (row.bill_group_id,))


def payment_reads(row: PaymentRow) -> Iterator[Key]:
    """Yield the keys that recording a payment reads first."""
    if row.account_id:
        yield keys.payment(row.account_id, row.payment_id)
        yield keys.account(row.account_id)
    for allocation in row.allocations:
        yield keys.invoice(allocation.invoice_id)


def payment_reads_next(row: PaymentRow) -> Iterator[Key]:
    """Yield the keys that recording a payment reads if it is new."""
    for allocation in row.allocations:
        yield keys.invoice_reminders(allocation.invoice_id)
