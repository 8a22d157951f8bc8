"""The queue function of deliveries."""

from typing import Any

from chalice.app import Blueprint, SQSEvent

from chalicelib.deliveries import service
from chalicelib.observability import instrument_job
from chalicelib.tasks import consumer

deliveries_jobs = Blueprint(__name__)


@deliveries_jobs.on_sqs_message(
    queue_arn="arn:aws:sqs:us-east-1:000000000000:deliveries", batch_size=10, name="run_deliveries"
)
@instrument_job("run_deliveries")
def run_deliveries(event: SQSEvent) -> dict[str, Any]:
    """Deliver invoices that were issued, and send bundles that have waited long enough."""
    return consumer.consume_task_messages(event, service.process_delivery_task)
