"""What the API shows of invoices and credit notes. Amounts are minor units of the currency."""

from datetime import date, datetime
from typing import Any

from pydantic import Field

from chalicelib.api import View
from chalicelib.api.views import AddressView, OverrideView
from chalicelib.invoices.issue_rules import describe_warning
from chalicelib.invoices.lifecycle import InvoiceWriteResult
from chalicelib.invoices.queries import InvoiceWithContent
from chalicelib.invoices.rules import (
    Invoice,
    days_overdue,
    disputed_amount,
    invoice_local_date,
    is_due_soon,
    reference_to_state,
)


class DisputeView(View):
    """What is disputed of an invoice."""

    reason: str
    since: datetime
    by: str
    note: str | None
    lines: list[int] = Field(description="Numbers of the disputed lines, from 1. Empty: the whole invoice.")
    amount: int | None = Field(description="What was named as disputed; null: the lines, or the whole invoice.")
    disputed_amount: int = Field(description="What is disputed of the open amount; reminders ask for the rest.")
    owner: str | None = Field(description="The staff member it is assigned to. Null for portal users.")


class PdfView(View):
    """The PDF of an invoice."""

    state: str = Field(description="`ready`; `pending` while it is made; `awaited` until it is supplied.")
    source: str = Field(description="`made` here, or `supplied`.")
    sha256: str | None
    size: int | None = Field(description="In bytes.")
    e_invoice: bool = Field(description="Whether an invoice by EN 16931 is embedded.")
    e_invoice_missing: str | None = Field(description="Why it is not, where that is known.")
    missing_glyphs: list[str] = Field(
        description="Characters of the invoice that no font of the service has: the PDF shows � in their place. Told "
        "from the issue on; empty where the PDF is supplied."
    )


class PaymentReferenceView(View):
    """What the payer states."""

    kind: str
    value: str = Field(description="As it is transmitted, without the separators of print.")
    printed: str = Field(description="As it is printed.")


class InvoiceWarningView(View):
    """What was taken at issue, but hinders paying or looks like a mistake."""

    code: str
    field: str = Field(description="Of the invoice, or of its issuing entity.")
    message: str


class InvoiceListed(View):
    """An invoice or credit note. Amounts are in minor units of the currency."""

    invoice_id: str
    kind: str = Field(description="`invoice` or `credit_note`.")
    number: str
    entity_id: str
    account_id: str
    bill_group_id: str
    currency: str
    issue_date: date
    due_date: date | None
    po_number: str | None
    net_total: int
    tax_total: int
    total: int
    prepaid: int = Field(description="What was paid before the issue; it is part of `paid`.")
    paid: int
    credited: int = Field(description="By credit notes; of a credit note: what of it was applied.")
    balance: int = Field(description="What is open: to be paid, or of a credit note, to be applied.")
    status: str = Field(
        description="`open`, `part_paid`, `paid`, `void` or `uncollectible`; of a credit note, `open` and `part_paid` "
        "tell what is left to apply."
    )
    settled_on: date | None
    overdue: bool
    days_overdue: int
    due_soon: bool = Field(description="Whether it falls due today or within seven days.")
    disputed: bool
    promised_on: date | None = Field(description="The day by which its payment was promised.")
    recorded_at: datetime
    version: int


class InvoiceHeadView(InvoiceListed):
    """An invoice or credit note without its lines."""

    payment_reference: PaymentReferenceView | None
    warnings: list[InvoiceWarningView] = Field(description="Of the issue; empty for portal users.")
    dispute: DisputeView | None
    pdf: PdfView
    delivery_wanted: bool = Field(description="Whether it is emailed to the invoicing contacts.")


class InvoiceWritten(InvoiceHeadView):
    """An invoice or credit note after a write."""

    overrides: list[OverrideView]


class TaxView(View):
    """A tax on a line."""

    name: str
    rate: str
    category: str | None


class TaxTotalView(TaxView):
    """The total of one tax on the invoice."""

    taxable_amount: int
    amount: int
    exemption_reason: str | None


class LineView(View):
    """A line."""

    description: str
    net_amount: int
    quantity: str
    unit_price: str | None
    unit: str
    details: str | None
    product_code: str | None
    period_start: date | None
    period_end: date | None
    taxes: list[TaxView]


class BuyerView(View):
    """The addressee as it was when the invoice was issued."""

    account_name: str
    bill_group_name: str
    company: str | None
    attention: str | None
    address: AddressView | None
    vat_number: str | None
    registration_number: str | None


class SellerView(View):
    """The issuing entity as it was when the invoice was issued."""

    name: str
    legal_name: str
    address: AddressView | None
    registration_number: str | None


