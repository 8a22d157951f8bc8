"""Invoices and credit notes over HTTP.

An address with ``{invoice_id}`` names no bill group; whether a portal user may be there at all has been decided
before a view is called (``access.service`` tells how), and somebody else's invoice is 404.
"""

from typing import Any, Literal

from pydantic import Field

from chalicelib.api import Listing, Query, Reply, Request, Routes
from chalicelib.field_types import ShortText, SingleLineText, VendorId
from chalicelib.invoices import lifecycle, lists, queries, service, views
from chalicelib.invoices.inputs import DisputeBody, DueDateBody, InvoiceBody, ReasonBody
from chalicelib.invoices.lifecycle import InvoiceWriteResult
from chalicelib.invoices.views import InvoiceListed, InvoiceView, InvoiceWritten

invoices_routes = Routes("invoices")


class InvoicesQuery(Query):
    """Which invoices; by number, by PO number, disputed or promised ones, or by status and days overdue."""

    number: ShortText | None = None
    po: SingleLineText | None = None
    entity: VendorId | None = None
    status: Literal["open", "part_paid", "paid", "void", "uncollectible"] | None = Field(
        default=None, description="Without a filter, open and part paid invoices."
    )
    overdue_days: int | None = Field(default=None, ge=1, le=36500, description="Overdue for at least this many days.")
    disputed: Literal["true"] | None = None
    promised: Literal["true"] | None = Field(
        default=None, description="Open invoices with a payment promise, earliest first."
    )
    kind: Literal["invoice", "credit_note"] = "invoice"


def _write_reply(request: Request[Any, Any], result: InvoiceWriteResult, status: int = 200) -> Reply:
    view = views.to_written_view(result, request.context.now, to_portal=request.principal.is_portal)
    return Reply(view, status=status, version=result.invoice.version)


def _rebuild(request: Request[Any, Any]) -> Reply:
    """Answer a repeated write: with no overrides, since the repetition replaces nothing."""
    return _write_reply(request, InvoiceWriteResult(queries.get_invoice_head(request.path["invoice_id"])))


def _optional_reason(request: Request[Any, Any]) -> str | None:
    """Return the reason of a body that need not be sent."""
    return request.body.reason if request.body is not None else None


@invoices_routes.get(
    "/v1/invoices", may="invoices.list", query=InvoicesQuery, returns={200: Listing[InvoiceListed]}, paged=True
)
def list_invoices(request: Request[None, InvoicesQuery]) -> Reply:
    """List invoices across customers.

    Open invoices are sorted by due date, earliest first. Settled and void ones are sorted newest first.
    """
    asked = request.query
    wanted = lists.InvoiceFilters(
        entity=asked.entity,
        number=asked.number,
        po=asked.po,
        status=asked.status,
        overdue_days=asked.overdue_days,
        disputed=asked.disputed is not None,
        promised=asked.promised is not None,
        kind=asked.kind,
    )
    now = request.context.now
    found, after = lists.list_invoices(wanted, now, request.page.after, request.page.limit)
    return Reply(Listing(items=[views.to_listed_view(one, now) for one in found]), after=after)


@invoices_routes.get(
    "/v1/bill-groups/{bill_group_id}/invoices",
    may="invoices.read",
    returns={200: Listing[InvoiceListed]},
    paged=True,
)
def list_of_bill_group(request: Request[None, None]) -> Reply:
    """List a bill group's invoices and credit notes, newest first."""
    found, after = lists.list_bill_group_invoices(request.path["bill_group_id"], request.page.after, request.page.limit)
    return Reply(Listing(items=[views.to_listed_view(one, request.context.now) for one in found]), after=after)


@invoices_routes.get("/v1/invoices/{invoice_id}", may="invoices.read", returns={200: InvoiceView}, tagged=True)
def get_invoice(request: Request[None, None]) -> Reply:
    """Read an invoice or credit note with its lines."""
    found = queries.get_invoice_with_content(request.path["invoice_id"])
    view = views.to_invoice_view(found, request.context.now, to_portal=request.principal.is_portal)
    return Reply(view, version=found.invoice.version)


