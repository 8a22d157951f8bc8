"""The PDFs of invoices over HTTP."""

import re
from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from chalicelib.api import Body, Reply, Request, Routes, View
from chalicelib.field_types import ShortText, pattern_validator
from chalicelib.invoices import queries
from chalicelib.invoices.pdf import pdfs
from chalicelib.invoices.pdf.pdfs import MAX_PDF_BYTES, SuppliedPdf

invoice_pdf_routes = Routes("invoices")

Sha256 = Annotated[
    ShortText,
    AfterValidator(
        pattern_validator(
            re.compile("[0-9a-f]{64}"), "bad_hash", "Send the SHA-256 of the file, 64 lower-case hex digits."
        )
    ),
    Field(json_schema_extra={"pattern": "^[0-9a-f]{64}$"}),
]


class SuppliedPdfBody(Body):
    """The PDF that the billing system supplies."""

    sha256: Sha256
    size: int = Field(ge=1, le=MAX_PDF_BYTES, description="In bytes; at most 10 MiB.")


class PdfUploadView(View):
    """Where a file is to be uploaded to."""

    url: str = Field(description="Takes the file by PUT.")
    headers: dict[str, str] = Field(description="Send these fields unchanged.")
    until: datetime


class SuppliedPdfView(View):
    """The status of a supplied PDF."""

    status: str = Field(description="kept, or awaiting_upload: upload the file, then send this request again.")
    sha256: str | None
    size: int | None
    upload: PdfUploadView | None


@invoice_pdf_routes.get(
    "/v1/invoices/{invoice_id}/pdf", may="invoices.read", returns={302: None}, raises=("pdf_pending",)
)
def get_pdf(request: Request[None, None]) -> Reply:
    """Redirect to the PDF of an invoice, at an address that works for a minute.

    Until the PDF exists, the reply is 409 `pdf_pending`.
    """
    invoice = queries.get_invoice_head(request.path["invoice_id"])
    return Reply(status=302, headers={"Location": pdfs.invoice_pdf_url(invoice)})


def _supplied_reply(found: SuppliedPdf) -> Reply:
    upload = None
    if found.upload is not None and found.until is not None:
        upload = PdfUploadView(url=found.upload.url, headers=found.upload.headers, until=found.until)
    view = SuppliedPdfView(
        status="kept" if found.pdf else "awaiting_upload",
        sha256=found.pdf.sha256 if found.pdf else None,
        size=found.pdf.size if found.pdf else None,
        upload=upload,
    )
    return Reply(view, status=200 if found.pdf else 202)


def _rebuild_supplied(request: Request[Any, Any]) -> Reply:
    return _supplied_reply(pdfs.supplied_pdf_state(queries.get_invoice_head(request.path["invoice_id"])))


@invoice_pdf_routes.put(
    "/v1/invoices/{invoice_id}/pdf",
    may="invoices.write",
    body=SuppliedPdfBody,
    returns={200: SuppliedPdfView, 202: SuppliedPdfView},
    raises=("pdf_is_made", "pdf_exists"),
    replay=_rebuild_supplied,
)
def put_pdf(request: Request[SuppliedPdfBody, None]) -> Reply:
    """Supply the PDF of an invoice that was issued with `"pdf": "supplied"`.

    The first request returns the upload address. Repeat the request once the file is uploaded: the file is then stored
    unchanged, and the invoice can be delivered.
    """
    body = request.body
    return _supplied_reply(pdfs.supply_pdf(request.context, request.path["invoice_id"], body.sha256, body.size))
