"""What a contact replies to a reminder, without signing in (R6): each answer once per invoice; staff are notified.

Nothing is done for an invoice that the mail did not name (A12). An answer for many invoices is written in parts; a
repetition after an interruption continues with the rest.
"""

import zlib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from chalicelib import languages, money
from chalicelib.contacts import preferences
from chalicelib.contacts.rows import role_assignments_from_item
from chalicelib.contacts.rules import ACCOUNTS_PAYABLE, REMINDERS
from chalicelib.deliveries import manual_send
from chalicelib.deliveries.rules import RequestedRecipients
from chalicelib.errors import Conflict, InvalidInput
from chalicelib.invoices import ledger, lifecycle, transitions
from chalicelib.invoices.rules import Dispute, Invoice
from chalicelib.mail.outbox import Mail
from chalicelib.reminders.pauses import promises
from chalicelib.reminders.pauses.service import MAX_INVOICES_PER_TRANSACTION, ExtraWrites, pause_invoices
from chalicelib.reminders.replies import emails, links
from chalicelib.reminders.replies.links import (
    NOT_ME,
    PAID,
    PROBLEM,
    PROMISED,
    SEND,
    AlreadyAnswered,
    ReplyLink,
    ReplyRecord,
)
from chalicelib.request_context import Actor, RequestContext
from chalicelib.staff.rules import ADMIN, group_mail_recipients
from chalicelib.staff.service import list_acting_staff
from chalicelib.table import keys, store
from chalicelib.table.items import ContactRolesItem

PAID_PAUSE_DAYS = 7
MAX_RESENT_INVOICES = 20
TO_ME, TO_INVOICING = "me", "invoicing"
_MAX_PAYMENT_AGE_DAYS = 730


def contact_context(context: RequestContext, link: ReplyLink) -> RequestContext:
    """Return the call as that of the contact whose link it is, named by its id: a name would outlast its erasure."""
    contact_id = link.contact.contact_id
    return replace(context, actor=Actor("contact", contact_id, f"contact {contact_id}"))


def reply_paid(
    context: RequestContext, token: str, invoice_ids: Collection[str], on: date, reference: str | None
) -> None:
    """Record that invoices are said to be paid: reminders of them pause for 7 days.

    Raises NotFound, InvalidInput for a day to come, Conflict when there is nothing to be answered for.
    """

    def act(context: RequestContext, link: ReplyLink, chosen: Sequence[Invoice]) -> None:
        # Where the reader is, it may be tomorrow already.
        if not timedelta(days=-_MAX_PAYMENT_AGE_DAYS) <= on - link.today <= timedelta(days=1):
            raise InvalidInput.field("on", "not_a_payment_day", "Say on which day, up to today, it was paid.")
        until = link.today + timedelta(days=PAID_PAUSE_DAYS)
        told = {"on": on.isoformat(), "reference": reference}
        receipt = _new_reply_record(context, link, PAID, told)
        reason = f"The customer says that it was paid on {on.isoformat()}" + (f", {reference}" if reference else "")
        for part, also in _split_with_record(chosen, receipt):
            pause_invoices(context, part, until, reason, also)

    _apply_answer(context, token, PAID, invoice_ids, act)


def reply_promised(context: RequestContext, token: str, invoice_ids: Collection[str], on: date) -> None:
    """Record by when invoices will be paid: they are reminded of from the day after, within the limit of the policy.

    Raises NotFound, InvalidInput for a day out of that limit, Conflict when there is nothing to be answered for.
    """

    def act(context: RequestContext, link: ReplyLink, chosen: Sequence[Invoice]) -> None:
        allowed = reply_promise_window(context, link)
        receipt = _new_reply_record(context, link, PROMISED, {"on": on.isoformat()})
        for part, also in _split_with_record(chosen, receipt):
            promises.record_promises(context, part, on, context.actor.name, allowed, also)

    _apply_answer(context, token, PROMISED, invoice_ids, act)


