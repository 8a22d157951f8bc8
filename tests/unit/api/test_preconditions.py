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


def test_the_hash_tells_requests_apart_but_not_spellings() -> None:
    def hashed(method: str = "PUT", path: str = "a", query: object = None, body: object = None) -> str:
        return preconditions.hash_request(method, "/v1/x/{id}", {"id": path}, query, body)

    assert hashed(body={"a": 1, "b": [2]}) == hashed(body={"b": [2], "a": 1})
    others = [
        hashed(method="POST"),
        hashed(path="b"),
        hashed(query={"q": ["1"]}),
        hashed(body={}),
        hashed(body={"a": 1}),
    ]
    assert len({hashed(), *others}) == len(others) + 1
