"""Nothing is lost or made when payments and credit notes are spread over invoices and taken back."""

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from chalicelib.errors import Conflict, InvalidInput
from chalicelib.invoices.rules import (
    CREDIT_NOTE,
    INVOICE,
    OPEN,
    PAID,
    PART_PAID,
    UNCOLLECTIBLE,
    VOID,
    Invoice,
    derive_invoice_status,
)
from chalicelib.payments import rules
from chalicelib.payments.rules import Allocation, Payment, Reversal

AT = datetime(2026, 1, 31, 9, tzinfo=UTC)
DAY = date(2026, 1, 31)
LATER = date(2026, 2, 14)


def invoice(invoice_id: str = "i1", total: int = 100, **fields: Any) -> Invoice:
    return replace(
        Invoice(
            invoice_id=invoice_id, kind=INVOICE, number=invoice_id, entity_id="acme", account_id="a1",
            bill_group_id="b1", currency="EUR", issue_date=DAY, net_total=total, tax_total=0, total=total,
            content_hash="", content_parts=1, recorded_at=AT,
        ),
        **fields,
    )  # fmt: skip


def credit_note(total: int = 100, **fields: Any) -> Invoice:
    return invoice("c1", total, kind=CREDIT_NOTE, **fields)


def payment(amount: int = 100, **fields: Any) -> Payment:
    return replace(Payment("p1", "a1", "acme", "EUR", amount, DAY, "", AT), **fields)


def spread(source: Payment | Invoice, *wanted: tuple[str, int], **invoices: Invoice) -> dict[str, Invoice]:
    asked = (
        rules.payment_source(source)
        if isinstance(source, Payment)
        else rules.credit_note_source(source, LATER)
    )  # fmt: skip
    return rules.settle_invoices(asked, [Allocation(*one) for one in wanted], invoices, "allocations")


def faults(source: Payment | Invoice, *wanted: tuple[str, int], **invoices: Invoice) -> list[tuple[str, str]]:
    with pytest.raises(InvalidInput) as refused:
        spread(source, *wanted, **invoices)
    return [(fault.field, fault.code) for fault in refused.value.fields]


def test_a_part_leaves_the_rest_open_and_all_of_it_pays_on_the_day_the_money_came() -> None:
    (part,) = spread(payment(60), ("i1", 60), i1=invoice()).values()
    assert (part.status, part.balance, part.settled_on) == (PART_PAID, 40, None)
    (paid,) = spread(payment(40, received_on=LATER), ("i1", 40), i1=part).values()
    assert (paid.status, paid.balance, paid.settled_on) == (PAID, 0, LATER)


def test_what_was_prepaid_counts_and_is_never_taken_back() -> None:
    before = invoice(total=100, paid=30, status=PART_PAID)
    assert faults(payment(), ("i1", 71), i1=before) == [("allocations.0.amount", "more_than_balance")]
    (paid,) = spread(payment(), ("i1", 70), i1=before).values()
    assert rules.without_settlement(paid, rules.PAYMENT, 70) == before


@pytest.mark.parametrize(
    ("wanted", "other", "fault"),
    [
        ([("i2", 1)], {}, ("allocations.0.invoice_id", "unknown_invoice")),
        ([("i1", 1)], {"account_id": "a2"}, ("allocations.0.invoice_id", "unknown_invoice")),
        ([("i1", 1)], {"kind": CREDIT_NOTE}, ("allocations.0.invoice_id", "not_an_invoice")),
        ([("i1", 1)], {"entity_id": "other"}, ("allocations.0.invoice_id", "other_entity")),
        ([("i1", 1)], {"currency": "USD"}, ("allocations.0.invoice_id", "other_currency")),
        ([("i1", 1)], {"status": VOID}, ("allocations.0.invoice_id", "invoice_not_open")),
        ([("i1", 1)], {"status": UNCOLLECTIBLE}, ("allocations.0.invoice_id", "invoice_not_open")),
        ([("i1", 1)], {"status": PAID, "paid": 100}, ("allocations.0.amount", "more_than_balance")),
        ([("i1", 51)], {"total": 50}, ("allocations.0.amount", "more_than_balance")),
        ([("i1", 1), ("i1", 1)], {}, ("allocations.1.invoice_id", "repeated")),
        ([("i1", 101)], {"total": 200}, ("allocations", "more_than_is_left")),
    ],
)
def test_what_may_not_be_settled_is_refused_by_field(
    wanted: list[tuple[str, int]], other: dict[str, Any], fault: tuple[str, str]
) -> None:
    assert faults(payment(), *wanted, i1=invoice(**other)) == [fault]


