"""Authenticate and authorise: one read finds the caller, one more reads what they are granted (A8).

A path that names an invoice names neither account nor bill group. So the first read of a session also reads the head of
the invoice (``path_resource_keys``), and the second the grants of that invoice's bill group, and of no other: to a
portal user, an invoice of another bill group looks like one that does not exist (A9, A12). This is done for every path
with the parameter ``invoice_id``; its view needs no further check. The portal user then has ``principal.grants`` of
exactly one bill group, the invoice's.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

from chalicelib.access import api_keys, grants, last_used
from chalicelib.access.domain_access import find_denied_key
from chalicelib.access.grants import AccessRefusal, ContractPeriod
from chalicelib.config import settings
from chalicelib.errors import NotFound, Unauthenticated
from chalicelib.observability import logger
from chalicelib.permissions import BillGroupRef, Grant, Principal
from chalicelib.table import keys, store
from chalicelib.table.items import SessionItem
from chalicelib.table.keys import Key
from chalicelib.tokens import SESSION, sha256_hex

_SESSION_TOKEN = re.compile(SESSION.form)
_LAST_SEEN_INTERVAL = timedelta(minutes=1)
NO_PATH_PARAMETERS: Mapping[str, str] = MappingProxyType({})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_RESOURCE_KEY_BY_PARAMETER: dict[str, Callable[[str], Key]] = {"invoice_id": keys.invoice}
"""Path parameters that name something of one bill group, and the row that tells which."""
_SCOPE_PARAMETERS = frozenset({"account_id", "bill_group_id", *_RESOURCE_KEY_BY_PARAMETER})
"""Path parameters that name the scope of the request."""


def authenticate_token(token: str, now: datetime, path: Mapping[str, str] = NO_PATH_PARAMETERS) -> Principal:
    """Return the principal of ``token``, an API key or a session; one read. A session has no grants yet.

    An invoice in ``path`` is read along with it, for ``authorise``. Raises Unauthenticated, which does not say what was
    wrong.
    """
    if _SESSION_TOKEN.fullmatch(token) is None:
        return api_keys.authenticate(token, now)
    token_hash = sha256_hex(token)
    key, named = keys.session(token_hash), path_resource_keys(path)
    found = store.batch_get_items([key, *named])
    item = found.get(key)
    if item is None or item.ends_at <= now or item.last_seen_at + _idle_timeout() <= now:
        raise Unauthenticated
    _record_last_seen(item, now)
    places = tuple((found[one].bill_group_id, found[one].account_id) for one in named if one in found)
    return replace(principal_from_session(item), session_hash=token_hash, named=places)


def path_resource_keys(path: Mapping[str, str]) -> tuple[Key, ...]:
    """Return the keys of the rows that tell to which bill group the resources in a path belong."""
    return tuple(key_of(path[name]) for name, key_of in _RESOURCE_KEY_BY_PARAMETER.items() if name in path)


def principal_from_session(item: SessionItem) -> Principal:
    """Return the principal of a session, without grants."""
    return Principal(
        kind=item.kind,
        id=item.email,
        name=item.email,
        session_id=item.session_id,
        bill_groups=tuple((bill_group_id, account_id) for bill_group_id, account_id in item.bill_groups),
        opened_at=item.created_at,
        previewed=item.preview,
    )


def _idle_timeout() -> timedelta:
    return timedelta(minutes=settings().session_idle_minutes)


def _record_last_seen(item: SessionItem, now: datetime) -> None:
    if now - item.last_seen_at < _LAST_SEEN_INTERVAL:
        return
    item.last_seen_at = now
    try:
        store.replace_item(item)
    except store.WriteConflict:
        # Another request of the same session recorded it.
        logger.debug("A session was seen by two requests at once.")


def authorise(principal: Principal, path: Mapping[str, str], now: datetime) -> Principal:
    """Return ``principal`` with its grants at the account, bill group or invoice in ``path``; one read.

    Raises Unauthenticated when the session or all its access has ended, NotFound when the resource is outside what the
    session was opened for, or no longer granted (A12).
    """
    if principal.kind == "staff":
        return _authorise_staff(principal)
    if not principal.is_portal:
        return principal
    pairs = _select_pairs_in_scope(principal, path)
    placed = not _SCOPE_PARAMETERS.isdisjoint(path)
    granted = _resolve_grants(principal, pairs, now, enters=placed)
    if not granted:
        raise NotFound if placed else Unauthenticated
    return replace(principal, grants=granted)


def _select_pairs_in_scope(principal: Principal, path: Mapping[str, str]) -> tuple[BillGroupRef, ...]:
    account_id, bill_group_id = path.get("account_id"), path.get("bill_group_id")
    pairs = tuple(
        pair for pair in principal.bill_groups if account_id in (None, pair[1]) and bill_group_id in (None, pair[0])
    )
    if not _RESOURCE_KEY_BY_PARAMETER.keys().isdisjoint(path):
        pairs = tuple(pair for pair in pairs if pair in principal.named)
    if not pairs:
        raise Unauthenticated if _SCOPE_PARAMETERS.isdisjoint(path) else NotFound
    return pairs


def _authorise_staff(principal: Principal) -> Principal:
    wanted = (keys.staff(principal.id), keys.identity(principal.id))
    found = store.batch_get_items(wanted)
    _reject_ended_session(principal, found.get(wanted[1]))
    staff = found.get(wanted[0])
    if staff is None or staff.status != "active":
        raise Unauthenticated
    return replace(principal, name=staff.name, role=staff.role)


def _reject_ended_session(principal: Principal, identity: Any) -> None:
    opened = principal.opened_at
    if identity is not None and opened is not None and opened < identity.sessions_not_before:
        raise Unauthenticated


def _resolve_grants(
    principal: Principal, pairs: tuple[BillGroupRef, ...], now: datetime, *, enters: bool
) -> dict[str, Grant]:
    if principal.previewed is not None:
        return _resolve_preview_grants(principal, pairs)
    identity = keys.identity(principal.id)
    found = store.batch_get_items([identity, *access_decision_keys(principal.id, pairs)])
    _reject_ended_session(principal, found.get(identity))
    decided = {pair[0]: decide_access(principal.id, pair, found, now, principal.opened_at) for pair in pairs}
    granted = {bill_group_id: grant for bill_group_id, grant in decided.items() if isinstance(grant, Grant)}
    if enters:
        _record_entries(principal.id, granted, found, now)
    return granted


def _record_entries(email: str, granted: Mapping[str, Grant], found: Mapping[Key, Any], now: datetime) -> None:
    wanted = [keys.domain_access(bill_group_id, grants.get_email_domain(email)) for bill_group_id in sorted(granted)]
    last_used.record_rule_entries(email, [found[key] for key in wanted if key in found], now)


def _resolve_preview_grants(principal: Principal, pairs: tuple[BillGroupRef, ...]) -> dict[str, Grant]:
    """Return the grant that staff preview, while they are staff themselves (A10)."""
    _authorise_staff(principal)
    permissions = frozenset((principal.previewed or {}).get("permissions", ()))
    return {pair[0]: Grant(permissions, ("preview",)) for pair in pairs}


def find_open_portals(emails: Iterable[str], pairs: Iterable[BillGroupRef], now: datetime) -> dict[str, frozenset[str]]:
    """Return the bill groups of ``pairs`` that every one of ``emails`` may enter now, with the permissions of all.

    An email promises only these (I10). One read.
    """
    readers, wanted = tuple(emails), tuple(pairs)
    if not readers or not wanted:
        return {}
    found = store.batch_get_items(
        list(dict.fromkeys(key for email in readers for key in access_decision_keys(email, wanted)))
    )
    opened = {}
    for pair in wanted:
        decided = [decide_access(email, pair, found, now) for email in readers]
        granted = [one.permissions for one in decided if isinstance(one, Grant)]
        if len(granted) == len(readers):
            opened[pair[0]] = frozenset.intersection(*granted)
    return opened


def access_decision_keys(email: str, pairs: Iterable[BillGroupRef]) -> list[Key]:
    """Return the keys of the rows that decide about ``pairs`` of bill group and account."""
    domain = grants.get_email_domain(email)
    wanted: list[Key] = []
    for bill_group_id, account_id in pairs:
        wanted += [
            keys.bill_group(bill_group_id),
            keys.bill_group_balance(bill_group_id),
            keys.domain_access(bill_group_id, domain),
            keys.account(account_id),
            keys.contact_address(account_id, email),
        ]
    return list(dict.fromkeys(wanted))


def decide_access(
    email: str,
    pair: BillGroupRef,
    found: Mapping[Key, Any],
    now: datetime,
    signed_in_at: datetime | None = None,
) -> Grant | AccessRefusal:
    """Decide the grant of ``email`` at the bill group of ``pair``, from the rows of ``access_decision_keys``."""
    bill_group_id, account_id = pair
    group = found.get(keys.bill_group(bill_group_id))
    account = found.get(keys.account(account_id))
    access = found.get(keys.domain_access(bill_group_id, grants.get_email_domain(email)))
    contact = found.get(keys.contact_address(account_id, email))
    balance = found.get(keys.bill_group_balance(bill_group_id))
    if group is None or account is None:
        return AccessRefusal("unknown")
    sources = grants.collect_grant_sources(
        email,
        bill_group_id,
        domain_rule=access.domain_rule if access else None,
        addresses=access.addresses if access else {},
        contact_access=contact.access if contact else {},
        is_owner=contact is not None and contact.contact_id == account.owner_contact_id,
        owner_since=_EPOCH,
    )
    return grants.decide_grant(
        sources,
        denied=access is not None and find_denied_key(access.denied, email) is not None,
        contract=ContractPeriod(group.contract_start, group.contract_end),
        balance_open=balance is not None and balance.open_invoices > 0,
        now=now,
        signed_in_at=signed_in_at,
        today=now.astimezone(ZoneInfo(account.time_zone or "UTC")).date(),
    )
