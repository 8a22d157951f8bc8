"""Content of a reminder, resolved when the mail is claimed: what was paid meanwhile is left out (R2, R3, R6)."""

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import partial
from typing import Any

from babel import Locale, numbers

from chalicelib import languages, money, storage
from chalicelib.access.service import find_open_portals
from chalicelib.accounts.rules import Account
from chalicelib.bank_numbers import format_iban
from chalicelib.bill_groups import portal_link
from chalicelib.bill_groups.rules import BillGroup, select_recipients
from chalicelib.config import settings
from chalicelib.contacts import unsubscribe_links
from chalicelib.contacts.rows import role_assignments_from_item
from chalicelib.contacts.rules import ACCOUNTS_PAYABLE, ACTIVE, REMINDERS, Contact
from chalicelib.documents.object_keys import PDF_MEDIA_TYPE
from chalicelib.entities.rules import LIVE, BankDetails, Entity
from chalicelib.invoices.pdf import pdfs
from chalicelib.invoices.rules import Invoice, reference_to_state
from chalicelib.mail import message
from chalicelib.mail.sending.late_binding import Attachment, ClaimedMail, PreparedMail, WithheldMail
from chalicelib.observability import logger, metrics
from chalicelib.reminders.policy import wording
from chalicelib.reminders.policy.templates import ReminderTemplate
from chalicelib.reminders.policy.wording import FilledText
from chalicelib.reminders.run import withheld_steps
from chalicelib.reminders.run.account_context import RemindedAccount
from chalicelib.reminders.run.amounts import load_credit
from chalicelib.reminders.run.candidates import build_candidate
from chalicelib.reminders.run.rules import AmountAsked, ReminderCandidate, find_obstacle, invoice_sort_key
from chalicelib.request_context import RequestContext
from chalicelib.table import keys, store
from chalicelib.table.items import AccountBalanceItem, DigestItem, ReminderTemplateItem, ReplyLinkItem
from chalicelib.table.keys import Key
from chalicelib.tokens import REPLY, new_secret

REPLY_PATH = "/portal/reply"
MAX_ATTACHED_BYTES = 7 * 1024 * 1024
"""Of all PDFs of a reminder together; those beyond are in the portal, for readers who may enter."""
MAX_LISTED_INVOICES = 30
"""Of a reminder; the others are summed up, so that no program clips the email: Gmail does beyond 102 KiB of HTML."""
REPLY_LINK_LIFETIME = timedelta(days=60)


def hash_reply_token(link: str) -> str:
    """Return what is stored of the secret in a reply link."""
    return hashlib.sha256(link.encode()).hexdigest()


@dataclass(frozen=True)
class _ReminderRows:
    """What a reminder is made from, as one read finds it when the mail is claimed."""

    about: RemindedAccount
    contact: Contact | None
    holders: frozenset[str]
    """Ids of the contacts that hold the role."""
    invoices: tuple[Invoice, ...]
    balances: Mapping[str, AccountBalanceItem]
    """By currency, that of the digest, if there is one."""
    template: ReminderTemplateItem | None
    others: Mapping[Key, Any]
    """The rows of bill groups, and of what pauses reminders of them and of the invoices."""


def prepare_reminder(outgoing: ClaimedMail, context: RequestContext) -> PreparedMail | WithheldMail:
    """Prepare one contact's copy of a digest: one read, one of the reader's access, and one of each attached PDF.

    Invoices that need no reminder any more leave it. It is withheld when none is left, when the contact gets no
    reminders any more and nobody takes its place, or when the entity's reminders are not live for the account any
    more. What it does not tell of is recorded with the claim: a step of which nobody was told is not spent (R5). The
    secret of its reply link is created here, and its hash is written with the claim. Credit that covers a part costs
    further reads, and so does a contact that is gone.
    """
    found = _load_rows(outgoing, context)
    # The entity is read just now, not from the cache: a mail that is withheld here is never sent.
    if found.about.mode != LIVE:
        return _withheld(outgoing, context, "reminders_not_live")
    contact = found.contact
    invoices = _select_invoices(outgoing, found)
    if contact is not None and contact.status == ACTIVE and _receives_reminders(contact, found.holders):
        if not invoices:
            return _withheld(outgoing, context, "nothing_left")
        return _compose(outgoing, context, found, contact, invoices)
    handed_over = _find_successor(outgoing, found, invoices)
    if handed_over is None:
        return _withheld(outgoing, context, "no_contacts")
    locale = handed_over.contact.locale or found.about.locale
    prepared = _compose(replace(outgoing, locale=locale), context, found, handed_over.contact, handed_over.invoices)
    return replace(
        prepared,
        contact_id=handed_over.contact.contact_id,
        locale=locale,
        write=partial(_write_both, prepared.write, handed_over.write),
    )


