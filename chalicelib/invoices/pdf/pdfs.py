"""The PDFs of invoices: download URLs, and PDFs that the billing system supplies (I2)."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from chalicelib import storage
from chalicelib.audit.rules import FieldChange
from chalicelib.audit.service import record_audit_event
from chalicelib.documents.object_keys import PDF_MEDIA_TYPE, document_key, upload_key
from chalicelib.errors import Conflict, InvalidInput, NotFound
from chalicelib.invoices import ledger
from chalicelib.invoices.rules import CREDIT_NOTE, Invoice, StoredPdf
from chalicelib.request_context import RequestContext
from chalicelib.table import keys, store
from chalicelib.tasks.kinds import DeliverInvoice
from chalicelib.tasks.service import add_task

KIND = "invoices"
MADE, SUPPLIED = "made", "supplied"
"""The origin of a PDF: rendered here, or from the billing system."""

DOWNLOAD_LIFETIME = timedelta(minutes=1)
UPLOAD_LIFETIME = timedelta(minutes=15)
MAX_PDF_BYTES = 10 * 1024 * 1024
_PDF_SIGNATURE = b"%PDF-"


@dataclass(frozen=True)
class SuppliedPdf:
    """The state of a supplied PDF: stored (``pdf``), or to be uploaded to ``upload`` until ``until`` (UTC)."""

    pdf: StoredPdf | None
    upload: storage.PresignedUpload | None = None
    until: datetime | None = None


def require_invoice_pdf(invoice: Invoice) -> StoredPdf:
    """Return an invoice's PDF. Raises Conflict ``pdf_pending`` while there is none."""
    if invoice.pdf is not None:
        return invoice.pdf
    message = "The PDF is being prepared. Try again in a few seconds."
    if invoice.pdf_expected == SUPPLIED:
        address = f"/v1/invoices/{invoice.invoice_id}/pdf"
        message = f"The billing system has not supplied the PDF yet. It must send it with PUT {address}."
    raise Conflict("pdf_pending", message, details={"expected": invoice.pdf_expected})


def invoice_file_name(invoice: Invoice) -> str:
    """Return the name by which a reader saves the PDF."""
    word = "credit-note" if invoice.kind == CREDIT_NOTE else "invoice"
    shown = "".join(one if one.isalnum() or one in "._-" else "-" for one in invoice.number)
    return f"{word}-{shown}.pdf"


def invoice_pdf_url(invoice: Invoice) -> str:
    """Return a URL of the PDF, valid for a minute. Raises Conflict ``pdf_pending``."""
    return storage.presign_download(
        require_invoice_pdf(invoice).key, DOWNLOAD_LIFETIME, name=invoice_file_name(invoice), media_type=PDF_MEDIA_TYPE
    )


def supplied_pdf_state(invoice: Invoice) -> SuppliedPdf:
    """Return the state of a supplied PDF, without an upload URL."""
    return SuppliedPdf(invoice.pdf)


def supply_pdf(context: RequestContext, invoice_id: str, content_hash: str, size: int) -> SuppliedPdf:
    """Accept the PDF of ``size`` bytes and ``content_hash`` (SHA-256 in hex) for an invoice issued with its own PDF.

    Before the upload, returns where to upload it; after it, stores the file unchanged and starts the delivery of the
    invoice. Repeating it changes nothing. Raises NotFound, InvalidInput when the upload is another file or no PDF, and
    Conflict when the PDF is rendered here or another one is stored already.
    """
    key = upload_key(KIND, invoice_id, content_hash)

    def attempt() -> SuppliedPdf:
        (item,) = store.get_items_for_write(context, keys.invoice(invoice_id))
        if item is None:
            raise NotFound
        invoice = store.from_item(Invoice, item)
        stored = StoredPdf(document_key(KIND, invoice_id, content_hash), content_hash, size, SUPPLIED)
        _check_no_other_pdf(invoice, stored)
        if invoice.pdf is not None and storage.find_object(stored.key) is not None:
            return SuppliedPdf(invoice.pdf)
        content = storage.read_object(key)
        if content is None:
            return SuppliedPdf(
                None,
                storage.presign_checked_upload(
                    key, UPLOAD_LIFETIME, size=size, content_hash=content_hash, media_type=PDF_MEDIA_TYPE
                ),
                context.now + UPLOAD_LIFETIME,
            )
        try:
            _check_uploaded_pdf(content, content_hash, size)
        except InvalidInput:
            # Repeating the request then gives a fresh URL.
            storage.delete_object(key)
            raise
        storage.store_object(stored.key, content, PDF_MEDIA_TYPE)
        _record_supplied_pdf(context, invoice, stored)
        return SuppliedPdf(stored)

    return store.retry_on_conflict(attempt)


def _check_no_other_pdf(invoice: Invoice, stored: StoredPdf) -> None:
    if invoice.pdf_expected != SUPPLIED:
        raise Conflict(
            "pdf_is_made",
            'The PDF of this invoice is made here. To supply it, issue the invoice with "pdf": "supplied".',
        )
    if invoice.pdf is not None and (invoice.pdf.sha256, invoice.pdf.size) != (stored.sha256, stored.size):
        raise Conflict(
            "pdf_exists",
            "This invoice already has another PDF, which cannot change.",
            details={"sha256": invoice.pdf.sha256, "size": invoice.pdf.size},
        )


def _check_uploaded_pdf(content: bytes, content_hash: str, size: int) -> None:
    if len(content) != size:
        raise InvalidInput.field("size", "wrong_size", f"The uploaded file has {len(content)} bytes. Start again.")
    if storage.content_sha256(content) != content_hash:
        raise InvalidInput.field("sha256", "wrong_hash", "The uploaded file has a different SHA-256. Start again.")
    if not content.startswith(_PDF_SIGNATURE):
        raise InvalidInput.field("sha256", "not_a_pdf", "The uploaded file is not a PDF: it does not begin with %PDF-.")


def _record_supplied_pdf(context: RequestContext, invoice: Invoice, stored: StoredPdf) -> None:
    transaction = store.Transaction(context)
    if invoice.pdf is None:
        ledger.write_invoice_changes(transaction, {}, [(invoice, replace(invoice, pdf=stored))])
        if invoice.delivery_wanted:
            add_task(transaction, context, DeliverInvoice(invoice.invoice_id))
    change = (FieldChange("pdf.sha256", invoice.pdf.sha256 if invoice.pdf else None, stored.sha256),)
    record_audit_event(
        transaction, context, "invoice.pdf_supplied", "invoice", invoice.invoice_id, change,
        account_id=invoice.account_id, bill_group_id=invoice.bill_group_id,
    )  # fmt: skip
    transaction.record_response(invoice.invoice_id, 200)
    transaction.commit()
