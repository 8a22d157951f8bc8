"""What may become of an invoice, and what is derived of it."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from chalicelib.errors import Conflict, Invalid
from chalicelib.invoices import changes, rules
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
    assert rules.local_date(head(time_zone="Asia/Tokyo"), late) == date(2026, 2, 15)
    assert rules.local_date(head(time_zone="America/New_York"), late) == date(2026, 2, 14)


def test_numbers_are_compared_without_case_and_in_compatible_forms() -> None:
    assert rules.folded(" ＩＮＶ-１  x ") == rules.folded("inv-1 X") == "inv-1 x"


def test_a_number_that_grows_by_folding_still_fits_a_key() -> None:
    longest = rules.folded("\ufdfa" * 64)
    assert len(longest.encode()) <= 512
    assert longest == rules.folded("\ufdfa" * 64) != rules.folded("\ufdfa" * 63)


def refusal(decide: object, *arguments: object) -> str:
    with pytest.raises((Conflict, Invalid)) as refused:
        decide(*arguments)  # type: ignore[operator]
    fields = refused.value.fields
    return fields[0].code if fields else refused.value.code


def test_a_void_invoice_has_no_dispute_and_no_balance() -> None:
    disputed = changes.disputed(head(), Dispute("amount", NOW, "ann"))
    void = changes.voided(disputed)
    assert (void.status, void.dispute, void.balance) == ("void", None, 0)
    assert changes.voided(void) == void


def test_what_is_settled_since_the_issue_is_taken_back_before_voiding() -> None:
    assert refusal(changes.voided, head(paid=1)) == "invoice_is_settled"
    assert refusal(changes.voided, head(credited=1)) == "invoice_is_settled"
    assert refusal(changes.voided, head(kind="credit_note", credited=1)) == "invoice_is_settled"
    assert changes.voided(head(paid=12000, prepaid=12000)).status == "void"
    assert changes.voided(head(status="uncollectible")).status == "void"


def test_an_invoice_is_given_up_and_collected_again() -> None:
    given_up = changes.uncollectible(head(paid=5000))
    assert (given_up.status, given_up.balance) == ("uncollectible", 0)
    assert changes.uncollectible(given_up) == given_up
    again = changes.collectible(given_up, NOW.date())
    assert (again.status, again.balance) == ("part_paid", 7000)
    assert changes.collectible(again, NOW.date()) == again
    assert refusal(changes.uncollectible, head(**PAID)) == "invoice_not_open"
    assert refusal(changes.uncollectible, head(status="void")) == "invoice_not_open"
    assert refusal(changes.uncollectible, head(kind="credit_note", due_date=None)) == "not_an_invoice"
    assert refusal(changes.collectible, head(status="void"), NOW.date()) == "invoice_is_void"


def test_only_the_due_date_of_what_is_not_void_changes() -> None:
    assert changes.due_on(head(), None).due_date is None
    assert changes.due_on(head(status="void"), head().due_date).status == "void"
    assert refusal(changes.due_on, head(status="void"), date(2026, 3, 1)) == "invoice_is_void"
    assert refusal(changes.due_on, head(), date(2026, 1, 14)) == "too_early"
    assert refusal(changes.due_on, head(kind="credit_note", due_date=None), date(2026, 3, 1)) == "not_allowed"


def test_a_dispute_keeps_since_when_by_whom_and_who_looks_after_it() -> None:
    first = changes.disputed(head(), Dispute("amount", NOW, "ann", amount=500, owner="kim@vendor.example"))
    later = datetime(2026, 2, 1, tzinfo=UTC)
    second = changes.disputed(first, Dispute("quality", later, "bob", lines=(3,)))
    assert second.dispute == Dispute("quality", NOW, "ann", lines=(3,), owner="kim@vendor.example")
    assert changes.resolved(second) == head()
    assert changes.resolved(head()) == head()


def test_what_an_invoice_has_not_cannot_be_disputed() -> None:
    dispute = Dispute("amount", NOW, "ann")
    assert refusal(changes.disputed, head(), replace(dispute, lines=(4,))) == "unknown_line"
    assert refusal(changes.disputed, head(), replace(dispute, amount=12001)) == "too_large"
    assert refusal(changes.disputed, head(status="void"), dispute) == "invoice_is_void"
    assert refusal(changes.disputed, head(kind="credit_note"), dispute) == "not_an_invoice"
    assert changes.disputed(head(**PAID), dispute).dispute == dispute
