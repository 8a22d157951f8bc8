"""The rows of contact writes: those that are read together, and those that are written together."""

from dataclasses import dataclass
from typing import Any

from chalicelib.access import revocation
from chalicelib.accounts.rules import Account
from chalicelib.audit.rules import FieldChange, diff_fields
from chalicelib.audit.service import record_audit_event
from chalicelib.contacts import preference_rules, rules
from chalicelib.contacts.rules import Contact, RoleAssignments
from chalicelib.entities.rules import Entity
from chalicelib.entities.service import get_cached_entity
from chalicelib.errors import NotFound, StaleVersion
from chalicelib.field_ownership import Override, find_upstream_differences
from chalicelib.mailboxes import mailbox_of
from chalicelib.request_context import RequestContext
from chalicelib.table import keys, store
from chalicelib.table.items import (
    AccountItem,
    ContactAddressItem,
    ContactExternalIdItem,
    ContactItem,
    ContactRolesItem,
)
from chalicelib.table.keys import Key


@dataclass(frozen=True)
class ContactRead:
    """A contact, its roles, and the differences from the billing system's values.

    ``others`` names the records of the same person at other accounts, as (account id, contact id), if the write touched
    fields shared by them (C6). ``overrides`` holds our values that the billing system replaced, and ``changed`` is
    False when nothing changed and nothing was written.
    """

    contact: Contact
    roles: frozenset[str]
    differences: dict[str, Any]
    others: tuple[tuple[str, str], ...] = ()
    overrides: tuple[Override, ...] = ()
    changed: bool = True


@dataclass(frozen=True)
class ContactWriteContext:
    """The rows that decide a contact write: one strongly consistent read."""

    account_item: AccountItem
    account: Account
    entity: Entity
    roles_item: ContactRolesItem
    roles: RoleAssignments
    rest: list[Any]


def load_contact_write_context(context: RequestContext, account_id: str, *further: Key) -> ContactWriteContext:
    """Read the account, its roles and further rows at once. Raises NotFound, and Forbidden by C5."""
    account_item, roles_item, *rest = store.get_items_for_write(
        context, keys.account(account_id), keys.contact_roles(account_id), *further
    )
    if account_item is None or roles_item is None:
        raise NotFound()
    account = store.from_item(Account, account_item)
    rules.check_self_service(context.actor.kind, cost_center_billing=account.cost_center_billing)
    entity = get_cached_entity(account.entity_id, context.now)
    return ContactWriteContext(account_item, account, entity, roles_item, role_assignments_from_item(roles_item), rest)


def role_assignments_from_item(item: ContactRolesItem) -> RoleAssignments:
    """Return the roles that a row holds."""
    return RoleAssignments(
        frozenset(item.invoicing or ()), frozenset(item.accounts_payable or ()), bool(item.both_held)
    )


def to_contact_read(contact: Contact, roles: frozenset[str]) -> ContactRead:
    """Return a contact as callers see it."""
    return ContactRead(contact, roles, find_upstream_differences(contact))


def require_contact(item: ContactItem | None, expected_version: int | None) -> Contact:
    """Return the contact of a row that was read. Raises NotFound, and StaleVersion by C1."""
    if item is None:
        raise NotFound()
    contact = store.from_item(Contact, item)
    check_contact_version(contact, expected_version)
    return contact


def check_contact_version(contact: Contact, expected_version: int | None) -> None:
    """Raise StaleVersion when the caller has seen another version."""
    if expected_version is not None and contact.version != expected_version:
        raise StaleVersion(contact.version)


def contact_to_item(contact: Contact) -> ContactItem:
    """Return the row of a contact, listed by its email."""
    return store.to_item(
        ContactItem,
        keys.contact(contact.account_id, contact.contact_id),
        contact,
        listed=keys.contact_by_email(contact.email, contact.account_id, contact.contact_id),
    )


def lock_address(transaction: store.Transaction, contact: Contact) -> None:
    """Lock the contact's email in the account (C3), with the access of the address."""
    key = keys.contact_address(contact.account_id, contact.email)
    transaction.create(ContactAddressItem(key.pk, key.sk, contact_id=contact.contact_id, access=contact.access))


def free_address(
    transaction: store.Transaction, context: RequestContext, contact: Contact, new_email: str | None = None
) -> None:
    """Free the contact's email, and end at once what it opened: access, user name, its rules (C4).

    The mailbox is denied under the rules of its domain, unless ``new_email`` is another address of the same mailbox.
    """
    key = keys.contact_address(contact.account_id, contact.email)
    address = store.get_item(ContactAddressItem, key)
    if address is not None and address.user_name:
        transaction.delete_unconditionally(keys.user_name(address.user_name))
    transaction.delete_unconditionally(key)
    stays = new_email is not None and mailbox_of(new_email) == mailbox_of(contact.email)
    revocation.revoke_address_access(transaction, context, contact.account_id, contact.email, deny=not stays)


def lock_external_id(transaction: store.Transaction, contact: Contact) -> None:
    """Lock the contact's external id, if any, in the account (C1)."""
    if contact.external_id is not None:
        key = keys.contact_external_id(contact.account_id, contact.external_id)
        transaction.create(ContactExternalIdItem(key.pk, key.sk, contact_id=contact.contact_id))


def free_external_id(transaction: store.Transaction, contact: Contact) -> None:
    """Free the contact's external id."""
    if contact.external_id is not None:
        transaction.delete_unconditionally(keys.contact_external_id(contact.account_id, contact.external_id))


def write_roles(
    transaction: store.Transaction,
    around: ContactWriteContext,
    after: RoleAssignments,
    contact: Contact,
    *,
    new_address: bool = False,
) -> None:
    """Write the roles, or at least make the write conditional on them, so that C2 holds under concurrency.

    Whether ``contact``, as written, gets copies of a role's emails is recorded there too (C7). With a new address it is
    no longer a cause of an unreachable role (C9).
    """
    item = around.roles_item
    copies = preference_rules.update_copies(item.copies, contact)
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


def record_contact_event(
    transaction: store.Transaction,
    context: RequestContext,
    action: str,
    before: Contact | None,
    after: Contact,
    roles_before: frozenset[str],
    roles_after: frozenset[str],
) -> None:
    """Add the audit event of a change of a contact and its roles."""
    changed = diff_fields(before, after)
    if roles_before != roles_after:
        changed += (FieldChange("roles", sorted(roles_before), sorted(roles_after)),)
    record_audit_event(
        transaction,
        context,
        action,
        "contact",
        after.contact_id,
        changed,
        account_id=after.account_id,
    )
