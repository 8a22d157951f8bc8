"""State transitions of an issued invoice, as pure decisions (I1). Those of settlement are in ``payments``."""

from dataclasses import replace
from datetime import date

from chalicelib.errors import Conflict, InvalidInput
from chalicelib.invoices import issue_rules
from chalicelib.invoices.rules import (
    STATUS_GROUPS,
    UNCOLLECTIBLE,
    UNSETTLED,
    VOID,
    Dispute,
    Invoice,
    Promise,
    derive_invoice_status,
)


def with_due_date(invoice: Invoice, due_date: date | None) -> Invoice:
    """Return the invoice with another due date. Raises InvalidInput; Conflict when it is void."""
    if due_date == invoice.due_date:
        return invoice
    if invoice.status == VOID:
        raise _conflict("invoice_is_void", invoice, "It is void and can no longer change.")
    issue_rules.check_due_date(invoice.kind, invoice.issue_date, due_date)
    return replace(invoice, due_date=due_date)


def as_void(invoice: Invoice) -> Invoice:
    """Return the invoice as void; a dispute of it ends. Raises Conflict.

    Payments and credits since the issue must be withdrawn first, so that no money vanishes.
    """
    if invoice.status == VOID:
        return invoice
    if invoice.settled:
        way_out = (
            "Take back the applications of this credit note" if invoice.is_credit_note else "Reverse what was paid"
        )
        raise _conflict("invoice_is_settled", invoice, f"{invoice.settled} minor units are settled. {way_out} first.")
    return replace(invoice, status=VOID, dispute=None, settled_on=None)


def as_uncollectible(invoice: Invoice) -> Invoice:
    """Return the invoice as uncollectible: nothing is open. Raises Conflict."""
    if invoice.is_credit_note:
        raise _conflict("not_an_invoice", invoice, "A credit note cannot be uncollectible. Void it instead.")
    if invoice.status == UNCOLLECTIBLE:
        return invoice
    if invoice.status not in UNSETTLED:
        raise _conflict("invoice_not_open", invoice, f"It is {invoice.status} and has no open amount.")
    return replace(invoice, status=UNCOLLECTIBLE, settled_on=None)


def as_collectible(invoice: Invoice, today: date) -> Invoice:
    """Return an uncollectible invoice as open again, by what is settled. Raises Conflict when it is not
    uncollectible."""
    if invoice.status in UNSETTLED or STATUS_GROUPS[invoice.status] == "settled":
        return invoice
    if invoice.status != UNCOLLECTIBLE:
        raise _conflict("invoice_is_void", invoice, "It is void and stays void. Issue another.")
    status = derive_invoice_status(invoice)
    return replace(invoice, status=status, settled_on=None if status in UNSETTLED else today)


def with_dispute(invoice: Invoice, dispute: Dispute) -> Invoice:
    """Return the invoice as disputed. An existing dispute keeps its start, its author and its owner.

    Raises Conflict when it is void or a credit note, InvalidInput for lines or amounts that it does not have.
    """
    if invoice.is_credit_note:
        raise _conflict("not_an_invoice", invoice, "A credit note cannot be disputed. Contact the vendor.")
    if invoice.status == VOID:
        raise _conflict("invoice_is_void", invoice, "It is void. Nothing is owed for it.")
    if dispute.lines and max(dispute.lines) > invoice.line_count:
        raise InvalidInput.field(
            "lines", "unknown_line", f"The invoice has {invoice.line_count} lines. Correct the numbers."
        )
    if dispute.amount is not None and dispute.amount > invoice.total:
        raise InvalidInput.field(
            "amount", "too_large", f"The invoice is for {invoice.total} minor units. Send at most that."
        )
    known = invoice.dispute
    if known is not None:
        dispute = replace(dispute, since=known.since, by=known.by, owner=dispute.owner or known.owner)
    return replace(invoice, dispute=dispute)


def with_promise(invoice: Invoice, promise: Promise) -> Invoice:
    """Return the invoice with a promise for a day; the same day again changes nothing. Raises Conflict."""
    if invoice.is_credit_note:
        raise _conflict("not_an_invoice", invoice, "A credit note is not paid.")
    if invoice.status not in UNSETTLED:
        raise _conflict("invoice_not_open", invoice, f"It is {invoice.status} and has no open amount.")
    if invoice.promise is not None and invoice.promise.on == promise.on:
        return invoice
    return replace(invoice, promise=promise)


def without_promise(invoice: Invoice) -> Invoice:
    """Return the invoice without a promise of payment."""
    return replace(invoice, promise=None)


def without_dispute(invoice: Invoice) -> Invoice:
    """Return the invoice without a dispute."""
    return replace(invoice, dispute=None)


def _conflict(code: str, invoice: Invoice, message: str) -> Conflict:
    return Conflict(code, f"{invoice.number}: {message}", details={"status": invoice.status})
