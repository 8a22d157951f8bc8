"""Making the PDF of a statement that was asked for, keeping it, and writing its mails.

Only the functions that carry the typesetter import this.
"""

from chalicelib import clock
from chalicelib.call import Actor, Call
from chalicelib.contacts.rules import ACTIVE, Contact
from chalicelib.documents import files
from chalicelib.documents.letter import Addressee, Sender
from chalicelib.duties import service as duties
from chalicelib.duties.queue import Message
from chalicelib.mail import outbox
from chalicelib.observability import logger, metrics
from chalicelib.statements import content as contents
from chalicelib.statements import emails, requests
from chalicelib.statements.content import StatementContent
from chalicelib.statements.document import render_statement
from chalicelib.statements.requests import StoredStatement
from chalicelib.table import keys, store
from chalicelib.table.items import StatementItem

MAKER = Actor("system", "make_documents", "Documents")


def is_of_statement(message: Message) -> bool:
    """Tell whether a duty to make a document is about a statement."""
    return requests.referred(message.subject) is not None


def make(message: Message) -> None:
    """Make the PDF of the statement that ``message`` names, keep it, and mail it to whom that was asked for.

    Whatever fails, it can be done again: the same figures give the same file under the same key.
    """
    statement_id = requests.referred(message.subject) or ""
    item = store.get(StatementItem, keys.statement(statement_id))
    if item is None or item.pdf is not None:
        if item is None:
            logger.warning("There is a duty to make a statement that is not here.")
        duties.done(message.key)
        return
    content = contents.unpack(item.content)
    pdf = rendered(content)
    digest = files.sha256(pdf)
    stored = StoredStatement(files.document_key(requests.KIND, statement_id, digest), digest, len(pdf))
    files.keep(stored.key, pdf, files.PDF)
    known = [item]
    store.deciding_again(lambda: _note(message, known.pop() if known else _read(statement_id), content, stored))
    metrics.add_metric(name="StatementPdfsMade", unit="Count", value=1)


def rendered(content: StatementContent) -> bytes:
    """Return the PDF of a statement. Raises LookupError when the logo has gone from the bucket."""
    seller = content.seller
    logo = files.read(seller.logo) if seller.logo else None
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


def _read(statement_id: str) -> StatementItem:
    item = store.get(StatementItem, keys.statement(statement_id))
    if item is None:
        raise LookupError("A statement has gone while its PDF was made.")
    return item


def _note(message: Message, item: StatementItem, content: StatementContent, stored: StoredStatement) -> None:
    if item.pdf is not None:
        duties.done(message.key)
        return
    found = store.batch([keys.contact(item.account_id, contact_id) for contact_id in item.send_to])
    contacts = [store.load(Contact, row) for row in found.values() if row.status == ACTIVE]
    call = Call(MAKER, clock.now(), message.correlation_id)
    transaction = store.Transaction(call)
    written = [outbox.enqueue(transaction, call, emails.statement(content, contact)) for contact in contacts]
    item.pdf, item.email_ids = vars(stored), [email_id for email_id in written if email_id]
    transaction.replace(item)
    transaction.erase(message.key)
    transaction.commit()
