"""What a contact replies to a reminder, without signing in (R6): each answer once for each invoice, and staff are told.

Nothing is done for an invoice that the mail did not tell of (A12). An answer for many invoices is written in parts;
whoever repeats what was interrupted goes on with the rest.
"""

import zlib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from chalicelib import money
from chalicelib.call import Actor, Call
from chalicelib.contacts import preferences
from chalicelib.contacts.records import roles_of
from chalicelib.contacts.rules import ACCOUNTS_PAYABLE, REMINDERS
from chalicelib.deliveries import sending
from chalicelib.deliveries.rules import Asked
from chalicelib.errors import Conflict, Invalid
from chalicelib.invoices import altering, changes, standing
from chalicelib.invoices.rules import Dispute, Invoice
from chalicelib.mail import languages
from chalicelib.mail.outbox import Mail
from chalicelib.reminders import emails, pauses, promises, reply_links
from chalicelib.reminders.reply_links import NOT_ME, PAID, PROBLEM, PROMISED, SEND, Link, Overtaken, Receipt
from chalicelib.staff import service as staff
from chalicelib.table import keys, store
from chalicelib.table.items import ContactRolesItem

PAID_PAUSES_DAYS = 7
MOST_SENT_AT_ONCE = 20
TO_ME, TO_INVOICING = "me", "invoicing"
_OLDEST_PAYMENT_DAYS = 730
_STAFF_A_PAGE = 100
_ACTING = ("agent", "admin")


def acting(call: Call, link: Link) -> Call:
    """Return the call as that of the contact whose link it is, named by its id: a name would outlast its erasure."""
    contact_id = link.contact.contact_id
    return replace(call, actor=Actor("contact", contact_id, f"contact {contact_id}"))


def paid(call: Call, token: str, invoice_ids: Collection[str], on: date, reference: str | None) -> None:
    """Note that invoices are said to be paid: reminders of them pause for 7 days.

    Raises NotFound, Invalid for a day to come, Conflict when there is nothing to be answered for.
    """

    def act(call: Call, link: Link, chosen: Sequence[Invoice]) -> None:
        # Where the reader is, it may be tomorrow already.
        if not timedelta(days=-_OLDEST_PAYMENT_DAYS) <= on - link.today <= timedelta(days=1):
            raise Invalid.field("on", "not_a_payment_day", "Say on which day, up to today, it was paid.")
        until = link.today + timedelta(days=PAID_PAUSES_DAYS)
        told = {"on": on.isoformat(), "reference": reference}
        receipt = _receipt(call, link, PAID, told)
        reason = f"The customer says that it was paid on {on.isoformat()}" + (f", {reference}" if reference else "")
        for part, also in _parts(chosen, receipt):
            pauses.pause_at_least(call, part, until, reason, also)

    _answer(call, token, PAID, invoice_ids, act)


def promised(call: Call, token: str, invoice_ids: Collection[str], on: date) -> None:
    """Note by when invoices will be paid: they are reminded of from the day after, within the limit of the policy.

    Raises NotFound, Invalid for a day out of that limit, Conflict when there is nothing to be answered for.
    """

    def act(call: Call, link: Link, chosen: Sequence[Invoice]) -> None:
        allowed = span(call, link)
        receipt = _receipt(call, link, PROMISED, {"on": on.isoformat()})
        for part, also in _parts(chosen, receipt):
            promises.promise(call, part, on, call.actor.name, allowed, also)

    _answer(call, token, PROMISED, invoice_ids, act)


def span(call: Call, link: Link) -> promises.Span:
    """Return the days for which payment of a link's invoices can be promised."""
    groups = {one.bill_group_id for one in link.invoices}
    return promises.span(link.account.account_id, link.entity.entity_id, groups, call)


def problem(
    call: Call,
    token: str,
    invoice_ids: Collection[str],
    reason: str,
    note: str | None,
    lines: tuple[int, ...] = (),
    amount: int | None = None,
) -> None:
    """Dispute invoices, or of one of them lines or an amount (minor units); whatever else there is stays reminded of.

    A member of staff looks after it: agents before admins, always the same one for an account. Raises NotFound,
    Invalid for lines or an amount that the invoice has not, Conflict when there is nothing to be answered for.
    """

    def act(call: Call, link: Link, chosen: Sequence[Invoice]) -> None:
        if len(chosen) > 1 and (lines or amount is not None):
            raise Invalid.field("invoices", "one_only", "Lines or an amount are of one invoice. Choose one.")
        owner = _owner(link.account.account_id)
        raised = Dispute(reason, call.now, call.actor.name, note, tuple(sorted(set(lines))), amount, owner)
        told = {"reason": reason, "note": note, "lines": list(raised.lines) or None, "amount": amount, "owner": owner}
        for part, also in _parts(chosen, _receipt(call, link, PROBLEM, told)):
            store.deciding_again(lambda part=part, also=also: _dispute(call, part, raised, also))  # type: ignore[misc]

    _answer(call, token, PROBLEM, invoice_ids, act)


def _dispute(call: Call, invoice_ids: Sequence[str], raised: Dispute, also: pauses.Also) -> None:
    found = store.batch([keys.invoice(one) for one in invoice_ids])
    heads = [store.load(Invoice, row) for row in found.values()]
    # What is disputed already stays as it was said first; staff are told of the rest.
    before = [head for head in heads if head.balance > 0 and head.dispute is None]
    changed = [(head, changes.disputed(head, raised)) for head in before]
    transaction = store.Transaction(call)
    standing.write(transaction, {}, changed)
    for head, after in changed:
        altering.record(transaction, call, "disputed", head, after)
    also(transaction)
    transaction.commit()


