"""Use cases of contacts. Each write reads once, decides by the rules, and writes one transaction."""

from dataclasses import dataclass, replace
from typing import Any

from chalicelib import ids
from chalicelib.contacts import access, emails, names, rules
from chalicelib.contacts.access import RequestedAccess
from chalicelib.contacts.rows import (
    ContactRead,
    ContactWriteContext,
    contact_to_item,
    free_address,
    free_external_id,
    load_contact_write_context,
    lock_address,
    lock_external_id,
    record_contact_event,
    require_contact,
    role_assignments_from_item,
    to_contact_read,
    write_roles,
)
from chalicelib.contacts.rules import ACTIVE, Contact, ContactChange
from chalicelib.errors import NotFound
from chalicelib.field_marks import FieldUse, is_any_changed
from chalicelib.field_ownership import MergeResult, merge_fields
from chalicelib.mail import outbox, portal_limits
from chalicelib.request_context import RequestContext
from chalicelib.serialization import build_dataclass, dataclass_defaults, to_plain_fields
from chalicelib.table import keys, store
from chalicelib.table.items import ContactItem, ContactRolesItem

_CONTACTS_PER_PAGE = 100
_DEFAULTS = {**dataclass_defaults(Contact), "kind": rules.PERSON, "roles": []}


def create_contact(
    context: RequestContext,
    account_id: str,
    given: dict[str, Any],
    roles: frozenset[str],
    wanted: RequestedAccess | None = None,
) -> ContactRead:
    """Add a contact to an account, with its roles (C1 to C3, C5) and the requested access (A9).

    Raises NotFound without the account, InvalidInput naming every invalid field, Conflict when a role is full or the
    email or external id is in use.
    """

    def attempt() -> ContactRead:
        address_key = keys.contact_address(account_id, str(given.get("email")))
        external_key = keys.contact_external_id(account_id, str(given.get("external_id")))
        around = load_contact_write_context(
            context, account_id, address_key, external_key, *access.contact_access_keys(wanted, str(given.get("email")))
        )
        address_item, external_item, *access_rows = around.rest
        asked = {**given, "roles": sorted(roles)}
        merged = merge_fields(None, {}, asked, from_billing=context.is_billing_system, defaults=_DEFAULTS)
        contact = build_dataclass(
            Contact,
            {
                "kind": rules.PERSON,
                **merged.values,
                "contact_id": ids.new_id(ids.CONTACT_PREFIX, context.now),
                "account_id": account_id,
                "status": ACTIVE,
                "created_at": context.now,
                "updated_at": context.now,
                "upstream": merged.upstream,
            },
        )
        rules.check_contact(contact, cell_required=around.entity.contact_cell_required)
        names.check_names(context.actor.kind, None, contact)
        if wanted:
            contact = replace(contact, access=access.build_contact_access(context, contact, wanted, access_rows))
        if address_item is not None:
            raise rules.email_taken_error(address_item.contact_id)
        if contact.external_id is not None and external_item is not None:
            raise rules.external_id_taken_error(external_item.contact_id)
        after = rules.assign_roles(around.roles, {contact.contact_id: roles})
        transaction = store.Transaction(context)
        transaction.create(contact_to_item(contact))
        lock_address(transaction, contact)
        lock_external_id(transaction, contact)
        write_roles(transaction, around, after, contact)
        record_contact_event(transaction, context, "contact.created", None, contact, frozenset(), roles)
        portal_limits.count_new_contact(transaction, context, account_id)
        outbox.enqueue_mail(transaction, context, emails.contact_added(around.entity, around.account, contact, roles))
        transaction.record_response(contact.contact_id, 201)
        transaction.commit()
        return to_contact_read(contact, roles)

    return store.retry_on_conflict(attempt)


def patch_contact(
    context: RequestContext,
    account_id: str,
    contact_id: str,
    given: dict[str, Any],
    roles: frozenset[str] | None,
    expected_version: int | None,
    *,
    from_billing: bool = False,
    wanted_access: RequestedAccess | None = None,
) -> ContactRead:
    """Change the given fields of an active contact, and its roles and access unless None (C1 to C3, C5, A9).

    Access belongs to the address: a new one has only ``wanted_access``, and the rules of the old one end as on a
    deletion (C4). ``from_billing`` marks an import with the values of the billing system (DESIGN §5). Raises NotFound,
    StaleVersion, InvalidInput naming every invalid field, and Conflict when the contact is inactive, a role is full or
    would lose its last holder, or the email or external id is in use.
    """

    patch = _ContactPatch(given, roles, expected_version, from_billing, wanted_access)
    return store.retry_on_conflict(lambda: _patch_once(context, account_id, contact_id, patch))


@dataclass(frozen=True)
class _ContactPatch:
    """A requested change; see ``patch_contact``."""

    given: dict[str, Any]
    roles: frozenset[str] | None
    expected_version: int | None
    from_billing: bool
    wanted_access: RequestedAccess | None


