"""The queue consumers that send mail, and the function that hears what SES reports."""

import json
from typing import Any

from chalice.app import Blueprint, SQSEvent

from chalicelib import clock
from chalicelib.deliveries.mail_content import prepare_invoice_mail
from chalicelib.errors import CounterfoilError
from chalicelib.mail.feedback import ses_events, suppressions
from chalicelib.mail.inputs import ConsoleSuppressionBody
from chalicelib.mail.sending import deliver, pacing
from chalicelib.mail.sending.late_binding import PrepareMail
from chalicelib.observability import bind_log_context, correlation_id_from, instrument_job, new_correlation_id
from chalicelib.passwords.mail_content import prepare_password_reset, prepare_temporary_password
from chalicelib.reminders.run.mail_content import prepare_reminder
from chalicelib.request_context import Actor, RequestContext
from chalicelib.sign_in.mail_content import prepare_sign_in
from chalicelib.statements.mail_content import prepare_statement_mail
from chalicelib.tasks import consumer
from chalicelib.validation import parse_body

mail_jobs = Blueprint(__name__)

# Which capability prepares a mail of its own when it is claimed.
MAIL_PREPARERS: dict[str, PrepareMail] = {
    "sign_in": prepare_sign_in,
    "temporary_password": prepare_temporary_password,
    "password_reset": prepare_password_reset,
    "invoice": prepare_invoice_mail,
    "statement": prepare_statement_mail,
    "reminder": prepare_reminder,
}

# The ARNs are placeholders: the deployment puts the queues of infra/resources.yaml in their place.
_QUEUE = "arn:aws:sqs:us-east-1:000000000000:"


@mail_jobs.on_sqs_message(queue_arn=_QUEUE + "urgent-mail", batch_size=10, name="deliver_urgent_mail")
@instrument_job("deliver_urgent_mail")
def deliver_urgent_mail(event: SQSEvent) -> dict[str, Any]:
    """Send sign-in mails and the like."""
    return consumer.consume_task_messages(event, lambda message: deliver.deliver_email(message, MAIL_PREPARERS))


@mail_jobs.on_sqs_message(queue_arn=_QUEUE + "bulk-mail", batch_size=10, name="deliver_bulk_mail")
@instrument_job("deliver_bulk_mail")
def deliver_bulk_mail(event: SQSEvent) -> dict[str, Any]:
    """Send all other mails, no faster than leaves a fifth of what SES allows to the urgent ones (I7)."""
    pace = pacing.BulkPacer(len(event.to_dict()["Records"]))
    return consumer.consume_task_messages(event, lambda message: deliver.deliver_email(message, MAIL_PREPARERS, pace))


@mail_jobs.lambda_function(name="clear_suppression")
@instrument_job("clear_suppression")
def clear_suppression(event: dict[str, Any], lambda_context: Any) -> dict[str, Any]:
    """Let an address get mail again: ``{"email": "…", "confirm": true}``.

    Without ``confirm`` it says why the address gets none, and clears nothing.
    """
    try:
        asked = parse_body(ConsoleSuppressionBody, json.dumps(event).encode())
        if not asked.confirm:
            told = _describe_suppression(suppressions.get_suppression(asked.email))
            return {"dry_run": True, "would_clear": told, "next": 'Add "confirm": true to clear it.'}
        context = RequestContext(
            Actor("console", "clear_suppression", "console"), clock.utc_now(), new_correlation_id()
        )
        return {"cleared": _describe_suppression(suppressions.clear(context, asked.email))}
    except CounterfoilError as refusal:
        return {
            "refused": {"code": refusal.code, "message": refusal.message},
            "errors": [{"field": fault.field, "message": fault.message} for fault in refusal.fields],
        }


def _describe_suppression(found: suppressions.Suppression) -> dict[str, Any]:
    return {**vars(found), "since": found.since.isoformat()}


@mail_jobs.lambda_function(name="record_mail_feedback")
@instrument_job("record_mail_feedback")
def record_mail_feedback(event: dict[str, Any], context: Any) -> dict[str, int]:
    """Note what SES reports about mails. ``event`` is that of SNS, with or without a subject."""
    records = event.get("Records", [])
    for record in records:
        bind_log_context(correlation_id_from(None), job_name="record_mail_feedback")
        ses_events.record_notification(record["Sns"]["Message"])
    return {"records": len(records)}
