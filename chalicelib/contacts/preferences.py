"""Use cases of mail preferences (C7)."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from chalicelib.contacts import preference_rules, rules
from chalicelib.contacts.rows import (
    ContactRead,
    contact_to_item,
    load_contact_write_context,
    record_contact_event,
    require_contact,
    to_contact_read,
    write_roles,
)
from chalicelib.request_context import RequestContext
from chalicelib.table import keys, store


def put_preferences(
    context: RequestContext, account_id: str, contact_id: str, given: Mapping[str, Any], expected_version: int | None
) -> ContactRead:
    """Change the preferences of an active contact: categories by name, and ``delivery_style``; None is the default.

    Raises NotFound, StaleVersion, Forbidden by C5, and Conflict when the contact is inactive, a held role's emails
    would be switched off, or too many contacts of the account would get copies.
    """

    def attempt() -> ContactRead:
        around = load_contact_write_context(context, account_id, keys.contact(account_id, contact_id))
        before = require_contact(around.rest[0], expected_version)
        rules.check_active(before)
        held = around.roles.of(contact_id)
        after = preference_rules.apply_preferences(before, held, given)
        if after == before:
            return replace(to_contact_read(before, held), changed=False)
        preference_rules.check_copy_limit(
            around.roles_item.copies, preference_rules.update_copies(around.roles_item.copies, after)
        )
        after = replace(after, updated_at=context.now)
        transaction = store.Transaction(context)
        row = contact_to_item(after)
        transaction.replace(row)
        write_roles(transaction, around, around.roles, after)
        record_contact_event(transaction, context, "contact.preferences_changed", before, after, held, held)
        transaction.record_response(contact_id, 200)
        transaction.commit()
        return to_contact_read(replace(after, version=int(row.version)), held)

    return store.retry_on_conflict(attempt)
