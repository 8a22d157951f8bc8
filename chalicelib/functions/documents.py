"""The queue function that makes documents, and which capability makes which: PDFs of invoices and statements.

A maker is imported only when a document is asked for: it needs the typesetter, which only this function carries.
"""

from collections.abc import Callable
from typing import Any

from chalice.app import Blueprint, SQSEvent

from chalicelib.observability import instrument_job
from chalicelib.tasks import consumer
from chalicelib.tasks.kinds import CreateInvoicePdf, CreateStatementPdf, Task
from chalicelib.tasks.queue import TaskMessage

document_functions = Blueprint(__name__)

MakeDocument = Callable[[TaskMessage[Any]], None]


def _load_invoice_pdf() -> MakeDocument:
    from chalicelib.invoices.pdf.render import create_invoice_pdf

    return create_invoice_pdf


def _load_statement_pdf() -> MakeDocument:
    from chalicelib.statements.render import create_statement_pdf

    return create_statement_pdf


DOCUMENT_MAKERS: dict[type[Task], Callable[[], MakeDocument]] = {
    CreateInvoicePdf: _load_invoice_pdf,
    CreateStatementPdf: _load_statement_pdf,
}


@document_functions.on_sqs_message(
    queue_arn="arn:aws:sqs:us-east-1:000000000000:documents", batch_size=5, name="make_documents"
)
@instrument_job("make_documents")
def make_documents(event: SQSEvent) -> dict[str, Any]:
    """Make the documents that were requested."""
    return consumer.consume_task_messages(event, _make_document)


def _make_document(message: TaskMessage[Any]) -> None:
    make = DOCUMENT_MAKERS[type(message.task)]()
    make(message)
