"""Use cases of payments: recorded, spread over invoices, taken back, reversed."""

from dataclasses import dataclass, replace
from typing import Any

from chalicelib.audit import rules as audit_rules
from chalicelib.audit import service as audit
from chalicelib.call import Call
from chalicelib.errors import Conflict, Invalid, NotFound
from chalicelib.ids import PAYMENT as PAYMENT_ID
from chalicelib.ids import new_id
from chalicelib.invoices import standing
from chalicelib.invoices.rules import Invoice
from chalicelib.payments import rules, writing
from chalicelib.payments.rules import Allocation, Payment, Reversal, Source
from chalicelib.payments.writing import Change
from chalicelib.shapes import build
from chalicelib.table import keys, store
from chalicelib.table.items import PaymentItem
from chalicelib.table.keys import Key

_NOT_AUDITED = frozenset({"version", "content_hash", "recorded_at"})


@dataclass(frozen=True)
class Written:
    """The payment after a write, and whether the write made it."""

    payment: Payment
    created: bool
    changed: bool = True
    """False when everything was so already, and nothing was written."""


def put_payment(call: Call, account_id: str, payment_id: str, given: dict[str, Any]) -> Written:
    """Record a payment under the vendor's id and spread it over invoices; two reads.

    The same content again changes nothing, whatever has become of the payment since. Raises NotFound without the
    account, Conflict when the payment is there with other content, Invalid that names every field at fault.
    """
    rules.check_received(given["received_on"], call.now)
    wanted = writing.asked(given.get("allocations") or ())
    said = rules.content_hash(given)

    def attempt() -> Written:
        key = keys.payment(account_id, payment_id)
        item, account, *items = store.gather(
            call, key, keys.account(account_id), *(keys.invoice(one.invoice_id) for one in wanted)
        )
        if account is None:
            raise NotFound
        if item is not None:
            return _same(store.load(Payment, item), said)
        entity_id = given.get("entity_id") or account.entity_id
        made = {**given, "account_id": account_id, "payment_id": payment_id, "entity_id": entity_id}
        payment = build(Payment, {**made, "allocations": {}, "content_hash": said, "recorded_at": call.now})
        return _record_new(call, payment, wanted, writing.heads(items), account)

    return store.deciding_again(attempt)


def _same(before: Payment, said: str) -> Written:
    if before.content_hash != said:
        raise Conflict(
            "payment_exists",
            "There is a payment with this id and other content. Send the same, or use another id.",
        )
    return Written(before, created=False, changed=False)


def pay_invoice(call: Call, invoice_id: str, given: dict[str, Any]) -> Written:
    """Record a payment of one invoice under an id of ours; what exceeds its balance stays unallocated. Two reads.

    Raises NotFound, Invalid when the currency is another, Conflict when nothing is open.
    """
    rules.check_received(given["received_on"], call.now)
    payment_id = new_id(PAYMENT_ID, call.now)

    def attempt() -> Written:
        (item,) = store.gather(call, keys.invoice(invoice_id))
        if item is None:
            raise NotFound
        invoice = store.load(Invoice, item)
        rules.check_payable(invoice, given["currency"])
        made = {**given, "account_id": invoice.account_id, "payment_id": payment_id, "entity_id": invoice.entity_id}
        hashed = rules.content_hash(given)
        payment = build(Payment, {**made, "allocations": {}, "content_hash": hashed, "recorded_at": call.now})
        wanted = [Allocation(invoice_id, min(payment.amount, invoice.balance))]
        return _record_new(call, payment, wanted, {invoice_id: invoice}, None)

    return store.deciding_again(attempt)


def _record_new(
    call: Call, payment: Payment, wanted: list[Allocation], invoices: dict[str, Invoice], account: Any
) -> Written:
    source = rules.source_of_payment(payment)
    spread = rules.spread(source, wanted, invoices, "allocations")
    changes = [(invoices[invoice_id], after) for invoice_id, after in spread.items()]
    entity = keys.entity(payment.entity_id)
    found = writing.balances(source, changes, entity)
    if entity not in found:
        raise Invalid.field("entity_id", "unknown", "There is no such thing. Create it first, or correct the id.")
    transaction = store.Transaction(call)
    if account is not None:
        transaction.check_exists(account)
    after = rules.allocated(payment, wanted)
    written = _write(transaction, call, found, source, changes, None, after, "payment.recorded")
    transaction.answers(payment.payment_id, 201)
    transaction.commit()
    return Written(written, created=True)


