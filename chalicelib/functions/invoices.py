"""Console functions of invoices: sending one again, and rendering a PDF that is missing."""

from typing import TYPE_CHECKING

from chalice.app import Blueprint

from chalicelib.deliveries import manual_send
from chalicelib.deliveries.inputs import SendBody
from chalicelib.deliveries.manual_send import SendingPlan
from chalicelib.field_types import VendorId
from chalicelib.functions.console_function import ConfirmedInput, Invocation, Output, console_function

if TYPE_CHECKING:
    from chalicelib.invoices.pdf.render import PdfRestoration

invoice_functions = Blueprint(__name__)


class ResendInvoiceInput(SendBody, ConfirmedInput):
    """The invoice to send again, and to whom."""

    invoice_id: VendorId


def _preview_sending(request: ResendInvoiceInput, invocation: Invocation) -> Output:
    return {
        "would_send": _describe_plan(manual_send.plan_sending(invocation.context, request.invoice_id, request.asked()))
    }


@console_function(invoice_functions, ResendInvoiceInput, dry_run=_preview_sending, confirm_to="send it")
def resend_invoice(request: ResendInvoiceInput, invocation: Invocation) -> Output:
    """Send an invoice again: ``{"invoice_id": "…", "confirm": true}``.

    ``"to": ["con_…"]`` names contacts of the account instead of all invoicing contacts, ``"cc": ["…@…"]`` further
    addresses for this once. The dry run lists the mails.
    """
    delivery = manual_send.send_invoice_on_request(invocation.context, request.invoice_id, request.asked())
    email_ids = sorted({one.email_id for one in delivery.recipients if one.email_id})
    return {"sent": {"delivery_id": delivery.delivery_id, "email_ids": email_ids}}


def _describe_plan(plan: SendingPlan) -> Output:
    return {
        "invoice_id": plan.invoice.invoice_id,
        "number": plan.invoice.number,
        "mails": [
            {"to": [one.email for one in mail.to], "cc": list(mail.cc), "pdf_attached": mail.attached}
            for mail in plan.decision.mails
        ],
        "cc": list(plan.cc),
        "suppressed": [one.email for one in plan.decision.unreachable],
    }


class RenderInvoiceInput(ConfirmedInput):
    """The invoice to render, and whether another file than was issued may take the place of its PDF."""

    invoice_id: VendorId
    replace: bool = False


def _preview_rendering(request: RenderInvoiceInput, invocation: Invocation) -> Output:
    # Only render_invoice itself, not the API or another function that imports this module, has a typesetter.
    from chalicelib.invoices.pdf import render

    restoration = render.inspect_pdf(request.invoice_id)
    if restoration.made is None:
        return {"unchanged": _describe_restoration(restoration), "next": "There is nothing to do."}
    return {"would_keep": _describe_restoration(restoration)}


@console_function(invoice_functions, RenderInvoiceInput, dry_run=_preview_rendering, confirm_to="keep it")
def render_invoice(request: RenderInvoiceInput, invocation: Invocation) -> Output:
    """Render the PDF of an invoice that is missing in the bucket: ``{"invoice_id": "…", "confirm": true}``.

    The dry run says what is in the bucket, and whether what can be rendered is, by its SHA-256, what was issued.
    Another file is only stored with ``"replace": true``, which is audited.
    """
    from chalicelib.invoices.pdf import render

    restoration = render.inspect_pdf(request.invoice_id)
    if restoration.made is None:
        return {"unchanged": _describe_restoration(restoration)}
    render.restore_pdf(invocation.context, restoration, replacing=request.replace)
    return {"kept": _describe_restoration(restoration)}


def _describe_restoration(restoration: "PdfRestoration") -> Output:
    issued, made = restoration.invoice.pdf, restoration.made
    return {
        "invoice_id": restoration.invoice.invoice_id,
        "in_the_bucket": restoration.found,
        "issued_sha256": issued.sha256 if issued else None,
        "rendered_sha256": made.stored.sha256 if made else None,
        "is_what_was_issued": restoration.is_same if made else None,
    }