class InvoiceView(InvoiceHeadView):
    """An invoice or credit note."""

    locale: str
    seller: SellerView
    buyer: BuyerView
    lines: list[LineView]
    tax_totals: list[TaxTotalView]
    note: str | None
    period_start: date | None
    period_end: date | None
    preceding_numbers: list[str]


_DERIVED = frozenset({"balance", "overdue", "days_overdue", "due_soon", "disputed", "promised_on"})


def _listed_values(invoice: Invoice, now: datetime) -> dict[str, Any]:
    today = invoice_local_date(invoice, now)
    late = days_overdue(invoice, today)
    kept = {name: getattr(invoice, name) for name in InvoiceListed.model_fields if name not in _DERIVED}
    return {
        **kept,
        "balance": invoice.balance,
        "overdue": late > 0,
        "days_overdue": late,
        "due_soon": is_due_soon(invoice, today),
        "disputed": invoice.dispute is not None,
        "promised_on": invoice.promise.on if invoice.promise else None,
    }


def _head_values(invoice: Invoice, now: datetime, *, to_portal: bool) -> dict[str, Any]:
    return {
        **_listed_values(invoice, now),
        "payment_reference": _reference_view(invoice),
        "warnings": [] if to_portal else [_warning_view(one) for one in invoice.warnings or ()],
        "dispute": _dispute_view(invoice, to_portal=to_portal),
        "pdf": _pdf_view(invoice),
        "delivery_wanted": invoice.delivery_wanted,
    }


def _reference_view(invoice: Invoice) -> PaymentReferenceView | None:
    reference = invoice.payment_reference
    if reference is None:
        return None
    return PaymentReferenceView(kind=reference.kind, value=reference.value, printed=reference_to_state(invoice))


def _warning_view(warning: str) -> InvoiceWarningView:
    told = describe_warning(warning)
    return InvoiceWarningView(code=told.code, field=told.field, message=told.message)


def _dispute_view(invoice: Invoice, *, to_portal: bool) -> DisputeView | None:
    if invoice.dispute is None:
        return None
    dispute = invoice.dispute
    return DisputeView(
        reason=dispute.reason,
        since=dispute.since,
        by=dispute.by,
        note=dispute.note,
        lines=list(dispute.lines),
        amount=dispute.amount,
        disputed_amount=disputed_amount(invoice),
        owner=None if to_portal else dispute.owner,
    )


def _pdf_view(invoice: Invoice) -> PdfView:
    pdf = invoice.pdf
    if pdf is None:
        state = "pending" if invoice.pdf_expected == "made" else "awaited"
        return PdfView(
            state=state,
            source=invoice.pdf_expected,
            sha256=None,
            size=None,
            e_invoice=False,
            e_invoice_missing=None,
            missing_glyphs=list(invoice.missing_glyphs or ""),
        )
    return PdfView(
        state="ready",
        source=pdf.source,
        sha256=pdf.sha256,
        size=pdf.size,
        e_invoice=pdf.source == "made" and pdf.e_invoice is None,
        e_invoice_missing=pdf.e_invoice,
        missing_glyphs=list(invoice.missing_glyphs or ""),
    )


def to_listed_view(invoice: Invoice, now: datetime) -> InvoiceListed:
    """Return an invoice as lists show it at ``now``."""
    return InvoiceListed(**_listed_values(invoice, now))


def to_written_view(result: InvoiceWriteResult, now: datetime, *, to_portal: bool) -> InvoiceWritten:
    """Return an invoice as a write answers with it."""
    overrides = [OverrideView(**vars(one)) for one in result.overrides]
    return InvoiceWritten(**_head_values(result.invoice, now, to_portal=to_portal), overrides=overrides)


def to_invoice_view(read: InvoiceWithContent, now: datetime, *, to_portal: bool) -> InvoiceView:
    """Return an invoice with everything that it says."""
    content = read.content
    return InvoiceView(
        **_head_values(read.invoice, now, to_portal=to_portal),
        locale=content.locale,
        seller=SellerView.model_validate(_view_values(SellerView, content.seller), from_attributes=True),
        buyer=BuyerView.model_validate(_view_values(BuyerView, content.buyer), from_attributes=True),
        lines=[LineView.model_validate(line, from_attributes=True) for line in content.lines],
        tax_totals=[TaxTotalView.model_validate(total, from_attributes=True) for total in content.tax_totals],
        note=content.note,
        period_start=content.period_start,
        period_end=content.period_end,
        preceding_numbers=list(content.preceding_numbers),
    )


def _view_values(view: type[View], thing: Any) -> dict[str, Any]:
    return {name: getattr(thing, name) for name in view.model_fields}
