"""Use cases of contacts that leave and come back (C4)."""

from dataclasses import replace

from chalicelib.accounts import owner
from chalicelib.bill_groups import service as bill_groups
from chalicelib.call import Call
from chalicelib.contacts import emails, rules
from chalicelib.contacts.records import (
    ContactRead,
    Surroundings,
    existing,
    free_address,
    lock_address,
    read_of,
    record,
    refuse_stale,
    row_of,
    surroundings,
    write_roles,
)
from chalicelib.contacts.rules import ACTIVE, INACTIVE, Contact
from chalicelib.errors import Invalid
from chalicelib.mail import outbox
from chalicelib.table import keys, store
from chalicelib.table.items import ContactAddressItem, ContactItem

_GROUPS_A_TRANSACTION = 30


def delete_contact(
    call: Call, account_id: str, contact_id: str, successor_id: str | None, expected_version: int | None
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
        around = surroundings(call, account_id, keys.contact(account_id, contact_id), *successor_key)
        item, *successors = around.rest
        contact = existing(item, None)
        if contact.status == INACTIVE:
            return
        if not handed_over:
            refuse_stale(contact, expected_version)
        successor_item = successors[0] if successors else None
        if successor_id and (successor_id == contact_id or successor_item is None or successor_item.status != ACTIVE):
            raise Invalid.field("successor", "unknown_contact", "The successor is an active contact of the account.")
        used = sorted({*contact.billing_for, *contact.shipping_for})
        if used and successor_item is None:
            raise rules.successor_needed(contact)
        is_owner = contact_id == around.account.owner_contact_id
        rules.check_owner_protected(call.actor.kind, call.actor.id, contact, around.account.owner_contact_id)
        if is_owner and successor_id is None:
            raise rules.owner_needs_successor()
        held = around.roles.of(contact_id)
        wanted = {contact_id: frozenset[str]()}
        if successor_id:
            wanted[successor_id] = around.roles.of(successor_id) | held
        gains = successor_id is not None and wanted[successor_id] != around.roles.of(successor_id)
        after_roles = rules.give(around.roles, wanted)
        while len(used) > _GROUPS_A_TRANSACTION and successor_item is not None:
            # More bill groups than fit one transaction are handed over beforehand, some at a time. Each step is
            # whole in itself: a bill group always names a contact that knows of it.
            chunk, used = used[:_GROUPS_A_TRANSACTION], used[_GROUPS_A_TRANSACTION:]
            transaction = store.Transaction(replace(call, idempotency=None))
            _hand_over(transaction, call, item, successor_item, chunk)
            transaction.replace(item)
            transaction.replace(successor_item)
            transaction.commit()
            handed_over = True
        transaction = store.Transaction(call)
        if successor_item is not None:
            _hand_over(transaction, call, item, successor_item, used)
            if used or gains:
                # Whoever has seen the successor without these roles must not write over them unawares (C1).
                transaction.replace(successor_item)
            else:
                transaction.check(successor_item)
        after = rules.inactive(contact, around.roles, call.now)
        transaction.replace(row_of(replace(after, version=int(item.version))))
        free_address(transaction, call, contact)
        if is_owner:
            owner.name(transaction, call, around.account_item, successor_id)
        else:
            # So that nobody makes the contact the owner while it leaves.
            transaction.check(around.account_item)
        write_roles(transaction, around, after_roles, after)
        record(transaction, call, "contact.deleted", contact, after, held, frozenset())
        outbox.enqueue(transaction, call, emails.contact_removed(around.entity, around.account, contact, held))
        if successor_item is not None and successor_id and gains:
            _tell_successor(transaction, call, around, store.load(Contact, successor_item), wanted[successor_id])
        transaction.answers(contact_id, 204)
        transaction.commit()

    store.deciding_again(attempt)


def _tell_successor(
    transaction: store.Transaction, call: Call, around: Surroundings, successor: Contact, now_held: frozenset[str]
) -> None:
    held = around.roles.of(successor.contact_id)
    record(transaction, call, "contact.changed", successor, successor, held, now_held)
    mail = emails.role_changed(around.entity, around.account, successor, held, now_held)
    outbox.enqueue(transaction, call, mail)


def _hand_over(
    transaction: store.Transaction, call: Call, item: ContactItem, successor: ContactItem, group_ids: list[str]
) -> None:
    """Let ``successor`` take the contact's places at some bill groups; the caller writes both contacts."""
    found = store.batch([keys.bill_group(group_id) for group_id in group_ids])
    bill_groups.hand_over(transaction, call, list(found.values()), item.contact_id, successor.contact_id)
    for attribute in ("billing_for", "shipping_for"):
        moved = set(getattr(item, attribute)) & set(group_ids)
        setattr(item, attribute, sorted(set(getattr(item, attribute)) - moved))
        setattr(successor, attribute, sorted(set(getattr(successor, attribute)) | moved))


def restore_contact(call: Call, account_id: str, contact_id: str) -> ContactRead:
    """Bring an inactive contact back with its details and those former roles that still fit, never access (C4).

    Restoring an active contact changes nothing. Raises NotFound, and Conflict when its email is in use by now.
    """

    def attempt() -> ContactRead:
        around = surroundings(call, account_id, keys.contact(account_id, contact_id))
        contact = existing(around.rest[0], None)
        if contact.status == ACTIVE:
            return read_of(contact, around.roles.of(contact_id))
        address = store.get(ContactAddressItem, keys.contact_address(account_id, contact.email))
        if address is not None:
            raise rules.email_taken(address.contact_id)
        roles = rules.fitting(around.roles, contact_id, contact.former_roles)
        after = replace(contact, status=ACTIVE, former_roles=(), deleted_at=None, updated_at=call.now)
        transaction = store.Transaction(call)
        row = row_of(after)
        transaction.replace(row)
        lock_address(transaction, after)
        write_roles(transaction, around, rules.give(around.roles, {contact_id: roles}), after)
        record(transaction, call, "contact.restored", contact, after, frozenset(), roles)
        outbox.enqueue(transaction, call, emails.contact_added(around.entity, around.account, after, roles))
        transaction.answers(contact_id, 200)
        transaction.commit()
        return read_of(replace(after, version=int(row.version)), roles)

    return store.deciding_again(attempt)
