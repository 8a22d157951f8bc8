"""What reminders ask for: what is owed after unallocated credit, without what is disputed (R2, R6)."""

from collections.abc import Mapping, Sequence

from chalicelib.invoices.rules import Invoice, disputed_amount, spread_credit
from chalicelib.reminders.run.rules import AmountAsked
from chalicelib.table import keys, store
from chalicelib.table.items import AccountBalanceItem

_POINTERS_PER_PAGE = 25


def load_amounts_asked(
    invoices: Sequence[Invoice], balances: Mapping[str, AccountBalanceItem]
) -> dict[str, AmountAsked]:
    """Return what a reminder asks for of each of some invoices, by their ids. It reads what ``load_credit`` reads."""
    credit = load_credit(invoices, balances)
    return {one.invoice_id: AmountAsked(one.balance, disputed_amount(one), credit[one.invoice_id]) for one in invoices}


def load_credit(invoices: Sequence[Invoice], balances: Mapping[str, AccountBalanceItem]) -> dict[str, int]:
    """Return how much unallocated credit counts on each of some invoices, by their ids, in minor units (R2).

    ``balances`` are those of the one account and issuing entity of the invoices, by currency. Credit counts on what is
    undisputed of all open invoices, the earliest due first (``spread_credit``). Where there is none, or enough for
    everything, nothing is read; else about as many open invoices as it covers.
    """
    counted: dict[str, int] = {}
    for currency in sorted({one.currency for one in invoices}):
        of_currency = [one for one in invoices if one.currency == currency]
        balance = balances.get(currency)
        if balance is None or balance.unallocated <= 0:
            found: dict[str, int] = {}
        elif balance.unallocated >= balance.open_balance:
            found = {one.invoice_id: _undisputed(one) for one in of_currency}
        else:
            found = _spread_over_open_invoices(balance)
        # An invoice that was paid since it was read may be among them no more.
        counted |= {one.invoice_id: min(found.get(one.invoice_id, 0), _undisputed(one)) for one in of_currency}
    return counted


def _undisputed(invoice: Invoice) -> int:
    return invoice.balance - disputed_amount(invoice)


def _spread_over_open_invoices(balance: AccountBalanceItem) -> dict[str, int]:
    credit, total = int(balance.unallocated), 0
    pointers = keys.open_invoices_in_currency(balance.account_id, balance.entity_id, balance.currency)
    amounts = []
    after: str | None = None
    while total < credit:
        page = store.query_items(pointers.pk, pointers.sk, limit=_POINTERS_PER_PAGE, after=after)
        heads = store.batch_get_items([keys.invoice(pointer.invoice_id) for pointer in page.items])
        for head in heads.values():
            invoice = store.from_item(Invoice, head)
            if not invoice.is_credit_note:
                amounts.append((invoice.invoice_id, invoice.due_date, _undisputed(invoice)))
                total += _undisputed(invoice)
        after = page.after
        if after is None:
            break
    return spread_credit(amounts, credit)
