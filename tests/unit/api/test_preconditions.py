from typing import Any

import pytest

from chalicelib.api import preconditions
from chalicelib.api.problems import MalformedRequest, PreconditionRequired


@pytest.mark.parametrize(("value", "version"), [('"3"', 3), (' "12" ', 12), ('"0"', 0)])
def test_if_match_is_a_version(value: str, version: int) -> None:
    assert preconditions.parse_if_match(value, required=True) == version
    assert preconditions.parse_if_match(preconditions.etag_of(version), required=False) == version


@pytest.mark.parametrize(
    "value", ["", "3", "*", 'W/"3"', '"3", "4"', '"03"', '"-3"', '"three"', '"3', '"' + "9" * 40 + '"', '"٣"']
)
def test_if_match_is_refused(value: str) -> None:
    with pytest.raises(MalformedRequest) as refusal:
        preconditions.parse_if_match(value, required=False)
    assert refusal.value.code == "bad_if_match"


def test_if_match_can_be_required() -> None:
    assert preconditions.parse_if_match(None, required=False) is None
    with pytest.raises(PreconditionRequired):
        preconditions.parse_if_match(None, required=True)


@pytest.mark.parametrize("key", ["a", "550e8400-e29b-41d4-a716-446655440000", "a b", "~" * 255])
def test_idempotency_keys(key: str) -> None:
    assert preconditions.parse_idempotency_key(key) == key


@pytest.mark.parametrize("key", ["", " ", " a", "a ", "a" * 256, "é", "a\nb", "a\x00", "a\x7f"])
def test_idempotency_keys_are_refused(key: str) -> None:
    with pytest.raises(MalformedRequest) as refusal:
        preconditions.parse_idempotency_key(key)
    assert refusal.value.code == "bad_idempotency_key"


REQUEST: dict[str, Any] = {
    "method": "PUT",
    "template": "/v1/x/{id}",
    "path": {"id": "a"},
    "query": {"q": ["1"]},
    "body": {"a": 1, "b": [2]},
}


@pytest.mark.parametrize(
    ("part", "other"),
    [
        ("method", "POST"),
        ("template", "/v1/y/{id}"),
        ("path", {"id": "b"}),
        ("path", {"other": "a"}),
        ("query", {"q": ["2"]}),
        ("query", {"r": ["1"]}),
        ("query", {}),
        ("body", {"a": 2, "b": [2]}),
        ("body", {"a": 1}),
        ("body", {}),
        ("body", None),
    ],
)
def test_the_hash_tells_requests_apart_by_each_part(part: str, other: object) -> None:
    assert preconditions.hash_request(**{**REQUEST, part: other}) != preconditions.hash_request(**REQUEST)


def test_the_hash_does_not_tell_spellings_apart() -> None:
    respelt = {**REQUEST, "body": {"b": [2], "a": 1}}
    assert preconditions.hash_request(**respelt) == preconditions.hash_request(**REQUEST)
