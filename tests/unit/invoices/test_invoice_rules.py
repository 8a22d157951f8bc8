"""What may become of an invoice, and what is derived of it."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


@pytest.mark.parametrize(
    ("dispute", "paid", "disputed"),
    [
        (Dispute("amount", NOW, "ann"), 0, 12000),
        (Dispute("amount", NOW, "ann", amount=5000), 0, 5000),
        (Dispute("amount", NOW, "ann", lines=(1,), lines_amount=3600), 0, 3600),
        (Dispute("amount", NOW, "ann", lines=(1,), amount=5000), 0, 5000),
        # Lines of a dispute from before their amount was recorded.
        (Dispute("amount", NOW, "ann", lines=(1,)), 0, 12000),
        # What was paid counts on the undisputed part first.
        (Dispute("amount", NOW, "ann", amount=5000), 7000, 5000),
        (Dispute("amount", NOW, "ann", amount=5000), 8000, 4000),
        (Dispute("amount", NOW, "ann", amount=5000), 12000, 0),
        (None, 0, 0),
    ],
)
def test_what_of_the_open_amount_is_disputed(dispute: Dispute | None, paid: int, disputed: int) -> None:
    assert rules.disputed_amount(head(dispute=dispute, paid=paid)) == disputed


DUE_DATES = st.none() | st.dates(date(2026, 1, 1), date(2026, 1, 20))
OPEN_AMOUNTS = st.lists(
    st.tuples(st.text("abcdefgh", min_size=1, max_size=4), DUE_DATES, st.integers(0, 10**6)),
    max_size=12,
    unique_by=lambda one: one[0],
)


@given(OPEN_AMOUNTS, st.integers(-100, 10**7))
def test_credit_is_spread_whole_over_what_is_open_and_no_further(
    amounts: list[tuple[str, date | None, int]], credit: int
) -> None:
    counted = rules.spread_credit(amounts, credit)
    owed = sum(amount for _, _, amount in amounts)
    assert sum(amount - counted[invoice_id] for invoice_id, _, amount in amounts) == max(0, owed - max(credit, 0))
    assert all(0 <= counted[invoice_id] <= amount for invoice_id, _, amount in amounts)
    in_order = sorted(amounts, key=lambda one: (one[1] or date.max, one[0]))
    covered = [counted[invoice_id] == amount for invoice_id, _, amount in in_order if amount]
    # Whatever is due before one that is not wholly covered is; nothing counts on what is due after it.
    assert covered == sorted(covered, reverse=True)
    first_open = next((place for place, one in enumerate(in_order) if counted[one[0]] < one[2]), len(in_order))
    assert all(counted[one[0]] == 0 for one in in_order[first_open + 1 :])


def test_of_what_is_due_on_the_same_day_credit_counts_on_the_first_by_its_id() -> None:
    day = date(2026, 3, 10)
    assert rules.spread_credit([("b", day, 50), ("a", day, 50)], 60) == {"a": 50, "b": 10}
    assert rules.spread_credit([("a", None, 50), ("b", day, 50), ("c", date(2026, 3, 9), 50)], 60) == {
        "c": 50,
        "b": 10,
        "a": 0,
    }
