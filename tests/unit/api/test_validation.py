from datetime import date
from typing import Annotated, Literal

import pytest
from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from chalicelib.api import validation
from chalicelib.api.models import Body, Query
from chalicelib.errors import FieldError, InvalidInput
from chalicelib.validation import parse_body


class Address(Body):
    city: str = Field(min_length=1, max_length=5)


class Example(Body):
    name: str
    days: int | None = None
    kind: Literal["net", "due_on_receipt"] = "net"
    address: Address | None = None
    tags: list[Annotated[str, Field(max_length=3)]] = Field(default=[])
    from_date: date | None = None


def odd(value: str) -> str:
    if value == "odd":
        raise PydanticCustomError("too_short", "This is odd. Send another.")
    return value


class Odd(Body):
    name: Annotated[str, AfterValidator(odd)]


class Filter(Query):
    status: Literal["active", "all"] = "active"
    q: str | None = None
    days: int = Field(default=1, ge=1)
    disputed: bool = False
    since: date | None = None


def faults_of_body(raw: bytes) -> list[FieldError]:
    with pytest.raises(InvalidInput) as refusal:
        parse_body(Example, raw)
    return list(refusal.value.fields)


def faults_of_query(given: dict[str, list[str]]) -> list[FieldError]:
    with pytest.raises(InvalidInput) as refusal:
        validation.parse_query(Filter, given)
    return list(refusal.value.fields)


def test_every_fault_is_named_at_once() -> None:
    faults = faults_of_body(b'{"days": "3", "kind": "x", "address": {"city": ""}, "tags": ["a", "long"], "more": 1}')
    assert {(fault.field, fault.code) for fault in faults} == {
        ("name", "required"),
        ("days", "wrong_type"),
        ("kind", "unknown_value"),
        ("address.city", "too_short"),
        ("tags.1", "too_long"),
        ("more", "unknown_field"),
    }


@pytest.mark.parametrize(
    ("raw", "field", "code", "message"),
    [
        (b'{"name": 1}', "name", "wrong_type", "Send a text, in quotes."),
        (b'{"name": "a", "days": 1.5}', "days", "wrong_type", "Send a whole number, without quotes."),
        (b'{"name": "a", "days": true}', "days", "wrong_type", "Send a whole number, without quotes."),
        (b'{"name": "a", "from_date": "31.1.2026"}', "from_date", "bad_date", "Send a date such as 2026-01-31."),
        (b'{"name": "a", "from_date": 5}', "from_date", "bad_date", "Send a date such as 2026-01-31."),
        (b'{"name": "a", "address": []}', "address", "wrong_type", "Send an object: {…}."),
        (b'{"name": "a", "tags": {}}', "tags", "wrong_type", "Send a list: […]."),
    ],
)
def test_messages_say_the_way_out(raw: bytes, field: str, code: str, message: str) -> None:
    assert faults_of_body(raw) == [FieldError(field, code, message)]


def test_messages_do_not_repeat_what_was_sent() -> None:
    raw = b'{"name": 1, "days": "canary", "kind": "canary", "address": "canary", "from_date": "canary"}'
    assert "canary" not in str(faults_of_body(raw))


def test_faults_of_our_own_bring_their_code_and_sentence() -> None:
    with pytest.raises(InvalidInput) as refusal:
        parse_body(Odd, b'{"name": "odd"}')
    assert refusal.value.fields == (FieldError("name", "too_short", "This is odd. Send another."),)


def test_absent_differs_from_null() -> None:
    assert parse_body(Example, b'{"name": "a", "days": null}').given() == {"name": "a", "days": None}


def test_query_parameters_are_read() -> None:
    query = validation.parse_query(
        Filter, {"q": ["ä b"], "days": ["7"], "disputed": ["true"], "since": ["2026-01-31"], "limit": ["1"]},
        frozenset({"limit"}),
    )  # fmt: skip
    assert query == Filter(q="ä b", days=7, disputed=True, since=date(2026, 1, 31))


@pytest.mark.parametrize(
    ("given", "field", "code"),
    [
        ({"nonsense": ["1"]}, "nonsense", "unknown_parameter"),
        ({"q": ["a", "b"]}, "q", "repeated"),
        ({"q": ["a\x00"]}, "q", "bad_character"),
        ({"q": ["\ud800"]}, "q", "bad_character"),
        ({"status": ["gone"]}, "status", "unknown_value"),
        ({"days": ["0"]}, "days", "too_small"),
        ({"days": ["1.0"]}, "days", "wrong_type"),
        ({"days": [" 1"]}, "days", "wrong_type"),
        ({"days": ["1_0"]}, "days", "wrong_type"),
        ({"days": ["+1"]}, "days", "wrong_type"),
        ({"disputed": ["yes"]}, "disputed", "wrong_type"),
        ({"disputed": ["1"]}, "disputed", "wrong_type"),
        ({"since": ["1700000000"]}, "since", "bad_date"),
    ],
)
def test_query_parameters_are_refused(given: dict[str, list[str]], field: str, code: str) -> None:
    assert [(fault.field, fault.code) for fault in faults_of_query(given)] == [(field, code)]
