"""Links by which a contact replies to its copy of a reminder, without signing in (R6).

A link is one contact's, for the invoices that its mail named, for 60 days. It shows those, takes each answer once for
each of them, and does nothing else (A12). Nobody has it but who got the mail: only its hash is kept.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from chalicelib import clock
from chalicelib.accounts.rules import Account
from chalicelib.audit.rules import FieldChange
from chalicelib.audit.service import record_audit_event
from chalicelib.contacts.rules import ACTIVE, Contact
from chalicelib.entities.rules import Entity
from chalicelib.entities.service import get_cached_entity
from chalicelib.errors import NotFound
from chalicelib.invoices import queries
from chalicelib.invoices.rules import VOID, Invoice, Line
from chalicelib.mail import outbox
from chalicelib.mail.outbox import Mail
from chalicelib.reminders.run.amounts import load_amounts_asked
from chalicelib.reminders.run.mail_content import hash_reply_token
from chalicelib.reminders.run.rules import AmountAsked, invoice_sort_key
from chalicelib.request_context import RequestContext
from chalicelib.table import keys, store
from chalicelib.table.items import ReplyLinkItem
from chalicelib.tokens import REPLY

PAID, PROMISED, PROBLEM, SEND, NOT_ME = "paid", "promised", "problem", "send", "not-me"
ANSWERS = (PAID, PROMISED, PROBLEM, SEND, NOT_ME)

_MAX_LINES = 200
_TOKEN_PATTERN = re.compile(REPLY.form)


class AlreadyAnswered(Exception):
    """One of the invoices has been answered for in this moment."""


@dataclass(frozen=True)
class ReplyLink:
    """What a link is about. ``today`` is the account's date, ``answered`` tells for which invoices what was said.

    ``said_at`` tells of an answer and an invoice when it was given, and as which of all that were given by the link.
    """

    token: str
    email_id: str
    account: Account
    entity: Entity
    contact: Contact
    invoices: tuple[Invoice, ...]
    amounts: Mapping[str, AmountAsked]
    """What is asked for of each invoice, by its id."""
    answered: Mapping[str, frozenset[str]]
    said_at: Mapping[tuple[str, str], tuple[str, int]]
    untold: frozenset[str]
    """The answers that were interrupted before staff were notified of them."""
    today: date

    @property
    def closed(self) -> bool:
        """Tell whether the contact has said that the mail was not for them; then it says no more."""
        return NOT_ME in self.answered

    @property
    def asked(self) -> int:
        """Return what is asked for of all invoices, in minor units."""
        return sum(one.asked for one in self.amounts.values())

    @property
    def disputed(self) -> int:
        """Return what of the open amounts is disputed."""
        return sum(one.disputed for one in self.amounts.values())

    @property
    def credit(self) -> int:
        """Return what of the open amounts the account's unallocated credit covers."""
        return sum(one.credit for one in self.amounts.values())

    def answerable_invoices(self, answer: str) -> tuple[Invoice, ...]:
        """Return the invoices for which an answer can be given: of which something is open, or that can be sent."""
        said = self.answered.get(answer, frozenset())
        return tuple(
            one
            for one in self.invoices
            if one.invoice_id not in said
            and ((one.status != VOID and one.pdf is not None) if answer == SEND else one.balance > 0)
            and (answer != PROBLEM or one.dispute is None)
        )

    def standing(self, invoice: Invoice) -> str | None:
        """Return which answer stands of an invoice: of those that hold, the newest, by whomever it was given."""
        holding: dict[str, str] = {}
        if invoice.dispute is not None:
            holding[PROBLEM] = keys.format_instant(invoice.dispute.since)
        if invoice.promise is not None and invoice.promise.on >= self.today:
            holding[PROMISED] = keys.format_instant(invoice.promise.since)
        said_paid = self.said_at.get((PAID, invoice.invoice_id))
        if said_paid is not None:
            holding[PAID] = said_paid[0]

        def age(answer: str) -> tuple[str, int]:
            _, place = self.said_at.get((answer, invoice.invoice_id), ("", -1))
            return holding[answer], place

        return max(holding, key=age, default=None)


