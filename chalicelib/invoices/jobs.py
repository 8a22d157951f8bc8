"""The console function that renders a missing PDF again."""

import json
from typing import Any

from chalice.app import Blueprint

from chalicelib import clock
from chalicelib.errors import CounterfoilError
from chalicelib.field_types import Body, VendorId
from chalicelib.observability import instrument_job, new_correlation_id
from chalicelib.request_context import Actor, RequestContext
from chalicelib.validation import parse_body

invoices_jobs = Blueprint(__name__)


class RenderBody(Body):
    """Which invoice is to be rendered."""

    invoice_id: VendorId
    replace: bool = False
    confirm: bool = False


@invoices_jobs.lambda_function(name="render_invoice")
@instrument_job("render_invoice")
def render_invoice(event: dict[str, Any], lambda_context: Any) -> dict[str, Any]:
    """Render the PDF of an invoice that is missing in the bucket: ``{"invoice_id": "…", "confirm": true}``.

    Without ``confirm`` it says what it found, and whether what it can make is, by its SHA-256, what was issued. Another
    file is only kept with ``"replace": true``, which is audited.
    """
    # The other functions import this module too, and have no typesetter to import.
    from chalicelib.invoices.pdf import render

    context = RequestContext(Actor("console", "render_invoice", "console"), clock.utc_now(), new_correlation_id())
    try:
        body = parse_body(RenderBody, json.dumps(event).encode())
        found = render.inspect_pdf(body.invoice_id)
        kept, made = found.invoice.pdf, found.made
        told = {
            "invoice_id": body.invoice_id,
            "in_the_bucket": found.found,
            "issued_sha256": kept.sha256 if kept else None,
            "rendered_sha256": made.stored.sha256 if made else None,
            "is_what_was_issued": found.is_same if made else None,
        }
        if made is None:
            return {"unchanged": told}
        if not body.confirm:
            return {"dry_run": True, "would_keep": told, "next": 'Add "confirm": true to keep it.'}
        render.restore_pdf(context, found, replacing=body.replace)
    except CounterfoilError as refusal:
        return {
            "refused": {"code": refusal.code, "message": refusal.message},
            "errors": [{"field": fault.field, "message": fault.message} for fault in refusal.fields],
        }
    return {"kept": told}
