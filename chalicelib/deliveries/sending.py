"""Sending an invoice because somebody asked for it, also to others than its invoicing contacts (I3, R6)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from chalicelib import ids
from chalicelib.audit import service as audit
from chalicelib.audit.rules import Change
from chalicelib.call import Call
from chalicelib.contacts import recipients
from chalicelib.contacts.rules import ACTIVE, Contact, Recipient
from chalicelib.deliveries import emails, rules, service
from chalicelib.deliveries.rules import Asked, Decision, Delivery
from chalicelib.deliveries.service import Around
from chalicelib.errors import Conflict, NotFound
from chalicelib.invoices import pdfs
from chalicelib.invoices.rules import Invoice
from chalicelib.mail import outbox
from chalicelib.table import keys, store
from chalicelib.table.items import DeliveryItem, InvoiceItem, LimitItem


@dataclass(frozen=True)
class Plan:
    """By which mails an invoice would be sent, and whom none of them reaches."""

    invoice: Invoice
    around: Around
    decision: Decision
    cause: str
    cc: tuple[str, ...]


def send(
    call: Call, invoice_id: str, asked: Asked, also: Callable[[store.Transaction], None] | None = None
) -> Delivery:
    """Send an invoice again, or for the first time; three to five reads and one transaction, with what ``also`` adds.

    It goes whatever the payment terms are, however old it is, and waits for no other. Raises NotFound; Conflict when
    it has no PDF yet, is void, its issuing entity's mail is not live, or an address that was named is suppressed;
    Invalid naming those who are no contacts; LimitReached for a portal user who asks too often.
    """

    def attempt() -> Delivery:
        made = plan(call, invoice_id, asked)
        invoice, around = made.invoice, made.around
        transaction = store.Transaction(call)
        email_ids = []
        for number, mail in enumerate(made.decision.mails):
            cause = made.cause if made.cause == rules.ASKED else mail.cause
            # A Cc is for once, so it is on one of the mails only.
            cc = made.cc if number == 0 else ()
            written = emails.invoice(around.entity, around.account, mail.to, [(invoice, mail.attached)], cause, cc)
            email_ids.append(outbox.enqueue(transaction, call, written))
        delivery = Delivery(
            delivery_id=ids.new_id(ids.DELIVERY, call.now),
            invoice_id=invoice_id,
            reason=rules.SENT_AGAIN,
            outcome=rules.MAILED,
            at=call.now,
            recipients=rules.recipients_of(made.decision, email_ids),
            requested_by=_who(call),
        )
        transaction.create(store.row(DeliveryItem, keys.delivery(invoice_id, delivery.delivery_id), delivery))
        _count(transaction, call, around)
        contacts = sorted(one.contact_id for one in delivery.recipients if one.state == rules.MAILED)
        told = (Change("cc", None, len(made.cc)), Change("to", None, contacts))
        audit.record(
            transaction, call, "invoice.sent_again", "invoice", invoice_id, told,
            account_id=invoice.account_id, bill_group_id=invoice.bill_group_id,
        )  # fmt: skip
        if also is not None:
            also(transaction)
        transaction.answers(delivery.delivery_id, 202)
        transaction.commit()
        return delivery

    return store.deciding_again(attempt)


def plan(call: Call, invoice_id: str, asked: Asked) -> Plan:
    """Return how an invoice would be sent. Raises what ``send`` raises, and writes nothing."""
    item = store.get(InvoiceItem, keys.invoice(invoice_id))
    if item is None:
        raise NotFound
    invoice = store.load(Invoice, item)
    named = [keys.contact(invoice.account_id, contact_id) for contact_id in asked.to or ()]
    suppressions = [keys.suppression(address) for address in asked.cc]
    known = [keys.contact_address(invoice.account_id, address) for address in asked.cc]
    limit = keys.limit("invoice_sending", invoice.account_id)
    around = service.gather(call, invoice, *named, *suppressions, *known, limit)
    rules.check_sending(invoice, around.entity)
    size = pdfs.kept(invoice).size
    of_to, rest = around.rest[: len(named)], around.rest[len(named) : -1]
    of_cc, addresses = rest[: len(suppressions)], rest[len(suppressions) :]
    if call.actor.kind == "portal_user":
        _refuse_strangers([address is not None for address in addresses])
        rules.check_limit(_instants(around.rest[-1]), call.now)
    rules.refuse_suppressed(address for address, found in zip(asked.cc, of_cc, strict=True) if found is not None)
    if asked.to is None:
        who = recipients.invoicing(around.account, around.group, around.roles)
        decision, cause = _to_all(who, around, size), rules.ROLE
    else:
        decision, cause = _to_named(_contacts(of_to), around, size), rules.ASKED
    mailed = {one.email for mail in decision.mails for one in mail.to}
    cc = tuple(address for address in dict.fromkeys(asked.cc) if address not in mailed)
    return Plan(invoice, around, decision, rules.ASKED if cc else cause, cc)


def _to_all(who: Sequence[Recipient], around: Around, size: int) -> Decision:
    reached = [one for one in who if not one.suppressed]
    if not reached:
        code, message = rules.NO_CONTACTS, "The bill group has no invoicing contact. Name contacts under `to`."
        if who:
            code = rules.NO_REACHABLE_CONTACTS
            message = "Mail to all invoicing contacts has bounced or was complained of. Name others under `to`."
        raise Conflict(code, message)
    mails = rules.plan(reached, around.entity.invoice_addressing, size)
    return Decision(rules.MAILED, mails, unreachable=tuple(one for one in who if one.suppressed))


def _to_named(contacts: Sequence[Contact], around: Around, size: int) -> Decision:
    found = store.batch([keys.suppression(contact.email) for contact in contacts])
    rules.refuse_suppressed(contact.email for contact in contacts if keys.suppression(contact.email) in found)
    # Whoever is named gets it because of that, so it is no copy that one might stop.
    who = [
        Recipient(one.contact_id, one.email, one.name, one.locale, one.delivery_style, copy=False, suppressed=False)
        for one in contacts
    ]
    return Decision(rules.MAILED, rules.plan(who, around.entity.invoice_addressing, size))


def _contacts(rows: Sequence[object]) -> list[Contact]:
    contacts = [store.load(Contact, row) if row is not None else None for row in rows]  # type: ignore[arg-type]
    absent = [place for place, one in enumerate(contacts) if one is None or one.status != ACTIVE]
    if absent:
        raise rules.strangers("to", absent, "This is no active contact of the account. Add the contact first.")
    return [one for one in contacts if one is not None]


def _refuse_strangers(known: Sequence[bool]) -> None:
    absent = [place for place, is_known in enumerate(known) if not is_known]
    if absent:
        raise rules.strangers("cc", absent, "Only contacts of the account can get a copy. Add the contact first.")


def _who(call: Call) -> dict[str, str]:
    # The address of a portal user stands in the audit event, where an erasure finds it.
    named = {} if call.actor.kind == "portal_user" else {"name": call.actor.name}
    return {"kind": call.actor.kind, **named}


def _instants(row: LimitItem | None) -> list[datetime]:
    return [datetime.fromisoformat(instant) for instant in row.instants] if row else []


def _count(transaction: store.Transaction, call: Call, around: Around) -> None:
    if call.actor.kind != "portal_user":
        return
    key = keys.limit("invoice_sending", around.account.account_id)
    row: LimitItem | None = around.rest[-1]
    counting = row or LimitItem(key.pk, key.sk)
    recent = [instant for instant in _instants(row) if call.now - instant < rules.SENDINGS_COUNT_FOR]
    counting.instants = [keys.instant(instant) for instant in (*recent, call.now)]
    counting.expires_at = int((call.now + rules.SENDINGS_COUNT_FOR).timestamp())
    transaction.put(counting, new=row is None)
