"""The queue of deliveries, and the console function that sends an invoice again."""

import json
from typing import Any

from chalice.app import Blueprint, SQSEvent

from chalicelib import clock
from chalicelib.deliveries import manual_send, service
from chalicelib.deliveries.inputs import ConsoleSendBody
from chalicelib.deliveries.manual_send import SendingPlan
from chalicelib.errors import CounterfoilError
from chalicelib.observability import instrument_job, new_correlation_id
from chalicelib.request_context import Actor, RequestContext
from chalicelib.tasks import consumer
from chalicelib.validation import parse_body

deliveries_jobs = Blueprint(__name__)


@deliveries_jobs.on_sqs_message(
    queue_arn="arn:aws:sqs:us-east-1:000000000000:deliveries", batch_size=10, name="run_deliveries"
)
@instrument_job("run_deliveries")
def run_deliveries(event: SQSEvent) -> dict[str, Any]:
    """Deliver invoices that were issued, and send bundles that have waited long enough."""
    return consumer.consume_task_messages(event, service.process_delivery_task)


@deliveries_jobs.lambda_function(name="resend_invoice")
@instrument_job("resend_invoice")
def resend_invoice(event: dict[str, Any], lambda_context: Any) -> dict[str, Any]:
    """Send an invoice again: ``{"invoice_id": "…", "confirm": true}``.

    Without ``confirm`` it says whom it would go to. ``"to": ["con_…"]`` names contacts of the account instead of all
    invoicing contacts, ``"cc": ["…@…"]`` further addresses for this once.
    """
    context = RequestContext(Actor("console", "resend_invoice", "console"), clock.utc_now(), new_correlation_id())
    try:
        body = parse_body(ConsoleSendBody, json.dumps(event).encode())
        asked = body.asked()
        if not body.confirm:
            would_send = _describe_plan(manual_send.plan_sending(context, body.invoice_id, asked))
            return {"dry_run": True, "would_send": would_send, "next": 'Add "confirm": true to send it.'}
        delivery = manual_send.send_invoice_on_request(context, body.invoice_id, asked)
    except CounterfoilError as refusal:
        return {
            "refused": {"code": refusal.code, "message": refusal.message},
            "errors": [{"field": fault.field, "message": fault.message} for fault in refusal.fields],
        }
    return {
        "sent": {
            "delivery_id": delivery.delivery_id,
            "email_ids": sorted({one.email_id for one in delivery.recipients if one.email_id}),
        }
    }


def _describe_plan(plan: SendingPlan) -> dict[str, Any]:
    return {
        "invoice_id": plan.invoice.invoice_id,
        "number": plan.invoice.number,
        "mails": [
            {"to": [one.email for one in mail.to], "pdf_attached": mail.attached} for mail in plan.decision.mails
        ],
        "cc": list(plan.cc),
        "suppressed": [one.email for one in plan.decision.unreachable],
    }
