"""API keys: format, names and scopes (A11)."""

import re
from collections.abc import Iterable

from chalicelib import ids
from chalicelib.errors import FieldError, InvalidInput
from chalicelib.permissions import SCOPES
from chalicelib.tokens import API_KEY

MAX_KEY_NAME_LENGTH = 80
MAX_ACTIVE_KEYS_PER_NAME = 2
"""Two, so that a new key can be deployed before the old one is revoked (A11)."""
LAST_USED_INTERVAL_SECONDS = 3600
"""Minimum interval between two records of a key's use."""

_API_KEY_TOKEN = re.compile(API_KEY.form)


def format_api_key_token(key_id: str, random: str) -> str:
    """Return the bearer token of a key: its id without prefix, and ``random``, 256 bits in base64url."""
    return f"{API_KEY.prefix}{key_id.removeprefix(ids.API_KEY_PREFIX)}_{random}"


def parse_key_id(token: str) -> str | None:
    """Return the id of the key that ``token`` claims to be, None if it does not have the form of a token."""
    match = _API_KEY_TOKEN.fullmatch(token)
    return ids.API_KEY_PREFIX + match.group(1) if match else None


def check_api_key_fields(name: str, scopes: Iterable[str]) -> tuple[str, tuple[str, ...]]:
    """Return the name and scopes of a new key, normalised. Raises InvalidInput naming every fault."""
    faults: list[FieldError] = []
    tidy_name = name.strip()
    if not tidy_name or len(tidy_name) > MAX_KEY_NAME_LENGTH or not tidy_name.isprintable():
        faults.append(
            FieldError("name", "bad_name", f"Give a name of 1 to {MAX_KEY_NAME_LENGTH} printable characters.")
        )
    tidy_scopes = tuple(sorted(set(scopes)))
    if not tidy_scopes:
        faults.append(FieldError("scopes", "required", f"Give at least one scope of: {', '.join(SCOPES)}."))
    for scope in tidy_scopes:
        if scope not in SCOPES:
            faults.append(
                FieldError("scopes", "unknown_scope", f"{scope!r} is no scope. There are: {', '.join(SCOPES)}.")
            )
    if faults:
        raise InvalidInput("invalid", "The API key cannot be created with these values.", fields=tuple(faults))
    return tidy_name, tidy_scopes
