"""The content of an email with a statement, resolved when it is claimed; or that it is withheld."""

from chalicelib import languages, money, storage
from chalicelib.access.service import find_open_portals
from chalicelib.contacts.rules import ACTIVE, Contact
from chalicelib.deliveries.rules import attachment_limit
from chalicelib.documents.object_keys import PDF_MEDIA_TYPE
from chalicelib.entities.rules import LIVE
from chalicelib.entities.service import get_cached_entity
from chalicelib.mail.sending.late_binding import Attachment, ClaimedMail, PreparedMail, WithheldMail
from chalicelib.request_context import RequestContext
from chalicelib.statements import requests
from chalicelib.statements.content import unpack_statement_content
from chalicelib.statements.requests import StatementRequest
from chalicelib.statements.rules import StatementSection
from chalicelib.table import keys, store


def prepare_statement_mail(outgoing: ClaimedMail, context: RequestContext) -> PreparedMail | WithheldMail:
    """Prepare the email: one read, one of the reader's access, and one of its PDF.

    It is withheld when its contact is deleted or the entity's invoice mail is no longer live for the account. Raises
    LookupError when the PDF is missing or altered in the bucket.
    """
    statement_key = keys.statement(outgoing.context["statement_id"])
    contact_key = keys.contact(str(outgoing.account_id), str(outgoing.contact_id))
    found = store.batch_get_items([statement_key, contact_key])
    row, item = found.get(contact_key), found.get(statement_key)
    if row is None or item is None or row.status != ACTIVE:
        return WithheldMail("no_contacts")
    entity = get_cached_entity(outgoing.entity_id, context.now)
    if entity.invoice_mail.mode_for_account(str(outgoing.account_id)) != LIVE:
        return WithheldMail("invoice_mail_not_live")
    contact, of, content = (
        store.from_item(Contact, row),
        store.from_item(StatementRequest, item),
        unpack_statement_content(item.content),
    )
    section, reader = content.section, languages.formatting_locale(outgoing.locale)
    attached = of.pdf is not None and of.pdf.size <= attachment_limit(contact.delivery_style)
    return PreparedMail(
        context={
            "account_name": content.account_name,
            "contact_name": contact.name,
            "as_of": languages.format_date(content.as_of, "long", reader),
            "balance": money.format_money(abs(section.balance), section.currency, reader),
            "in_favour": section.balance < 0,
            "overdue": money.format_money(section.overdue, section.currency, reader) if section.overdue else None,
            "attached": attached,
            "link": content.portal_url if _may_enter(contact.email, of, content.section, context) else None,
        },
        to=(contact.email,),
        attachments=(_attachment(of),) if attached else (),
    )


def _may_enter(email: str, of: StatementRequest, section: StatementSection, context: RequestContext) -> bool:
    """Return whether the reader may enter the portal of a bill group that the statement lists (I10)."""
    groups = sorted({item.bill_group_id for item in section.open_items})
    return bool(find_open_portals([email], [(group, of.account_id) for group in groups], context.now))


def _attachment(of: StatementRequest) -> Attachment:
    content = storage.read_object(of.pdf.key) if of.pdf else None
    if of.pdf is None or content is None or storage.content_sha256(content) != of.pdf.sha256:
        raise LookupError(f"The PDF of {of.statement_id} is not in the bucket as it was kept.")
    return Attachment(requests.statement_file_name(of.as_of), PDF_MEDIA_TYPE, content)