def _withheld(outgoing: ClaimedMail, context: RequestContext, reason: str) -> WithheldMail:
    return WithheldMail(reason, _record_withheld(outgoing, context, outgoing.context["invoice_ids"]))


def _record_withheld(
    outgoing: ClaimedMail, context: RequestContext, invoice_ids: Iterable[str]
) -> Callable[[store.Transaction], None]:
    return lambda transaction: withheld_steps.record_withheld(transaction, context, outgoing, invoice_ids)


def _write_both(
    one: Callable[[store.Transaction], None],
    other: Callable[[store.Transaction], None],
    transaction: store.Transaction,
) -> None:
    one(transaction)
    other(transaction)


@dataclass(frozen=True)
class _Handover:
    """Who gets the copy of a contact that is gone, and what it tells of."""

    contact: Contact
    invoices: list["_RemindedInvoice"]
    digest: DigestItem
    email_id: str

    def write(self, transaction: store.Transaction) -> None:
        """Add to the claim that the copy is this contact's, which nobody else can then take over for another copy."""
        self.digest.recipients = [
            {**one, "contact_id": self.contact.contact_id} if one["email_id"] == self.email_id else one
            for one in self.digest.recipients
        ]
        transaction.replace(self.digest)


def _find_successor(
    outgoing: ClaimedMail, found: _ReminderRows, invoices: Sequence["_RemindedInvoice"]
) -> _Handover | None:
    """Return who takes the place of a contact that is gone: a holder of the role who has no copy of the digest (R5).

    Two reads. A copy that a contact had only asked for, and one that is sent again, are handed over to nobody.
    """
    if outgoing.resent or outgoing.context.get("copy") or not invoices:
        return None
    digest = store.get_item(DigestItem, Key(*outgoing.context["digest"]))
    if digest is None:
        return None
    account_id, served = str(outgoing.account_id), {one["contact_id"] for one in digest.recipients}
    free = sorted(found.holders - served)
    rows = store.batch_get_items([keys.contact(account_id, one) for one in free])
    for contact_id in free:
        row = rows.get(keys.contact(account_id, contact_id))
        contact = store.from_item(Contact, row) if row is not None else None
        own = [one for one in invoices if contact_id in _reminder_contact_ids(one.invoice, found)]
        if contact is not None and contact.status == ACTIVE and own:
            return _Handover(contact, own, digest, outgoing.email_id)
    return None


def _reminder_contact_ids(invoice: Invoice, found: _ReminderRows) -> tuple[str, ...]:
    """Return the holders of the role who get the reminders of an invoice's bill group (C8)."""
    group = found.others.get(keys.bill_group(invoice.bill_group_id))
    narrowed = store.from_item(BillGroup, group).accounts_payable_contact_ids if group is not None else ()
    return select_recipients(narrowed, found.holders)


def _load_rows(outgoing: ClaimedMail, context: RequestContext) -> _ReminderRows:
    account_id, variables = str(outgoing.account_id), outgoing.context
    account_key, entity_key = keys.account(account_id), keys.entity(outgoing.entity_id)
    contact_key, roles_key = keys.contact(account_id, str(outgoing.contact_id)), keys.contact_roles(account_id)
    reminders_key = keys.account_reminders(account_id)
    _, _, currency = keys.parse_digest(variables["digest"][1])
    balance_key = keys.account_balance(account_id, outgoing.entity_id, currency)
    template_id = variables.get("template")
    template_key = keys.reminder_template(outgoing.entity_id, template_id) if template_id else None
    found = store.batch_get_items(
        [
            entity_key,
            account_key,
            reminders_key,
            contact_key,
            roles_key,
            balance_key,
            *([template_key] if template_key else []),
            *(key(one) for one in variables["invoice_ids"] for key in (keys.invoice, keys.invoice_reminders)),
            *(key(one) for one in variables["bill_group_ids"] for key in (keys.bill_group, keys.bill_group_reminders)),
        ]
    )
    account, entity = store.from_item(Account, found[account_key]), store.from_item(Entity, found[entity_key])
    return _ReminderRows(
        about=RemindedAccount.at(context.now, account, entity, found.get(reminders_key)),
        contact=store.from_item(Contact, found[contact_key]) if contact_key in found else None,
        holders=role_assignments_from_item(found[roles_key]).holders(ACCOUNTS_PAYABLE)
        if roles_key in found
        else frozenset(),
        invoices=tuple(
            store.from_item(Invoice, found[key]) for key in map(keys.invoice, variables["invoice_ids"]) if key in found
        ),
        balances={currency: found[balance_key]} if balance_key in found else {},
        template=found.get(template_key) if template_key else None,
        others=found,
    )


