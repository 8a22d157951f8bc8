"""Which invoices an account's unallocated credit covers, so that nobody is reminded of what is paid for (R2)."""

from collections.abc import Iterable, Mapping

from chalicelib.invoices.rules import Invoice
from chalicelib.reminders.run import rules
from chalicelib.table import keys, store
from chalicelib.table.items import AccountBalanceItem

_POINTERS_PER_PAGE = 25


def invoice_ids_covered_by_credit(
    invoices: Iterable[Invoice], balances: Mapping[str, AccountBalanceItem]
) -> frozenset[str]:
    """Return the ids of those invoices of which nothing stays open once unallocated credit is counted.

    ``balances`` are those of one account and issuing entity, by currency. Credit counts on the earliest due first.
    Where there is none, or enough for everything, nothing is read; else about as many open invoices as it covers.
    """
    found: set[str] = set()
    wanted: dict[str, list[str]] = {}
    for invoice in invoices:
        wanted.setdefault(invoice.currency, []).append(invoice.invoice_id)
    for currency, invoice_ids in wanted.items():
        balance = balances.get(currency)
        if balance is None or balance.unallocated <= 0:
            continue
        if balance.unallocated >= balance.open_balance:
            found.update(invoice_ids)
        else:
            found.update(_earliest_covered(balance).intersection(invoice_ids))
    return frozenset(found)


def _earliest_covered(balance: AccountBalanceItem) -> set[str]:
    credit, total = int(balance.unallocated), 0
    pointers = keys.open_invoices_in_currency(balance.account_id, balance.entity_id, balance.currency)
    walked = []
    after: str | None = None
    while total < credit:
        page = store.query_items(pointers.pk, pointers.sk, limit=_POINTERS_PER_PAGE, after=after)
        heads = store.batch_get_items([keys.invoice(pointer.invoice_id) for pointer in page.items])
        for head in heads.values():
            invoice = store.from_item(Invoice, head)
            if not invoice.is_credit_note:
                walked.append((invoice.invoice_id, invoice.due_date, invoice.balance))
                total += invoice.balance
        after = page.after
        if after is None:
            break
    return {invoice_id for invoice_id, left in rules.balances_after_credit(walked, credit).items() if left <= 0}