def allocate(call: Call, account_id: str, payment_id: str, given: list[dict[str, Any]]) -> Payment:
    """Spread more of a payment over invoices; two reads. Raises NotFound, Conflict, Invalid naming every fault."""
    wanted = writing.asked(given)

    def attempt() -> Payment:
        key = keys.payment(account_id, payment_id)
        item, *items = store.gather(call, key, *(keys.invoice(one.invoice_id) for one in wanted))
        before = _payment_of(item)
        source = rules.source_of_payment(before)
        invoices = writing.heads(items)
        spread = rules.spread(source, wanted, invoices, "allocations")
        changes = [(invoices[invoice_id], after) for invoice_id, after in spread.items()]
        found = writing.balances(source, changes)
        transaction = store.Transaction(call)
        after = rules.allocated(before, wanted)
        written = _write(transaction, call, found, source, changes, before, after, "payment.allocated")
        transaction.answers(payment_id, 200)
        transaction.commit()
        return written

    return store.deciding_again(attempt)


def deallocate(call: Call, account_id: str, payment_id: str, invoice_id: str) -> None:
    """Take a payment back from an invoice, which opens again; two reads. Raises NotFound when it settles nothing."""

    def attempt() -> None:
        item, head = store.gather(call, keys.payment(account_id, payment_id), keys.invoice(invoice_id))
        before = _payment_of(item)
        if invoice_id not in before.allocations or head is None:
            raise NotFound
        transaction = store.Transaction(call)
        _take_back(transaction, call, before, [invoice_id], writing.heads([head]), "payment.deallocated")
        transaction.answers(payment_id, 204)
        transaction.commit()

    store.deciding_again(attempt)


def reverse(call: Call, account_id: str, payment_id: str, reason: str) -> Payment:
    """Reverse a payment: all its invoices open again. One that is reversed already stays as it is.

    Of a payment over many invoices, the first are taken back in transactions of their own; until the last one it is a
    payment like others, less allocated. So whoever repeats this after a failure completes it. Raises NotFound.
    """

    def attempt() -> Payment | None:
        (item,) = store.gather(call, keys.payment(account_id, payment_id))
        before = _payment_of(item)
        if before.status == rules.REVERSED:
            return before
        ids = sorted(before.allocations)[: rules.MOST_INVOICES_A_WRITE]
        last = len(ids) == len(before.allocations)
        # The record of an idempotency key belongs to the transaction that completes what was asked.
        own = call if last else replace(call, idempotency=None)
        invoices = writing.heads(store.batch([keys.invoice(invoice_id) for invoice_id in ids]).values())
        transaction = store.Transaction(own)
        reversal = Reversal(reason, call.now, call.actor.name) if last else None
        action = "payment.reversed" if last else "payment.deallocated"
        after = _take_back(transaction, own, before, ids, invoices, action, reversal)
        transaction.answers(payment_id, 200)
        transaction.commit()
        return after if last else None

    while True:
        done = store.deciding_again(attempt)
        if done is not None:
            return done


def _payment_of(item: PaymentItem | None) -> Payment:
    if item is None:
        raise NotFound
    return store.load(Payment, item)


def _take_back(
    transaction: store.Transaction,
    call: Call,
    before: Payment,
    ids: list[str],
    invoices: dict[str, Invoice],
    action: str,
    reversal: Reversal | None = None,
) -> Payment:
    changes = [
        (invoices[invoice_id], rules.released(invoices[invoice_id], rules.PAYMENT, before.allocations[invoice_id]))
        for invoice_id in ids
    ]
    after = rules.deallocated(before, ids)
    if reversal is not None:
        after = rules.reversed_(after, reversal)
    source = rules.source_of_payment(before)
    found = writing.balances(source, changes)
    return _write(transaction, call, found, source, changes, before, after, action)


def _write(
    transaction: store.Transaction,
    call: Call,
    found: dict[Key, Any],
    source: Source,
    changes: list[Change],
    before: Payment | None,
    after: Payment,
    action: str,
) -> Payment:
    grown = after.unallocated - (before.unallocated if before else 0)
    unallocated = standing.Unallocated(after.account_id, after.entity_id, after.currency, grown)
    standing.write(transaction, found, changes, [unallocated])
    writing.write_settlements(transaction, source, after.allocations, [one.invoice_id for _, one in changes])
    version = writing.write_payment(transaction, before, after)
    groups = {one.bill_group_id for _, one in changes}
    audit.record(
        transaction,
        call,
        action,
        "payment",
        after.payment_id,
        audit_rules.changes(before, after, without=_NOT_AUDITED),
        account_id=after.account_id,
        bill_group_id=groups.pop() if len(groups) == 1 else None,
    )
    return replace(after, version=version)
