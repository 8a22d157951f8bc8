"""What may become of an invoice, and what is derived of it."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from chalicelib.errors import Conflict, InvalidInput
from chalicelib.invoices import rules, transitions
from chalicelib.invoices.rules import Dispute
from tests.unit.invoices.heads import NOW, head

PAID = {"paid": 12000, "settled_on": date(2026, 1, 20)}


@pytest.mark.parametrize(
    ("paid", "credited", "status", "balance"),
    [(0, 0, "open", 12000), (1, 0, "part_paid", 11999), (0, 12000, "paid", 0), (11999, 1, "paid", 0)],
)
def test_the_status_follows_from_what_is_settled(paid: int, credited: int, status: str, balance: int) -> None:
    invoice = head(paid=paid, credited=credited)
    assert (invoice.status, invoice.balance, invoice.settled) == (status, balance, paid + credited)


def test_an_invoice_over_nothing_is_paid() -> None:
    assert head(total=0).status == "paid"


@pytest.mark.parametrize(
    ("today", "late", "soon"),
    [
        (date(2026, 2, 6), 0, False),
        (date(2026, 2, 7), 0, True),
        (date(2026, 2, 14), 0, True),
        (date(2026, 2, 15), 1, False),
        (date(2026, 3, 14), 28, False),
    ],
)
def test_overdue_and_due_soon_are_derived(today: date, late: int, soon: bool) -> None:
    assert (rules.days_overdue(head(), today), rules.is_due_soon(head(), today)) == (late, soon)
    for other in (head(**PAID), head(status="void"), head(status="uncollectible"), head(due_date=None)):
        assert (rules.days_overdue(other, today), rules.is_due_soon(other, today)) == (0, False)


def test_the_date_is_that_of_the_account() -> None:
    late = datetime(2026, 2, 14, 23, tzinfo=UTC)
    assert rules.invoice_local_date(head(time_zone="Asia/Tokyo"), late) == date(2026, 2, 15)
    assert rules.invoice_local_date(head(time_zone="America/New_York"), late) == date(2026, 2, 14)


def test_numbers_are_compared_without_case_and_in_compatible_forms() -> None:
    assert rules.normalize_number(" ＩＮＶ-１  x ") == rules.normalize_number("inv-1 X") == "inv-1 x"


def test_a_number_that_grows_by_folding_still_fits_a_key() -> None:
    longest = rules.normalize_number("\ufdfa" * 64)
    assert len(longest.encode()) <= 512
    assert longest == rules.normalize_number("\ufdfa" * 64) != rules.normalize_number("\ufdfa" * 63)


def refusal(decide: object, *arguments: object) -> str:
    with pytest.raises((Conflict, InvalidInput)) as refused:
        decide(*arguments)  # type: ignore[operator]
    fields = refused.value.fields
    return fields[0].code if fields else refused.value.code


def test_a_void_invoice_has_no_dispute_and_no_balance() -> None:
    disputed = transitions.with_dispute(head(), Dispute("amount", NOW, "ann"))
    void = transitions.as_void(disputed)
    assert (void.status, void.dispute, void.balance) == ("void", None, 0)
    assert transitions.as_void(void) == void


def test_what_is_settled_since_the_issue_is_taken_back_before_voiding() -> None:
    assert refusal(transitions.as_void, head(paid=1)) == "invoice_is_settled"
    assert refusal(transitions.as_void, head(credited=1)) == "invoice_is_settled"
    assert refusal(transitions.as_void, head(kind="credit_note", credited=1)) == "invoice_is_settled"
    assert transitions.as_void(head(paid=12000, prepaid=12000)).status == "void"
    assert transitions.as_void(head(status="uncollectible")).status == "void"


def test_an_invoice_is_given_up_and_collected_again() -> None:
    given_up = transitions.as_uncollectible(head(paid=5000))
    assert (given_up.status, given_up.balance) == ("uncollectible", 0)
    assert transitions.as_uncollectible(given_up) == given_up
    again = transitions.as_collectible(given_up, NOW.date())
    assert (again.status, again.balance) == ("part_paid", 7000)
    assert transitions.as_collectible(again, NOW.date()) == again
    assert refusal(transitions.as_uncollectible, head(**PAID)) == "invoice_not_open"
    assert refusal(transitions.as_uncollectible, head(status="void")) == "invoice_not_open"
    assert refusal(transitions.as_uncollectible, head(kind="credit_note", due_date=None)) == "not_an_invoice"
    assert refusal(transitions.as_collectible, head(status="void"), NOW.date()) == "invoice_is_void"


def test_only_the_due_date_of_what_is_not_void_changes() -> None:
    assert transitions.with_due_date(head(), None).due_date is None
    assert transitions.with_due_date(head(status="void"), head().due_date).status == "void"
    assert refusal(transitions.with_due_date, head(status="void"), date(2026, 3, 1)) == "invoice_is_void"
    assert refusal(transitions.with_due_date, head(), date(2026, 1, 14)) == "too_early"
    assert (
        refusal(transitions.with_due_date, head(kind="credit_note", due_date=None), date(2026, 3, 1)) == "not_allowed"
    )


def test_a_dispute_keeps_since_when_by_whom_and_who_looks_after_it() -> None:
    first = transitions.with_dispute(head(), Dispute("amount", NOW, "ann", amount=500, owner="kim@vendor.example"))
    later = datetime(2026, 2, 1, tzinfo=UTC)
    second = transitions.with_dispute(first, Dispute("quality", later, "bob", lines=(3,)))
    assert second.dispute == Dispute("quality", NOW, "ann", lines=(3,), owner="kim@vendor.example")
    assert transitions.without_dispute(second) == head()
    assert transitions.without_dispute(head()) == head()


def test_what_an_invoice_has_not_cannot_be_disputed() -> None:
    dispute = Dispute("amount", NOW, "ann")
    assert refusal(transitions.with_dispute, head(), replace(dispute, lines=(4,))) == "unknown_line"
    assert refusal(transitions.with_dispute, head(), replace(dispute, amount=12001)) == "too_large"
    assert refusal(transitions.with_dispute, head(status="void"), dispute) == "invoice_is_void"
    assert refusal(transitions.with_dispute, head(kind="credit_note"), dispute) == "not_an_invoice"
    assert transitions.with_dispute(head(**PAID), dispute).dispute == dispute
