"""Identifiers: our own (a type prefix and a ULID) and the vendor's (chosen by the billing system)."""

import re
import secrets
from datetime import datetime

from ulid import ULID

VENDOR_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_TIME_BYTES = 6
_RANDOM_BYTES = 10

API_KEY = "key_"
AUDIT_EVENT = "aud_"
CONTACT = "con_"
DELIVERY = "del_"
DIGEST = "dig_"
DUTY = "dut_"
EMAIL = "eml_"
ERASURE = "era_"
FLOW = "flo_"
IMPORT = "imp_"
PAYMENT = "pay_"
RULE = "rul_"
SESSION = "ses_"
STATEMENT = "sta_"


def new_id(prefix: str, now: datetime) -> str:
    """Return ``prefix`` and a new ULID whose time part is ``now`` (UTC), so that ids sort by time."""
    milliseconds = int(now.timestamp() * 1000)
    raw = milliseconds.to_bytes(_TIME_BYTES, "big") + secrets.token_bytes(_RANDOM_BYTES)
    return f"{prefix}{ULID.from_bytes(raw)}"


def first_id(prefix: str, moment: datetime) -> str:
    """Return the smallest id that ``new_id`` can make at ``moment``."""
    milliseconds = int(moment.timestamp() * 1000)
    return f"{prefix}{ULID.from_bytes(milliseconds.to_bytes(_TIME_BYTES, 'big') + bytes(_RANDOM_BYTES))}"


def time_of_id(prefix: str, text: str) -> datetime:
    """Return the instant (UTC) at which the id was made. Raises ValueError when it is not such an id."""
    if not is_own_id(prefix, text):
        raise ValueError(f"{text!r} is not an id with the prefix {prefix!r}.")
    return ULID.from_str(text.removeprefix(prefix)).datetime


def is_vendor_id(text: str) -> bool:
    """Tell whether ``text`` may name an entity, account, bill group, subscription or invoice (DESIGN §4)."""
    return VENDOR_ID.fullmatch(text) is not None


def is_own_id(prefix: str, text: str) -> bool:
    """Tell whether ``text`` has the form of an id that ``new_id`` makes with ``prefix``."""
    return re.fullmatch(re.escape(prefix) + "[0-9A-HJKMNP-TV-Z]{26}", text) is not None
