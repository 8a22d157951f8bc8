"""What a reminder says and carries, looked up when it is claimed: whoever has paid meanwhile gets none (R2, R3, R6)."""

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from babel import dates, numbers

from chalicelib import languages, money, storage
from chalicelib.accounts.rules import Account
from chalicelib.bill_groups import portal_link
from chalicelib.config import settings
from chalicelib.contacts import unsubscribe_links
from chalicelib.contacts.rows import role_assignments_from_item
from chalicelib.contacts.rules import ACCOUNTS_PAYABLE, ACTIVE, REMINDERS, Contact
from chalicelib.documents.object_keys import PDF_MEDIA_TYPE
from chalicelib.entities.rules import LIVE, BankDetails, Entity
from chalicelib.invoices.pdf import pdfs
from chalicelib.invoices.rules import Invoice
from chalicelib.mail import message
from chalicelib.mail.sending.late_binding import Attachment, ClaimedMail, PreparedMail, WithheldMail
from chalicelib.observability import logger, metrics
from chalicelib.reminders.policy import wording
from chalicelib.reminders.policy.calendars import local_day
from chalicelib.reminders.policy.templates import ReminderTemplate
from chalicelib.reminders.policy.wording import FilledText
from chalicelib.reminders.run import credit
from chalicelib.reminders.run.rules import invoice_sort_key
from chalicelib.request_context import RequestContext
from chalicelib.table import keys, store
from chalicelib.table.items import ReminderTemplateItem, ReplyLinkItem
from chalicelib.table.keys import Key

REPLY_PATH = "/portal/reply"
MAX_ATTACHED_BYTES = 7 * 1024 * 1024
"""Of all PDFs of a reminder together; those beyond are reached through the portal."""
REPLY_LINK_LIFETIME = timedelta(days=60)
_TOKEN_BYTES = 32


def hash_reply_token(link: str) -> str:
    """Return what is kept of the secret in a reply link."""
    return hashlib.sha256(link.encode()).hexdigest()


