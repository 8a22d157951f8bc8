"""The function that makes documents: PDFs of invoices and statements. It alone carries the typesetter."""

from collections.abc import Callable
from typing import Any

from chalice.app import Blueprint, SQSEvent

from chalicelib.duties import consumer
from chalicelib.duties.queue import Message
from chalicelib.observability import job

jobs = Blueprint(__name__)


@jobs.on_sqs_message(queue_arn="arn:aws:sqs:us-east-1:000000000000:documents", batch_size=5, name="make_documents")
@job("make_documents")
def make_documents(event: SQSEvent) -> dict[str, Any]:
    """Make the documents that were asked for."""
    return consumer.consume(event, lambda message: _maker(message)(message))


def _maker(message: Message) -> Callable[[Message], None]:
    # The other functions import this module too, and have no typesetter to import.
    from chalicelib.invoices import making as invoices
    from chalicelib.statements import making as statements

    return statements.make if statements.is_of_statement(message) else invoices.make
