"""Use cases of what a contact chooses to be mailed, and how (C7)."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from chalicelib.call import Call
from chalicelib.contacts import choices, rules
from chalicelib.contacts.records import ContactRead, existing, read_of, record, row_of, surroundings, write_roles
from chalicelib.table import keys, store


def put_preferences(
    call: Call, account_id: str, contact_id: str, given: Mapping[str, Any], expected_version: int | None
) -> ContactRead:
    """Let an active contact choose what is given: categories by name, and ``delivery_style``; None is the default.

    Raises NotFound, StaleVersion, Forbidden by C5, and Conflict when the contact is inactive, a held role's mail would
    be switched off, or too many contacts of the account would get copies.
    """

    def attempt() -> ContactRead:
        around = surroundings(call, account_id, keys.contact(account_id, contact_id))
        before = existing(around.rest[0], expected_version)
        rules.check_active(before)
        held = around.roles.of(contact_id)
        after = choices.choose(before, held, given)
        if after == before:
            return replace(read_of(before, held), changed=False)
        choices.check_copies(around.roles_item.copies, choices.copied(around.roles_item.copies, after))
        after = replace(after, updated_at=call.now)
        transaction = store.Transaction(call)
        row = row_of(after)
        transaction.replace(row)
        write_roles(transaction, around, around.roles, after)
        record(transaction, call, "contact.preferences_changed", before, after, held, held)
        transaction.answers(contact_id, 200)
        transaction.commit()
        return read_of(replace(after, version=int(row.version)), held)

    return store.deciding_again(attempt)
