"""Pauses of reminders, promises to pay and failed automatic payments over HTTP (R2, R6)."""

from datetime import date, datetime
from typing import Any

from pydantic import Field

from chalicelib.api import Reply, Request, Routes, View
from chalicelib.reminders.pauses import promises, service
from chalicelib.reminders.pauses.inputs import AutoPayFailureBody, PauseBody, PromiseBody
from chalicelib.reminders.pauses.service import PauseDetails

reminder_pause_routes = Routes("reminders")


class PauseView(View):
    """A pause of reminders. It ends by itself."""

    until: date | None = Field(description="Its last day. Null: no end.")
    reason: str | None
    by: str
    since: datetime


class PausedView(View):
    """Whether reminders are paused here. They may also be paused at a higher level."""

    pause: PauseView | None = Field(description="The last one set here. It may have ended.")


def pause_view(found: PauseDetails | None) -> PauseView | None:
    """Return a pause as the API shows it."""
    return PauseView(**{**vars(found), "since": datetime.fromisoformat(found.since)}) if found else None


@reminder_pause_routes.put(
    "/v1/invoices/{invoice_id}/promise",
    may="reminders.write",
    body=PromiseBody,
    returns={204: None},
    raises=("invoice_not_open",),
)
def promise_payment(request: Request[PromiseBody, None]) -> Reply:
    """Record a payment promise for an invoice. Reminders resume the day after."""
    by = request.body.by or request.context.actor.name
    promises.record_promises(request.context, [request.path["invoice_id"]], request.body.on, by)
    return Reply(status=204)


@reminder_pause_routes.delete("/v1/invoices/{invoice_id}/promise", may="reminders.write", returns={204: None})
def take_promise_back(request: Request[None, None]) -> Reply:
    """Cancel a payment promise, for example when the customer will not keep it."""
    promises.withdraw_promise(request.context, request.path["invoice_id"])
    return Reply(status=204)


@reminder_pause_routes.put(
    "/v1/invoices/{invoice_id}/auto-pay-failure",
    may="reminders.write",
    body=AutoPayFailureBody,
    returns={204: None},
    raises=("nothing_open",),
)
def note_auto_pay_failure(request: Request[AutoPayFailureBody, None]) -> Reply:
    """Record that the automatic payment of an invoice failed. Reminders start."""
    body = request.body
    service.record_auto_pay_failure(request.context, request.path["invoice_id"], body.failed_on, body.reason)
    return Reply(status=204)


@reminder_pause_routes.delete("/v1/invoices/{invoice_id}/auto-pay-failure", may="reminders.write", returns={204: None})
def take_auto_pay_failure_back(request: Request[None, None]) -> Reply:
    """Record that the automatic payment of an invoice is being retried. Reminders stop."""
    service.withdraw_auto_pay_failure(request.context, request.path["invoice_id"])
    return Reply(status=204)


def _read_pause(level: str, request: Request[Any, Any]) -> Reply:
    return Reply(PausedView(pause=pause_view(service.get_pause(level, request.path[f"{level}_id"]))))


def _put_pause(level: str, request: Request[PauseBody, None]) -> Reply:
    body = request.body
    set_now = service.pause_reminders(request.context, level, request.path[f"{level}_id"], body.until, body.reason)
    return Reply(PausedView(pause=pause_view(set_now)))


def _end_pause(level: str, request: Request[None, None]) -> Reply:
    service.resume_reminders(request.context, level, request.path[f"{level}_id"])
    return Reply(status=204)


@reminder_pause_routes.get("/v1/invoices/{invoice_id}/reminder-pause", may="reminders.read", returns={200: PausedView})
def get_invoice_pause(request: Request[Any, Any]) -> Reply:
    """Read whether reminders of an invoice are paused."""
    return _read_pause(service.INVOICE, request)


@reminder_pause_routes.put(
    "/v1/invoices/{invoice_id}/reminder-pause",
    may="reminders.write",
    body=PauseBody,
    returns={200: PausedView},
    replay=get_invoice_pause,
)
def pause_invoice(request: Request[PauseBody, None]) -> Reply:
    """Pause reminders for an invoice until the end of a day, or indefinitely."""
    return _put_pause(service.INVOICE, request)


@reminder_pause_routes.delete("/v1/invoices/{invoice_id}/reminder-pause", may="reminders.write", returns={204: None})
def resume_invoice(request: Request[None, None]) -> Reply:
    """End the pause of an invoice's reminders."""
    return _end_pause(service.INVOICE, request)


@reminder_pause_routes.get(
    "/v1/bill-groups/{bill_group_id}/reminder-pause", may="reminders.read", returns={200: PausedView}
)
def get_bill_group_pause(request: Request[Any, Any]) -> Reply:
    """Read whether reminders of a bill group are paused."""
    return _read_pause(service.BILL_GROUP, request)


@reminder_pause_routes.put(
    "/v1/bill-groups/{bill_group_id}/reminder-pause",
    may="reminders.write",
    body=PauseBody,
    returns={200: PausedView},
    replay=get_bill_group_pause,
)
def pause_bill_group(request: Request[PauseBody, None]) -> Reply:
    """Pause reminders for all invoices of a bill group until the end of a day, or indefinitely."""
    return _put_pause(service.BILL_GROUP, request)


@reminder_pause_routes.delete(
    "/v1/bill-groups/{bill_group_id}/reminder-pause", may="reminders.write", returns={204: None}
)
def resume_bill_group(request: Request[None, None]) -> Reply:
    """End the pause of a bill group's reminders."""
    return _end_pause(service.BILL_GROUP, request)


@reminder_pause_routes.get("/v1/accounts/{account_id}/reminder-pause", may="reminders.read", returns={200: PausedView})
def get_account_pause(request: Request[Any, Any]) -> Reply:
    """Read whether reminders of an account are paused."""
    return _read_pause(service.ACCOUNT, request)


@reminder_pause_routes.put(
    "/v1/accounts/{account_id}/reminder-pause",
    may="reminders.write",
    body=PauseBody,
    returns={200: PausedView},
    replay=get_account_pause,
)
def pause_account(request: Request[PauseBody, None]) -> Reply:
    """Pause all reminders for an account until the end of a day, or indefinitely."""
    return _put_pause(service.ACCOUNT, request)


@reminder_pause_routes.delete("/v1/accounts/{account_id}/reminder-pause", may="reminders.write", returns={204: None})
def resume_account(request: Request[None, None]) -> Reply:
    """End the pause of an account's reminders."""
    return _end_pause(service.ACCOUNT, request)