@invoices_routes.put(
    "/v1/invoices/{invoice_id}",
    may="invoices.write",
    body=InvoiceBody,
    large=True,
    returns={200: InvoiceWritten, 201: InvoiceWritten},
    raises=("stale_version", "invoice_exists", "number_taken", "invoice_is_void", "figures_disagree"),
    tagged=True,
    versioned=True,
    replay=_rebuild,
)
def put_invoice(request: Request[InvoiceBody, None]) -> Reply:
    """Issue an invoice or credit note, once.

    The bill group determines account and issuing entity. Their names and addresses are stored as they are now. The
    figures must agree to the minor unit. Repeating the same content changes nothing. Different content is rejected,
    except for the due date. A due date that was changed here stays while the billing system repeats its earlier one.
    """
    result = service.issue_invoice(request.context, request.path["invoice_id"], request.body.given(), request.if_match)
    return _write_reply(request, result, 201 if result.created else 200)


@invoices_routes.patch(
    "/v1/invoices/{invoice_id}",
    may="invoices.write",
    body=DueDateBody,
    returns={200: InvoiceWritten},
    raises=("stale_version", "invoice_is_void"),
    tagged=True,
    replay=_rebuild,
)
def patch_invoice(request: Request[DueDateBody, None]) -> Reply:
    """Change the due date of an invoice. Its content and PDF do not change."""
    return _write_reply(
        request,
        lifecycle.change_due_date(request.context, request.path["invoice_id"], request.body.due_date, request.if_match),
    )


@invoices_routes.post(
    "/v1/invoices/{invoice_id}/void",
    may="invoices.write",
    body=ReasonBody,
    body_optional=True,
    returns={200: InvoiceWritten},
    raises=("stale_version", "invoice_is_settled"),
    tagged=True,
    versioned=True,
    replay=_rebuild,
)
def void_invoice(request: Request[ReasonBody, None]) -> Reply:
    """Void an invoice or credit note of which nothing is settled."""
    return _write_reply(
        request,
        lifecycle.mark_void(request.context, request.path["invoice_id"], _optional_reason(request), request.if_match),
    )


@invoices_routes.post(
    "/v1/invoices/{invoice_id}/uncollectible",
    may="invoices.write",
    body=ReasonBody,
    body_optional=True,
    returns={200: InvoiceWritten},
    raises=("stale_version", "invoice_not_open", "not_an_invoice"),
    tagged=True,
    versioned=True,
    replay=_rebuild,
)
def give_invoice_up(request: Request[ReasonBody, None]) -> Reply:
    """Mark an invoice as uncollectible. It no longer has an open amount."""
    return _write_reply(
        request,
        lifecycle.mark_uncollectible(
            request.context, request.path["invoice_id"], _optional_reason(request), request.if_match
        ),
    )


@invoices_routes.delete(
    "/v1/invoices/{invoice_id}/uncollectible",
    may="invoices.write",
    returns={200: InvoiceWritten},
    raises=("invoice_is_void",),
    tagged=True,
    replay=_rebuild,
)
def collect_invoice_again(request: Request[None, None]) -> Reply:
    """Reopen an uncollectible invoice."""
    return _write_reply(request, lifecycle.reopen_uncollectible(request.context, request.path["invoice_id"]))


@invoices_routes.put(
    "/v1/invoices/{invoice_id}/dispute",
    may="disputes.raise",
    body=DisputeBody,
    returns={200: InvoiceWritten},
    raises=("invoice_is_void", "not_an_invoice"),
    tagged=True,
    replay=_rebuild,
)
def dispute_invoice(request: Request[DisputeBody, None]) -> Reply:
    """Dispute an invoice until the vendor resolves the dispute."""
    return _write_reply(
        request, lifecycle.record_dispute(request.context, request.path["invoice_id"], request.body.given())
    )


@invoices_routes.delete("/v1/invoices/{invoice_id}/dispute", may="disputes.resolve", returns={204: None})
def resolve_dispute(request: Request[None, None]) -> Reply:
    """Resolve the dispute of an invoice."""
    lifecycle.clear_dispute(request.context, request.path["invoice_id"])
    return Reply(status=204)
