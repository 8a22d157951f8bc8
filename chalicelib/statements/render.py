"""Render the PDF of a requested statement, store it, and enqueue its emails.

Only the functions with the typesetter import this.
"""

from chalicelib import clock, storage
from chalicelib.contacts.rules import ACTIVE, Contact
from chalicelib.documents.letter import Addressee, Sender
from chalicelib.documents.object_keys import PDF_MEDIA_TYPE, document_key
from chalicelib.mail import outbox
from chalicelib.observability import logger, metrics
from chalicelib.request_context import Actor, RequestContext
from chalicelib.statements import emails, requests
from chalicelib.statements.content import StatementContent, unpack_statement_content
from chalicelib.statements.layout import render_statement
from chalicelib.statements.requests import StoredStatement
from chalicelib.table import keys, store
from chalicelib.table.items import StatementItem
from chalicelib.tasks.kinds import CreateStatementPdf
from chalicelib.tasks.queue import TaskMessage
from chalicelib.tasks.service import complete_task

DOCUMENTS_ACTOR = Actor("system", "make_documents", "Documents")


def create_statement_pdf(message: TaskMessage[CreateStatementPdf]) -> None:
    """Render and store the PDF of the statement that ``message`` names, and enqueue its emails.

    Idempotent: the same figures give the same file under the same key.
    """
    statement_id = message.task.statement_id
    item = store.get_item(StatementItem, keys.statement(statement_id))
    if item is None or item.pdf is not None:
        if item is None:
            logger.warning("A task names a statement that does not exist.")
        complete_task(message.key)
        return
    content = unpack_statement_content(item.content)
    pdf = render_statement_pdf(content)
    digest = storage.content_sha256(pdf)
    stored = StoredStatement(document_key(requests.KIND, statement_id, digest), digest, len(pdf))
    storage.store_object(stored.key, pdf, PDF_MEDIA_TYPE)
    known = [item]
    store.retry_on_conflict(
        lambda: _record_pdf(message, known.pop() if known else _read_item(statement_id), content, stored)
    )
    metrics.add_metric(name="StatementPdfsMade", unit="Count", value=1)


def render_statement_pdf(content: StatementContent) -> bytes:
    """Return the PDF of a statement. Raises LookupError when the logo is missing in the bucket."""
    seller = content.seller
    logo = storage.read_object(seller.logo) if seller.logo else None
    if seller.logo and logo is None:
        raise LookupError(f"The logo {seller.logo} is not in the bucket.")
    return render_statement(
        content.section,
        content.as_of,
        Sender(
            seller.name,
            seller.legal_name,
            seller.colour,
            seller.address,
            seller.tax_numbers,
            seller.registration_number,
            seller.email,
            seller.website,
            seller.bank_details,
        ),
        Addressee(content.account_name, address=content.address),
        account_id=content.account_id,
        locale=content.locale,
        portal_url=content.portal_url,
        logo=logo,
    )


def _read_item(statement_id: str) -> StatementItem:
    item = store.get_item(StatementItem, keys.statement(statement_id))
    if item is None:
        raise LookupError("A statement has gone while its PDF was made.")
    return item


def _record_pdf(
    message: TaskMessage[CreateStatementPdf], item: StatementItem, content: StatementContent, stored: StoredStatement
) -> None:
    if item.pdf is not None:
        complete_task(message.key)
        return
    found = store.batch_get_items([keys.contact(item.account_id, contact_id) for contact_id in item.send_to])
    contacts = [store.from_item(Contact, row) for row in found.values() if row.status == ACTIVE]
    context = RequestContext(DOCUMENTS_ACTOR, clock.utc_now(), message.correlation_id)
    transaction = store.Transaction(context)
    written = [
        outbox.enqueue_mail(transaction, context, emails.statement_mail(content, contact)) for contact in contacts
    ]
    item.pdf, item.email_ids = vars(stored), [email_id for email_id in written if email_id]
    transaction.replace(item)
    transaction.delete_unconditionally(message.key)
    transaction.commit()
