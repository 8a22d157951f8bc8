import json
import time

import pytest

from chalicelib.api import strict_json
from chalicelib.api.problems import BodyTooLarge, MalformedRequest, UnsupportedMediaType

LARGEST = 2**53 - 1


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "body_missing"),
        (b" \n", "body_missing"),
        (b"\xef\xbb\xbf{}", "byte_order_mark"),
        (b'{"a": "\xff"}', "not_utf_8"),
        (b'{"a": "\xed\xa0\x80"}', "not_utf_8"),
        ("{}".encode("utf-16"), "not_utf_8"),
        (b"{", "not_json"),
        (b"{'a': 1}", "not_json"),
        (b'{"a": 1} {"b": 2}', "not_json"),
        (b'{"a": 1,}', "not_json"),
        (b'{"a": "\n"}', "not_json"),
        (b'{"a": 01}', "not_json"),
        (b"[]", "not_an_object"),
        (b"null", "not_an_object"),
        (b'"text"', "not_an_object"),
        (b'{"a": 1, "a": 2}', "duplicate_name"),
        (b'{"a": {"b": [{"c": 1, "\\u0063": 2}]}}', "duplicate_name"),
        (b'{"a": NaN}', "not_a_number"),
        (b'{"a": Infinity}', "not_a_number"),
        (b'{"a": [-Infinity]}', "not_a_number"),
        (f'{{"a": {LARGEST + 1}}}'.encode(), "number_too_large"),
        (f'{{"a": {-LARGEST - 1}}}'.encode(), "number_too_large"),
        (b'{"a": ' + b"9" * 5000 + b"}", "number_too_large"),
        (b'{"a": 1e400}', "number_too_large"),
        (b'{"a": 0.' + b"1" * 60 + b"}", "number_too_large"),
        (b'{"a": "\\u0000"}', "nul_character"),
        (b'{"\\u0000": 1}', "nul_character"),
        (b'{"a": ["\\ud800"]}', "lone_surrogate"),
        (b'{"\\udc00x": 1}', "lone_surrogate"),
        (b'{"a": "\\udc00\\ud800"}', "lone_surrogate"),
        (b'{"a": ' * 20 + b"[]" + b"}" * 20, "too_deep"),
        (b"[" * 60_000, "too_deep"),
    ],
)
def test_refuses(raw: bytes, code: str) -> None:
    with pytest.raises(MalformedRequest) as refusal:
        strict_json.parse_strict_json(raw)
    assert refusal.value.code == code
    assert refusal.value.message.endswith((".", "…}."))


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"a": LARGEST, "b": -LARGEST, "c": None, "d": True, "e": 1.5},
        {"name": "Ærø 東京 😀 عربى", "quote": 'a "quoted" \\ [[[[[[[[[[[[[[[[[[[[[[[[ text'},
    ],
)
def test_reads_what_json_writes(value: dict[str, object]) -> None:
    assert strict_json.parse_strict_json(json.dumps(value).encode()) == value
    assert strict_json.parse_strict_json(json.dumps(value, ensure_ascii=False).encode()) == value


def test_twenty_levels_are_possible_and_brackets_in_texts_are_no_levels() -> None:
    deepest = b'{"a": ' * 19 + b'{"a": "[[[[[{{{\\"[[["}' + b"}" * 19
    assert strict_json.parse_strict_json(deepest)


def test_the_limit_counts_bytes() -> None:
    exactly = b'{"a": "' + b"x" * (strict_json.BODY_LIMIT - 9) + b'"}'
    assert len(exactly) == strict_json.BODY_LIMIT
    assert strict_json.parse_strict_json(exactly)
    with pytest.raises(BodyTooLarge):
        strict_json.parse_strict_json(exactly + b" ")
    assert strict_json.parse_strict_json(exactly + b" ", strict_json.LARGE_BODY_LIMIT)


@pytest.mark.parametrize(
    "body", [b'{"' + b'\\"' * 500_000, b'"' * 1_000_000, b"\\" * 1_000_000, b'{"a":' + b'"\\' * 400_000]
)
def test_no_body_makes_reading_slow(body: bytes) -> None:
    started = time.process_time()
    with pytest.raises(MalformedRequest):
        strict_json.parse_strict_json(body, strict_json.LARGE_BODY_LIMIT)
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    "content_type", ["application/json", "Application/JSON; charset=utf-8", 'application/json;charset="UTF-8"']
)
def test_accepts_json(content_type: str) -> None:
    strict_json.check_content_type(content_type)


@pytest.mark.parametrize(
    "content_type",
    [None, "", "text/plain", "application/jsonx", "application/json; charset=latin-1", "application/json, text/plain"],
)
def test_refuses_other_content(content_type: str | None) -> None:
    with pytest.raises(UnsupportedMediaType):
        strict_json.check_content_type(content_type)
