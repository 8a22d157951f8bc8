"""The current balance of an account from its open items: the figures of a statement."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from chalicelib.entities.service import get_cached_entity
from chalicelib.errors import NotFound
from chalicelib.invoices.rules import UNSETTLED, Invoice
from chalicelib.payments.queries import list_unallocated_payments
from chalicelib.payments.rules import Payment
from chalicelib.statements.rules import OpenItem, OpenPayment, StatementSection, build_sections
from chalicelib.table import keys, store
from chalicelib.table.items import AccountItem

_PAGE = 1000


@dataclass(frozen=True)
class Statement:
    """What an account owes as of a local date, by issuing entity and currency.

    ``complete`` is False for some bill groups only: unallocated payments belong to the account and are omitted then
    (A9).
    """

    account_id: str
    account_name: str
    as_of: date
    sections: tuple[StatementSection, ...]
    complete: bool


def read_statement(
    account_id: str,
    now: datetime,
    *,
    bill_group_ids: Collection[str] | None = None,
    entity_id: str | None = None,
    currency: str | None = None,
) -> Statement:
    """Read what an account owes today, in its time zone; of some bill groups, an entity or a currency, or of all.

    Reads: the account, its open items (one for the pointers, one for each 100 invoices), and the same for payments that
    are not fully allocated. Raises NotFound without the account.
    """
    account = store.get_item(AccountItem, keys.account(account_id))
    if account is None:
        raise NotFound
    zone = account.time_zone or get_cached_entity(account.entity_id, now).time_zone
    today = now.astimezone(ZoneInfo(zone)).date()
    items = [_to_open_item(invoice) for invoice in _open_invoices(account_id, bill_group_ids)]
    paid = [_to_open_payment(one) for one in list_unallocated_payments(account_id)] if bill_group_ids is None else []
    found = build_sections(items, paid, today)
    wanted = tuple(one for one in found if entity_id in (None, one.entity_id) and currency in (None, one.currency))
    return Statement(account_id, account.name, today, wanted, bill_group_ids is None)


def _open_invoices(account_id: str, bill_group_ids: Collection[str] | None) -> list[Invoice]:
    place = keys.open_invoices(account_id)
    wanted = {
        pointer.invoice_id: keys.invoice(pointer.invoice_id)
        for pointer in store.iterate_items(place.pk, place.sk, page_size=_PAGE)
        if bill_group_ids is None or pointer.bill_group_id in bill_group_ids
    }
    found = store.batch_get_items(list(wanted.values()))
    heads = [store.from_item(Invoice, found[key]) for key in wanted.values() if key in found]
    # Items settled between the two reads are no longer open.
    return [head for head in heads if head.status in UNSETTLED]


def _to_open_item(invoice: Invoice) -> OpenItem:
    return OpenItem(
        invoice_id=invoice.invoice_id,
        kind=invoice.kind,
        number=invoice.number,
        entity_id=invoice.entity_id,
        bill_group_id=invoice.bill_group_id,
        currency=invoice.currency,
        issue_date=invoice.issue_date,
        total=invoice.total,
        balance=invoice.balance,
        due_date=invoice.due_date,
        po_number=invoice.po_number,
        disputed=invoice.dispute is not None,
    )


def _to_open_payment(payment: Payment) -> OpenPayment:
    return OpenPayment(
        payment_id=payment.payment_id,
        entity_id=payment.entity_id,
        currency=payment.currency,
        received_on=payment.received_on,
        amount=payment.amount,
        unallocated=payment.unallocated,
        reference=payment.reference,
    )
