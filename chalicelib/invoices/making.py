"""Making the PDF of an invoice, once, and keeping it (I2).

Only the functions that carry the typesetter import this.
"""

from dataclasses import dataclass, replace

from chalicelib import clock
from chalicelib.audit import service as audit
from chalicelib.audit.rules import Change
from chalicelib.call import Actor, Call
from chalicelib.documents import files
from chalicelib.duties import service as duties
from chalicelib.duties.queue import Message
from chalicelib.errors import Conflict, NotFound
from chalicelib.invoices import e_invoice, pdfs, reading, standing
from chalicelib.invoices.document import render_invoice
from chalicelib.invoices.e_invoice import Inexpressible
from chalicelib.invoices.rules import Content, Invoice, StoredPdf
from chalicelib.observability import logger, metrics
from chalicelib.table import store

MAKER = Actor("system", "make_documents", "Documents")

MISSING, DIFFERENT, WHOLE = "missing", "different", "whole"
"""What is in the bucket in place of a PDF: nothing, another file, or the PDF itself."""


@dataclass(frozen=True)
class Made:
    """A PDF, and what there is to know of it."""

    content: bytes
    stored: StoredPdf


@dataclass(frozen=True)
class Restoring:
    """What was found in the bucket in place of an invoice's PDF, and what was rendered to stand there instead."""

    invoice: Invoice
    found: str
    made: Made | None
    """None where nothing need be done."""

    @property
    def is_same(self) -> bool:
        """Tell whether what was rendered is, byte by byte, what was made when the invoice was issued."""
        kept = self.invoice.pdf
        return self.made is not None and (kept is None or kept.sha256 == self.made.stored.sha256)


def make(message: Message) -> None:
    """Make the PDF of the invoice that ``message`` names, keep it, and hand the invoice on to be delivered.

    Whatever fails, it can be done again: the same content gives the same file under the same key.
    """
    try:
        read = reading.get_invoice(message.subject)
    except NotFound:
        logger.warning("There is a duty to make the PDF of an invoice that is not here.")
        duties.done(message.key)
        return
    if not _is_wanted(read.invoice):
        duties.done(message.key)
        return
    made = rendered(read.content)
    files.keep(made.stored.key, made.content, files.PDF)
    # The head as it was read is most often still the newest; if not, it is read again.
    known = [read.invoice]
    store.deciding_again(
        lambda: _note(message, known.pop() if known else reading.get_head(message.subject), made.stored)
    )
    metrics.add_metric(name="InvoicePdfsMade", unit="Count", value=1)


def rendered(content: Content) -> Made:
    """Return the PDF of an invoice, with the e-invoice in it where EN 16931 can express the invoice.

    Raises LookupError when the logo has gone from the bucket: what is issued shows it.
    """
    logo = files.read(content.seller.logo) if content.seller.logo else None
    if content.seller.logo and logo is None:
        raise LookupError(f"The logo {content.seller.logo} is not in the bucket.")
    embedded = e_invoice.build(content)
    reason = embedded.reason if isinstance(embedded, Inexpressible) else None
    pdf = render_invoice(content, logo=logo, e_invoice=None if isinstance(embedded, Inexpressible) else embedded)
    digest = files.sha256(pdf)
    key = files.document_key(pdfs.KIND, content.invoice_id, digest)
    return Made(pdf, StoredPdf(key, digest, len(pdf), pdfs.MADE, reason))


def _is_wanted(invoice: Invoice) -> bool:
    return invoice.pdf is None and invoice.pdf_expected == pdfs.MADE


def _note(message: Message, invoice: Invoice, stored: StoredPdf) -> None:
    if not _is_wanted(invoice):
        duties.done(message.key)
        return
    call = Call(MAKER, clock.now(), message.correlation_id)
    transaction = store.Transaction(call)
    standing.write(transaction, {}, [(invoice, replace(invoice, pdf=stored))])
    transaction.erase(message.key)
    if invoice.delivery_wanted:
        duties.add(transaction, call, "delivery", invoice.invoice_id)
    transaction.commit()


def look(invoice_id: str) -> Restoring:
    """Look whether the PDF of an invoice is in the bucket as it was made, and render it anew where it is not.

    Raises NotFound, and Conflict when the PDF is not ours to make.
    """
    read = reading.get_invoice(invoice_id)
    kept = read.invoice.pdf
    if kept is not None:
        content = files.read(kept.key)
        if content is not None and files.sha256(content) == kept.sha256:
            return Restoring(read.invoice, WHOLE, None)
        found = MISSING if content is None else DIFFERENT
    else:
        found = MISSING
    if read.invoice.pdf_expected != pdfs.MADE:
        raise Conflict(
            "pdf_is_supplied",
            "The billing system supplies the PDF of this invoice. Let it send the file (again) by PUT "
            f"/v1/invoices/{invoice_id}/pdf.",
        )
    return Restoring(read.invoice, found, rendered(read.content))


def restore(call: Call, restoring: Restoring, *, replacing: bool) -> None:
    """Put what ``look`` has rendered into the bucket, and hand on an invoice that had no PDF yet to be delivered.

    Raises Conflict ``pdf_differs`` when it is not what was made at issue, unless ``replacing``: whoever decides so is
    audited with both hashes.
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
    files.keep(made.stored.key, made.content, files.PDF)
    if restoring.invoice.pdf is None or not restoring.is_same:
        store.deciding_again(lambda: _note_restored(call, restoring, made.stored))


def _note_restored(call: Call, restoring: Restoring, stored: StoredPdf) -> None:
    invoice = reading.get_head(restoring.invoice.invoice_id)
    if invoice.pdf == stored:
        return
    if invoice.pdf != restoring.invoice.pdf:
        raise Conflict("pdf_has_changed", "The PDF was made by somebody else in the meantime. Look again.")
    transaction = store.Transaction(call)
    standing.write(transaction, {}, [(invoice, replace(invoice, pdf=stored))])
    before = invoice.pdf.sha256 if invoice.pdf else None
    change = (Change("pdf.sha256", before, stored.sha256),)
    audit.record(
        transaction, call, "invoice.pdf_restored", "invoice", invoice.invoice_id, change,
        account_id=invoice.account_id, bill_group_id=invoice.bill_group_id,
    )  # fmt: skip
    if invoice.pdf is None and invoice.delivery_wanted:
        duties.add(transaction, call, "delivery", invoice.invoice_id)
    transaction.commit()
