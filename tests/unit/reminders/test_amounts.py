"""What reminders ask for: what is owed and undisputed, less credit, whatever of it a digest names (R2, R6)."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.invoices.rules import Dispute, Invoice, disputed_amount
from chalicelib.reminders.run import amounts
from chalicelib.table import keys
from chalicelib.table.items import AccountBalanceItem
from tests.unit.invoices.heads import NOW, head


@st.composite
def open_invoices(draw: st.DrawFn) -> list[Invoice]:
    """Draw open invoices of one account, entity and currency: part paid, and disputed in whole or part, or not."""
    invoices = []
    for number in range(draw(st.integers(1, 8))):
        total = draw(st.integers(1, 1000))
        disputed = draw(st.none() | st.just(Dispute("amount", NOW, "ann")) | st.integers(1, total))
        invoices.append(
            replace(
                head(),
                invoice_id=f"i{number}",
                total=total,
                paid=draw(st.integers(0, total - 1)),
                due_date=draw(st.none() | st.dates(date(2026, 1, 1), date(2026, 1, 9))),
                dispute=Dispute("amount", NOW, "ann", amount=disputed) if isinstance(disputed, int) else disputed,
            )
        )
    return invoices


def pages_of(invoices: Sequence[Invoice]) -> Any:
    """Return what stands in for the table: pointers in order of due dates, three a page."""
    ordered = sorted(invoices, key=lambda one: (one.due_date or date.max, one.invoice_id))

    def query(*_: object, limit: int, after: str | None) -> Any:
        start = int(after or 0)
        more = str(start + limit) if start + limit < len(ordered) else None
        pointers = [SimpleNamespace(invoice_id=one.invoice_id) for one in ordered[start : start + limit]]
        return SimpleNamespace(items=pointers, after=more)

    heads = {keys.invoice(one.invoice_id): one for one in invoices}
    return patch.multiple(
        amounts.store,
        query_items=query,
        batch_get_items=lambda wanted: {key: heads[key] for key in wanted},
        from_item=lambda kind, item: item,
    )


@given(open_invoices(), st.integers(0, 5000), st.data())
def test_the_sum_asked_for_is_what_is_owed_and_undisputed_less_credit(
    invoices: list[Invoice], credit: int, data: st.DataObject
) -> None:
    owed = sum(one.balance for one in invoices)
    balance = AccountBalanceItem(
        "", "", account_id="a1", entity_id="acme", currency="EUR", open_balance=owed, unallocated=credit
    )
    with pages_of(invoices), patch.object(amounts, "_POINTERS_PER_PAGE", 3):
        found = amounts.load_amounts_asked(invoices, {"EUR": balance})
        named = data.draw(st.lists(st.sampled_from(invoices), unique_by=lambda one: one.invoice_id))
        of_digest = amounts.load_amounts_asked(named, {"EUR": balance})
    undisputed = sum(one.balance - disputed_amount(one) for one in invoices)
    assert sum(one.asked for one in found.values()) == max(0, undisputed - credit)
    for one in invoices:
        amount = found[one.invoice_id]
        assert 0 <= amount.asked <= one.balance
        assert amount.asked == amount.balance - amount.disputed - amount.credit
    # What else a digest names changes nothing.
    assert of_digest == {one.invoice_id: found[one.invoice_id] for one in named}


@given(open_invoices())
def test_credit_of_another_currency_does_not_count(invoices: list[Invoice]) -> None:
    dollars = AccountBalanceItem("", "", currency="USD", open_balance=0, unallocated=10**6)
    found = amounts.load_amounts_asked(invoices, {"USD": dollars})
    assert {one.credit for one in found.values()} == {0}