def _receives_reminders(contact: Contact, holders: frozenset[str]) -> bool:
    return contact.contact_id in holders or contact.preferences.get(REMINDERS, False)


@dataclass(frozen=True)
class _RemindedInvoice:
    """An invoice that the mail names, and what it asks for."""

    invoice: Invoice
    amount: AmountAsked


def _select_invoices(outgoing: ClaimedMail, found: _ReminderRows) -> list[_RemindedInvoice]:
    """Return the invoices that may still be reminded of, as ``find_obstacle`` decides, in the order of the mail."""
    due_dates = outgoing.context.get("due_dates", {})
    candidates = [(one, _candidate(one, found, due_dates.get(one.invoice_id))) for one in found.invoices]
    unobstructed = [pair for pair in candidates if find_obstacle(pair[1], found.about.today) is None]
    # Credit is looked up last, since it may cost reads, and only for what nothing else keeps back.
    credit = load_credit([invoice for invoice, _ in unobstructed], found.balances)
    known = [(invoice, replace(candidate, credit=credit[invoice.invoice_id])) for invoice, candidate in unobstructed]
    left = [
        _RemindedInvoice(invoice, candidate.amount)
        for invoice, candidate in known
        if find_obstacle(candidate, found.about.today) is None
    ]
    return sorted(left, key=lambda one: invoice_sort_key(one.invoice))


def _candidate(invoice: Invoice, found: _ReminderRows, claimed_due_date: str | None) -> ReminderCandidate:
    group = found.others.get(keys.bill_group(invoice.bill_group_id))
    return build_candidate(
        found.about,
        invoice,
        found.others.get(keys.invoice_reminders(invoice.invoice_id)),
        group.auto_pay if group is not None else None,
        found.others.get(keys.bill_group_reminders(invoice.bill_group_id)),
        claimed_due_date=date.fromisoformat(claimed_due_date) if claimed_due_date else None,
    )


def _compose(
    outgoing: ClaimedMail,
    context: RequestContext,
    found: _ReminderRows,
    contact: Contact,
    reminded: Sequence[_RemindedInvoice],
) -> PreparedMail:
    invoices = [one.invoice for one in reminded]
    left_out = set(outgoing.context["invoice_ids"]) - {one.invoice_id for one in invoices}
    account, entity, today = found.about.account, found.about.entity, found.about.today
    copy = contact.contact_id not in found.holders
    attached = _choose_attachments(invoices, contact)
    groups = sorted({one.bill_group_id for one in invoices})
    portals = find_open_portals([contact.email], [(group, account.account_id) for group in groups], context.now)
    documents = [
        _describe_invoice(one, one.invoice.invoice_id in attached, found.others, portals, outgoing.locale, today)
        for one in reminded
    ]
    not_attached = [one for one in invoices if one.invoice_id not in attached]
    reader = languages.formatting_locale(outgoing.locale)
    currency = invoices[0].currency
    amount = money.format_money(sum(one.amount.asked for one in reminded), currency, reader)
    credit, disputed = sum(one.amount.credit for one in reminded), sum(one.amount.disputed for one in reminded)
    values = {"sender": entity.name, "account": account.name, "contact": contact.name, "amount": amount}
    token = new_secret(REPLY.prefix)
    unsubscribe = (
        unsubscribe_links.build_unsubscribe_url(account.account_id, contact.contact_id, contact.email, REMINDERS)
        if copy
        else None
    )
    return PreparedMail(
        context={
            "account_name": account.name,
            "contact_name": contact.name,
            "copy": copy,
            "documents": documents,
            "listed": MAX_LISTED_INVOICES,
            "further": _sum_up(invoices[MAX_LISTED_INVOICES:], reader),
            "files_in_portal": bool(not_attached)
            and all("invoices" in portals.get(one.bill_group_id, ()) for one in not_attached),
            "amount": amount,
            # What lies between the open amounts and the total.
            "credit": money.format_money(-credit, currency, reader) if credit else None,
            "disputed": money.format_money(-disputed, currency, reader) if disputed else None,
            "words": _template_words(found.template, outgoing.locale, values, documents),
            "overdue": any(one.due_date is not None and one.due_date < today for one in invoices),
            "pay": _how_to_pay(entity.bank_details),
            "reply": f"{settings().public_url}{REPLY_PATH}/{token}",
            "unsubscribe": unsubscribe,
        },
        write=partial(
            _write_both,
            partial(_write_reply_link, outgoing, context, contact, token, [one.invoice_id for one in invoices]),
            _record_withheld(outgoing, context, left_out),
        ),
        write_unsent=_record_withheld(outgoing, context, outgoing.context["invoice_ids"]),
        # Other people may see in the history what was mailed; only its recipient may reply.
        secrets=(token, unsubscribe) if unsubscribe else (token,),
        to=(contact.email,),
        attachments=tuple(attached.values()),
        headers=unsubscribe_links.build_unsubscribe_headers(unsubscribe, entity, REMINDERS) if unsubscribe else {},
    )


