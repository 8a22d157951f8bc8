"""Sign-in links and codes over plain values: format, proof of an address (A4)."""

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from chalicelib.tokens import SIGN_IN_FLOW, SIGN_IN_LINK

PORTAL_USER = "portal_user"
STAFF = "staff"
KINDS = (PORTAL_USER, STAFF)
AREAS = {PORTAL_USER: "portal", STAFF: "admin"}
"""The first part of the page paths of each kind."""

LINK_PREFIX = SIGN_IN_LINK.prefix
FLOW_PREFIX = SIGN_IN_FLOW.prefix
SECRET_PATTERN = re.compile(f"{SIGN_IN_LINK.form}|{SIGN_IN_FLOW.form}")
PORTAL_TOKEN_PATTERN = re.compile(r"[A-Za-z0-9_-]{8,64}")

CODE_ALPHABET = "23456789BCDFGHJKMNPQRSTVWXYZ"
"""Without look-alikes, and without vowels, so that no words appear."""
CODE_LENGTH = 8
MAX_TRIES = 5
"""Codes that may be tried per flow."""

LINK_LIFETIME = timedelta(minutes=10)
"""The lifetime of a link and its code, and how long an email may wait to be sent."""
FLOW_LIFETIME = 2 * LINK_LIFETIME
"""An email that is sent at the last moment still leaves its link the full lifetime."""
MAX_FLOWS = 5
"""Flows that a browser holds at once; a newer email leaves the links of older ones valid."""
MAX_PROOFS = 5

MAX_BILL_GROUPS = 100
"""Maximum bill groups of one session."""

_TARGET = re.compile(r"/(portal|admin)(/[A-Za-z0-9][A-Za-z0-9._-]{0,63}){0,6}")


@dataclass(frozen=True)
class Proof:
    """The secrets of one email, hashed, and their expiry (UTC)."""

    link: str
    code: str
    until: datetime


@dataclass(frozen=True)
class Flow:
    """An attempt to sign in. Instants are UTC."""

    flow_id: str
    kind: str
    email: str
    created_at: datetime
    ends_at: datetime
    proofs: tuple[Proof, ...] = ()
    tries: int = 0
    bill_groups: tuple[tuple[str, str], ...] = ()
    bill_group_id: str | None = None
    target: str | None = None
    used_at: datetime | None = None


def hash_code(code: str, flow_hash: str, key: str) -> str:
    """Return the hash of a code, bound to its flow. A code is short, so its hash needs the deployment's key."""
    return hmac.new(key.encode(), f"sign-in code:{flow_hash}:{code}".encode(), hashlib.sha256).hexdigest()


def normalise_code(text: str) -> str | None:
    """Return the code from what people type; None if it cannot be one."""
    folded = re.sub(r"[\s-]", "", text).upper()
    known = len(folded) == CODE_LENGTH and all(letter in CODE_ALPHABET for letter in folded)
    return folded if known else None


def format_code(code: str) -> str:
    """Return a code as shown to people, in two halves."""
    half = CODE_LENGTH // 2
    return f"{code[:half]}-{code[half:]}"


def judge_link(flow: Flow, link_hash: str, now: datetime) -> str:
    """Tell what a link is to a flow: ``right``, ``used``, ``expired``, or ``elsewhere``, not of this flow."""
    # Compare every proof, in constant time.
    own = [proof for proof in flow.proofs if hmac.compare_digest(proof.link, link_hash)]
    if not own:
        return "elsewhere"
    if flow.used_at is not None:
        return "used"
    return "right" if own[0].until > now else "expired"


def judge_code(flow: Flow, hashed: str, now: datetime) -> str:
    """Check a code in a flow that accepts codes: ``right``, ``expired`` or ``wrong``."""
    own = [proof for proof in flow.proofs if hmac.compare_digest(proof.code, hashed)]
    if not own:
        return "wrong"
    return "right" if own[0].until > now else "expired"


def accepts_codes(flow: Flow, now: datetime) -> bool:
    """Tell whether a code may be tried in the flow, whether an email was sent for it or not."""
    return flow.used_at is None and flow.ends_at > now and flow.tries < MAX_TRIES


def safe_target(text: str | None, kind: str) -> str | None:
    """Return a page for after the sign-in, None for anything but a plain path among the pages of ``kind``."""
    if text is None:
        return None
    match = _TARGET.fullmatch(text)
    return text if match and match.group(1) == AREAS[kind] else None
