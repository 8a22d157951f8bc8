"""Delete a contact, and restore a deleted one (C4)."""

from dataclasses import replace

from chalicelib.accounts import owner
from chalicelib.bill_groups.service import replace_bill_group_contact
from chalicelib.contacts import emails, rules
from chalicelib.contacts.rows import (
    ContactRead,
    ContactWriteContext,
    check_contact_version,
    contact_to_item,
    free_address,
    load_contact_write_context,
    lock_address,
    record_contact_event,
    require_contact,
    to_contact_read,
    write_roles,
)
from chalicelib.contacts.rules import ACTIVE, INACTIVE, Contact, ContactDeletion
from chalicelib.mail import outbox, portal_limits
from chalicelib.request_context import RequestContext
from chalicelib.table import keys, store
from chalicelib.table.items import ContactAddressItem, ContactItem

_MAX_BILL_GROUPS_PER_TRANSACTION = 30


def delete_contact(
    context: RequestContext, account_id: str, contact_id: str, successor_id: str | None, expected_version: int | None
) -> None:
    """Make a contact inactive at once; a successor takes over its roles, bill groups, and ownership (C4).

    The same write ends what its address could do: its access, its rules, its user name; if the domain has a rule, the
    address is denied. Deleting an inactive contact again changes nothing. Raises NotFound, StaleVersion, InvalidInput
    when the successor is not an active contact of the account, and Conflict when a successor is needed or a role is
    full.
    """

    handed_over = False

    def attempt() -> None:
        nonlocal handed_over
        successor_key = [keys.contact(account_id, successor_id)] if successor_id else []
        around = load_contact_write_context(context, account_id, keys.contact(account_id, contact_id), *successor_key)
        item = around.rest[0]
        successor_item = around.rest[1] if successor_id else None
        contact = require_contact(item, None)
        if contact.status == INACTIVE:
            return
        if not handed_over:
            check_contact_version(contact, expected_version)
        deletion = rules.decide_contact_deletion(
            contact,
            successor_id,
            store.from_item(Contact, successor_item) if successor_item is not None else None,
            around.roles,
            around.account.owner_contact_id,
            context.actor.kind,
            context.actor.id,
        )
        remaining = list(deletion.bill_group_ids)
        while len(remaining) > _MAX_BILL_GROUPS_PER_TRANSACTION and successor_item is not None:
            # Bill groups beyond the size of one transaction are reassigned beforehand, some at a time. Each step is
            # consistent: a bill group always names a contact that lists it.
            _hand_over_bill_groups(context, item, successor_item, remaining[:_MAX_BILL_GROUPS_PER_TRANSACTION])
            remaining = remaining[_MAX_BILL_GROUPS_PER_TRANSACTION:]
            handed_over = True
        _write_deletion(context, around, deletion, successor_item, remaining)

    store.retry_on_conflict(attempt)


def _hand_over_bill_groups(
    context: RequestContext, item: ContactItem, successor: ContactItem, group_ids: list[str]
) -> None:
    transaction = store.Transaction(replace(context, idempotency=None))
    _transfer_bill_groups(transaction, context, item, successor, group_ids)
    transaction.replace(item)
    transaction.replace(successor)
    transaction.commit()


