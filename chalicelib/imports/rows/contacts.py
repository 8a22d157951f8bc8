"""Find the contact of a row: by external id, else by its email, current or once imported."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib.contacts import rules
from chalicelib.contacts.rows import ContactRead
from chalicelib.contacts.service import create_contact, get_contact, patch_contact
from chalicelib.errors import StaleVersion
from chalicelib.request_context import RequestContext
from chalicelib.table import keys, store
from chalicelib.table.items import ContactItem
from chalicelib.table.keys import Key

_PAGE_SIZE = 1000
"""Contacts per Query at most; DynamoDB ends it earlier at 1 MB."""


@dataclass(frozen=True)
class ContactWriteResult:
    """The contact after a row, and whether the row created it."""

    read: ContactRead
    created: bool


def write_contact(
    context: RequestContext, account_id: str, given: dict[str, Any], roles: frozenset[str] | None
) -> ContactWriteResult:
    """Create or change the contact of a row, on behalf of the billing system (DESIGN §5).

    Raises Conflict ``contact_is_inactive`` instead of restoring a contact that was deleted here, and what creating and
    changing raise.
    """
    contact_id = find_intended_contact(account_id, given.get("external_id"), given.get("email"))
    if contact_id is not None:
        changed = patch_contact(context, account_id, contact_id, given, roles, None, from_billing=True)
        return ContactWriteResult(changed, created=False)
    return ContactWriteResult(create_contact(context, account_id, given, roles or frozenset()), created=True)


def lookup_keys(account_id: str, external_id: str | None, email: str | None) -> list[Key]:
    """Return the keys by which the contact of an external id, or of an email, is found."""
    by_external_id = [keys.contact_external_id(account_id, external_id)] if external_id is not None else []
    return by_external_id + ([keys.contact_address(account_id, email)] if email is not None else [])


def find_contact(account_id: str, external_id: str | None, email: str | None) -> str | None:
    """Return the id of the contact with this external id, else of the active one with this email, else None.

    Raises Conflict ``email_taken`` when the contact with the email has another external id: it is a different person.
    """
    by_external_id = keys.contact_external_id(account_id, external_id) if external_id is not None else None
    by_email = keys.contact_address(account_id, email) if email is not None else None
    found = store.batch_get_items(lookup_keys(account_id, external_id, email))
    if by_external_id in found:
        return str(found[by_external_id].contact_id)
    if by_email not in found:
        return None
    contact_id = str(found[by_email].contact_id)
    if external_id is not None:
        other = get_contact(account_id, contact_id).contact.external_id
        if other not in (None, external_id):
            raise rules.email_taken_error(contact_id)
    return contact_id


def find_intended_contact(account_id: str, external_id: str | None, email: str | None) -> str | None:
    """Return the id of the contact that the billing system means, else None; it may be inactive.

    It is that of ``find_contact``; if no active contact has the email, the one imported with it whose email was changed
    here since (DESIGN §5), or one with it that was deleted here. A contact with another external id is a different
    person. Costs a Query of the account's contacts, only if ``find_contact`` finds none. Raises as ``find_contact``.
    """
    contact_id = find_contact(account_id, external_id, email)
    if contact_id is not None or email is None:
        return contact_id
    known = [item for item in _iterate_contacts(account_id) if _was_imported_with(item, external_id, email)]
    if not known:
        return None
    # Rows written earlier in a dry run are not in the table.
    read = store.batch_get_items([item.key for item in known]).values()
    meant = [item for item in read if _was_imported_with(item, external_id, email)]
    # Prefer an active one, and the newest.
    newest = max(meant, key=lambda item: (item.status == rules.ACTIVE, item.contact_id), default=None)
    return str(newest.contact_id) if newest is not None else None


def is_contact_inactive(account_id: str, contact_id: str) -> bool:
    """Tell whether a contact was deleted here."""
    item = store.get_item(ContactItem, keys.contact(account_id, contact_id))
    return item is None or item.status == rules.INACTIVE


def grant_access(
    context: RequestContext, account_id: str, contact_id: str, bill_group_id: str, permissions: Sequence[str] | None
) -> bool:
    """Add one bill group to a contact's access, or change its permissions there; tell whether that changed anything.

    Its other access stays. Raises what changing a contact raises.
    """

    def attempt() -> bool:
        contact = get_contact(account_id, contact_id).contact
        wanted: dict[str, Sequence[str] | None] = {group: at["permissions"] for group, at in contact.access.items()}
        if bill_group_id in wanted and permissions is None:
            return False
        wanted[bill_group_id] = permissions
        try:
            changed = patch_contact(context, account_id, contact_id, {}, None, contact.version, wanted_access=wanted)
        except StaleVersion:
            raise store.WriteConflict from None
        return changed.changed

    return store.retry_on_conflict(attempt)


def _iterate_contacts(account_id: str) -> Iterator[ContactItem]:
    first = keys.contact(account_id, "")
    return store.iterate_items(first.pk, first.sk, page_size=_PAGE_SIZE)


def _was_imported_with(item: ContactItem, external_id: str | None, email: str) -> bool:
    if external_id is not None and item.external_id not in (None, external_id):
        return False
    return item.upstream.get("email") == email or (item.status == rules.INACTIVE and item.email == email)
