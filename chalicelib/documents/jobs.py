"""The function that makes documents: PDFs of invoices and statements. It alone carries the typesetter."""

from collections.abc import Callable
from typing import Any

from chalice.app import Blueprint, SQSEvent

from chalicelib.observability import instrument_job
from chalicelib.tasks import consumer
from chalicelib.tasks.kinds import CreateInvoicePdf, CreateStatementPdf, Task
from chalicelib.tasks.queue import TaskMessage

documents_jobs = Blueprint(__name__)


@documents_jobs.on_sqs_message(
    queue_arn="arn:aws:sqs:us-east-1:000000000000:documents", batch_size=5, name="make_documents"
)
@instrument_job("make_documents")
def make_documents(event: SQSEvent) -> dict[str, Any]:
    """Make the documents that were asked for."""
    # The other functions import this module too, and have no typesetter to import.
    from chalicelib.invoices.pdf.render import create_invoice_pdf
    from chalicelib.statements.render import create_statement_pdf

    render: dict[type[Task], Callable[[TaskMessage[Any]], None]] = {
        CreateInvoicePdf: create_invoice_pdf,
        CreateStatementPdf: create_statement_pdf,
    }
    return consumer.consume_task_messages(event, lambda message: render[type(message.task)](message))
