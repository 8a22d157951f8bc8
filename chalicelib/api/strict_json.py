"""JSON, read strictly: whatever DynamoDB or a careless reader could choke on is refused here."""

import json
import re
from typing import Any, NoReturn

from chalicelib.api.problems import BodyTooLarge, MalformedRequest, UnsupportedMediaType

BODY_LIMIT = 64 * 1024
LARGE_BODY_LIMIT = 1024 * 1024
DEPTH_LIMIT = 20
INTEGER_LIMIT = 2**53 - 1
_FLOAT_LIMIT = 1e15

# Possessive, and an unclosed text runs to the end, so that no body makes this slower than one pass.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[\[{\]}]', re.DOTALL)
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_CONTENT_TYPE = re.compile(r'\s*application/json\s*(?:;\s*charset\s*=\s*"?utf-8"?\s*)?;?\s*', re.IGNORECASE)


def check_content_type(content_type: str | None) -> None:
    """Raise UnsupportedMediaType unless the body is declared as UTF-8 JSON."""
    if content_type is None or not _CONTENT_TYPE.fullmatch(content_type):
        raise UnsupportedMediaType


def parse_strict_json(raw: bytes, limit: int = BODY_LIMIT) -> dict[str, Any]:
    """Return the object in ``raw``. Raises BodyTooLarge or MalformedRequest, which say what to change.

    Refused: more than ``limit`` bytes, more than 20 levels, anything but UTF-8, a byte order mark,
    duplicate names, NaN and infinities, integers beyond 2^53 - 1, NUL characters and lone surrogates in
    names or values, and anything but an object at the top.
    """
    if len(raw) > limit:
        raise BodyTooLarge(limit)
    if not raw.strip():
        raise MalformedRequest("body_missing", "The body is empty. Send a JSON object.")
    if raw.startswith(b"\xef\xbb\xbf"):
        raise MalformedRequest("byte_order_mark", "The body begins with a byte order mark. Send it without.")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise MalformedRequest("not_utf_8", "The body is not UTF-8. Encode it as UTF-8.") from None
    _check_depth(raw)
    try:
        value = json.loads(
            text,
            object_pairs_hook=_object_without_duplicates,
            parse_constant=_refuse_constant,
            parse_int=_parse_integer,
            parse_float=_parse_decimal,
        )
    except json.JSONDecodeError as error:
        raise MalformedRequest(
            "not_json", f"The body is not JSON: line {error.lineno}, column {error.colno}."
        ) from None
    if not isinstance(value, dict):
        raise MalformedRequest("not_an_object", "The body is JSON, but not an object. Send an object: {…}.")
    _check_text(value)
    return value


def _check_depth(raw: bytes) -> None:
    depth = 0
    for match in _TOKEN.finditer(raw):
        token = match.group()
        if token in b"[{":
            depth += 1
            if depth > DEPTH_LIMIT:
                raise MalformedRequest("too_deep", f"The body is nested deeper than {DEPTH_LIMIT} levels. Flatten it.")
        elif token in b"]}":
            depth -= 1


def _object_without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise MalformedRequest("duplicate_name", f"The name {twice[:60]!r} appears twice in one object. Send it once.")
    return result


def _refuse_constant(name: str) -> NoReturn:
    raise MalformedRequest("not_a_number", f"{name} is not a JSON number. Send null or a number.")


def _parse_integer(digits: str) -> int:
    if len(digits) > len(str(INTEGER_LIMIT)) + 1 or abs(int(digits)) > INTEGER_LIMIT:
        raise MalformedRequest("number_too_large", f"A whole number is beyond ±{INTEGER_LIMIT}. Send a smaller one.")
    return int(digits)


def _parse_decimal(digits: str) -> float:
    value = float(digits)
    if abs(value) > _FLOAT_LIMIT or len(digits) > 40:
        raise MalformedRequest("number_too_large", "A number is too large or too long. Send a smaller or shorter one.")
    return value


def _check_text(value: Any) -> None:
    if isinstance(value, str):
        fault = _UNSTORABLE.search(value)
        if fault and fault.group() == "\x00":
            raise MalformedRequest("nul_character", "A text holds a NUL character. Remove it.")
        if fault:
            raise MalformedRequest("lone_surrogate", "A text holds half of a surrogate pair. Send the whole character.")
    elif isinstance(value, dict):
        for name, inner in value.items():
            _check_text(name)
            _check_text(inner)
    elif isinstance(value, list):
        for inner in value:
            _check_text(inner)
