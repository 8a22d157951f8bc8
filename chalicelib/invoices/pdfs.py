"""The PDFs of invoices: where they can be read for a moment, and those that the billing system supplies (I2)."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from chalicelib.audit import service as audit
from chalicelib.audit.rules import Change
from chalicelib.call import Call
from chalicelib.documents import files
from chalicelib.documents.files import Upload
from chalicelib.duties import service as duties
from chalicelib.errors import Conflict, Invalid, NotFound
from chalicelib.invoices import standing
from chalicelib.invoices.rules import CREDIT_NOTE, Invoice, StoredPdf
from chalicelib.table import keys, store

KIND = "invoices"
MADE, SUPPLIED = "made", "supplied"
"""Whence a PDF is: made here, or from the billing system."""

DOWNLOAD_LASTS = timedelta(minutes=1)
UPLOAD_LASTS = timedelta(minutes=15)
LARGEST_PDF_BYTES = 10 * 1024 * 1024
_BEGINNING = b"%PDF-"


@dataclass(frozen=True)
class Supplying:
    """How far a supplied PDF is: kept (``pdf``), or still to be uploaded to ``upload`` until ``until`` (UTC)."""

    pdf: StoredPdf | None
    upload: Upload | None = None
    until: datetime | None = None


def kept(invoice: Invoice) -> StoredPdf:
    """Return what is known of an invoice's PDF. Raises Conflict ``pdf_pending`` while there is none."""
    if invoice.pdf is not None:
        return invoice.pdf
    message = "The PDF is being made. Ask again in a few seconds."
    if invoice.pdf_expected == SUPPLIED:
        address = f"/v1/invoices/{invoice.invoice_id}/pdf"
        message = f"The billing system has not supplied the PDF yet. It does so by PUT {address}."
    raise Conflict("pdf_pending", message, details={"expected": invoice.pdf_expected})


def file_name(invoice: Invoice) -> str:
    """Return the name by which a reader saves the PDF."""
    word = "credit-note" if invoice.kind == CREDIT_NOTE else "invoice"
    shown = "".join(one if one.isalnum() or one in "._-" else "-" for one in invoice.number)
    return f"{word}-{shown}.pdf"


def download_address(invoice: Invoice) -> str:
    """Return an address from which the PDF can be read for a minute. Raises Conflict ``pdf_pending``."""
    return files.download_address(kept(invoice).key, DOWNLOAD_LASTS, file_name(invoice))


def state_of(invoice: Invoice) -> Supplying:
    """Return how far a supplied PDF is, without a place to upload it to."""
    return Supplying(invoice.pdf)


def supply(call: Call, invoice_id: str, content_hash: str, size: int) -> Supplying:
    """Take the PDF of ``size`` bytes and of ``content_hash`` (SHA-256 in hex) for an invoice issued with its own PDF.

    Before it was uploaded, says where to; once it was, keeps it as it came, and hands the invoice on to be delivered.
    The same again changes nothing. Raises NotFound, Invalid when what was uploaded is another file or no PDF, and
    Conflict when the PDF is made here or another one is kept already.
    """
    key = files.upload_key(KIND, invoice_id, content_hash)

    def attempt() -> Supplying:
        (item,) = store.gather(call, keys.invoice(invoice_id))
        if item is None:
            raise NotFound
        invoice = store.load(Invoice, item)
        stored = StoredPdf(files.document_key(KIND, invoice_id, content_hash), content_hash, size, SUPPLIED)
        _refuse_another(invoice, stored)
        if invoice.pdf is not None and files.size_of(stored.key) is not None:
            return Supplying(invoice.pdf)
        content = files.read(key)
        if content is None:
            return Supplying(None, files.upload(key, size, content_hash, UPLOAD_LASTS), call.now + UPLOAD_LASTS)
        try:
            _check(content, content_hash, size)
        except Invalid:
            # The same request again leads to a fresh address then.
            files.remove(key)
            raise
        files.keep(stored.key, content, files.PDF)
        _note(call, invoice, stored)
        return Supplying(stored)

    return store.deciding_again(attempt)


def _refuse_another(invoice: Invoice, stored: StoredPdf) -> None:
    if invoice.pdf_expected != SUPPLIED:
        raise Conflict(
            "pdf_is_made",
            'The PDF of this invoice is made here. To supply it, issue the invoice with "pdf": "supplied".',
        )
    if invoice.pdf is not None and (invoice.pdf.sha256, invoice.pdf.size) != (stored.sha256, stored.size):
        raise Conflict(
            "pdf_exists",
            "Another PDF is kept for this invoice already, and it never changes.",
            details={"sha256": invoice.pdf.sha256, "size": invoice.pdf.size},
        )


def _check(content: bytes, content_hash: str, size: int) -> None:
    if len(content) != size:
        raise Invalid.field("size", "wrong_size", f"The file that was uploaded has {len(content)} bytes. Begin again.")
    if files.sha256(content) != content_hash:
        raise Invalid.field("sha256", "wrong_hash", "The file that was uploaded has another SHA-256. Begin again.")
    if not content.startswith(_BEGINNING):
        raise Invalid.field("sha256", "not_a_pdf", "The file that was uploaded does not begin as a PDF does (%PDF-).")


def _note(call: Call, invoice: Invoice, stored: StoredPdf) -> None:
    transaction = store.Transaction(call)
    if invoice.pdf is None:
        standing.write(transaction, {}, [(invoice, replace(invoice, pdf=stored))])
        if invoice.delivery_wanted:
            duties.add(transaction, call, "delivery", invoice.invoice_id)
    change = (Change("pdf.sha256", invoice.pdf.sha256 if invoice.pdf else None, stored.sha256),)
    audit.record(
        transaction, call, "invoice.pdf_supplied", "invoice", invoice.invoice_id, change,
        account_id=invoice.account_id, bill_group_id=invoice.bill_group_id,
    )  # fmt: skip
    transaction.answers(invoice.invoice_id, 200)
    transaction.commit()