def _write_reply_link(
    outgoing: ClaimedMail,
    context: RequestContext,
    contact: Contact,
    token: str,
    invoice_ids: list[str],
    transaction: store.Transaction,
) -> None:
    key = keys.reply_link(hash_reply_token(token))
    until = context.now + REPLY_LINK_LIFETIME
    transaction.create(
        ReplyLinkItem(
            key.pk,
            key.sk,
            email_id=outgoing.email_id,
            account_id=str(outgoing.account_id),
            entity_id=outgoing.entity_id,
            contact_id=contact.contact_id,
            digest=outgoing.context["digest"],
            invoice_ids=invoice_ids,
            until=until,
            expires_at=until,
        )
    )


def _choose_attachments(invoices: Sequence[Invoice], contact: Contact) -> dict[str, Attachment]:
    """Return the PDFs to attach, by invoice: the first ones, as long as they fit the contact's size limit."""
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
    reminded: _RemindedInvoice,
    attached: bool,
    found: Mapping[Key, Any],
    portals: Collection[str],
    locale: str,
    today: date,
) -> dict[str, Any]:
    invoice, disputed = reminded.invoice, reminded.amount.disputed
    reader = languages.formatting_locale(locale)
    group = found.get(keys.bill_group(invoice.bill_group_id))
    days = (today - invoice.due_date).days if invoice.due_date else 0
    return {
        "number": invoice.number,
        "reference": reference_to_state(invoice),
        "date": languages.format_date(invoice.issue_date, "medium", reader),
        "due_date": languages.format_date(invoice.due_date, "medium", reader) if invoice.due_date else None,
        "due_date_long": languages.format_date(invoice.due_date, "long", reader) if invoice.due_date else None,
        "amount": money.format_money(invoice.balance, invoice.currency, reader),
        "disputed": money.format_money(disputed, invoice.currency, reader) if disputed else None,
        "days": days,
        "po_number": invoice.po_number,
        "bill_group": group.name if group else None,
        "attached": attached,
        "link": portal_link.get_portal_link_url(group.portal_token)
        if group and group.portal_token and invoice.bill_group_id in portals
        else None,
    }


def _sum_up(further: Sequence[Invoice], reader: Locale) -> dict[str, Any] | None:
    """Return how many invoices the mail does not list, and their open amounts in all; None when it lists all."""
    if not further:
        return None
    amount = money.format_money(sum(one.balance for one in further), further[0].currency, reader)
    return {"count": len(further), "amount": amount}


def _template_words(
    template: ReminderTemplateItem | None,
    locale: str,
    values: Mapping[str, str],
    documents: Sequence[Mapping[str, Any]],
) -> FilledText | None:
    """Return the entity's own text in the reader's language; None where it has none, and the tone's words are used."""
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
        "iban": format_iban(bank.iban) if bank.iban else None,
        "bic": bank.bic,
        "account_number": bank.account_number,
        "routing_number": bank.routing_number,
    }


def _load_attachment(invoice: Invoice) -> Attachment | None:
    """Return a PDF; None when the bucket does not hold it as it was stored, which staff have to repair."""
    stored = pdfs.require_invoice_pdf(invoice)
    content = storage.read_object(stored.key)
    if content is None or storage.content_sha256(content) != stored.sha256:
        told = {"invoice_id": invoice.invoice_id, "key": stored.key}
        logger.error("A PDF is not in the bucket as it was kept; a reminder goes without it.", extra=told)
        metrics.add_metric(name="InvoicePdfsMissing", unit="Count", value=1)
        return None
    return Attachment(pdfs.invoice_file_name(invoice), PDF_MEDIA_TYPE, content)
