"""Pointers and balances agree with the heads after any sequence of changes (property)."""

from collections import Counter
from contextlib import suppress
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.errors import CounterfoilError
from chalicelib.invoices import ledger, lifecycle, queries, service
from chalicelib.invoices.inputs import InvoiceBody
from chalicelib.invoices.rules import UNSETTLED, Invoice, derive_invoice_status, normalize_number
from chalicelib.table import dry_run, keys, store
from chalicelib.table.dry_run import DryRun
from chalicelib.table.keys import Key
from tests.integration.invoices.invoices import body, customer
from tests.integration.service import Service

IDS = ("i1", "i2", "i3", "i4")
SENT = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["invoice", "invoice", "credit_note"]),
        "bill_group_id": st.sampled_from(["g1", "g2"]),
        "currency": st.sampled_from(["EUR", "JPY"]),
        "net": st.integers(0, 50),
        "prepaid": st.sampled_from([0, 0, 1, 5, 60]),
        "po_number": st.sampled_from([None, "PO"]),
        "number": st.sampled_from(["1", "2", "3", "4", "5", "6"]),
    }
)
ISSUE = st.tuples(st.just("issue"), st.sampled_from(IDS), SENT)
WITHOUT_VALUE = {
    "void": lifecycle.mark_void,
    "give_up": lifecycle.mark_uncollectible,
    "collect_again": lifecycle.reopen_uncollectible,
    "resolve": lifecycle.clear_dispute,
}
ALTERATION = st.tuples(
    st.sampled_from([*WITHOUT_VALUE, "dispute", "due", "pay", "credit", "take_back"]),
    st.sampled_from(IDS),
    st.integers(0, 60),
)
COURSES = st.builds(
    lambda issues, others: [*issues, *others],
    st.tuples(*(st.tuples(st.just("issue"), st.just(one), SENT) for one in IDS)),
    st.lists(st.one_of(ALTERATION, ALTERATION, ALTERATION, ISSUE), min_size=5, max_size=25),
)


@pytest.fixture
def place(service: Service) -> Service:
    account = customer(service)
    service.bill_group("g2", account)
    return service


def perform(place: Service, step: tuple[str, str, Any]) -> None:
    done, invoice_id, value = step
    context = place.context
    if done == "issue":
        sent = body(
            value["number"], value["net"], **{name: value[name] for name in value if name not in ("net", "number")}
        )
        sent["prepaid"] = 0 if value["kind"] == "credit_note" else min(value["prepaid"], sent["total"])
        service.issue_invoice(context, invoice_id, InvoiceBody.model_validate(sent, strict=False).given())
    elif done == "due":
        lifecycle.change_due_date(context, invoice_id, date(2026, 1, 15) + timedelta(days=value), None)
    elif done == "dispute":
        lifecycle.record_dispute(context, invoice_id, {"reason": "other", "amount": value or None})
    elif done in ("pay", "credit", "take_back"):
        settle(place, invoice_id, done, value)
    else:
        WITHOUT_VALUE[done](context, invoice_id)


def settle(place: Service, invoice_id: str, done: str, amount: int) -> None:
    """Change the paid or credited amount, as payments do, through the ledger alone."""
    before = queries.get_invoice_head(invoice_id)
    if done == "take_back":
        paid, credited = before.prepaid, 0
    elif before.status not in UNSETTLED:
        return
    else:
        amount = min(amount, before.balance)
        to_paid = done == "pay" and not before.is_credit_note
        paid, credited = before.paid + amount * to_paid, before.credited + amount * (not to_paid)
    after = replace(before, paid=paid, credited=credited)
    if before.status in (*UNSETTLED, "paid"):
        after = replace(after, status=derive_invoice_status(after))
    transaction = store.Transaction(place.context)
    ledger.write_invoice_changes(
        transaction, store.batch_get_items(ledger.invoice_balance_keys(before)), [(before, after)]
    )
    transaction.commit()


