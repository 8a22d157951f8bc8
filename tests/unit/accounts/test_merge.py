"""Whose value counts when the portal and the billing system both write (DESIGN §5)."""

from datetime import date
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.accounts.rules import Account, PaymentTerms
from chalicelib.bill_groups.rules import BillGroup
from chalicelib.field_ownership import Override, find_upstream_differences, merge_fields
from chalicelib.serialization import build_dataclass, dataclass_defaults, to_plain_fields

NAMES = ("a", "b", "c", "flag")
DEFAULTS = {"flag": False}
VALUES = st.one_of(
    st.none(), st.text("xyz", max_size=2), st.booleans(), st.dates(), st.lists(st.sampled_from("xy"), max_size=2)
)
WRITES = st.lists(st.tuples(st.booleans(), st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=4)), max_size=6)


class Thing:
    """A thing after some writes; each is (from_billing, given)."""

    def __init__(self, writes: list[tuple[bool, dict[str, Any]]]) -> None:
        self.values: dict[str, Any] = {name: DEFAULTS.get(name) for name in NAMES}
        self.upstream: dict[str, Any] = {}
        for from_billing, given_values in writes:
            self.write(given_values, from_billing)

    def write(self, values: dict[str, Any], from_billing: bool) -> tuple[Override, ...]:
        merged = merge_fields(self.values, self.upstream, values, from_billing=from_billing, defaults=DEFAULTS)
        self.values, self.upstream = merged.values, merged.upstream
        return merged.overrides

    @property
    def state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        return dict(self.values), dict(self.upstream)


@given(WRITES, st.booleans(), st.dictionaries(st.sampled_from(NAMES), VALUES))
def test_what_is_absent_stays(writes: Any, from_billing: bool, values: dict[str, Any]) -> None:
    thing = Thing(writes)
    before, brought = thing.state
    thing.write(values, from_billing)
    for name in set(NAMES) - set(values):
        assert thing.values[name] == before[name]
        assert thing.upstream.get(name) == brought.get(name)


@given(WRITES, st.sampled_from(NAMES))
def test_null_from_here_clears(writes: Any, name: str) -> None:
    thing = Thing(writes)
    thing.write({name: None}, False)
    assert thing.values[name] == DEFAULTS.get(name)


@given(WRITES, st.dictionaries(st.sampled_from(NAMES), VALUES))
def test_a_repeated_import_changes_and_reveals_nothing(writes: Any, values: dict[str, Any]) -> None:
    thing = Thing(writes)
    thing.write(values, True)
    before = thing.state
    assert thing.write(values, True) == ()
    assert thing.state == before


@given(WRITES, st.sampled_from(NAMES), VALUES, VALUES)
def test_a_change_here_stands_while_the_old_value_is_repeated(writes: Any, name: str, old: Any, own: Any) -> None:
    thing = Thing(writes)
    thing.write({name: old}, True)
    thing.write({name: own}, False)
    here = thing.values[name]
    assert thing.write({name: old}, True) == ()
    assert thing.values[name] == here


@given(WRITES, st.sampled_from(NAMES), VALUES, VALUES, VALUES)
def test_another_value_is_taken_and_told(writes: Any, name: str, old: Any, own: Any, new: Any) -> None:
    thing = Thing(writes)
    thing.write({name: old}, True)
    thing.write({name: own}, False)
    old, own, new = (DEFAULTS.get(name) if value is None else value for value in (old, own, new))
    overrides = thing.write({name: new}, True)
    if new == old:
        assert overrides == ()
        return
    assert thing.values[name] == new
    told = [one.field for one in overrides]
    assert told == ([name] if own not in (old, new) else [])


@given(WRITES, st.dictionaries(st.sampled_from(NAMES), VALUES))
def test_what_was_never_changed_here_is_never_told(writes: Any, values: dict[str, Any]) -> None:
    thing = Thing([(True, brought) for _, brought in writes])
    assert thing.write(values, True) == ()


def test_an_override_tells_both_values() -> None:
    merged = merge_fields({"a": "own"}, {"a": "old"}, {"a": date(2026, 1, 2)}, from_billing=True)
    assert merged.overrides == (Override("a", "own", "2026-01-02"),)
    assert merged.upstream == {"a": "2026-01-02"}
    assert merged.values == {"a": date(2026, 1, 2)}


def test_clearing_here_is_a_change_that_is_reported_when_it_is_replaced() -> None:
    merged = merge_fields({"a": None}, {"a": "old"}, {"a": "new"}, from_billing=True)
    assert merged.overrides == (Override("a", None, "new"),)


def account(given_values: dict[str, Any], before: Account | None = None) -> Account:
    merged = merge_fields(
        to_plain_fields(before) if before else None,
        before.upstream if before else {},
        given_values,
        from_billing=True,
        defaults=dataclass_defaults(Account),
    )
    return build_dataclass(Account, {**merged.values, "account_id": "a", "upstream": merged.upstream})


def test_defaults_are_nobodys_change() -> None:
    first = account({"entity_id": "e", "name": "N", "currency": "EUR"})
    merged = merge_fields(
        to_plain_fields(first),
        first.upstream,
        {"cost_center_billing": True, "payment_terms": {"kind": "net", "days": 30}},
        from_billing=True,
        defaults=dataclass_defaults(Account),
    )
    assert merged.overrides == ()


def test_clearing_brings_the_default_back_and_is_no_difference() -> None:
    first = account({"entity_id": "e", "name": "N", "currency": "EUR", "cost_center_billing": True})
    cleared = account({"cost_center_billing": None, "payment_terms": None}, first)
    assert cleared.cost_center_billing is False
    assert cleared.payment_terms == PaymentTerms()
    assert find_upstream_differences(cleared) == {}
    assert account({"cost_center_billing": None, "payment_terms": None}, cleared) == cleared


def test_differences_name_what_was_brought() -> None:
    group = BillGroup("b", "a", "e", "Own", contract_end=date(2026, 1, 1), upstream={"name": "Theirs"})
    assert find_upstream_differences(group) == {"name": "Theirs"}
    same = BillGroup("b", "a", "e", "N", contract_end=date(2026, 1, 1), upstream={"contract_end": "2026-01-01"})
    assert find_upstream_differences(same) == {}