def reply_promise_window(context: RequestContext, link: ReplyLink) -> promises.PromiseWindow:
    """Return the days for which payment of a link's invoices can be promised."""
    groups = {one.bill_group_id for one in link.invoices}
    return promises.promise_window(link.account.account_id, link.entity.entity_id, groups, context)


def reply_problem(
    context: RequestContext,
    token: str,
    invoice_ids: Collection[str],
    reason: str,
    note: str | None,
    lines: tuple[int, ...] = (),
    amount: int | None = None,
) -> None:
    """Dispute invoices, or of one of them lines or an amount (minor units); whatever else there is stays reminded of.

    A member of staff looks after it: agents before admins, always the same one for an account. Raises NotFound,
    InvalidInput for lines or an amount that the invoice has not, Conflict when there is nothing to be answered for.
    """

    def act(context: RequestContext, link: ReplyLink, chosen: Sequence[Invoice]) -> None:
        if len(chosen) > 1 and (lines or amount is not None):
            raise InvalidInput.field("invoices", "one_only", "Lines or an amount need a single invoice. Choose one.")
        owner = _dispute_owner(link.account.account_id)
        raised = Dispute(reason, context.now, context.actor.name, note, tuple(sorted(set(lines))), amount, owner)
        told = {"reason": reason, "note": note, "lines": list(raised.lines) or None, "amount": amount, "owner": owner}
        for part, also in _split_with_record(chosen, _new_reply_record(context, link, PROBLEM, told)):
            store.retry_on_conflict(lambda part=part, also=also: _dispute(context, part, raised, also))  # type: ignore[misc]

    _apply_answer(context, token, PROBLEM, invoice_ids, act)


def _dispute(context: RequestContext, invoice_ids: Sequence[str], raised: Dispute, also: ExtraWrites) -> None:
    found = store.batch_get_items([keys.invoice(one) for one in invoice_ids])
    heads = [store.from_item(Invoice, row) for row in found.values()]
    # An earlier dispute stays; staff are notified of the others.
    before = [head for head in heads if head.balance > 0 and head.dispute is None]
    changed = [(head, transitions.with_dispute(head, lifecycle.with_lines_amount(head, raised))) for head in before]
    transaction = store.Transaction(context)
    ledger.write_invoice_changes(transaction, {}, changed)
    for head, after in changed:
        lifecycle.record_invoice_event(transaction, context, "disputed", head, after)
    also(transaction)
    transaction.commit()


def reply_send_again(context: RequestContext, token: str, invoice_ids: Collection[str], to: str) -> None:
    """Send invoices again: to the contact itself, or to those who receive invoices. 20 at most at once.

    Raises NotFound, InvalidInput; Conflict when there is nothing to be answered for, or one of them cannot be sent:
    those before it were.
    """

    def act(context: RequestContext, link: ReplyLink, chosen: Sequence[Invoice]) -> None:
        if len(chosen) > MAX_RESENT_INVOICES:
            raise InvalidInput.field("invoices", "too_many", f"Choose {MAX_RESENT_INVOICES} invoices at most.")
        asked = RequestedRecipients(to=(link.contact.contact_id,)) if to == TO_ME else RequestedRecipients()
        receipt = _new_reply_record(context, link, SEND, {"to": to})
        if not chosen:
            receipt.finish()
        try:
            for one in chosen:
                ((_, also),) = _split_with_record([one], receipt, last=one is chosen[-1])
                manual_send.send_invoice_on_request(context, one.invoice_id, asked, also)
        except Exception:
            # Staff are notified of those that were sent.
            receipt.finish()
            raise

    _apply_answer(context, token, SEND, invoice_ids, act)


