"""Which bill groups admit an address: found by rules and contacts, decided strongly by ``access`` (A1, A3, A7, A9)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chalicelib.access import grants
from chalicelib.access import service as access
from chalicelib.access.grants import Grant, Refusal
from chalicelib.sign_in import rules
from chalicelib.table import keys, store
from chalicelib.table.items import AccountItem, BillGroupItem, ContactItem
from chalicelib.table.keys import Key

_PAGE = 100

Pair = tuple[str, str]


@dataclass(frozen=True)
class Admission:
    """What lets an address in now, in pairs of bill group and account, and from when on something will.

    ``group``, ``account`` and ``contact`` are those whose brand, language and time zone the mail takes.
    """

    pairs: tuple[Pair, ...]
    starts_at: datetime | None
    group: BillGroupItem | None
    account: AccountItem | None
    contact: ContactItem | None


def admitted(email: str, preferred: str | None, now: datetime) -> Admission:
    """Return what admits ``email``. ``preferred`` is the bill group of the portal link, which gives the brand."""
    contacts = [item for item in _all_listed(keys.contact_by_email(email, "", "").pk) if item.status == "active"]
    pairs = _candidates(email, contacts)
    wanted = access.needed_rows(email, pairs)
    found = store.batch(wanted + ([keys.bill_group(preferred)] if preferred else []))
    decided = {pair: access.decide(email, pair, found, now) for pair in pairs}
    # The one that was asked for comes first; else they have a fixed order.
    ordered = sorted(decided, key=lambda pair: (pair[0] != preferred, pair))
    open_now = [pair for pair in ordered if isinstance(decided[pair], Grant)]
    later = {pair: instant for pair in ordered if (instant := _starts(decided[pair])) is not None}
    leading = open_now[0] if open_now else min(later, key=lambda pair: later[pair], default=None)
    group = found.get(keys.bill_group(preferred)) if preferred else None
    account = None
    if leading is not None:
        group = group or found.get(keys.bill_group(leading[0]))
        account = found.get(keys.account(leading[1]))
    return Admission(
        pairs=tuple(open_now[: rules.MOST_BILL_GROUPS]),
        starts_at=min(later.values(), default=None),
        group=group,
        account=account,
        contact=next((item for item in contacts if leading and item.account_id == leading[1]), None),
    )


def _starts(decided: Grant | Refusal) -> datetime | None:
    return decided.starts_at if isinstance(decided, Refusal) and decided.reason == "not_yet" else None


def _candidates(email: str, contacts: list[ContactItem]) -> list[Pair]:
    pairs = {
        (item.bill_group_id, item.account_id)
        for pk in (keys.rule_by_address(email, "").pk, keys.rule_by_domain(grants.domain_of(email), "").pk)
        for item in _all_in(pk)
    }
    accounts = sorted({item.account_id for item in contacts})
    found = store.batch(
        [key for account_id in accounts for key in (keys.contact_address(account_id, email), keys.account(account_id))]
    )
    for account_id in accounts:
        pairs |= _of_contact(account_id, email, found)
    return sorted(pairs)


def _of_contact(account_id: str, email: str, found: Mapping[Key, Any]) -> set[Pair]:
    address, account = found.get(keys.contact_address(account_id, email)), found.get(keys.account(account_id))
    if address is None or account is None:
        return set()
    if account.owner_contact_id == address.contact_id:
        groups = _all_listed(keys.bill_group_listed(account_id, "").pk)
        return {(group.bill_group_id, account_id) for group in groups}
    return {(bill_group_id, account_id) for bill_group_id in address.access}


def _all_in(pk: str) -> list[Any]:
    items: list[Any] = []
    after: str | None = None
    while True:
        page = store.query(pk, limit=_PAGE, after=after)
        items += page.items
        after = page.after
        if after is None or len(items) >= rules.MOST_BILL_GROUPS * 2:
            return items


def _all_listed(pk: str) -> list[Any]:
    items: list[Any] = []
    after: str | None = None
    while True:
        page = store.query_index(pk, limit=_PAGE, after=after)
        items += page.items
        after = page.after
        if after is None or len(items) >= rules.MOST_BILL_GROUPS * 2:
            return items
