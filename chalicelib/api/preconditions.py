"""The headers of a write: If-Match and Idempotency-Key."""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from chalicelib.api.problems import MalformedRequest, PreconditionRequired

_ETAG = re.compile(r'"([1-9]\d{0,14}|0)"')
_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,253}[\x21-\x7e])?")


def etag_of(version: int) -> str:
    """Return the entity tag of a version."""
    return f'"{version}"'


def parse_if_match(value: str | None, *, required: bool) -> int | None:
    """Return the version in If-Match. Raises MalformedRequest, or PreconditionRequired when it is needed and absent."""
    if value is None:
        if required:
            raise PreconditionRequired
        return None
    match = _ETAG.fullmatch(value.strip())
    if match is None:
        raise MalformedRequest(
            "bad_if_match",
            'If-Match must be one version as it stood in the ETag, in quotes, for example "3". '
            "Lists, * and weak tags (W/) are not possible.",
        )
    return int(match.group(1))


def parse_idempotency_key(value: str | None) -> str | None:
    """Return the Idempotency-Key. Raises MalformedRequest unless it is 1 to 255 printable ASCII characters."""
    if value is None:
        return None
    if not _IDEMPOTENCY_KEY.fullmatch(value):
        raise MalformedRequest(
            "bad_idempotency_key", "Idempotency-Key must be 1 to 255 printable ASCII characters, such as a UUID."
        )
    return value


def hash_request(method: str, template: str, path: Mapping[str, str], query: Any, body: Any) -> str:
    """Return the hash that tells repeats of a request from other requests under the same key."""
    canonical = json.dumps([method, template, dict(path), query, body], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
