"""Sending invoices, and what became of it, over HTTP."""

from datetime import datetime
from typing import Any

from pydantic import Field

from chalicelib.api import Listing, Reply, Request, Routes, View
from chalicelib.deliveries import history, manual_send
from chalicelib.deliveries.history import DeliveryWithStatuses
from chalicelib.deliveries.inputs import SendBody
from chalicelib.deliveries.rules import RequestedRecipients

deliveries_routes = Routes("invoices")


class DeliveryRecipientView(View):
    """The status of a delivery for one recipient."""

    status: str = Field(
        description="Of the email, for this recipient: queued, sending, sent, delivered, bounced, "
        "complained, failed, unknown, captured or withheld. Without an email: waiting (in a "
        "bundle), planned (in shadow mode), unreachable (the address is suppressed) or left_out "
        "(no longer a recipient when the bundle was sent)."
    )
    reason: str | None
    email: str | None = Field(description="Null without an email, and when the recipient was erased.")
    contact_id: str | None = Field(description="Null for a Cc who is no contact, or shares an email with others.")
    email_id: str | None
    cc: bool
    is_copy: bool = Field(description="Whether the contact does not hold the role, and chose to get the invoices.")
    at: str | None = Field(description="When the status changed, if known.")


class DeliveryView(View):
    """A delivery of an invoice."""

    delivery_id: str
    invoice_id: str
    reason: str = Field(description="issued, or sent_again.")
    outcome: str = Field(
        description="mailed; waiting (in bundles only); shadow (planned, not sent); or why nobody was "
        "emailed: void, mail_off, before_live_from, portal_only, no_contacts, "
        "no_reachable_contacts."
    )
    at: datetime
    requested_by: dict[str, str] | None = Field(description="Kind and name of the caller who requested it.")
    recipients: list[DeliveryRecipientView]


def _view(read: DeliveryWithStatuses) -> DeliveryView:
    of = read.delivery
    return DeliveryView(
        delivery_id=of.delivery_id,
        invoice_id=of.invoice_id,
        reason=of.reason,
        outcome=of.outcome,
        at=of.at,
        requested_by=dict(of.requested_by) if of.requested_by else None,
        recipients=[DeliveryRecipientView(**vars(one)) for one in read.recipients],
    )


@deliveries_routes.get(
    "/v1/invoices/{invoice_id}/deliveries", may="deliveries.read", returns={200: Listing[DeliveryView]}, paged=True
)
def list_deliveries(request: Request[None, None]) -> Reply:
    """List the deliveries of an invoice, newest first, with the status of each recipient."""
    found, after = history.list_invoice_deliveries(request.path["invoice_id"], request.page.after, request.page.limit)
    return Reply(Listing(items=[_view(one) for one in found]), after=after)


def _rebuild_delivery(request: Request[Any, Any]) -> Reply:
    # A repeated request names the delivery that the first one made.
    return Reply(_view(history.get_delivery(request.path["invoice_id"], request.path["delivery_id"])), status=202)


@deliveries_routes.post(
    "/v1/invoices/{invoice_id}/send",
    may="invoices.send",
    body=SendBody,
    body_optional=True,
    returns={202: DeliveryView},
    raises=(
        "pdf_pending",
        "invoice_is_void",
        "invoice_mail_not_live",
        "address_suppressed",
        "no_contacts",
        "no_reachable_contacts",
    ),
    replay=_rebuild_delivery,
)
def send_invoice(request: Request[SendBody, None]) -> Reply:
    """Email an invoice to all invoicing contacts of its bill group, or to those who are named.

    It is sent whatever the payment terms and the age of the invoice, but not while `invoice_mail` of the issuing
    entity is not live for the account. A portal user can name only contacts of the account.
    """
    invoice_id = request.path["invoice_id"]
    body: SendBody | None = request.body
    asked = body.asked() if body else RequestedRecipients()
    delivery = manual_send.send_invoice_on_request(request.context, invoice_id, asked)
    return Reply(_view(history.get_delivery(invoice_id, delivery.delivery_id)), status=202)
