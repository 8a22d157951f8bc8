import json
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.audit.rules import FieldChange, diff_fields
from chalicelib.field_marks import NotAudited
from chalicelib.json_values import to_json_value


@dataclass(frozen=True)
class Inner:
    line: str | None = None
    since: date | None = None


@dataclass(frozen=True)
class Thing:
    name: str | None = None
    inner: Inner | None = None
    tags: tuple[str, ...] = ()
    roles: frozenset[str] = frozenset()
    extra: dict[str, Any] = field(default_factory=dict)
    on: bool = False
    at: datetime | None = None


THINGS = st.builds(
    Thing,
    name=st.none() | st.text(max_size=3),
    inner=st.none() | st.builds(Inner, since=st.none() | st.dates()),
    tags=st.lists(st.text(max_size=2), max_size=2).map(tuple),
    roles=st.frozensets(st.sampled_from("ab")),
    extra=st.dictionaries(st.text(max_size=2), st.integers(), max_size=2),
    on=st.booleans(),
    at=st.none() | st.datetimes(timezones=st.just(UTC)),
)


def test_each_field_that_differs_is_reported_from_what_to_what() -> None:
    before = Thing("a", Inner("x", date(2026, 1, 1)), roles=frozenset({"b", "a"}))
    after = Thing("b", Inner("y", date(2026, 1, 1)), roles=frozenset({"b", "a"}), on=True)
    assert diff_fields(before, after) == (
        FieldChange("inner", {"line": "x", "since": "2026-01-01"}, {"line": "y", "since": "2026-01-01"}),
        FieldChange("name", "a", "b"),
        FieldChange("on", False, True),
    )


def test_what_was_made_begins_with_null_and_what_went_ends_with_it() -> None:
    made = diff_fields(None, Thing("a", tags=("t",)))
    assert made == (FieldChange("name", None, "a"), FieldChange("on", None, False), FieldChange("tags", None, ["t"]))
    assert diff_fields(Thing("a"), None) == (FieldChange("name", "a", None), FieldChange("on", False, None))


def test_empty_and_absent_are_the_same() -> None:
    assert diff_fields(Thing(tags=()), Thing(tags=(), extra={})) == ()
    assert FieldChange("tags", None, []) not in diff_fields(None, Thing())


def test_bookkeeping_is_left_out() -> None:
    @dataclass(frozen=True)
    class Versioned(Thing):
        version: NotAudited[int] = 1

    assert diff_fields(Versioned("a"), Versioned("a", on=True, version=2)) == (FieldChange("on", False, True),)
    assert diff_fields(None, Versioned("a")) == (FieldChange("name", None, "a"), FieldChange("on", None, False))
    assert diff_fields(Versioned("a"), None) == (FieldChange("name", "a", None), FieldChange("on", False, None))


@given(THINGS, THINGS)
def test_changes_are_json_and_lead_from_before_to_after(before: Thing, after: Thing) -> None:
    found = diff_fields(before, after)
    assert json.loads(json.dumps([vars(change) for change in found])) == [vars(change) for change in found]
    assert [change.field for change in found] == sorted({change.field for change in found})
    assert diff_fields(before, before) == ()
    told = {change.field for change in found}
    for name, value in vars(after).items():
        assert (name in told) == (to_json_value(vars(before)[name]) != to_json_value(value))
