"""The function that records SES events."""

from typing import Any

from chalice.app import Blueprint

from chalicelib.mail.feedback import ses_events
from chalicelib.observability import bind_log_context, correlation_id_from, instrument_job

mail_jobs = Blueprint(__name__)


@mail_jobs.lambda_function(name="record_mail_feedback")
@instrument_job("record_mail_feedback")
def record_mail_feedback(event: dict[str, Any], context: Any) -> dict[str, int]:
    """Record SES events. ``event`` is that of SNS, with or without a subject."""
    records = event.get("Records", [])
    for record in records:
        bind_log_context(correlation_id_from(None), job_name="record_mail_feedback")
        ses_events.record_notification(record["Sns"]["Message"])
    return {"records": len(records)}