def prepare_reminder(outgoing: ClaimedMail, context: RequestContext) -> PreparedMail | WithheldMail:
    """Make one contact's copy of a digest ready: one read, and one of each PDF that is attached.

    Invoices that need no reminder any more leave it; it is withheld when none is left, the contact is to get none any
    more, or the entity's reminders are not live for the account any more. The secret of its reply link is made here,
    and its hash written with the claim. What unallocated credit covers in part costs further reads.
    """
    variables, account_id = outgoing.context, str(outgoing.account_id)
    invoice_ids: Sequence[str] = variables["invoice_ids"]
    group_ids: Sequence[str] = variables["bill_group_ids"]
    contact_key, roles_key = keys.contact(account_id, str(outgoing.contact_id)), keys.contact_roles(account_id)
    _, _, currency = keys.parse_digest(variables["digest"][1])
    balance_key = keys.account_balance(account_id, outgoing.entity_id, currency)
    template_key = (
        keys.reminder_template(outgoing.entity_id, variables["template"]) if variables.get("template") else None
    )
    found = store.batch_get_items(
        [
            # Not as it was a while ago: a mail that is withheld since reminders are not live yet is never sent.
            keys.entity(outgoing.entity_id),
            keys.account(account_id),
            keys.account_reminders(account_id),
            contact_key,
            roles_key,
            balance_key,
            *([template_key] if template_key else []),
            *(key(one) for one in invoice_ids for key in (keys.invoice, keys.invoice_reminders)),
            *(key(one) for one in group_ids for key in (keys.bill_group, keys.bill_group_reminders)),
        ]
    )
    entity = store.from_item(Entity, found[keys.entity(outgoing.entity_id)])
    account = store.from_item(Account, found[keys.account(account_id)])
    contact = store.from_item(Contact, found[contact_key]) if contact_key in found else None
    if entity.reminder_mail.mode_for_account(account_id) != LIVE:
        return WithheldMail("reminders_not_live")
    holders = (
        role_assignments_from_item(found[roles_key]).holders(ACCOUNTS_PAYABLE)
        if roles_key in found
        else frozenset[str]()
    )
    if contact is None or contact.status != ACTIVE or not _receives_reminders(contact, holders):
        return WithheldMail("no_contacts")
    copy = contact.contact_id not in holders
    today = local_day(context.now, account.time_zone or entity.time_zone)
    heads = [store.from_item(Invoice, found[key]) for key in map(keys.invoice, invoice_ids) if key in found]
    # A step is of the due date that the invoice had: another due date has steps of its own (R5).
    of_then = variables.get("due_dates", {})
    heads = [one for one in heads if of_then.get(one.invoice_id) in (None, str(one.due_date))]
    left = [invoice for invoice in heads if _still_needs_reminder(invoice, found, today)]
    covered = credit.invoice_ids_covered_by_credit(left, {currency: found[balance_key]} if balance_key in found else {})
    left = sorted((invoice for invoice in left if invoice.invoice_id not in covered), key=invoice_sort_key)
    if not left:
        return WithheldMail("nothing_left")
    attached = _choose_attachments(left, contact)
    link = secrets.token_urlsafe(_TOKEN_BYTES)
    unsubscribe = (
        unsubscribe_links.build_unsubscribe_url(account_id, contact.contact_id, contact.email, REMINDERS)
        if copy
        else None
    )
    reader = languages.formatting_locale(outgoing.locale)
    documents = [_describe_invoice(one, one.invoice_id in attached, found, outgoing.locale, today) for one in left]
    amount = money.format_money(sum(one.balance for one in left), left[0].currency, reader)
    template = found.get(template_key) if template_key else None
    values = {"sender": entity.name, "account": account.name, "contact": contact.name, "amount": amount}

    def keep_link(transaction: store.Transaction) -> None:
        key = keys.reply_link(hash_reply_token(link))
        until = context.now + REPLY_LINK_LIFETIME
        transaction.create(
            ReplyLinkItem(
                key.pk,
                key.sk,
                email_id=outgoing.email_id,
                account_id=account_id,
                entity_id=outgoing.entity_id,
                contact_id=contact.contact_id,
                digest=variables["digest"],
                invoice_ids=[one.invoice_id for one in left],
                until=until,
                expires_at=until,
            )
        )

    return PreparedMail(
        context={
            "account_name": account.name,
            "contact_name": contact.name,
            "copy": copy,
            "documents": documents,
            "amount": amount,
            "words": _template_words(template, outgoing.locale, values, documents),
            "overdue": any(one.due_date is not None and one.due_date < today for one in left),
            "pay": _how_to_pay(entity.bank_details),
            "reply": f"{settings().public_url}{REPLY_PATH}/{link}",
            "unsubscribe": unsubscribe,
        },
        write=keep_link,
        # Others may see in the history what was mailed; to reply is for whoever got it.
        secrets=(link, unsubscribe) if unsubscribe else (link,),
        to=(contact.email,),
        attachments=tuple(attached.values()),
        headers=unsubscribe_links.build_unsubscribe_headers(unsubscribe, entity, REMINDERS) if unsubscribe else {},
    )


def _receives_reminders(contact: Contact, holders: frozenset[str]) -> bool:
    return contact.contact_id in holders or contact.preferences.get(REMINDERS, False)


def _still_needs_reminder(invoice: Invoice, found: Mapping[Key, Any], today: date) -> bool:
    """Tell whether an invoice is still to be reminded of: open, not disputed, and held up by nothing meanwhile."""
    state = found.get(keys.invoice_reminders(invoice.invoice_id))
    group = found.get(keys.bill_group(invoice.bill_group_id))
    if invoice.balance <= 0 or invoice.dispute is not None:
        return False
    if group is not None and group.auto_pay and not (state is not None and state.auto_pay_failure):
        return False
    holders = (
        state,
        found.get(keys.bill_group_reminders(invoice.bill_group_id)),
        found.get(keys.account_reminders(invoice.account_id)),
    )
    pauses = [holder.pause for holder in holders if holder is not None and holder.pause]
    paused = any(pause["until"] is None or date.fromisoformat(pause["until"]) >= today for pause in pauses)
    promised = invoice.promise is not None and invoice.promise.on >= today
    return not paused and not promised


