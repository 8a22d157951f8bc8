"""Render the PDF of an invoice, once, and store it (I2).

Only the functions with the typesetter import this.
"""

from dataclasses import dataclass, replace

from chalicelib import clock, storage
from chalicelib.audit.rules import FieldChange
from chalicelib.audit.service import record_audit_event
from chalicelib.documents.object_keys import PDF_MEDIA_TYPE, document_key
from chalicelib.errors import Conflict, NotFound
from chalicelib.invoices import ledger, queries
from chalicelib.invoices.e_invoice import en16931
from chalicelib.invoices.e_invoice.en16931 import Inexpressible
from chalicelib.invoices.pdf import pdfs
from chalicelib.invoices.pdf.layout import render_invoice
from chalicelib.invoices.rules import Content, Invoice, StoredPdf
from chalicelib.observability import logger, metrics
from chalicelib.request_context import Actor, RequestContext
from chalicelib.table import store
from chalicelib.tasks.kinds import CreateInvoicePdf, DeliverInvoice
from chalicelib.tasks.queue import TaskMessage
from chalicelib.tasks.service import add_task, complete_task

DOCUMENTS_ACTOR = Actor("system", "make_documents", "Documents")

MISSING, DIFFERENT, INTACT = "missing", "different", "whole"
"""What the bucket has in place of a PDF: nothing, another file, or the PDF itself."""


@dataclass(frozen=True)
class RenderedPdf:
    """A rendered PDF with its properties."""

    content: bytes
    stored: StoredPdf


@dataclass(frozen=True)
class PdfRestoration:
    """The state of an invoice's PDF in the bucket, and the rendered replacement."""

    invoice: Invoice
    found: str
    made: RenderedPdf | None
    """None when nothing needs to be done."""

    @property
    def is_same(self) -> bool:
        """Tell whether the rendered file is, byte by byte, the one created at issue."""
        kept = self.invoice.pdf
        return self.made is not None and (kept is None or kept.sha256 == self.made.stored.sha256)


def create_invoice_pdf(message: TaskMessage[CreateInvoicePdf]) -> None:
    """Render and store the PDF of the invoice that ``message`` names, and start its delivery.

    Idempotent: the same content gives the same file under the same key.
    """
    invoice_id = message.task.invoice_id
    try:
        read = queries.get_invoice_with_content(invoice_id)
    except NotFound:
        logger.warning("A task names an invoice that does not exist.")
        complete_task(message.key)
        return
    if not _needs_pdf(read.invoice):
        complete_task(message.key)
        return
    made = render_invoice_pdf(read.content)
    storage.store_object(made.stored.key, made.content, PDF_MEDIA_TYPE)
    # The head that was read is usually still current; if not, it is read again.
    known = [read.invoice]
    store.retry_on_conflict(
        lambda: _record_pdf(message, known.pop() if known else queries.get_invoice_head(invoice_id), made.stored)
    )
    metrics.add_metric(name="InvoicePdfsMade", unit="Count", value=1)


def render_invoice_pdf(content: Content) -> RenderedPdf:
    """Return the PDF of an invoice, with the e-invoice in it if EN 16931 can express the invoice.

    Raises LookupError when the logo is missing in the bucket: an issued invoice shows it.
    """
    logo = storage.read_object(content.seller.logo) if content.seller.logo else None
    if content.seller.logo and logo is None:
        raise LookupError(f"The logo {content.seller.logo} is not in the bucket.")
    embedded = en16931.build_e_invoice(content)
    reason = embedded.reason if isinstance(embedded, Inexpressible) else None
    pdf = render_invoice(content, logo=logo, e_invoice=None if isinstance(embedded, Inexpressible) else embedded)
    digest = storage.content_sha256(pdf)
    key = document_key(pdfs.KIND, content.invoice_id, digest)
    return RenderedPdf(pdf, StoredPdf(key, digest, len(pdf), pdfs.MADE, reason))


def _needs_pdf(invoice: Invoice) -> bool:
    return invoice.pdf is None and invoice.pdf_expected == pdfs.MADE


def _record_pdf(message: TaskMessage[CreateInvoicePdf], invoice: Invoice, stored: StoredPdf) -> None:
    if not _needs_pdf(invoice):
        complete_task(message.key)
        return
    context = RequestContext(DOCUMENTS_ACTOR, clock.utc_now(), message.correlation_id)
    transaction = store.Transaction(context)
    ledger.write_invoice_changes(transaction, {}, [(invoice, replace(invoice, pdf=stored))])
    transaction.delete_unconditionally(message.key)
    if invoice.delivery_wanted:
        add_task(transaction, context, DeliverInvoice(invoice.invoice_id))
    transaction.commit()


def inspect_pdf(invoice_id: str) -> PdfRestoration:
    """Check whether the bucket has the PDF of an invoice unchanged, and render it again if not.

    Raises NotFound, and Conflict when the PDF is not rendered here.
    """
    read = queries.get_invoice_with_content(invoice_id)
    kept = read.invoice.pdf
    if kept is not None:
        content = storage.read_object(kept.key)
        if content is not None and storage.content_sha256(content) == kept.sha256:
            return PdfRestoration(read.invoice, INTACT, None)
        found = MISSING if content is None else DIFFERENT
    else:
        found = MISSING
    if read.invoice.pdf_expected != pdfs.MADE:
        raise Conflict(
            "pdf_is_supplied",
            "The billing system supplies the PDF of this invoice. Let it send the file (again) by PUT "
            f"/v1/invoices/{invoice_id}/pdf.",
        )
    return PdfRestoration(read.invoice, found, render_invoice_pdf(read.content))


def restore_pdf(context: RequestContext, restoring: PdfRestoration, *, replacing: bool) -> None:
    """Store the PDF that ``inspect_pdf`` has rendered, and start the delivery of an invoice that had no PDF yet.

    Raises Conflict ``pdf_differs`` when it is not the file created at issue, unless ``replacing``, which is audited
    with both hashes.
    """
    made = restoring.made
    if made is None:
        return
    if not restoring.is_same and not replacing:
        raise Conflict(
            "pdf_differs",
            "The PDF that can be made today is not, byte by byte, the one that was issued. Restore that one from the "
            'versions of the bucket. To keep the new one instead, add "replace": true.',
        )
    storage.store_object(made.stored.key, made.content, PDF_MEDIA_TYPE)
    if restoring.invoice.pdf is None or not restoring.is_same:
        store.retry_on_conflict(lambda: _record_restored_pdf(context, restoring, made.stored))


def _record_restored_pdf(context: RequestContext, restoring: PdfRestoration, stored: StoredPdf) -> None:
    invoice = queries.get_invoice_head(restoring.invoice.invoice_id)
    if invoice.pdf == stored:
        return
    if invoice.pdf != restoring.invoice.pdf:
        raise Conflict("pdf_has_changed", "The PDF was made by somebody else in the meantime. Look again.")
    transaction = store.Transaction(context)
    ledger.write_invoice_changes(transaction, {}, [(invoice, replace(invoice, pdf=stored))])
    before = invoice.pdf.sha256 if invoice.pdf else None
    change = (FieldChange("pdf.sha256", before, stored.sha256),)
    record_audit_event(
        transaction, context, "invoice.pdf_restored", "invoice", invoice.invoice_id, change,
        account_id=invoice.account_id, bill_group_id=invoice.bill_group_id,
    )  # fmt: skip
    if invoice.pdf is None and invoice.delivery_wanted:
        add_task(transaction, context, DeliverInvoice(invoice.invoice_id))
    transaction.commit()