def find_reply_link(context: RequestContext, token: str) -> ReplyLink:
    """Return what a link is about; two reads, and the entity. Credit that covers a part costs further reads.

    Raises NotFound for a link that was not given out or is too old, and when its contact has gone or has another
    address by now.
    """
    row = _load_link_row(token) if _TOKEN_PATTERN.fullmatch(token) else None
    if row is None or row.until <= context.now:
        raise NotFound
    account_key, contact_key = keys.account(row.account_id), keys.contact(row.account_id, row.contact_id)
    email_key = keys.email(row.email_id)
    _, _, currency = keys.parse_digest(row.digest[1])
    balance_key = keys.account_balance(row.account_id, row.entity_id, currency)
    found = store.batch_get_items(
        [account_key, contact_key, email_key, balance_key, *map(keys.invoice, row.invoice_ids)]
    )
    if account_key not in found or contact_key not in found or email_key not in found:
        raise NotFound
    contact = store.from_item(Contact, found[contact_key])
    if contact.status != ACTIVE or contact.email not in found[email_key].to:
        raise NotFound
    account = store.from_item(Account, found[account_key])
    entity = get_cached_entity(row.entity_id, context.now)
    heads = [store.from_item(Invoice, found[key]) for key in map(keys.invoice, row.invoice_ids) if key in found]
    return ReplyLink(
        token=token,
        email_id=row.email_id,
        account=account,
        entity=entity,
        contact=contact,
        invoices=tuple(sorted(heads, key=invoice_sort_key)),
        amounts=load_amounts_asked(heads, {currency: found[balance_key]} if balance_key in found else {}),
        answered=_answered_invoices(row),
        said_at={
            (one["answer"], invoice_id): (one["at"], place)
            for place, one in enumerate(row.used)
            for invoice_id in one["invoice_ids"]
        },
        untold=frozenset(one["answer"] for one in row.used if not one["told"]),
        today=clock.local_date(context.now, account.time_zone or entity.time_zone),
    )


def selectable_lines(invoice: Invoice) -> tuple[Line, ...]:
    """Return the lines of an invoice to choose from, none of one that has more than 200; one read."""
    return tuple(queries.get_invoice_content(invoice).lines) if invoice.line_count <= _MAX_LINES else ()


@dataclass(frozen=True)
class ReplyRecord:
    """What is written along with an answer: for which invoices it was given, the audit event, and the mails to staff.

    ``changes`` are what the audit tells of it; ``mails`` makes the mails, of all invoices that it was given for.
    """

    context: RequestContext
    link: ReplyLink
    answer: str
    changes: Mapping[str, Any]
    mails: Callable[[Collection[str]], Sequence[Mail]]

    def write(self, transaction: store.Transaction, invoice_ids: Collection[str], *, last: bool) -> None:
        """Add to a transaction that the answer was given for some invoices; with the last of them, staff are notified.

        Raises AlreadyAnswered when it has been given for one of them meanwhile.
        """
        row = self._row()
        if _answered_invoices(row).get(self.answer, frozenset()) & frozenset(invoice_ids):
            raise AlreadyAnswered
        at = keys.format_instant(self.context.now)
        given = {"answer": self.answer, "invoice_ids": sorted(invoice_ids), "at": at, "told": False}
        row.used = [*row.used, given]
        if last:
            self._tell(transaction, row)
        transaction.replace(row)
        told = {**self.changes, "answer": self.answer, "invoice_ids": sorted(invoice_ids)}
        changes = tuple(FieldChange(name, None, told[name]) for name in sorted(told) if told[name] is not None)
        account_id = self.link.account.account_id
        record_audit_event(
            transaction, self.context, "reminder.replied", "email", self.link.email_id, changes, account_id=account_id
        )

    def finish(self) -> None:
        """Notify staff of what they have not been notified of yet."""

        def attempt() -> None:
            row = self._row()
            transaction = store.Transaction(self.context)
            if self._tell(transaction, row):
                transaction.replace(row)
                transaction.commit()

        store.retry_on_conflict(attempt)

    def _tell(self, transaction: store.Transaction, row: ReplyLinkItem) -> bool:
        news = [one for one in row.used if one["answer"] == self.answer and not one["told"]]
        row.used = [{**one, "told": one["told"] or one in news} for one in row.used]
        for mail in self.mails({invoice_id for one in news for invoice_id in one["invoice_ids"]}) if news else ():
            # The answer counts, and is kept, even if staff are not told of it by an email.
            outbox.enqueue_mail(transaction, self.context, mail, over_limit="withhold")
        return bool(news)

    def _row(self) -> ReplyLinkItem:
        row = _load_link_row(self.link.token)
        if row is None:
            raise NotFound
        return row


def _load_link_row(token: str) -> ReplyLinkItem | None:
    return store.get_item(ReplyLinkItem, keys.reply_link(hash_reply_token(token)))


def _answered_invoices(row: ReplyLinkItem) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for one in row.used:
        found[one["answer"]] = found.get(one["answer"], frozenset()) | frozenset(one["invoice_ids"])
    return found