def test_every_fault_is_named_at_once() -> None:
    found = faults(payment(10), ("i1", 101), ("i9", 5), i1=invoice())
    assert found == [
        ("allocations.0.amount", "more_than_balance"),
        ("allocations.1.invoice_id", "unknown_invoice"),
        ("allocations", "more_than_is_left"),
    ]


def test_one_write_spreads_over_twenty_invoices_and_all_of_them_over_two_hundred() -> None:
    invoices = {f"i{number}": invoice(f"i{number}") for number in range(21)}
    wanted = [(invoice_id, 1) for invoice_id in invoices]
    assert faults(payment(), *wanted, **invoices) == [("allocations", "too_many_invoices")]
    assert len(spread(payment(), *wanted[:20], **invoices)) == 20
    full = payment(1000, allocations={f"j{number}": 1 for number in range(200)})
    assert faults(full, ("i1", 1), **invoices) == [("allocations", "too_many_invoices")]
    again = payment(1000, allocations={**{f"j{number}": 1 for number in range(199)}, "i1": 1})
    assert spread(again, ("i1", 1), **invoices)["i1"].paid == 1


def test_only_a_credit_note_that_stands_is_applied() -> None:
    for source, code in ((invoice(), "not_a_credit_note"), (credit_note(status=VOID), "credit_note_not_open")):
        with pytest.raises(Conflict) as refused:
            rules.credit_note_source(source, DAY)
        assert refused.value.code == code
    with pytest.raises(Conflict) as refused:
        rules.payment_source(rules.with_reversal(payment(), Reversal("bounced", AT, "Sam")))
    assert refused.value.code == "payment_reversed"


def test_an_invoice_found_uncollectible_stays_so_when_a_payment_is_taken_back() -> None:
    (part,) = spread(payment(60), ("i1", 60), i1=invoice()).values()
    lost = rules.without_settlement(replace(part, status=UNCOLLECTIBLE), rules.PAYMENT, 60)
    assert (lost.status, lost.paid, lost.balance) == (UNCOLLECTIBLE, 0, 0)


def test_what_is_paid_later_by_another_opens_again_as_it_was() -> None:
    (part,) = spread(payment(60), ("i1", 60), i1=invoice()).values()
    (paid,) = spread(credit_note(), ("i1", 40), i1=part).values()
    assert (paid.status, paid.paid, paid.credited, paid.settled_on) == (PAID, 60, 40, LATER)
    again = rules.without_settlement(paid, CREDIT_NOTE, 40)
    assert again == part


@given(total=st.integers(0, 10**12), paid=st.integers(0, 10**12), credited=st.integers(0, 10**12))
def test_the_status_follows_from_what_was_settled(total: int, paid: int, credited: int) -> None:
    status = derive_invoice_status(invoice(total=total, paid=paid, credited=credited))
    assert (status == PAID) == (paid + credited >= total)
    assert (status == OPEN) == (paid + credited == 0 < total)


