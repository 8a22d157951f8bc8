"""May this address enter this bill group, and with which permissions? Rules A1, A3, A7, A9, C4 over plain values."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from chalicelib.permissions import PORTAL_PERMISSIONS, Grant

OWNER_PERMISSIONS = frozenset(PORTAL_PERMISSIONS)
"""The account's owner has all permissions (A9)."""


@dataclass(frozen=True)
class GrantSource:
    """One source of a grant, from ``starts_at`` (UTC) on (A7)."""

    name: str
    permissions: frozenset[str]
    starts_at: datetime


@dataclass(frozen=True)
class ContractPeriod:
    """The period, both days inclusive, in which a bill group's contract is active; None: unbounded. Local dates."""

    start: date | None
    end: date | None


@dataclass(frozen=True)
class AccessRefusal:
    """Why there is no grant: ``unknown``, ``denied``, ``not_yet``, ``no_contract``; and when there will be one."""

    reason: str
    starts_at: datetime | None = None


def decide_grant(
    sources: tuple[GrantSource, ...],
    *,
    denied: bool,
    contract: ContractPeriod,
    balance_open: bool,
    now: datetime,
    today: date,
    signed_in_at: datetime | None = None,
) -> Grant | AccessRefusal:
    """Unite the grants of several sources; a denial wins. ``today`` is the date in the account's time zone.

    For a session, sources that started after ``signed_in_at`` do not count: access that was removed and given again
    needs a new sign-in, and no old session comes back to life (C4).
    """
    if denied:
        return AccessRefusal("denied")
    if not sources:
        return AccessRefusal("unknown")
    latest = now if signed_in_at is None else min(now, signed_in_at)
    started = [source for source in sources if source.starts_at <= latest]
    if not started:
        return AccessRefusal("not_yet", min(source.starts_at for source in sources))
    if contract.start is not None and today < contract.start:
        return AccessRefusal("no_contract")
    ended = contract.end is not None and today > contract.end
    if ended and not balance_open:
        return AccessRefusal("no_contract")
    permissions = frozenset[str]().union(*(source.permissions for source in started))
    return Grant(permissions, tuple(sorted(source.name for source in started)), read_only=ended)


def get_email_domain(email: str) -> str:
    """Return the domain of a normalised email address."""
    return email.rsplit("@", 1)[1]


def collect_grant_sources(
    email: str,
    bill_group_id: str,
    *,
    domain_rule: dict[str, Any] | None,
    addresses: dict[str, dict[str, Any]],
    contact_access: dict[str, dict[str, Any]],
    is_owner: bool,
    owner_since: datetime,
) -> tuple[GrantSource, ...]:
    """Return the sources that grant ``email`` something at a bill group, from the stored rows."""
    rules = [rule for rule in (domain_rule, addresses.get(email)) if rule is not None]
    found = [
        GrantSource(rule["rule_id"], frozenset(rule["permissions"]), _parse_instant(rule["starts_at"]))
        for rule in rules
    ]
    own = contact_access.get(bill_group_id)
    if own is not None:
        found.append(GrantSource("contact", frozenset(own["permissions"]), _parse_instant(own["starts_at"])))
    if is_owner:
        found.append(GrantSource("owner", OWNER_PERMISSIONS, owner_since))
    return tuple(found)


def _parse_instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