def _write_deletion(
    context: RequestContext,
    around: ContactWriteContext,
    deletion: ContactDeletion,
    successor_item: ContactItem | None,
    group_ids: list[str],
) -> None:
    """Write a deletion that was decided; ``group_ids`` are the bill groups still to be reassigned."""
    item, contact = around.rest[0], deletion.contact
    transaction = store.Transaction(context)
    if successor_item is not None:
        _transfer_bill_groups(transaction, context, item, successor_item, group_ids)
        if group_ids or deletion.successor_gains_roles:
            # A caller who has seen the successor without these roles must not overwrite it (C1).
            transaction.replace(successor_item)
        else:
            transaction.check(successor_item)
    after = rules.deactivate_contact(contact, around.roles, context.now)
    transaction.replace(contact_to_item(replace(after, version=int(item.version))))
    free_address(transaction, context, contact)
    if deletion.is_owner:
        successor_id = deletion.successor.contact_id if deletion.successor else None
        owner.set_account_owner(transaction, context, around.account_item, successor_id)
    else:
        # So that the contact cannot become the owner during its deletion.
        transaction.check(around.account_item)
    write_roles(transaction, around, deletion.assignments, after)
    record_contact_event(transaction, context, "contact.deleted", contact, after, deletion.roles, frozenset())
    mail = emails.contact_removed(around.entity, around.account, contact, deletion.roles)
    # Who must go goes, whatever was mailed before: the email is withheld rather than the deletion refused (A13).
    outbox.enqueue_mail(transaction, context, mail, over_limit="withhold")
    if deletion.successor is not None and deletion.successor_gains_roles:
        _notify_successor(transaction, context, around, deletion, deletion.successor)
    transaction.record_response(contact.contact_id, 204)
    transaction.commit()


def _notify_successor(
    transaction: store.Transaction,
    context: RequestContext,
    around: ContactWriteContext,
    deletion: ContactDeletion,
    successor: Contact,
) -> None:
    before, after = deletion.successor_roles_before, deletion.successor_roles
    record_contact_event(transaction, context, "contact.changed", successor, successor, before, after)
    mail = emails.role_changed(around.entity, around.account, successor, before, after)
    outbox.enqueue_mail(transaction, context, mail, over_limit="withhold")


def _transfer_bill_groups(
    transaction: store.Transaction,
    context: RequestContext,
    item: ContactItem,
    successor: ContactItem,
    group_ids: list[str],
) -> None:
    """Reassign some bill groups to ``successor``; the caller writes both contacts."""
    found = store.batch_get_items([keys.bill_group(group_id) for group_id in group_ids])
    replace_bill_group_contact(transaction, context, list(found.values()), item.contact_id, successor.contact_id)
    for attribute in ("billing_for", "shipping_for"):
        moved = set(getattr(item, attribute)) & set(group_ids)
        setattr(item, attribute, sorted(set(getattr(item, attribute)) - moved))
        setattr(successor, attribute, sorted(set(getattr(successor, attribute)) | moved))


def restore_contact(context: RequestContext, account_id: str, contact_id: str) -> ContactRead:
    """Restore an inactive contact with its details and those former roles that still fit, never access (C4).

    Restoring an active contact changes nothing. Raises NotFound, and Conflict when its email is in use now.
    """

    def attempt() -> ContactRead:
        around = load_contact_write_context(context, account_id, keys.contact(account_id, contact_id))
        contact = require_contact(around.rest[0], None)
        if contact.status == ACTIVE:
            return to_contact_read(contact, around.roles.of(contact_id))
        address = store.get_item(ContactAddressItem, keys.contact_address(account_id, contact.email))
        if address is not None:
            raise rules.email_taken_error(address.contact_id)
        roles = rules.select_roles_with_room(around.roles, contact_id, contact.former_roles)
        after = replace(contact, status=ACTIVE, former_roles=(), deleted_at=None, updated_at=context.now)
        transaction = store.Transaction(context)
        row = contact_to_item(after)
        transaction.replace(row)
        lock_address(transaction, after)
        write_roles(transaction, around, rules.assign_roles(around.roles, {contact_id: roles}), after)
        record_contact_event(transaction, context, "contact.restored", contact, after, frozenset(), roles)
        portal_limits.count_new_contact(transaction, context, account_id)
        outbox.enqueue_mail(transaction, context, emails.contact_added(around.entity, around.account, after, roles))
        transaction.record_response(contact_id, 200)
        transaction.commit()
        return to_contact_read(replace(after, version=int(row.version)), roles)

    return store.retry_on_conflict(attempt)