def pointers_of(head: Invoice) -> set[Key]:
    found = {keys.invoice_number("acme", normalize_number(head.number))}
    if head.po_number:
        found.add(keys.invoice_by_po(normalize_number(head.po_number), head.invoice_id))
    if head.status in ("open", "part_paid"):
        found.add(keys.open_invoice("a1", "acme", head.currency, head.due_date, head.invoice_id))
    if head.dispute:
        found.add(keys.disputed_invoice("acme", head.invoice_id))
    return found


def check(kept: DryRun) -> None:
    rows, _ = kept.split(kept.keys())
    heads = [store.from_item(Invoice, row) for row in rows.values() if type(row).__name__ == "InvoiceItem"]
    pointers = {key for key, row in rows.items() if type(row).__name__ == "InvoicePointerItem"}
    assert pointers == set().union(*(pointers_of(head) for head in heads)) if heads else not pointers
    account: Counter[tuple[str, str]] = Counter()
    groups: dict[str, Counter[str]] = {"g1": Counter(), "g2": Counter()}
    counts: Counter[str] = Counter()
    for head in heads:
        assert 0 <= head.balance <= head.total
        if head.is_credit_note:
            account[head.currency, "unallocated"] += head.balance
            continue
        is_open = head.status in UNSETTLED
        account[head.currency, "open_invoices"] += is_open
        account[head.currency, "open_balance"] += head.balance
        groups[head.bill_group_id][head.currency] += head.balance
        counts[head.bill_group_id] += is_open
    for currency in ("EUR", "JPY"):
        row = rows.get(keys.account_balance("a1", "acme", currency))
        for name in ("open_invoices", "open_balance", "unallocated"):
            assert (getattr(row, name) if row else 0) == account[currency, name]
    for group, balances in groups.items():
        row = rows.get(keys.bill_group_balance(group))
        assert (row.open_balances if row else {}) == {
            currency: amount for currency, amount in balances.items() if amount
        }
        assert (row.open_invoices if row else 0) == counts[group]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(COURSES)
def test_pointers_and_balances_are_what_the_heads_say(place: Service, course: list[tuple[str, str, Any]]) -> None:
    kept = DryRun()
    with dry_run.dry_run_writes(kept):
        for step in course:
            with suppress(CounterfoilError):
                perform(place, step)
        check(kept)


def test_what_an_invoice_says_cannot_be_written_otherwise(place: Service) -> None:
    place.put("/invoices/i1", **body())
    before = queries.get_invoice_head("i1")
    transaction = store.Transaction(place.context)
    for change in ({"total": 1}, {"number": "2"}, {"bill_group_id": "g2"}, {"version": 2}):
        with pytest.raises(ValueError, match="cannot change"):
            ledger.write_invoice_changes(transaction, {}, [(before, replace(before, **change))])
    with pytest.raises(ValueError, match="below zero"):
        ledger.write_invoice_changes(transaction, {}, [(before, replace(before, paid=12001))])


def test_several_invoices_of_one_account_change_in_one_transaction(place: Service) -> None:
    place.put("/invoices/i1", **body("1"))
    place.put("/invoices/i2", **body("2", bill_group_id="g2"))
    heads = queries.get_invoice_heads(["i2", "i1"])
    assert list(heads) == ["i2", "i1"]
    found = store.batch_get_items(ledger.balance_keys("a1", "acme", "EUR", ("g1", "g2")))
    transaction = store.Transaction(place.context)
    changes = [(head, replace(head, paid=2000, status="part_paid")) for head in heads.values()]
    more = ledger.UnallocatedChange("a1", "acme", "EUR", 700)
    written = ledger.write_invoice_changes(transaction, found, changes, [more])
    transaction.commit()
    assert [head.version for head in written] == [2, 2]
    row = store.batch_get_items([keys.account_balance("a1", "acme", "EUR")])[keys.account_balance("a1", "acme", "EUR")]
    assert (row.open_invoices, row.open_balance, row.unallocated) == (2, 20000, 700)
