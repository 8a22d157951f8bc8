"""The queue consumers that send mail, and the function that hears what SES reports."""

import json
from typing import Any

from chalice.app import Blueprint, SQSEvent

from chalicelib import clock
from chalicelib.call import Actor, Call
from chalicelib.deliveries import mailing as deliveries
from chalicelib.duties import consumer
from chalicelib.errors import CounterfoilError
from chalicelib.mail import feedback, pacing, sending, suppressions
from chalicelib.mail.claims import Prepare
from chalicelib.mail.inputs import ConsoleSuppressionBody
from chalicelib.observability import bind, correlation_id_from, job, new_correlation_id
from chalicelib.passwords import mailing as passwords
from chalicelib.reminders import mailing as reminders
from chalicelib.sign_in import mailing as sign_in
from chalicelib.statements import mailing as statements
from chalicelib.validation import body_from

jobs = Blueprint(__name__)

# Which capability prepares a mail of its own when it is claimed.
PREPARE: dict[str, Prepare] = {
    "sign_in": sign_in.prepare,
    "temporary_password": passwords.prepare_temporary,
    "password_reset": passwords.prepare_reset,
    "invoice": deliveries.prepare,
    "statement": statements.prepare,
    "reminder": reminders.prepare,
}

# The ARNs are placeholders: the deployment puts the queues of infra/resources.yaml in their place.
_QUEUE = "arn:aws:sqs:us-east-1:000000000000:"


@jobs.on_sqs_message(queue_arn=_QUEUE + "urgent-mail", batch_size=10, name="deliver_urgent_mail")
@job("deliver_urgent_mail")
def deliver_urgent_mail(event: SQSEvent) -> dict[str, Any]:
    """Send sign-in mails and the like."""
    return consumer.consume(event, lambda message: sending.deliver(message, PREPARE))


@jobs.on_sqs_message(queue_arn=_QUEUE + "bulk-mail", batch_size=10, name="deliver_bulk_mail")
@job("deliver_bulk_mail")
def deliver_bulk_mail(event: SQSEvent) -> dict[str, Any]:
    """Send all other mails, no faster than leaves a fifth of what SES allows to the urgent ones (I7)."""
    pace = pacing.BulkPace(len(event.to_dict()["Records"]))
    return consumer.consume(event, lambda message: sending.deliver(message, PREPARE, pace))


@jobs.lambda_function(name="clear_suppression")
@job("clear_suppression")
def clear_suppression(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Let an address get mail again: ``{"email": "…", "confirm": true}``.

    Without ``confirm`` it says why the address gets none, and clears nothing.
    """
    try:
        asked = body_from(ConsoleSuppressionBody, json.dumps(event).encode())
        if not asked.confirm:
            told = _told(suppressions.get_suppression(asked.email))
            return {"dry_run": True, "would_clear": told, "next": 'Add "confirm": true to clear it.'}
        call = Call(Actor("console", "clear_suppression", "console"), clock.now(), new_correlation_id())
        return {"cleared": _told(suppressions.clear(call, asked.email))}
    except CounterfoilError as refusal:
        return {
            "refused": {"code": refusal.code, "message": refusal.message},
            "errors": [{"field": fault.field, "message": fault.message} for fault in refusal.fields],
        }


def _told(found: suppressions.Suppression) -> dict[str, Any]:
    return {**vars(found), "since": found.since.isoformat()}


@jobs.lambda_function(name="record_mail_feedback")
@job("record_mail_feedback")
def record_mail_feedback(event: dict[str, Any], context: Any) -> dict[str, int]:
    """Note what SES reports about mails. ``event`` is that of SNS, with or without a subject."""
    records = event.get("Records", [])
    for record in records:
        bind(correlation_id_from(None), job_name="record_mail_feedback")
        feedback.record(record["Sns"]["Message"])
    return {"records": len(records)}