def _choose_attachments(invoices: Sequence[Invoice], contact: Contact) -> dict[str, Attachment]:
    """Return the PDFs that go along, by invoice: the first ones, as long as they fit what the contact takes."""
    kib = contact.delivery_style.size_limit_kib
    room = min(MAX_ATTACHED_BYTES, kib * 1024) if kib else MAX_ATTACHED_BYTES
    chosen = {}
    for invoice in invoices:
        if invoice.pdf is not None and invoice.pdf.size <= room:
            attachment = _load_attachment(invoice)
            if attachment is not None:
                room -= invoice.pdf.size
                chosen[invoice.invoice_id] = attachment
    return chosen


def _describe_invoice(
    invoice: Invoice, attached: bool, found: Mapping[Key, Any], locale: str, today: date
) -> dict[str, Any]:
    reader = languages.formatting_locale(locale)
    group = found.get(keys.bill_group(invoice.bill_group_id))
    days = (today - invoice.due_date).days if invoice.due_date else 0
    return {
        "number": invoice.number,
        "date": dates.format_date(invoice.issue_date, "medium", locale=reader),
        "due_date": dates.format_date(invoice.due_date, "medium", locale=reader) if invoice.due_date else None,
        "due_date_long": dates.format_date(invoice.due_date, "long", locale=reader) if invoice.due_date else None,
        "amount": money.format_money(invoice.balance, invoice.currency, reader),
        "days": days,
        "part_paid": invoice.balance < invoice.total,
        "po_number": invoice.po_number,
        "bill_group": group.name if group else None,
        "attached": attached,
        "link": portal_link.get_portal_link_url(group.portal_token) if group and group.portal_token else None,
    }


def _template_words(
    template: ReminderTemplateItem | None,
    locale: str,
    values: Mapping[str, str],
    documents: Sequence[Mapping[str, Any]],
) -> FilledText | None:
    """Return what the entity itself says, if it has a text for the reader; otherwise it is said as the tone has it."""
    text = (
        wording.text_for_locale(store.from_item(ReminderTemplate, template).texts, locale)
        if template is not None
        else None
    )
    if text is None:
        return None
    first, reader = documents[0], languages.formatting_locale(locale)
    of_first = {
        "invoice": first["number"],
        "due_date": first["due_date_long"] or "",
        "days": numbers.format_decimal(abs(first["days"]), locale=reader),
        "count": numbers.format_decimal(len(documents), locale=reader),
    }
    return wording.fill_placeholders(text, message.sanitize_values({**values, **of_first}))


def _how_to_pay(bank: BankDetails | None) -> dict[str, str | None] | None:
    if bank is None:
        return None
    return {
        "account_holder": bank.account_holder,
        "bank_name": bank.bank_name,
        "iban": bank.iban,
        "bic": bank.bic,
        "account_number": bank.account_number,
        "routing_number": bank.routing_number,
    }


def _load_attachment(invoice: Invoice) -> Attachment | None:
    """Return a PDF; None when it is not in the bucket as it was kept, which is for people to mend."""
    stored = pdfs.require_invoice_pdf(invoice)
    content = storage.read_object(stored.key)
    if content is None or storage.content_sha256(content) != stored.sha256:
        told = {"invoice_id": invoice.invoice_id, "key": stored.key}
        logger.error("A PDF is not in the bucket as it was kept; a reminder goes without it.", extra=told)
        metrics.add_metric(name="InvoicePdfsMissing", unit="Count", value=1)
        return None
    return Attachment(pdfs.invoice_file_name(invoice), PDF_MEDIA_TYPE, content)