def _patch_once(context: RequestContext, account_id: str, contact_id: str, patch: _ContactPatch) -> ContactRead:
    around = load_contact_write_context(
        context,
        account_id,
        keys.contact(account_id, contact_id),
        keys.contact_address(account_id, str(patch.given.get("email"))),
        keys.contact_external_id(account_id, str(patch.given.get("external_id"))),
    )
    item, address_item, external_item = around.rest
    before = require_contact(item, patch.expected_version)
    rules.check_active(before)
    merged = _merge_patch(before, around.roles.of(contact_id), patch)
    change = rules.decide_contact_change(
        before,
        _apply_access(context, around, before, build_dataclass(Contact, merged.values), patch.wanted_access),
        around.roles,
        frozenset(merged.values["roles"]),
        context.now,
        cell_required=around.entity.contact_cell_required,
        email_holder_id=address_item.contact_id if address_item is not None else None,
        external_id_holder_id=external_item.contact_id if external_item is not None else None,
    )
    names.check_names(context.actor.kind, before, change.after)
    if change.is_empty:
        return replace(to_contact_read(before, change.roles_before), changed=False)
    transaction, row = _stage_change(context, around, change)
    # Read before the commit: after it, nothing may fail.
    shared = is_any_changed(before, change.after, FieldUse.SHARED)
    others = _find_shared_records(before, before.email) if shared else ()
    transaction.commit()
    read = to_contact_read(replace(change.after, version=int(row.version)), change.roles_after)
    return replace(read, others=others, overrides=merged.overrides)


def _merge_patch(before: Contact, held: frozenset[str], patch: _ContactPatch) -> MergeResult:
    current = {**to_plain_fields(before), "roles": sorted(held)}
    given = patch.given if patch.roles is None else {**patch.given, "roles": sorted(patch.roles)}
    merged = merge_fields(current, before.upstream, given, from_billing=patch.from_billing, defaults=_DEFAULTS)
    return replace(merged, values={**merged.values, "upstream": merged.upstream})


def _apply_access(
    context: RequestContext,
    around: ContactWriteContext,
    before: Contact,
    after: Contact,
    wanted: RequestedAccess | None,
) -> Contact:
    """Return the contact without the access of its old address, and with the requested access (C4)."""
    if after.email != before.email:
        rules.check_address_change(context.actor.kind, context.actor.id, before, around.account.owner_contact_id)
        after = replace(after, access={})
    return after if wanted is None else access.apply_contact_access(context, after, wanted)


def _stage_change(
    context: RequestContext, around: ContactWriteContext, change: ContactChange
) -> tuple[store.Transaction, ContactItem]:
    """Return the transaction of a change, not yet committed, and the contact's row in it."""
    before, after = change.before, change.after
    transaction = store.Transaction(context)
    row = contact_to_item(after)
    transaction.replace(row)
    if change.has_new_address:
        free_address(transaction, context, before, after.email)
        transaction.check(around.account_item)
        lock_address(transaction, after)
    elif after.access != before.access:
        access.write_contact_access(transaction, after)
    if after.external_id != before.external_id:
        free_external_id(transaction, before)
        lock_external_id(transaction, after)
    write_roles(transaction, around, change.assignments, after, new_address=change.has_new_address)
    record_contact_event(
        transaction, context, "contact.changed", before, after, change.roles_before, change.roles_after
    )
    if change.roles_after != change.roles_before:
        mail = emails.role_changed(around.entity, around.account, after, change.roles_before, change.roles_after)
        outbox.enqueue_mail(transaction, context, mail)
    transaction.record_response(after.contact_id, 200)
    return transaction, row


def get_contact(account_id: str, contact_id: str) -> ContactRead:
    """Read a contact of an account, active or not. Raises NotFound."""
    key, roles_key = keys.contact(account_id, contact_id), keys.contact_roles(account_id)
    found = store.batch_get_items([key, roles_key])
    if key not in found or roles_key not in found:
        raise NotFound()
    return to_contact_read(
        store.from_item(Contact, found[key]), role_assignments_from_item(found[roles_key]).of(contact_id)
    )


def list_contacts(account_id: str, status: str, after: str | None, limit: int) -> tuple[list[ContactRead], str | None]:
    """Return a page of an account's contacts in the order in which they were added, and where the next one begins.

    ``status`` is ``active``, ``inactive`` or ``all``. Raises NotFound without the account.
    """
    roles_item = store.get_item(ContactRolesItem, keys.contact_roles(account_id))
    if roles_item is None:
        raise NotFound()
    roles = role_assignments_from_item(roles_item)

    def fitting(rows: list[ContactItem]) -> list[ContactRead | None]:
        contacts = [store.from_item(Contact, row) for row in rows]
        return [
            to_contact_read(one, roles.of(one.contact_id)) if status in ("all", one.status) else None
            for one in contacts
        ]

    first = keys.contact(account_id, "")
    return store.filter_pages(first.pk, first.sk, fitting, limit=limit, after=after)


def find_shared_records(account_id: str, contact_id: str) -> tuple[tuple[str, str], ...]:
    """Return the other active records with the same email, as (account id, contact id) (C6). Raises NotFound."""
    contact = get_contact(account_id, contact_id).contact
    return _find_shared_records(contact, contact.email)


def _find_shared_records(contact: Contact, email: str) -> tuple[tuple[str, str], ...]:
    listed = keys.contact_by_email(email, "", "").pk
    return tuple(
        (item.account_id, item.contact_id)
        for item in store.iterate_items(listed, page_size=_CONTACTS_PER_PAGE, by_index=True)
        if item.status == ACTIVE and item.email == email and item.contact_id != contact.contact_id
    )
