"""The queue consumers that send mail, and the function that hears what SES reports."""

from typing import Any

from chalice.app import Blueprint, SQSEvent

from chalicelib.deliveries import mailing as deliveries
from chalicelib.duties import consumer
from chalicelib.mail import feedback, pacing, sending
from chalicelib.mail.claims import Prepare
from chalicelib.observability import bind, correlation_id_from, job
from chalicelib.passwords import mailing as passwords
from chalicelib.sign_in import mailing as sign_in

jobs = Blueprint(__name__)

# Which capability prepares a mail of its own when it is claimed.
PREPARE: dict[str, Prepare] = {
    "sign_in": sign_in.prepare,
    "temporary_password": passwords.prepare_temporary,
    "password_reset": passwords.prepare_reset,
    "invoice": deliveries.prepare,
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


@jobs.lambda_function(name="record_mail_feedback")
@job("record_mail_feedback")
def record_mail_feedback(event: dict[str, Any], context: Any) -> dict[str, int]:
    """Note what SES reports about mails. ``event`` is that of SNS, with or without a subject."""
    records = event.get("Records", [])
    for record in records:
        bind(correlation_id_from(None), job_name="record_mail_feedback")
        feedback.record(record["Sns"]["Message"])
    return {"records": len(records)}
