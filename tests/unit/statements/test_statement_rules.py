"""What is owed, by age: every open item in exactly one bucket, and nothing added up over currencies."""

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.invoices.rules import spread_credit
from chalicelib.statements import rules
from chalicelib.statements.rules import BUCKETS, OpenItem, OpenPayment

TODAY = date(2026, 1, 31)


def item(balance: int = 1, due: date | None = TODAY, **fields: Any) -> OpenItem:
    known: dict[str, Any] = {
        "invoice_id": "i1", "kind": "invoice", "number": "1", "entity_id": "acme", "bill_group_id": "b1",
        "currency": "EUR", "issue_date": date(2026, 1, 1), "total": balance,
    }  # fmt: skip
    return OpenItem(**{**known, **fields}, balance=balance, due_date=due)


def paid(unallocated: int, **fields: Any) -> OpenPayment:
    known: dict[str, Any] = {"payment_id": "p1", "entity_id": "acme", "currency": "EUR", "received_on": TODAY}
    return OpenPayment(**{**known, **fields}, amount=unallocated, unallocated=unallocated)


@pytest.mark.parametrize(
    ("late", "bucket"),
    [
        (-1, "current"), (0, "current"), (1, "days_1_30"), (30, "days_1_30"), (31, "days_31_60"), (60, "days_31_60"),
        (61, "days_61_90"), (90, "days_61_90"), (91, "days_over_90"), (5000, "days_over_90"),
    ],
)  # fmt: skip
def test_the_bounds_of_the_buckets(late: int, bucket: str) -> None:
    assert rules.ageing_bucket(TODAY - timedelta(days=late), TODAY) == bucket
    assert rules.days_past_due(TODAY - timedelta(days=late), TODAY) == max(late, 0)


def test_what_has_no_due_date_is_never_overdue() -> None:
    assert (rules.ageing_bucket(None, TODAY), rules.days_past_due(None, TODAY)) == ("current", 0)


def test_credit_notes_and_unallocated_payments_lower_what_is_to_be_paid_but_no_bucket() -> None:
    open_items = [
        item(100, TODAY - timedelta(days=40), invoice_id="late"),
        item(50, None, invoice_id="undated"),
        item(7, TODAY, invoice_id="due"),
        item(30, None, kind="credit_note", invoice_id="credit"),
    ]
    (section,) = rules.build_sections(open_items, [paid(20)], TODAY)
    assert (section.ageing.current, section.ageing.days_31_60) == (57, 100)
    assert (section.owed, section.overdue, section.credit, section.unallocated) == (157, 50, 30, 20)
    assert section.balance == 107
    assert [one.invoice_id for one in section.open_items] == ["late", "due", "credit", "undated"]


def test_the_overdue_part_does_not_exceed_the_balance_when_credit_is_unallocated() -> None:
    (section,) = rules.build_sections([item(123456, TODAY - timedelta(days=9))], [paid(1000)], TODAY)
    assert (section.balance, section.overdue) == (122456, 122456)


def test_an_account_that_only_paid_too_much_has_something_to_its_credit() -> None:
    (section,) = rules.build_sections([], [paid(20)], TODAY)
    assert (section.owed, section.balance) == (0, -20)


ITEMS = st.lists(
    st.builds(
        item,
        st.integers(1, 10**12),
        st.one_of(st.none(), st.dates(date(2020, 1, 1), date(2030, 1, 1))),
        kind=st.sampled_from(["invoice", "credit_note"]),
        entity_id=st.sampled_from(["acme", "other"]),
        currency=st.sampled_from(["EUR", "JPY", "KWD"]),
        invoice_id=st.uuids().map(str),
    )
)
PAYMENTS = st.lists(st.builds(paid, st.integers(1, 10**12), currency=st.sampled_from(["EUR", "USD"])))


@given(items=ITEMS, payments=PAYMENTS, today=st.dates(date(2020, 1, 1), date(2030, 1, 1)))
def test_nothing_is_lost(items: list[OpenItem], payments: list[OpenPayment], today: date) -> None:
    sections = rules.build_sections(items, payments, today)
    places = [(section.entity_id, section.currency) for section in sections]
    assert places == sorted(set(places))
    assert sorted(one.invoice_id for section in sections for one in section.open_items) == sorted(
        one.invoice_id for one in items
    )
    for section in sections:
        own = [one for one in items if (one.entity_id, one.currency) == (section.entity_id, section.currency)]
        owed = [one for one in own if one.kind == "invoice"]
        assert section.owed == sum(one.balance for one in owed)
        assert section.credit == sum(one.balance for one in own) - section.owed
        for bucket in BUCKETS:
            there = [one.balance for one in owed if rules.ageing_bucket(one.due_date, today) == bucket]
            assert getattr(section.ageing, bucket) == sum(there)
        unallocated = [
            one for one in payments if (one.entity_id, one.currency) == (section.entity_id, section.currency)
        ]
        assert section.unallocated == sum(one.unallocated for one in unallocated)
        assert section.balance == section.owed - section.credit - section.unallocated
        assert 0 <= section.overdue <= max(section.balance, 0)
        counted = spread_credit(
            ((one.invoice_id, one.due_date, one.balance) for one in owed), section.credit + section.unallocated
        )
        late = {one.invoice_id for one in owed if rules.days_past_due(one.due_date, today)}
        assert section.overdue == sum(
            one.balance - counted[one.invoice_id] for one in owed if one.invoice_id in late
        ), "not as reminders count credit"


@given(st.lists(st.dates(date(2020, 1, 1), date(2030, 1, 1)), min_size=2, max_size=2), st.dates())
def test_what_is_due_earlier_is_never_younger(dates: list[date], today: date) -> None:
    earlier, later = sorted(dates)
    assert BUCKETS.index(rules.ageing_bucket(earlier, today)) >= BUCKETS.index(rules.ageing_bucket(later, today))
