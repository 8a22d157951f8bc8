"""Use cases of contacts that leave and come back (C4)."""

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
from chalicelib.contacts.rules import ACTIVE, INACTIVE, Contact
from chalicelib.errors import InvalidInput
from chalicelib.mail import outbox
from chalicelib.request_context import RequestContext
from chalicelib.table import keys, store
from chalicelib.table.items import ContactAddressItem, ContactItem

_MAX_BILL_GROUPS_PER_TRANSACTION = 30


def delete_contact(
    context: RequestContext, account_id: str, contact_id: str, successor_id: str | None, expected_version: int | None
) -> None:
    """Make a contact inactive at once; a successor takes its roles, its places at bill groups, and ownership (C4).

    What its address opened ends in the same write: its access, the rules for it, its user name; where the domain has
    a rule, the address is denied.

    Deleting an inactive contact again changes nothing. Raises NotFound, StaleVersion, Invalid when the successor is
    not an active contact of the account, and Conflict when a successor is needed or a role is full.
    """

    handed_over = False

    def attempt() -> None:
        nonlocal handed_over
        successor_key = [keys.contact(account_id, successor_id)] if successor_id else []
        around = load_contact_write_context(context, account_id, keys.contact(account_id, contact_id), *successor_key)
        item, *successors = around.rest
        contact = require_contact(item, None)
        if contact.status == INACTIVE:
            return
        if not handed_over:
            check_contact_version(contact, expected_version)
        successor_item = successors[0] if successors else None
        if successor_id and (successor_id == contact_id or successor_item is None or successor_item.status != ACTIVE):
            raise InvalidInput.field(
                "successor", "unknown_contact", "The successor is an active contact of the account."
            )
        used = sorted({*contact.billing_for, *contact.shipping_for})
        if used and successor_item is None:
            raise rules.successor_needed_error(contact)
        is_owner = contact_id == around.account.owner_contact_id
        rules.check_owner_protected(context.actor.kind, context.actor.id, contact, around.account.owner_contact_id)
        if is_owner and successor_id is None:
            raise rules.owner_needs_successor_error()
        held = around.roles.of(contact_id)
        wanted = {contact_id: frozenset[str]()}
        if successor_id:
            wanted[successor_id] = around.roles.of(successor_id) | held
        gains = successor_id is not None and wanted[successor_id] != around.roles.of(successor_id)
        after_roles = rules.assign_roles(around.roles, wanted)
        while len(used) > _MAX_BILL_GROUPS_PER_TRANSACTION and successor_item is not None:
            # More bill groups than fit one transaction are handed over beforehand, some at a time. Each step is
            # whole in itself: a bill group always names a contact that knows of it.
            chunk, used = used[:_MAX_BILL_GROUPS_PER_TRANSACTION], used[_MAX_BILL_GROUPS_PER_TRANSACTION:]
            transaction = store.Transaction(replace(context, idempotency=None))
            _transfer_bill_groups(transaction, context, item, successor_item, chunk)
            transaction.replace(item)
            transaction.replace(successor_item)
            transaction.commit()
            handed_over = True
        transaction = store.Transaction(context)
        if successor_item is not None:
            _transfer_bill_groups(transaction, context, item, successor_item, used)
            if used or gains:
                # Whoever has seen the successor without these roles must not write over them unawares (C1).
                transaction.replace(successor_item)
            else:
                transaction.check(successor_item)
        after = rules.deactivate_contact(contact, around.roles, context.now)
        transaction.replace(contact_to_item(replace(after, version=int(item.version))))
        free_address(transaction, context, contact)
        if is_owner:
            owner.set_account_owner(transaction, context, around.account_item, successor_id)
        else:
            # So that nobody makes the contact the owner while it leaves.
            transaction.check(around.account_item)
        write_roles(transaction, around, after_roles, after)
        record_contact_event(transaction, context, "contact.deleted", contact, after, held, frozenset())
        outbox.enqueue_mail(transaction, context, emails.contact_removed(around.entity, around.account, contact, held))
        if successor_item is not None and successor_id and gains:
            _notify_successor(
                transaction, context, around, store.from_item(Contact, successor_item), wanted[successor_id]
            )
        transaction.record_response(contact_id, 204)
        transaction.commit()

    store.retry_on_conflict(attempt)


def _notify_successor(
    transaction: store.Transaction,
    context: RequestContext,
    around: ContactWriteContext,
    successor: Contact,
    now_held: frozenset[str],
) -> None:
    held = around.roles.of(successor.contact_id)
    record_contact_event(transaction, context, "contact.changed", successor, successor, held, now_held)
    mail = emails.role_changed(around.entity, around.account, successor, held, now_held)
    outbox.enqueue_mail(transaction, context, mail)


def _transfer_bill_groups(
    transaction: store.Transaction,
    context: RequestContext,
    item: ContactItem,
    successor: ContactItem,
    group_ids: list[str],
) -> None:
    """Let ``successor`` take the contact's places at some bill groups; the caller writes both contacts."""
    found = store.batch_get_items([keys.bill_group(group_id) for group_id in group_ids])
    replace_bill_group_contact(transaction, context, list(found.values()), item.contact_id, successor.contact_id)
    for attribute in ("billing_for", "shipping_for"):
        moved = set(getattr(item, attribute)) & set(group_ids)
        setattr(item, attribute, sorted(set(getattr(item, attribute)) - moved))
        setattr(successor, attribute, sorted(set(getattr(successor, attribute)) | moved))


def restore_contact(context: RequestContext, account_id: str, contact_id: str) -> ContactRead:
    """Bring an inactive contact back with its details and those former roles that still fit, never access (C4).

    Restoring an active contact changes nothing. Raises NotFound, and Conflict when its email is in use by now.
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
        outbox.enqueue_mail(transaction, context, emails.contact_added(around.entity, around.account, after, roles))
        transaction.record_response(contact_id, 200)
        transaction.commit()
        return to_contact_read(replace(after, version=int(row.version)), roles)

    return store.retry_on_conflict(attempt)
