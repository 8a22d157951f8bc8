"""Payments and credit notes, and how they settle invoices. Amounts are integers of minor units.

Amounts are conserved: the allocated and unallocated parts of a payment make up its amount; the paid, credited and open
parts of an invoice make up its total; nothing is ever below zero.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any

from chalicelib.errors import Conflict, FieldError, InvalidInput
from chalicelib.field_marks import FreeText, NotAudited, NotPersonal
from chalicelib.invoices.rules import CREDIT_NOTE, PAID, UNCOLLECTIBLE, VOID, Invoice, derive_invoice_status

RECEIVED, REVERSED = "received", "reversed"
PAYMENT = "payment"
"""One of the two kinds of settlement; the other is a credit note."""

_EARLIEST_ZONE = timedelta(hours=14)
"""How far the earliest time zone is ahead of UTC."""
_CLOSED_STATUSES = frozenset({VOID, UNCOLLECTIBLE})

MAX_INVOICES_PER_WRITE = 20
"""Invoices that one write may settle: with up to four rows each they fit a transaction of 100 rows."""
MAX_INVOICES = 200
"""Invoices that a payment or credit note may settle in all, so that its row stays small."""


@dataclass(frozen=True)
class Allocation:
    """The part of a payment or credit note that goes to an invoice."""

    invoice_id: str
    amount: int


@dataclass(frozen=True)
class Reversal:
    """Why a payment was reversed, when (UTC) and by whom."""

    reason: str
    at: datetime
    by: str


@dataclass(frozen=True)
class Payment:
    """A payment of an account to an issuing entity; ``allocations`` are amounts by invoice id."""

    payment_id: NotPersonal[str]
    account_id: NotPersonal[str]
    entity_id: NotPersonal[str]
    currency: NotPersonal[str]
    amount: int
    received_on: date
    content_hash: NotAudited[NotPersonal[str]]
    recorded_at: NotAudited[datetime]
    method: NotPersonal[str | None] = None
    reference: FreeText[str | None] = None
    note: FreeText[str | None] = None
    status: NotPersonal[str] = RECEIVED
    allocations: NotPersonal[dict[str, int]] = field(default_factory=dict)
    reversal: FreeText[Reversal | None] = None
    version: NotAudited[int] = 1

    @property
    def unallocated(self) -> int:
        """Return the unallocated part; 0 for a reversed payment."""
        return self.amount - sum(self.allocations.values()) if self.status == RECEIVED else 0


@dataclass(frozen=True)
class Settlement:
    """The part of an invoice that a payment or credit note has settled, and on which day."""

    invoice_id: str
    source_kind: str
    source_id: str
    amount: int
    settled_on: date


@dataclass(frozen=True)
class SettlementSource:
    """The free amount of a payment or credit note, and the invoices it may settle."""

    kind: str
    id: str
    account_id: str
    entity_id: str
    currency: str
    free: int
    spread: Mapping[str, int]
    day: date
    """The day that counts as the settlement day of the invoice."""


def check_received_on(received_on: date, now: datetime) -> None:
    """Raise InvalidInput when the day of receipt has not begun in any time zone; ``now`` is aware UTC."""
    if received_on > (now + _EARLIEST_ZONE).date():
        raise InvalidInput.field(
            "received_on", "in_the_future", "This date is in the future. Send the date of receipt."
        )


def payment_content_hash(given: Mapping[str, Any]) -> str:
    """Return the hash that identifies the content of a payment; absent, null and empty are equal."""
    said = {name: value for name, value in given.items() if value not in (None, [])}
    if "allocations" in said:
        said["allocations"] = sorted((one["invoice_id"], one["amount"]) for one in said["allocations"])
    return hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()


def payment_source(payment: Payment) -> SettlementSource:
    """Return the free amount of a payment. Raises Conflict when it was reversed."""
    if payment.status == REVERSED:
        raise Conflict("payment_reversed", "This payment was reversed. Record the money as another payment.")
    return SettlementSource(
        kind=PAYMENT,
        id=payment.payment_id,
        account_id=payment.account_id,
        entity_id=payment.entity_id,
        currency=payment.currency,
        free=payment.unallocated,
        spread=payment.allocations,
        day=payment.received_on,
    )


def credit_note_source(credit_note: Invoice, today: date) -> SettlementSource:
    """Return the free amount of a credit note. Raises Conflict when it is an invoice, or void."""
    if not credit_note.is_credit_note:
        raise Conflict("not_a_credit_note", "This is an invoice. Only a credit note can be applied to invoices.")
    if credit_note.status in _CLOSED_STATUSES:
        raise Conflict("credit_note_not_open", f"This credit note is {credit_note.status}; nothing can be applied.")
    return SettlementSource(
        kind=CREDIT_NOTE,
        id=credit_note.invoice_id,
        account_id=credit_note.account_id,
        entity_id=credit_note.entity_id,
        currency=credit_note.currency,
        free=credit_note.balance,
        spread=credit_note.applications,
        day=today,
    )


def settle_invoices(
    source: SettlementSource, wanted: Sequence[Allocation], invoices: Mapping[str, Invoice], name: str
) -> dict[str, Invoice]:
    """Return the invoices after ``wanted`` of ``source`` has been applied to them, by id.

    ``name`` is the field in which the caller sent the list. Raises InvalidInput that names every fault: an invoice that
    does not exist, belongs to another account, entity or currency, or is not open; more than its balance; more than is
    free.
    """
    faults: list[FieldError] = []
    taken: set[str] = set()
    for number, one in enumerate(wanted):
        fault = _find_fault(source, one, invoices.get(one.invoice_id), repeated=one.invoice_id in taken)
        taken.add(one.invoice_id)
        if fault is not None:
            faults.append(FieldError(f"{name}.{number}.{fault[0]}", fault[1], fault[2]))
    faults += _find_overall_faults(source, wanted, taken, name)
    if faults:
        raise InvalidInput("invalid", "This cannot be allocated to the invoices as requested.", fields=tuple(faults))
    return {one.invoice_id: with_settlement(invoices[one.invoice_id], source, one.amount) for one in wanted}


def _find_fault(
    source: SettlementSource, one: Allocation, invoice: Invoice | None, *, repeated: bool
) -> tuple[str, str, str] | None:
    if repeated:
        return "invoice_id", "repeated", "This invoice is already in the list. Send one amount for it."
    if invoice is None or invoice.account_id != source.account_id:
        return "invoice_id", "unknown_invoice", "The account has no such invoice. Correct the id."
    if invoice.is_credit_note:
        return "invoice_id", "not_an_invoice", "This is a credit note. Name an invoice."
    if invoice.entity_id != source.entity_id:
        return "invoice_id", "other_entity", f"This invoice is of another issuing entity: {invoice.entity_id}."
    if invoice.currency != source.currency:
        return "invoice_id", "other_currency", f"This invoice is in {invoice.currency}, not in {source.currency}."
    if invoice.status in _CLOSED_STATUSES:
        return "invoice_id", "invoice_not_open", f"This invoice is {invoice.status}. Nothing is owed for it."
    if one.amount > invoice.balance:
        message = (
            f"This invoice has an open amount of {invoice.balance} minor units. Send at most that. The rest stays "
            "unallocated."
        )
        return "amount", "more_than_balance", message
    return None


def _find_overall_faults(
    source: SettlementSource, wanted: Sequence[Allocation], ids: set[str], name: str
) -> list[FieldError]:
    total = sum(one.amount for one in wanted)
    if total > source.free:
        message = f"These add up to {total} minor units, but only {source.free} are left. Lower the amounts."
        return [FieldError(name, "more_than_is_left", message)]
    if len(wanted) > MAX_INVOICES_PER_WRITE:
        message = (
            f"At most {MAX_INVOICES_PER_WRITE} invoices are possible in one request. Send the others in another one."
        )
        return [FieldError(name, "too_many_invoices", message)]
    if len(ids | source.spread.keys()) > MAX_INVOICES:
        return [
            FieldError(name, "too_many_invoices", f"It can be allocated to at most {MAX_INVOICES} invoices in total.")
        ]
    return []


def with_settlement(invoice: Invoice, source: SettlementSource, amount: int) -> Invoice:
    """Return an open invoice with ``amount`` of ``source`` applied; with nothing left, it is paid on that day."""
    changed = _add_settled_amount(invoice, source.kind, amount)
    changed = replace(changed, status=derive_invoice_status(changed))
    return replace(changed, settled_on=source.day if changed.status == PAID else None)


def without_settlement(invoice: Invoice, kind: str, amount: int) -> Invoice:
    """Return an invoice after ``amount``, settled by a source of ``kind``, is withdrawn: it opens again.

    An invoice that became uncollectible meanwhile stays uncollectible.
    """
    changed = _add_settled_amount(invoice, kind, -amount)
    if invoice.status in _CLOSED_STATUSES:
        return changed
    changed = replace(changed, status=derive_invoice_status(changed))
    return replace(changed, settled_on=invoice.settled_on if changed.status == PAID else None)


def _add_settled_amount(invoice: Invoice, kind: str, amount: int) -> Invoice:
    if kind == CREDIT_NOTE:
        return replace(invoice, credited=invoice.credited + amount)
    return replace(invoice, paid=invoice.paid + amount)


def with_allocations(payment: Payment, wanted: Sequence[Allocation]) -> Payment:
    """Return a payment with ``wanted`` allocated, which ``settle_invoices`` has checked."""
    return replace(payment, allocations=_add_amounts(payment.allocations, wanted))


def with_applications(credit_note: Invoice, wanted: Sequence[Allocation], today: date) -> Invoice:
    """Return a credit note with ``wanted`` applied, which ``settle_invoices`` has checked."""
    total = sum(one.amount for one in wanted)
    changed = replace(
        credit_note,
        credited=credit_note.credited + total,
        applications=_add_amounts(credit_note.applications, wanted),
    )
    changed = replace(changed, status=derive_invoice_status(changed))
    return replace(changed, settled_on=today if changed.status == PAID else None)


def _add_amounts(before: Mapping[str, int], wanted: Sequence[Allocation]) -> dict[str, int]:
    after = dict(before)
    for one in wanted:
        after[one.invoice_id] = after.get(one.invoice_id, 0) + one.amount
    return after


def without_allocations(payment: Payment, invoice_ids: Sequence[str]) -> Payment:
    """Return a payment after it was withdrawn from invoices."""
    kept = {invoice_id: amount for invoice_id, amount in payment.allocations.items() if invoice_id not in invoice_ids}
    return replace(payment, allocations=kept)


def without_applications(credit_note: Invoice, invoice_ids: Sequence[str]) -> Invoice:
    """Return a credit note after it was withdrawn from invoices."""
    kept = {name: amount for name, amount in credit_note.applications.items() if name not in invoice_ids}
    freed = sum(credit_note.applications.values()) - sum(kept.values())
    changed = replace(credit_note, credited=credit_note.credited - freed, applications=kept)
    if credit_note.status in _CLOSED_STATUSES:
        return changed
    return replace(changed, status=derive_invoice_status(changed), settled_on=None)


def with_reversal(payment: Payment, reversal: Reversal) -> Payment:
    """Return a payment, withdrawn from all invoices, as reversed."""
    return replace(payment, status=REVERSED, reversal=reversal)


def check_payable(invoice: Invoice, currency: str) -> None:
    """Check that a payment can be recorded for one invoice. Raises Conflict, or InvalidInput naming the currency."""
    if invoice.is_credit_note:
        raise Conflict("not_an_invoice", "This is a credit note. A payment settles invoices.")
    if not invoice.balance:
        raise Conflict(
            "nothing_is_open",
            f"This invoice is {invoice.status}; nothing is open. Record the payment at its account, where it stays "
            "unallocated.",
        )
    if currency != invoice.currency:
        raise InvalidInput.field("currency", "other_currency", f"This invoice is in {invoice.currency}.")
