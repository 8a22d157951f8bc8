"""What an invoice looks like: its content laid out for the template, and made a PDF."""

from datetime import UTC, datetime, time

from chalicelib.documents import pdf
from chalicelib.invoices.rules import CREDIT_NOTE, Content


def render_invoice(content: Content, *, logo: bytes | None = None, e_invoice: bytes | None = None) -> bytes:
    """Return the invoice or credit note as PDF, the same bytes for the same content.

    ``logo`` is the issuing entity's as PNG or JPEG, ``e_invoice`` the XML that is embedded.
    Raises typst.TypstError when it cannot be set, which no content should bring about.
    """
    attachments = []
    if e_invoice is not None:
        attachments.append(pdf.Attachment("factur-x.xml", "text/xml", e_invoice, "alternative", "Factur-X / ZUGFeRD"))
    return pdf.render(
        "invoice",
        {"title": f"{'Credit note' if content.kind == CREDIT_NOTE else 'Invoice'} {content.number}"},
        language=content.locale,
        # The instant is of the invoice and not of its rendering, so that a repetition gives the same bytes.
        at=datetime.combine(content.issue_date, time(), UTC),
        attachments=attachments,
        images={"logo": logo} if logo else {},
    )
