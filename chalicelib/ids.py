"""Identifiers: our own (a type prefix and a ULID) and the vendor's (chosen by the billing system)."""

import re
from datetime import datetime

from ulid import ULID, PureRandomPolicy, ULIDGenerator

VENDOR_ID_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
# The library's default policy counts up within a millisecond: one id would tell the next.
_ids = ULIDGenerator(policy=PureRandomPolicy())
_lowest_ids = ULIDGenerator(randomness=lambda _: bytes(10), policy=PureRandomPolicy())

API_KEY_PREFIX = "key_"
AUDIT_EVENT_PREFIX = "aud_"
CONTACT_PREFIX = "con_"
DELIVERY_PREFIX = "del_"
DIGEST_PREFIX = "dig_"
TASK_PREFIX = "dut_"
EMAIL_PREFIX = "eml_"
ERASURE_PREFIX = "era_"
SIGN_IN_FLOW_PREFIX = "flo_"
IMPORT_PREFIX = "imp_"
PAYMENT_PREFIX = "pay_"
ACCESS_RULE_PREFIX = "rul_"
SESSION_PREFIX = "ses_"
STATEMENT_PREFIX = "sta_"


def new_id(prefix: str, now: datetime) -> str:
    """Return ``prefix`` and a new ULID whose time part is ``now`` (UTC), so that ids sort by time."""
    return f"{prefix}{_ids.generate(now)}"


def lowest_id_at(prefix: str, moment: datetime) -> str:
    """Return the smallest id that ``new_id`` can make at ``moment``."""
    return f"{prefix}{_lowest_ids.generate(moment)}"


def time_of_id(prefix: str, text: str) -> datetime:
    """Return the instant (UTC) at which the id was made. Raises ValueError when it is not such an id."""
    if not is_generated_id(prefix, text):
        raise ValueError(f"{text!r} is not an id with the prefix {prefix!r}.")
    return ULID.from_str(text.removeprefix(prefix)).datetime


def is_vendor_id(text: str) -> bool:
    """Tell whether ``text`` may name an entity, account, bill group, subscription or invoice (DESIGN §4)."""
    return VENDOR_ID_PATTERN.fullmatch(text) is not None


def is_generated_id(prefix: str, text: str) -> bool:
    """Tell whether ``text`` has the form of an id that ``new_id`` makes with ``prefix``."""
    return re.fullmatch(re.escape(prefix) + "[0-9A-HJKMNP-TV-Z]{26}", text) is not None
