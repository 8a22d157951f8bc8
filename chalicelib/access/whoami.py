"""The caller's own view: which bill groups they may enter, with which permissions."""

from dataclasses import dataclass

from chalicelib.permissions import PORTAL_PERMISSIONS, Principal
from chalicelib.table import keys, store


@dataclass(frozen=True)
class AccessibleBillGroup:
    """A bill group that a portal user may enter now. ``read_only`` after its contract's end (A3)."""

    bill_group_id: str
    account_id: str
    name: str
    account_name: str
    entity_id: str
    permissions: tuple[str, ...]
    read_only: bool


def list_accessible_bill_groups(principal: Principal) -> list[AccessibleBillGroup]:
    """Return the bill groups that ``principal``, authorised for all of them, may enter; one more read."""
    pairs = [pair for pair in principal.bill_groups if pair[0] in principal.grants]
    if not pairs:
        return []
    wanted = [key for pair in pairs for key in (keys.bill_group(pair[0]), keys.account(pair[1]))]
    found = store.batch_get_items(wanted)
    told = []
    for bill_group_id, account_id in pairs:
        group, account = found.get(keys.bill_group(bill_group_id)), found.get(keys.account(account_id))
        if group is None or account is None:
            continue
        grant = principal.grants[bill_group_id]
        told.append(
            AccessibleBillGroup(
                bill_group_id=bill_group_id,
                account_id=account_id,
                name=group.name,
                account_name=account.name,
                entity_id=group.entity_id,
                permissions=tuple(one for one in PORTAL_PERMISSIONS if one in grant.permissions),
                read_only=grant.read_only,
            )
        )
    return told
