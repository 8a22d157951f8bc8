"""Sign-in links and codes over plain values: how they are made, what proves an address, and how often (A4, A5)."""

import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address

PORTAL_USER = "portal_user"
STAFF = "staff"
KINDS = (PORTAL_USER, STAFF)
AREAS = {PORTAL_USER: "portal", STAFF: "admin"}
"""Where each kind signs in: the first part of the addresses of its pages."""

SECRET_BYTES = 32
"""256 bits (A4)."""
LINK_PREFIX = "cl_"
FLOW_PREFIX = "cw_"
SECRET_PATTERN = re.compile(r"c[lw]_[A-Za-z0-9_-]{43}")
PORTAL_TOKEN_PATTERN = re.compile(r"[A-Za-z0-9_-]{8,64}")

CODE_ALPHABET = "23456789BCDFGHJKMNPQRSTVWXYZ"
"""Nothing that looks like something else, and no vowels, so that no words come about."""
CODE_LENGTH = 8
MAX_TRIES = 5
"""How many codes may be tried in one flow."""

LINK_LIFETIME = timedelta(minutes=10)
"""How long a link and its code work, and how long a mail waits to be sent."""
FLOW_LIFETIME = 2 * LINK_LIFETIME
"""A mail that is sent at the last moment still leaves its link the whole of its life."""
MAX_FLOWS = 5
"""How many flows a browser holds at once; a newer mail leaves the links of older ones valid."""
MAX_PROOFS = 5

MAX_BILL_GROUPS = 100
"""How many bill groups one session is opened for at most."""

RateLimits = tuple[tuple[int, timedelta], ...]
ADDRESS_MAIL_LIMITS: RateLimits = ((1, timedelta(minutes=1)), (5, timedelta(hours=1)), (20, timedelta(days=1)))
NETWORK_REQUEST_LIMITS: RateLimits = ((30, timedelta(minutes=5)),)

_IPV6_NETWORK_BITS = 64
_TARGET = re.compile(r"/(portal|admin)(/[A-Za-z0-9][A-Za-z0-9._-]{0,63}){0,6}")


@dataclass(frozen=True)
class Proof:
    """What one mail carried, hashed, and until when (UTC) it counts."""

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


def hash_network(source_ip: str, key: str) -> str:
    """Return what stands for the network that asks; of IPv6, that is the first 64 bits. It does not tell the address.

    What is no address counts as one network of its own.
    """
    try:
        address = ip_address(source_ip.strip())
    except ValueError:
        network = "unknown"
    else:
        bits = int(address) >> (128 - _IPV6_NETWORK_BITS) if isinstance(address, IPv6Address) else int(address)
        network = f"{address.version}:{bits}"
    return hmac.new(key.encode(), f"sign-in network:{network}".encode(), hashlib.sha256).hexdigest()[:32]


def normalise_code(text: str) -> str | None:
    """Return a code as it was made from a code as people type it; None for what can be none."""
    folded = re.sub(r"[\s-]", "", text).upper()
    known = len(folded) == CODE_LENGTH and all(letter in CODE_ALPHABET for letter in folded)
    return folded if known else None


def format_code(code: str) -> str:
    """Return a code as people read it, in two halves."""
    half = CODE_LENGTH // 2
    return f"{code[:half]}-{code[half:]}"


def judge_link(flow: Flow, link_hash: str, now: datetime) -> str:
    """Tell what a link is to a flow: ``right``, ``used``, ``expired``, or ``elsewhere``, none of this flow's."""
    # Every proof is compared, so that the time tells nothing.
    own = [proof for proof in flow.proofs if hmac.compare_digest(proof.link, link_hash)]
    if not own:
        return "elsewhere"
    if flow.used_at is not None:
        return "used"
    return "right" if own[0].until > now else "expired"


def judge_code(flow: Flow, hashed: str, now: datetime) -> str:
    """Tell what a code is to a flow that takes codes: ``right``, ``expired`` or ``wrong``."""
    own = [proof for proof in flow.proofs if hmac.compare_digest(proof.code, hashed)]
    if not own:
        return "wrong"
    return "right" if own[0].until > now else "expired"


def accepts_codes(flow: Flow, now: datetime) -> bool:
    """Tell whether a code may be tried in the flow, whether a mail was ever made for it or not."""
    return flow.used_at is None and flow.ends_at > now and flow.tries < MAX_TRIES


def next_allowed_at(instants: Sequence[datetime], limits: RateLimits, now: datetime) -> datetime | None:
    """Return from when on one more is within ``limits``; None when it is now."""
    waits = []
    for most, span in limits:
        recent = sorted(instant for instant in instants if instant > now - span)
        if len(recent) >= most:
            waits.append(recent[-most] + span)
    return max(waits, default=None)


def instants_in_window(instants: Sequence[datetime], limits: RateLimits, now: datetime) -> list[datetime]:
    """Return, in order, the instants that still count towards ``limits``."""
    longest = max(span for _, span in limits)
    return sorted(instant for instant in instants if instant > now - longest)


def safe_target(text: str | None, kind: str) -> str | None:
    """Return a page to go to after signing in, None for anything but a plain path among the pages of ``kind``."""
    if text is None:
        return None
    match = _TARGET.fullmatch(text)
    return text if match and match.group(1) == AREAS[kind] else None
