"""C8 and what a bill group may not be."""

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.bill_groups.rules import (
    BillGroup,
    Subscription,
    check_bill_group,
    check_not_moved,
    check_recipient_filter,
    check_subscription,
    select_recipients,
)
from chalicelib.errors import Conflict, InvalidInput

GROUP = BillGroup("b", "a", "e", "Name")
SUBSCRIPTION = Subscription("s", "b", "a", "Name", "active")
IDS = st.sampled_from("abcdef")


@given(st.lists(IDS, unique=True, max_size=5).map(tuple), st.frozensets(IDS, max_size=5))
def test_mails_go_to_the_chosen_holders_or_to_all(narrowed_to: tuple[str, ...], holders: frozenset[str]) -> None:
    found = select_recipients(narrowed_to, holders)
    assert set(found) <= holders
    assert list(found) == sorted(set(found))
    assert bool(found) == bool(holders)
    assert set(found) == (holders & set(narrowed_to) or holders)


def narrowing(before: BillGroup | None, after: BillGroup) -> list[str]:
    with pytest.raises(InvalidInput) as refusal:
        check_recipient_filter(before, after, invoicing=frozenset("ab"), accounts_payable=frozenset("c"))
    return [fault.field for fault in refusal.value.fields]


def test_mails_are_narrowed_to_holders_only() -> None:
    fine = replace(GROUP, invoicing_contact_ids=("a", "b"), accounts_payable_contact_ids=("c",))
    check_recipient_filter(None, fine, invoicing=frozenset("ab"), accounts_payable=frozenset("c"))
    assert narrowing(None, replace(fine, invoicing_contact_ids=("a", "c"))) == ["invoicing_contact_ids"]
    assert narrowing(GROUP, replace(fine, accounts_payable_contact_ids=("a",))) == ["accounts_payable_contact_ids"]


def test_who_lost_the_role_since_does_not_stop_other_changes() -> None:
    before = replace(GROUP, invoicing_contact_ids=("x",))
    after = replace(before, billing_contact_id="a")
    check_recipient_filter(before, after, invoicing=frozenset("ab"), accounts_payable=frozenset())
    assert narrowing(before, replace(before, invoicing_contact_ids=("x", "a"))) == ["invoicing_contact_ids"]


def test_a_bill_group_never_moves() -> None:
    check_not_moved(GROUP, {"account_id": "a", "entity_id": "e", "name": "Other"})
    for given_values in ({"account_id": "other"}, {"entity_id": "other"}, {"account_id": None}):
        with pytest.raises(Conflict) as refusal:
            check_not_moved(GROUP, given_values)
        assert refusal.value.code == "bill_group_is_fixed"
        assert [fault.field for fault in refusal.value.fields] == list(given_values)


def test_a_contract_does_not_end_before_it_starts() -> None:
    day, before = date(2026, 1, 31), date(2026, 1, 30)
    check_bill_group(replace(GROUP, contract_start=day, contract_end=day))
    check_bill_group(replace(GROUP, contract_end=before))
    with pytest.raises(InvalidInput) as refusal:
        check_bill_group(replace(GROUP, contract_start=day, contract_end=before))
    assert refusal.value.fields[0].field == "contract_end"


def test_a_subscription_neither() -> None:
    day, before = date(2026, 1, 31), date(2026, 1, 30)
    check_subscription(replace(SUBSCRIPTION, start_date=day, end_date=day))
    with pytest.raises(InvalidInput) as refusal:
        check_subscription(replace(SUBSCRIPTION, start_date=day, end_date=before))
    assert refusal.value.fields[0].field == "end_date"


@pytest.mark.parametrize("given_values", [{"unit_amount": 5}, {"currency": "EUR"}, {"unit_amount": 0}])
def test_an_amount_and_its_currency_go_together(given_values: dict[str, object]) -> None:
    check_subscription(replace(SUBSCRIPTION, unit_amount=0, currency="EUR"))
    with pytest.raises(InvalidInput):
        check_subscription(replace(SUBSCRIPTION, **given_values))  # type: ignore[arg-type]
