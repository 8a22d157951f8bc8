"""The first view of the portal: billing facts of a bill group, what is owed, and who gets its emails (C2)."""

from collections.abc import Mapping
from dataclasses import dataclass

from chalicelib.accounts.rules import Account, is_unreachability_notified
from chalicelib.bill_groups.rules import BillGroup, select_recipients
from chalicelib.entities.rules import Entity
from chalicelib.errors import NotFound
from chalicelib.table import keys, store
from chalicelib.table.items import BillGroupItem


@dataclass(frozen=True)
class BillGroupSummary:
    """A bill group with its account and its issuing entity.

    ``holders`` counts the holders of each contact role of the account, ``recipients`` those who get this bill group's
    emails (C8). ``open_balances`` is what is owed for it, in minor units by currency.
    """

    bill_group: BillGroup
    account: Account
    entity: Entity
    holders: Mapping[str, int]
    recipients: Mapping[str, int]
    open_balances: Mapping[str, int]
    open_invoices: int
    unreachable: tuple[str, ...]
    """The contact roles that were found unreachable (C9)."""


def get_bill_group_summary(bill_group_id: str) -> BillGroupSummary:
    """Read the summary of a bill group; two reads. Raises NotFound."""
    item = store.get_item(BillGroupItem, keys.bill_group(bill_group_id))
    if item is None:
        raise NotFound
    group = store.from_item(BillGroup, item)
    wanted = (
        keys.account(group.account_id),
        keys.entity(group.entity_id),
        keys.contact_roles(group.account_id),
        keys.bill_group_balance(bill_group_id),
    )
    found = store.batch_get_items(wanted)
    account, entity, roles, balance = (found.get(key) for key in wanted)
    if account is None or entity is None:
        raise NotFound
    holders = {
        role: frozenset((getattr(roles, role) if roles else None) or ()) for role in ("invoicing", "accounts_payable")
    }
    narrowed = {"invoicing": group.invoicing_contact_ids, "accounts_payable": group.accounts_payable_contact_ids}
    return BillGroupSummary(
        bill_group=group,
        account=store.from_item(Account, account),
        entity=store.from_item(Entity, entity),
        holders={role: len(ids) for role, ids in holders.items()},
        recipients={role: len(select_recipients(narrowed[role], ids)) for role, ids in holders.items()},
        open_balances={code: owed for code, owed in sorted(balance.open_balances.items()) if owed} if balance else {},
        open_invoices=int(balance.open_invoices) if balance else 0,
        unreachable=tuple(
            role
            for role, ids in holders.items()
            if is_unreachability_notified(roles.unreachable if roles else {}, role, ids)
        ),
    )