def send_again(call: Call, token: str, invoice_ids: Collection[str], to: str) -> None:
    """Send invoices again: to the contact itself, or to those who receive invoices. 20 at most at once.

    Raises NotFound, Invalid; Conflict when there is nothing to be answered for, or one of them cannot be sent: those
    before it were.
    """

    def act(call: Call, link: Link, chosen: Sequence[Invoice]) -> None:
        if len(chosen) > MOST_SENT_AT_ONCE:
            raise Invalid.field("invoices", "too_many", f"Choose {MOST_SENT_AT_ONCE} invoices at most.")
        asked = Asked(to=(link.contact.contact_id,)) if to == TO_ME else Asked()
        receipt = _receipt(call, link, SEND, {"to": to})
        if not chosen:
            receipt.finish()
        try:
            for one in chosen:
                ((_, also),) = _parts([one], receipt, last=one is chosen[-1])
                sending.send(call, one.invoice_id, asked, also)
        except Exception:
            # Staff are told of those that went.
            receipt.finish()
            raise

    _answer(call, token, SEND, invoice_ids, act)


def not_me(call: Call, token: str, note: str | None) -> None:
    """Note that the reminder was not for the contact, whose link is closed then; copies of reminders stop.

    What a role brings goes on while the role is held (C7): staff are told, who may give it to somebody else. Raises
    NotFound, Conflict when it was said already.
    """

    def act(call: Call, link: Link, chosen: Sequence[Invoice]) -> None:
        _stop_copies(call, link)
        receipt = _receipt(call, link, NOT_ME, {"note": note})

        def attempt() -> None:
            transaction = store.Transaction(call)
            receipt.write(transaction, [one.invoice_id for one in link.invoices], last=True)
            transaction.commit()

        store.deciding_again(attempt)

    _answer(call, token, NOT_ME, None, act)


def _stop_copies(call: Call, link: Link) -> None:
    account_id, contact_id = link.account.account_id, link.contact.contact_id
    row = store.get(ContactRolesItem, keys.contact_roles(account_id))
    if row is not None and contact_id in roles_of(row).holders(ACCOUNTS_PAYABLE):
        return
    if link.contact.preferences.get(REMINDERS):
        preferences.put_preferences(call, account_id, contact_id, {REMINDERS: False}, expected_version=None)


def _answer(
    call: Call,
    token: str,
    answer: str,
    invoice_ids: Collection[str] | None,
    act: Callable[[Call, Link, Sequence[Invoice]], None],
) -> None:
    """Let an answer act for those of the invoices for which it was not given yet; None: for the mail as a whole.

    For none of them, where it was given for all, but was cut short before staff were told.
    """
    while True:
        link = reply_links.find(call, token)
        left = [one for one in link.left_for(answer) if invoice_ids is None or one.invoice_id in invoice_ids]
        said = link.answered.get(answer, frozenset())
        if link.closed or (not left and invoice_ids is not None and not said.isdisjoint(invoice_ids)):
            # It was said already, by the same button as a rule; but staff may not have heard of it.
            if not link.closed and answer in link.untold:
                act(acting(call, link), link, [])
            return
        if invoice_ids is not None and not left:
            raise Conflict("nothing_to_answer", "There is nothing to be answered for of these invoices any more.")
        try:
            act(acting(call, link), link, left)
        except Overtaken:
            continue
        return


def _parts(
    chosen: Sequence[Invoice], receipt: Receipt, *, last: bool = True
) -> Iterator[tuple[list[str], pauses.Also]]:
    """Divide invoices as they fit transactions, each part with what is written along with it.

    Where none is left, staff are told of what was said before.
    """
    if not chosen:
        receipt.finish()
    for start in range(0, len(chosen), pauses.MOST_AT_ONCE):
        part = [one.invoice_id for one in chosen[start : start + pauses.MOST_AT_ONCE]]
        ends = last and start + pauses.MOST_AT_ONCE >= len(chosen)

        def also(transaction: store.Transaction, part: list[str] = part, ends: bool = ends) -> None:
            receipt.write(transaction, part, last=ends)

        yield part, also


def _receipt(call: Call, link: Link, answer: str, told: dict[str, Any]) -> Receipt:
    def mails(invoice_ids: Collection[str]) -> Sequence[Mail]:
        reader = languages.formats(link.entity.locale)
        of = [one for one in link.invoices if one.invoice_id in invoice_ids]
        amount = told.get("amount")
        about = {**told, "amount": money.written(amount, of[0].currency, reader) if amount is not None else None}
        return emails.reply_received(link, answer, of, about, [email for email, _ in _staff()], PAID_PAUSES_DAYS)

    return Receipt(call, link, answer, told, mails)


def _owner(account_id: str) -> str | None:
    """Return who of the staff looks after an account's disputes: always the same one, while the staff are the same."""
    members = _staff()
    chosen = [email for email, role in members if role == "agent"] or [email for email, _ in members]
    return chosen[zlib.crc32(account_id.encode()) % len(chosen)] if chosen else None


def _staff() -> list[tuple[str, str]]:
    """Return the email and role of the staff who can do something."""
    found: list[tuple[str, str]] = []
    after: Any = None
    while True:
        page, after = staff.list_staff(_STAFF_A_PAGE, after)
        found += [(one.email, one.role) for one in page if one.role in _ACTING]
        if after is None:
            return sorted(found)
