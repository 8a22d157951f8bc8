"""Queries of payments, and of the settlements of an invoice."""

from dataclasses import dataclass
from typing import Any

from chalicelib.errors import NotFound
from chalicelib.payments.rules import PAYMENT, Payment, Settlement
from chalicelib.table import keys, store
from chalicelib.table.items import InvoiceItem, PaymentItem

_PAGE = 1000


@dataclass(frozen=True)
class SettlementWithPayment:
    """A settlement of an invoice; ``payment`` is None for a credit note."""

    settlement: Settlement
    payment: Payment | None


def get_payment(account_id: str, payment_id: str) -> Payment:
    """Read a payment; one read. Raises NotFound."""
    item = store.get_item(PaymentItem, keys.payment(account_id, payment_id))
    if item is None:
        raise NotFound
    return store.from_item(Payment, item)


def get_invoice_payment(invoice_id: str, payment_id: str) -> Payment:
    """Read a payment of an invoice's account; two reads. Raises NotFound."""
    head = store.get_item(InvoiceItem, keys.invoice(invoice_id))
    if head is None:
        raise NotFound
    return get_payment(head.account_id, payment_id)


def list_payments(
    account_id: str, after: str | None, limit: int, *, unallocated: bool = False
) -> tuple[list[Payment], str | None]:
    """Return a page of an account's payments, newest receipt first; or of those with an unallocated part, by id.

    Raises NotFound without the account.
    """
    if after is None and not store.batch_get_items([keys.account(account_id)]):
        raise NotFound
    if unallocated:
        place = keys.unallocated_payments(account_id)
        page = store.query_items(place.pk, place.sk, limit=limit, after=after)
        return [one for one in _load_payments(account_id, page.items) if one.unallocated], page.after
    listed = keys.payments_of_account(account_id)
    page = store.query_items_by_index(listed.pk, limit=limit, after=after, newest_first=True)
    return [store.from_item(Payment, item) for item in page.items], page.after


def list_unallocated_payments(account_id: str) -> list[Payment]:
    """Return all payments of an account with an unallocated part; two reads for each 100."""
    place = keys.unallocated_payments(account_id)
    pointers = list(store.iterate_items(place.pk, place.sk, page_size=_PAGE))
    return [one for one in _load_payments(account_id, pointers) if one.unallocated]


def _load_payments(account_id: str, pointers: list[Any]) -> list[Payment]:
    wanted = [keys.payment(account_id, pointer.payment_id) for pointer in pointers]
    found = store.batch_get_items(wanted)
    return [store.from_item(Payment, found[key]) for key in wanted if key in found]


def list_settlements(invoice_id: str, after: str | None, limit: int) -> tuple[list[SettlementWithPayment], str | None]:
    """Return a page of the settlements of an invoice: credit notes, then payments, by id; three reads.

    Raises NotFound without the invoice.
    """
    head = store.get_item(InvoiceItem, keys.invoice(invoice_id))
    if head is None:
        raise NotFound
    place = keys.settlements(invoice_id)
    page = store.query_items(place.pk, place.sk, limit=limit, after=after)
    settlements = [store.from_item(Settlement, item) for item in page.items]
    wanted = {
        one.source_id: keys.payment(head.account_id, one.source_id) for one in settlements if _is_from_payment(one)
    }
    found = store.batch_get_items(list(wanted.values()))
    told = []
    for one in settlements:
        item = found.get(wanted[one.source_id]) if _is_from_payment(one) else None
        told.append(SettlementWithPayment(one, store.from_item(Payment, item) if item is not None else None))
    return told, page.after


def _is_from_payment(settlement: Settlement) -> bool:
    return settlement.source_kind == PAYMENT