class Book(RuleBasedStateMachine):
    """An account's invoices, payments and credit notes under any sequence of writes."""

    names = ("x", "y", "z")

    @initialize(totals=st.tuples(*[st.integers(0, 50)] * 3), prepaid=st.integers(0, 50), amounts=st.tuples(*[st.integers(1, 60)] * 3), credit=st.integers(1, 60))  # noqa: E501  # fmt: skip
    def begin(self, totals: tuple[int, ...], prepaid: int, amounts: tuple[int, ...], credit: int) -> None:
        self.invoices = {name: invoice(name, total) for name, total in zip(self.names, totals, strict=True)}
        self.prepaid = min(prepaid, totals[0])
        first = replace(self.invoices["x"], paid=self.prepaid)
        self.invoices["x"] = first
        self.invoices = {name: replace(one, status=derive_invoice_status(one)) for name, one in self.invoices.items()}
        self.payments = {f"p{n}": payment(amount, payment_id=f"p{n}") for n, amount in enumerate(amounts)}
        self.credit_note = credit_note(credit)

    @rule(name=st.sampled_from(("p0", "p1", "p2")), wanted=st.lists(st.tuples(st.sampled_from(names), st.integers(1, 60)), min_size=1, max_size=3))  # noqa: E501  # fmt: skip
    def allocate(self, name: str, wanted: list[tuple[str, int]]) -> None:
        asked = [Allocation(*one) for one in wanted]
        try:
            source = rules.payment_source(self.payments[name])
            self.invoices |= rules.settle_invoices(source, asked, self.invoices, "allocations")
        except (InvalidInput, Conflict):
            return
        self.payments[name] = rules.with_allocations(self.payments[name], asked)

    @rule(wanted=st.lists(st.tuples(st.sampled_from(names), st.integers(1, 60)), min_size=1, max_size=3))
    def apply(self, wanted: list[tuple[str, int]]) -> None:
        asked = [Allocation(*one) for one in wanted]
        try:
            self.invoices |= rules.settle_invoices(
                rules.credit_note_source(self.credit_note, DAY), asked, self.invoices, "applications"
            )
        except (InvalidInput, Conflict):
            return
        self.credit_note = rules.with_applications(self.credit_note, asked, DAY)

    @rule(name=st.sampled_from(("p0", "p1", "p2")), reverse=st.booleans(), ids=st.sets(st.sampled_from(names)))
    def take_back(self, name: str, reverse: bool, ids: set[str]) -> None:
        before = self.payments[name]
        freed = [one for one in before.allocations if reverse or one in ids]
        for one in freed:
            self.invoices[one] = rules.without_settlement(self.invoices[one], rules.PAYMENT, before.allocations[one])
        after = rules.without_allocations(before, freed)
        if reverse:
            after = rules.with_reversal(after, Reversal("bounced", AT, "Sam"))
        self.payments[name] = after

    @rule(ids=st.sets(st.sampled_from(names)))
    def withdraw(self, ids: set[str]) -> None:
        freed = [one for one in self.credit_note.applications if one in ids]
        for one in freed:
            amount = self.credit_note.applications[one]
            self.invoices[one] = rules.without_settlement(self.invoices[one], CREDIT_NOTE, amount)
        self.credit_note = rules.without_applications(self.credit_note, freed)

    @invariant()
    def nothing_is_lost(self) -> None:
        if not hasattr(self, "invoices"):
            return
        for name, one in self.invoices.items():
            by_payments = sum(paid.allocations.get(name, 0) for paid in self.payments.values())
            assert one.paid == by_payments + (self.prepaid if name == "x" else 0)
            assert one.credited == self.credit_note.applications.get(name, 0)
            assert 0 <= one.balance == one.total - one.paid - one.credited
            assert one.status == derive_invoice_status(one)
            assert one.settled_on is None or one.status == PAID
        for paid in self.payments.values():
            free = paid.amount if paid.status == rules.RECEIVED else 0
            assert sum(paid.allocations.values()) + paid.unallocated == free
            assert paid.unallocated >= 0
            assert all(amount > 0 for amount in paid.allocations.values())
        assert self.credit_note.credited == sum(self.credit_note.applications.values())
        assert 0 <= self.credit_note.balance == self.credit_note.total - self.credit_note.credited
        assert self.credit_note.status == derive_invoice_status(self.credit_note)


TestBook = Book.TestCase
TestBook.settings = settings(max_examples=200, stateful_step_count=30, deadline=None)
