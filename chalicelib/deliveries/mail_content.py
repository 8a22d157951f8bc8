"""The content and attachments of an email with invoices, resolved when it is claimed; or that it is withheld."""

from collections.abc import Collection, Mapping
from typing import Any

from chalicelib import languages, money, storage
from chalicelib.access.service import find_open_portals
from chalicelib.accounts.rules import Account
from chalicelib.bill_groups import portal_link
from chalicelib.contacts import unsubscribe_links
from chalicelib.contacts.rules import ACTIVE, INVOICES, Contact
from chalicelib.deliveries import rules
from chalicelib.documents.object_keys import PDF_MEDIA_TYPE
from chalicelib.entities.rules import LIVE, Entity
from chalicelib.invoices.pdf import pdfs
from chalicelib.invoices.rules import PAID, VOID, Invoice
from chalicelib.mail.sending.late_binding import Attachment, ClaimedMail, PreparedMail, WithheldMail
from chalicelib.request_context import RequestContext
from chalicelib.table import keys, store
from chalicelib.table.keys import Key


def prepare_invoice_mail(outgoing: ClaimedMail, context: RequestContext) -> PreparedMail | WithheldMail:
    """Prepare the email: one read, one of its readers' access, and one for each attached PDF.

    It is withheld when none of its invoices may be sent, none of its contacts is left, or the entity's invoice mail is
    not live for the account. Raises LookupError when a PDF is missing or altered in the bucket.
    """
    variables, account_id = outgoing.context, str(outgoing.account_id)
    wanted = [keys.invoice(one["invoice_id"]) for one in variables["invoices"]]
    account_key, entity_key = keys.account(account_id), keys.entity(outgoing.entity_id)
    contact_keys = [keys.contact(account_id, contact_id) for contact_id in variables["contact_ids"]]
    group_keys = [keys.bill_group(group_id) for group_id in variables["bill_group_ids"]]
    found = store.batch_get_items([account_key, entity_key, *wanted, *contact_keys, *group_keys])
    # A withheld email is never sent, so a cached entity is not good enough.
    entity = store.from_item(Entity, found[entity_key])
    if entity.invoice_mail.mode_for_account(account_id) != LIVE:
        return WithheldMail("invoice_mail_not_live")
    contacts = [store.from_item(Contact, found[key]) for key in contact_keys if key in found]
    gone = {contact.email for contact in contacts if contact.status != ACTIVE}
    contacts = [contact for contact in contacts if contact.status == ACTIVE]
    to = tuple(contact.email for contact in contacts)
    if outgoing.resent or not contact_keys:
        # The recipients were decided at the request: possibly only those in Cc are left, or somebody who is no contact.
        to = tuple(address for address in outgoing.to if address not in gone)
    if not to:
        return WithheldMail("no_contacts")
    told = {one["invoice_id"]: one for one in variables["invoices"]}
    invoices = [store.from_item(Invoice, found[key]) for key in wanted if key in found]
    invoices = [invoice for invoice in invoices if invoice.status != VOID and invoice.pdf is not None]
    if not invoices:
        return WithheldMail("void")
    unsubscribe = None
    if variables["cause"] == rules.COPY and contacts:
        unsubscribe = unsubscribe_links.build_unsubscribe_url(
            account_id, contacts[0].contact_id, contacts[0].email, INVOICES
        )
    account = store.from_item(Account, found[account_key])
    groups = sorted({one.bill_group_id for one in invoices})
    # An email to several together has the link only if each of them may enter (I10).
    portals = find_open_portals((*to, *outgoing.cc), [(group, account_id) for group in groups], context.now)
    documents = [_document_context(one, told[one.invoice_id], found, portals, outgoing.locale) for one in invoices]
    others = documents[0]["others"]
    if any(one["others"] != others for one in documents):
        others = []
    else:
        documents = [{**one, "others": []} for one in documents]
    return PreparedMail(
        context={
            "account_name": account.name,
            "contact_name": next((one.name for one in contacts if (one.email,) == to and not outgoing.cc), ""),
            "unsubscribe": unsubscribe,
            "documents": documents,
            "others": others,
        },
        to=to,
        attachments=tuple(_attachment(one) for one in invoices if told[one.invoice_id]["attached"]),
        headers=unsubscribe_links.build_unsubscribe_headers(unsubscribe, entity, INVOICES) if unsubscribe else {},
    )


def _document_context(
    invoice: Invoice, told: Mapping[str, Any], found: Mapping[Key, Any], portals: Collection[str], locale: str
) -> dict[str, Any]:
    reader = languages.formatting_locale(locale)
    group = found.get(keys.bill_group(invoice.bill_group_id))
    owed = invoice.balance if not invoice.is_credit_note else 0
    return {
        "kind": invoice.kind,
        "number": invoice.number,
        "date": languages.format_date(invoice.issue_date, "long", reader),
        "due_date": languages.format_date(invoice.due_date, "long", reader) if invoice.due_date else None,
        "amount_due": money.format_money(owed, invoice.currency, reader) if owed else None,
        "total": money.format_money(invoice.total, invoice.currency, reader),
        "settled": invoice.status == PAID and not invoice.is_credit_note,
        "po_number": invoice.po_number,
        "bill_group": group.name if group else None,
        "attached": told["attached"],
        # Mails of the outbox that an earlier release wrote do not name the others.
        "others": told.get("others", []),
        "link": portal_link.get_portal_link_url(group.portal_token)
        if group and group.portal_token and invoice.bill_group_id in portals
        else None,
    }


def _attachment(invoice: Invoice) -> Attachment:
    stored = pdfs.require_invoice_pdf(invoice)
    content = storage.read_object(stored.key)
    if content is None or storage.content_sha256(content) != stored.sha256:
        raise LookupError(f"The PDF of {invoice.invoice_id} is not in the bucket as it was kept.")
    return Attachment(pdfs.invoice_file_name(invoice), PDF_MEDIA_TYPE, content)
