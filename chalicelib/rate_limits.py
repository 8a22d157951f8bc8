"""Limits of how often something may happen, over plain values (A5, A13)."""

import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address

RateLimits = tuple[tuple[int, timedelta], ...]
"""How many in each span, the longest span last."""

ADDRESS_MAIL_LIMITS: RateLimits = ((1, timedelta(minutes=1)), (5, timedelta(hours=1)), (20, timedelta(days=1)))
"""Emails to a mailbox that strangers may ask for; and those that one browser may, which has signed in to it before."""
KNOWN_BROWSERS_MAIL_LIMITS: RateLimits = ((10, timedelta(hours=1)), (40, timedelta(days=1)))
"""Emails to a mailbox that all browsers together may ask for which have signed in to it before."""
NETWORK_REQUEST_LIMITS: RateLimits = ((30, timedelta(minutes=5)),)
"""Requests of one kind (sign-in emails, reset emails, tries of passwords) from one network."""

_IPV6_NETWORK_BITS = 64


def hash_network(source_ip: str, key: str) -> str:
    """Return the key of the caller's network (for IPv6, the first 64 bits), which hides the address.

    All invalid addresses share one network.
    """
    try:
        address = ip_address(source_ip.strip())
    except ValueError:
        network = "unknown"
    else:
        bits = int(address) >> (128 - _IPV6_NETWORK_BITS) if isinstance(address, IPv6Address) else int(address)
        network = f"{address.version}:{bits}"
    return hmac.new(key.encode(), f"sign-in network:{network}".encode(), hashlib.sha256).hexdigest()[:32]


def next_allowed_at(instants: Sequence[datetime], limits: RateLimits, now: datetime) -> datetime | None:
    """Return when one more is within ``limits``; None for now."""
    waits = []
    for most, span in limits:
        recent = sorted(instant for instant in instants if instant > now - span)
        if len(recent) >= most:
            waits.append(recent[-most] + span)
    return max(waits, default=None)


def instants_in_window(instants: Sequence[datetime], limits: RateLimits, now: datetime) -> list[datetime]:
    """Return, in order, the instants that count towards ``limits``."""
    longest = max(span for _, span in limits)
    return sorted(instant for instant in instants if instant > now - longest)
