"""The rows behind a contact: what a write of contacts reads at once, and the rows that it writes together."""

from dataclasses import dataclass
from typing import Any

from chalicelib.access import leaving
from chalicelib.accounts.rules import Account, Override, differences
from chalicelib.audit import rules as audit_rules
from chalicelib.audit import service as audit
from chalicelib.call import Call
from chalicelib.contacts import choices, rules
from chalicelib.contacts.rules import Contact, Roles
from chalicelib.entities.rules import Entity
from chalicelib.entities.service import remembered_entity
from chalicelib.errors import NotFound, StaleVersion
from chalicelib.table import keys, store
from chalicelib.table.items import (
    AccountItem,
    ContactAddressItem,
    ContactExternalIdItem,
    ContactItem,
    ContactRolesItem,
)
from chalicelib.table.keys import Key

_NOT_AUDITED = frozenset({"version", "upstream", "created_at", "updated_at", "deleted_at", "former_roles"})


@dataclass(frozen=True)
class ContactRead:
    """A contact, the roles it holds, and where it differs from what the billing system brought.

    ``others`` names the records of the same person at other accounts, as (account id, contact id), where the
    write touched what is one across them (C6). ``overrides`` tells what of ours the billing system replaced, and
    ``changed`` is False when everything was so already, and nothing was written.
    """

    contact: Contact
    roles: frozenset[str]
    differences: dict[str, Any]
    others: tuple[tuple[str, str], ...] = ()
    overrides: tuple[Override, ...] = ()
    changed: bool = True


@dataclass(frozen=True)
class Surroundings:
    """What a write of contacts decides upon: read at once, strongly."""

    account_item: AccountItem
    account: Account
    entity: Entity
    roles_item: ContactRolesItem
    roles: Roles
    rest: list[Any]


def surroundings(call: Call, account_id: str, *further: Key) -> Surroundings:
    """Read the account, its roles and further rows at once. Raises NotFound, and Forbidden by C5."""
    account_item, roles_item, *rest = store.gather(
        call, keys.account(account_id), keys.contact_roles(account_id), *further
    )
    if account_item is None or roles_item is None:
        raise NotFound()
    account = store.load(Account, account_item)
    rules.check_self_service(call.actor.kind, cost_center_billing=account.cost_center_billing)
    entity = remembered_entity(account.entity_id, call.now)
    return Surroundings(account_item, account, entity, roles_item, roles_of(roles_item), rest)


def roles_of(item: ContactRolesItem) -> Roles:
    """Return the roles that a row holds."""
    return Roles(frozenset(item.invoicing or ()), frozenset(item.accounts_payable or ()), bool(item.both_held))


def read_of(contact: Contact, roles: frozenset[str]) -> ContactRead:
    """Return a contact as it is told to callers."""
    return ContactRead(contact, roles, differences(contact))


def existing(item: ContactItem | None, expected_version: int | None) -> Contact:
    """Return the contact of a row that was read. Raises NotFound, and StaleVersion by C1."""
    if item is None:
        raise NotFound()
    contact = store.load(Contact, item)
    refuse_stale(contact, expected_version)
    return contact


def refuse_stale(contact: Contact, expected_version: int | None) -> None:
    """Raise StaleVersion when the caller has seen another version."""
    if expected_version is not None and contact.version != expected_version:
        raise StaleVersion(contact.version)


def row_of(contact: Contact) -> ContactItem:
    """Return the row of a contact, listed by its email."""
    return store.row(
        ContactItem,
        keys.contact(contact.account_id, contact.contact_id),
        contact,
        listed=keys.contact_by_email(contact.email, contact.account_id, contact.contact_id),
    )


def lock_address(transaction: store.Transaction, contact: Contact) -> None:
    """Take the contact's email for it alone in the account (C3), with the access that goes with it."""
    key = keys.contact_address(contact.account_id, contact.email)
    transaction.create(ContactAddressItem(key.pk, key.sk, contact_id=contact.contact_id, access=contact.access))


def free_address(transaction: store.Transaction, call: Call, contact: Contact) -> None:
    """Give the contact's email back, and end at once what it opened: access, user name, the rules for it (C4)."""
    key = keys.contact_address(contact.account_id, contact.email)
    address = store.get(ContactAddressItem, key)
    if address is not None and address.user_name:
        transaction.erase(keys.user_name(address.user_name))
    transaction.erase(key)
    leaving.withdraw(transaction, call, contact.account_id, contact.email)


def lock_external_id(transaction: store.Transaction, contact: Contact) -> None:
    """Take the contact's external id, if it has one, for it alone in the account (C1)."""
    if contact.external_id is not None:
        key = keys.contact_external_id(contact.account_id, contact.external_id)
        transaction.create(ContactExternalIdItem(key.pk, key.sk, contact_id=contact.contact_id))


def free_external_id(transaction: store.Transaction, contact: Contact) -> None:
    """Give the contact's external id back."""
    if contact.external_id is not None:
        transaction.erase(keys.contact_external_id(contact.account_id, contact.external_id))


def write_roles(
    transaction: store.Transaction,
    around: Surroundings,
    after: Roles,
    contact: Contact,
    *,
    new_address: bool = False,
) -> None:
    """Write the roles, or at least condition on them, so that C2 holds whatever is written at the same time.

    Whether ``contact``, as it is written, gets copies of a role's mail is noted there too (C7). With a new address it
    is not any more what made a role unreachable (C9).
    """
    item = around.roles_item
    copies = choices.copied(item.copies, contact)
    unreachable = item.unreachable
    if new_address:
        unreachable = {role: [one for one in ids if one != contact.contact_id] for role, ids in unreachable.items()}
    if (after, copies, unreachable) == (around.roles, item.copies, item.unreachable):
        transaction.check(item)
        return
    item.copies, item.unreachable = copies, unreachable
    item.invoicing = set(after.invoicing) or None
    item.accounts_payable = set(after.accounts_payable) or None
    item.both_held = after.both_held
    transaction.replace(item)


def record(
    transaction: store.Transaction,
    call: Call,
    action: str,
    before: Contact | None,
    after: Contact,
    roles_before: frozenset[str],
    roles_after: frozenset[str],
) -> None:
    """Add the audit event of a change of a contact and its roles."""
    changed = audit_rules.changes(before, after, without=_NOT_AUDITED)
    if roles_before != roles_after:
        changed += (audit_rules.Change("roles", sorted(roles_before), sorted(roles_after)),)
    audit.record(
        transaction,
        call,
        action,
        "contact",
        after.contact_id,
        changed,
        account_id=after.account_id,
    )
