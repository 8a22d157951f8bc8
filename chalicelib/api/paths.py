"""Parameters in paths: their shapes. A value of another shape names nothing, so it is 404."""

import re
from urllib.parse import unquote_to_bytes

from chalicelib import ids
from chalicelib.errors import NotFound

_ULID = "[0-9A-HJKMNP-TV-Z]{26}"
_VENDOR_ID = ids.VENDOR_ID_PATTERN.pattern

PARAMETER_PATTERNS = {
    "entity_id": _VENDOR_ID,
    "account_id": _VENDOR_ID,
    "bill_group_id": _VENDOR_ID,
    "subscription_id": _VENDOR_ID,
    "template_id": _VENDOR_ID,
    "invoice_id": _VENDOR_ID,
    "settled_invoice_id": _VENDOR_ID,
    "payment_id": _VENDOR_ID,
    "contact_id": ids.CONTACT_PREFIX + _ULID,
    "email_id": ids.EMAIL_PREFIX + _ULID,
    "erasure_id": ids.ERASURE_PREFIX + _ULID,
    "import_id": ids.IMPORT_PREFIX + _ULID,
    "rule_id": ids.ACCESS_RULE_PREFIX + _ULID,
    "statement_id": ids.STATEMENT_PREFIX + _ULID,
    "key_id": ids.API_KEY_PREFIX + _ULID,
    "session_id": ids.SESSION_PREFIX + _ULID,
    "suppressed_email": r"[^\s@/]{1,64}@[A-Za-z0-9.-]{1,253}",
    "run_hour": r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}",
    "staff_email": r"[^\s@/]{1,64}@[A-Za-z0-9.-]{1,253}",
}

_PARAMETER = re.compile(r"{([a-z_]+)}")


def parameter_names(template: str) -> tuple[str, ...]:
    """Return the names of the parameters in a path template, in order."""
    return tuple(_PARAMETER.findall(template))


def decode_parameters(raw: dict[str, str] | None, names: tuple[str, ...]) -> dict[str, str]:
    """Return the decoded values of the path parameters. Raises NotFound for a value of the wrong shape."""
    values: dict[str, str] = {}
    for name in names:
        try:
            value = unquote_to_bytes((raw or {}).get(name, "")).decode("utf-8")
        except UnicodeDecodeError:
            raise NotFound from None
        if not re.fullmatch(PARAMETER_PATTERNS[name], value):
            raise NotFound
        values[name] = value
    return values


def decode_valid_parameters(raw: dict[str, str] | None, names: tuple[str, ...]) -> dict[str, str]:
    """Return the decoded values of those path parameters that have the right shape; for whom nothing is refused yet."""
    values: dict[str, str] = {}
    for name in names:
        try:
            values.update(decode_parameters(raw, (name,)))
        except NotFound:
            continue
    return values
