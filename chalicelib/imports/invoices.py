"""Invoices, credit notes and payments in rows: what a row must give, and its way to the use cases."""

from chalicelib.call import Call
from chalicelib.errors import Invalid, NotFound
from chalicelib.fields import VendorId
from chalicelib.imports.outcomes import Outcome, outcome, unknown, without
from chalicelib.invoices import reading
from chalicelib.invoices import service as invoices
from chalicelib.invoices.inputs import InvoiceBody
from chalicelib.payments import service as payments
from chalicelib.payments.inputs import PaymentBody


class InvoiceRow(InvoiceBody):
    """An invoice or a credit note in rows."""

    invoice_id: VendorId


class PaymentRow(PaymentBody):
    """A payment in rows."""

    payment_id: VendorId
    account_id: VendorId | None = None


def write_invoice(call: Call, row: InvoiceRow) -> Outcome:
    """Issue an invoice or credit note, once (I1). It is mailed only where the call allows mails (I3)."""
    written = invoices.put_invoice(call, row.invoice_id, without(row, "invoice_id"))
    return outcome(written.created, written.changed, written.overrides)


def write_payment(call: Call, row: PaymentRow) -> Outcome:
    """Record a payment; whose it is follows from the first invoice that it pays, where the row does not say."""
    account_id = row.account_id or _account_of(row)
    try:
        written = payments.put_payment(call, account_id, row.payment_id, without(row, "account_id", "payment_id"))
    except NotFound:
        raise unknown("account_id") from None
    return outcome(written.created, written.changed)


def _account_of(row: PaymentRow) -> str:
    if not row.allocations:
        raise Invalid.field("account_id", "required", "Nothing tells whose payment this is. Map the account.")
    try:
        return reading.get_head(row.allocations[0].invoice_id).account_id
    except NotFound:
        raise unknown("allocations.0.invoice_id") from None
