"""The queue functions that send mail, and which capability prepares which late-bound mail.

A preparer is imported only when a mail of its kind is claimed, so that a cold start imports no other capability.
"""

from typing import Any

from chalice.app import Blueprint, SQSEvent

from chalicelib.mail.sending import deliver, pacing
from chalicelib.mail.sending.late_binding import LoadPreparer, PrepareMail
from chalicelib.observability import instrument_job
from chalicelib.tasks import consumer

mail_functions = Blueprint(__name__)

# The ARNs are placeholders: the deployment puts the queues of infra/resources.yaml in their place.
_QUEUE = "arn:aws:sqs:us-east-1:000000000000:"


def _load_sign_in() -> PrepareMail:
    from chalicelib.sign_in.mail_content import prepare_sign_in

    return prepare_sign_in


def _load_temporary_password() -> PrepareMail:
    from chalicelib.passwords.mail_content import prepare_temporary_password

    return prepare_temporary_password


def _load_password_reset() -> PrepareMail:
    from chalicelib.passwords.mail_content import prepare_password_reset

    return prepare_password_reset


def _load_invoice() -> PrepareMail:
    from chalicelib.deliveries.mail_content import prepare_invoice_mail

    return prepare_invoice_mail


def _load_statement() -> PrepareMail:
    from chalicelib.statements.mail_content import prepare_statement_mail

    return prepare_statement_mail


def _load_reminder() -> PrepareMail:
    from chalicelib.reminders.run.mail_content import prepare_reminder

    return prepare_reminder


MAIL_PREPARERS: dict[str, LoadPreparer] = {
    "sign_in": _load_sign_in,
    "temporary_password": _load_temporary_password,
    "password_reset": _load_password_reset,
    "invoice": _load_invoice,
    "statement": _load_statement,
    "reminder": _load_reminder,
}


@mail_functions.on_sqs_message(queue_arn=_QUEUE + "urgent-mail", batch_size=10, name="deliver_urgent_mail")
@instrument_job("deliver_urgent_mail")
def deliver_urgent_mail(event: SQSEvent) -> dict[str, Any]:
    """Send sign-in mails."""
    return consumer.consume_task_messages(event, lambda message: deliver.deliver_email(message, MAIL_PREPARERS))


@mail_functions.on_sqs_message(queue_arn=_QUEUE + "password-mail", batch_size=10, name="deliver_password_mail")
@instrument_job("deliver_password_mail")
def deliver_password_mail(event: SQSEvent) -> dict[str, Any]:
    """Send mails about passwords, which anybody may ask for, apart from the sign-in mails (A13)."""
    return consumer.consume_task_messages(event, lambda message: deliver.deliver_email(message, MAIL_PREPARERS))


@mail_functions.on_sqs_message(queue_arn=_QUEUE + "bulk-mail", batch_size=10, name="deliver_bulk_mail")
@instrument_job("deliver_bulk_mail")
def deliver_bulk_mail(event: SQSEvent) -> dict[str, Any]:
    """Send all other mails, and leave a fifth of what SES allows to the urgent ones (I7)."""
    pace = pacing.BulkPacer(len(event.to_dict()["Records"]))
    return consumer.consume_task_messages(event, lambda message: deliver.deliver_email(message, MAIL_PREPARERS, pace))
