"""What a mail with a statement of account says and carries, looked up when it is claimed; and whether it may go."""

from babel import dates

from chalicelib import money
from chalicelib.call import Call
from chalicelib.contacts.rules import ACTIVE, Contact
from chalicelib.deliveries.rules import limit
from chalicelib.documents import files
from chalicelib.entities.rules import LIVE
from chalicelib.entities.service import remembered_entity
from chalicelib.mail import languages
from chalicelib.mail.claims import Attachment, Outgoing, Ready, Withheld
from chalicelib.statements import content as contents
from chalicelib.statements import requests
from chalicelib.statements.requests import Requested
from chalicelib.table import keys, store


def prepare(outgoing: Outgoing, call: Call) -> Ready | Withheld:
    """Make the mail with a statement ready: one read, and one of its PDF.

    It is withheld when its contact has gone or the entity's invoice mail is not live for the account any more. Raises
    LookupError when the PDF is not in the bucket as it was kept.
    """
    statement_key = keys.statement(outgoing.context["statement_id"])
    contact_key = keys.contact(str(outgoing.account_id), str(outgoing.contact_id))
    found = store.batch([statement_key, contact_key])
    row, item = found.get(contact_key), found.get(statement_key)
    if row is None or item is None or row.status != ACTIVE:
        return Withheld("no_contacts")
    entity = remembered_entity(outgoing.entity_id, call.now)
    if entity.invoice_mail.for_account(str(outgoing.account_id)) != LIVE:
        return Withheld("invoice_mail_not_live")
    contact, of, content = store.load(Contact, row), store.load(Requested, item), contents.unpack(item.content)
    section, reader = content.section, languages.formats(outgoing.locale)
    attached = of.pdf is not None and of.pdf.size <= limit(contact.delivery_style)
    return Ready(
        context={
            "account_name": content.account_name,
            "contact_name": contact.name,
            "as_of": dates.format_date(content.as_of, "long", locale=reader),
            "balance": money.written(abs(section.balance), section.currency, reader),
            "in_favour": section.balance < 0,
            "overdue": money.written(section.overdue, section.currency, reader) if section.overdue else None,
            "attached": attached,
            "link": content.portal_url,
        },
        to=(contact.email,),
        attachments=(_attachment(of),) if attached else (),
    )


def _attachment(of: Requested) -> Attachment:
    content = files.read(of.pdf.key) if of.pdf else None
    if of.pdf is None or content is None or files.sha256(content) != of.pdf.sha256:
        raise LookupError(f"The PDF of {of.statement_id} is not in the bucket as it was kept.")
    return Attachment(requests.file_name(of.as_of), files.PDF, content)