def reply_not_me(context: RequestContext, token: str, note: str | None) -> None:
    """Record that the reminder was not for the contact, and close the link; copies of reminders stop.

    Mail of a role continues while the contact holds it (C7): staff are notified and may reassign the role. Raises
    NotFound, Conflict when it was said already.
    """

    def act(context: RequestContext, link: ReplyLink, chosen: Sequence[Invoice]) -> None:
        _stop_copies(context, link)
        receipt = _new_reply_record(context, link, NOT_ME, {"note": note})

        def attempt() -> None:
            transaction = store.Transaction(context)
            receipt.write(transaction, [one.invoice_id for one in link.invoices], last=True)
            transaction.commit()

        store.retry_on_conflict(attempt)

    _apply_answer(context, token, NOT_ME, None, act)


def _stop_copies(context: RequestContext, link: ReplyLink) -> None:
    account_id, contact_id = link.account.account_id, link.contact.contact_id
    row = store.get_item(ContactRolesItem, keys.contact_roles(account_id))
    if row is not None and contact_id in role_assignments_from_item(row).holders(ACCOUNTS_PAYABLE):
        return
    if link.contact.preferences.get(REMINDERS):
        preferences.put_preferences(context, account_id, contact_id, {REMINDERS: False}, expected_version=None)


def _apply_answer(
    context: RequestContext,
    token: str,
    answer: str,
    invoice_ids: Collection[str] | None,
    act: Callable[[RequestContext, ReplyLink, Sequence[Invoice]], None],
) -> None:
    """Let an answer act for those of the invoices for which it was not given yet; None: for the mail as a whole.

    For none of them, where it was given for all, but was interrupted before staff were notified.
    """
    while True:
        link = links.find_reply_link(context, token)
        left = [one for one in link.answerable_invoices(answer) if invoice_ids is None or one.invoice_id in invoice_ids]
        said = link.answered.get(answer, frozenset())
        if link.closed or (not left and invoice_ids is not None and not said.isdisjoint(invoice_ids)):
            # It was answered already; but staff may not have been notified.
            if not link.closed and answer in link.untold:
                act(contact_context(context, link), link, [])
            return
        if invoice_ids is not None and not left:
            raise Conflict("nothing_to_answer", "There is nothing left to reply to for these invoices.")
        try:
            act(contact_context(context, link), link, left)
        except AlreadyAnswered:
            continue
        return


def _split_with_record(
    chosen: Sequence[Invoice], receipt: ReplyRecord, *, last: bool = True
) -> Iterator[tuple[list[str], ExtraWrites]]:
    """Divide invoices as they fit transactions, each part with what is written along with it.

    Where none is left, staff are notified of what was answered before.
    """
    if not chosen:
        receipt.finish()
    for start in range(0, len(chosen), MAX_INVOICES_PER_TRANSACTION):
        part = [one.invoice_id for one in chosen[start : start + MAX_INVOICES_PER_TRANSACTION]]
        ends = last and start + MAX_INVOICES_PER_TRANSACTION >= len(chosen)

        def also(transaction: store.Transaction, part: list[str] = part, ends: bool = ends) -> None:
            receipt.write(transaction, part, last=ends)

        yield part, also


def _new_reply_record(context: RequestContext, link: ReplyLink, answer: str, told: dict[str, Any]) -> ReplyRecord:
    def mails(invoice_ids: Collection[str]) -> Sequence[Mail]:
        reader = languages.formatting_locale(link.entity.locale)
        of = [one for one in link.invoices if one.invoice_id in invoice_ids]
        amount = told.get("amount")
        about = {**told, "amount": money.format_money(amount, of[0].currency, reader) if amount is not None else None}
        recipients = group_mail_recipients(list_acting_staff(), link.entity)
        return emails.reply_received(link, answer, of, about, recipients, PAID_PAUSE_DAYS)

    return ReplyRecord(context, link, answer, told, mails)


def _dispute_owner(account_id: str) -> str | None:
    """Return who of the staff looks after an account's disputes: always the same one, while the staff are the same."""
    members = list_acting_staff()
    chosen = [one.email for one in members if one.role != ADMIN] or [one.email for one in members]
    return chosen[zlib.crc32(account_id.encode()) % len(chosen)] if chosen else None
