"""The function that makes documents: PDFs of invoices and statements. It alone carries the typesetter."""

from collections.abc import Callable
from typing import Any

from chalice.app import Blueprint, SQSEvent

from chalicelib.observability import instrument_job
from chalicelib.tasks import consumer
from chalicelib.tasks.queue import TaskMessage

documents_jobs = Blueprint(__name__)


@documents_jobs.on_sqs_message(
    queue_arn="arn:aws:sqs:us-east-1:000000000000:documents", batch_size=5, name="make_documents"
)
@instrument_job("make_documents")
def make_documents(event: SQSEvent) -> dict[str, Any]:
    """Make the documents that were asked for."""
    return consumer.consume_task_messages(event, lambda message: _renderer_for(message)(message))


def _renderer_for(message: TaskMessage) -> Callable[[TaskMessage], None]:
    # The other functions import this module too, and have no typesetter to import.
    from chalicelib.invoices.pdf.render import create_invoice_pdf
    from chalicelib.statements.render import create_statement_pdf, is_statement_task

    return create_statement_pdf if is_statement_task(message) else create_invoice_pdf
