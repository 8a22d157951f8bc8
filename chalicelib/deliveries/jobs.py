"""The queue of deliveries, and the console function that sends an invoice again."""

from typing import Any

from chalice.app import Blueprint, SQSEvent

from chalicelib.deliveries import service
from chalicelib.duties import consumer
from chalicelib.observability import job

jobs = Blueprint(__name__)


@jobs.on_sqs_message(queue_arn="arn:aws:sqs:us-east-1:000000000000:deliveries", batch_size=10, name="run_deliveries")
@job("run_deliveries")
def run_deliveries(event: SQSEvent) -> dict[str, Any]:
    """Deliver invoices that were issued, and send bundles that have waited long enough."""
    return consumer.consume(event, service.run)
