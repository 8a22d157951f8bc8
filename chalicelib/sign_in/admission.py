"""The bill groups that admit an address: found by rules and contacts, verified by ``access`` (A1, A3, A7, A9)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from chalicelib.access import grants
from chalicelib.access.grants import AccessRefusal
from chalicelib.access.service import access_decision_keys, decide_access
from chalicelib.permissions import BillGroupRef, Grant
from chalicelib.sign_in import rules
from chalicelib.table import keys, store
from chalicelib.table.items import AccountItem, BillGroupItem, ContactItem
from chalicelib.table.keys import Key

_PAGE_SIZE = 100


@dataclass(frozen=True)
class Admission:
    """The pairs of bill group and account that admit an address now, and the instant at which others will.

    ``group``, ``account`` and ``contact`` set the brand, language and time zone of the email.
    """

    pairs: tuple[BillGroupRef, ...]
    starts_at: datetime | None
    group: BillGroupItem | None
    account: AccountItem | None
    contact: ContactItem | None


def find_admission(email: str, preferred: str | None, now: datetime) -> Admission:
    """Return the bill groups that admit ``email``. ``preferred`` is that of the portal link, which sets the brand."""
    listed = _query_all(keys.contact_by_email(email, "", "").pk, by_index=True)
    contacts = [item for item in listed if item.status == "active"]
    pairs = _find_candidates(email, contacts)
    wanted = access_decision_keys(email, pairs)
    found = store.batch_get_items(wanted + ([keys.bill_group(preferred)] if preferred else []))
    decided = {pair: decide_access(email, pair, found, now) for pair in pairs}
    # The requested one comes first; the others have a fixed order.
    ordered = sorted(decided, key=lambda pair: (pair[0] != preferred, pair))
    open_now = [pair for pair in ordered if isinstance(decided[pair], Grant)]
    later = {pair: instant for pair in ordered if (instant := _future_start(decided[pair])) is not None}
    leading = open_now[0] if open_now else min(later, key=lambda pair: later[pair], default=None)
    group = found.get(keys.bill_group(preferred)) if preferred else None
    account = None
    if leading is not None:
        group = group or found.get(keys.bill_group(leading[0]))
        account = found.get(keys.account(leading[1]))
    return Admission(
        pairs=tuple(open_now[: rules.MAX_BILL_GROUPS]),
        starts_at=min(later.values(), default=None),
        group=group,
        account=account,
        contact=next((item for item in contacts if leading and item.account_id == leading[1]), None),
    )


def _future_start(decided: Grant | AccessRefusal) -> datetime | None:
    return decided.starts_at if isinstance(decided, AccessRefusal) and decided.reason == "not_yet" else None


def _find_candidates(email: str, contacts: list[ContactItem]) -> list[BillGroupRef]:
    pairs = {
        (item.bill_group_id, item.account_id)
        for pk in (
            keys.access_rule_by_address(email, "").pk,
            keys.access_rule_by_domain(grants.get_email_domain(email), "").pk,
        )
        for item in _query_all(pk, by_index=False)
    }
    accounts = sorted({item.account_id for item in contacts})
    found = store.batch_get_items(
        [key for account_id in accounts for key in (keys.contact_address(account_id, email), keys.account(account_id))]
    )
    for account_id in accounts:
        pairs |= _list_contact_bill_groups(account_id, email, found)
    return sorted(pairs)


def _list_contact_bill_groups(account_id: str, email: str, found: Mapping[Key, Any]) -> set[BillGroupRef]:
    address, account = found.get(keys.contact_address(account_id, email)), found.get(keys.account(account_id))
    if address is None or account is None:
        return set()
    if account.owner_contact_id == address.contact_id:
        groups = _query_all(keys.bill_group_listed(account_id, "").pk, by_index=True)
        return {(group.bill_group_id, account_id) for group in groups}
    return {(bill_group_id, account_id) for bill_group_id in address.access}


def _query_all(pk: str, *, by_index: bool) -> list[Any]:
    return list(islice(store.iterate_items(pk, page_size=_PAGE_SIZE, by_index=by_index), rules.MAX_BILL_GROUPS * 2))
