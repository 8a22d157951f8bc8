"""Which contact a row means: the one with its external id, else the active one with its email."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib.call import Call
from chalicelib.contacts import rules
from chalicelib.contacts import service as contacts
from chalicelib.contacts.records import ContactRead
from chalicelib.errors import Conflict, StaleVersion
from chalicelib.table import keys, store


@dataclass(frozen=True)
class Written:
    """The contact after a row, and whether the row made it."""

    read: ContactRead
    created: bool


def write(call: Call, account_id: str, given: dict[str, Any], roles: frozenset[str] | None) -> Written:
    """Add the contact that a row means, or change it, as the billing system does (DESIGN §5).

    Raises Conflict ``contact_is_inactive`` rather than bring back a contact that was deleted here, and what adding
    and changing raise.
    """
    external_id, email = given.get("external_id"), given.get("email")
    contact_id = find(account_id, external_id, email)
    if contact_id is not None:
        changed = contacts.patch_contact(call, account_id, contact_id, given, roles, None, from_billing=True)
        return Written(changed, created=False)
    if external_id is None and email is not None:
        _refuse_deleted(account_id, email)
    return Written(contacts.create_contact(call, account_id, given, roles or frozenset()), created=True)


def find(account_id: str, external_id: str | None, email: str | None) -> str | None:
    """Return the id of the contact with this external id, else of the active one with this email, else None.

    Raises Conflict ``email_taken`` when the contact with the email has another external id: it is somebody else.
    """
    by_external_id = keys.contact_external_id(account_id, external_id) if external_id is not None else None
    by_email = keys.contact_address(account_id, email) if email is not None else None
    found = store.batch([key for key in (by_external_id, by_email) if key is not None])
    if by_external_id in found:
        return str(found[by_external_id].contact_id)
    if by_email not in found:
        return None
    contact_id = str(found[by_email].contact_id)
    if external_id is not None:
        other = contacts.get_contact(account_id, contact_id).contact.external_id
        if other not in (None, external_id):
            raise rules.email_taken(contact_id)
    return contact_id


def give_access(
    call: Call, account_id: str, contact_id: str, bill_group_id: str, permissions: Sequence[str] | None
) -> bool:
    """Let a contact enter one bill group more, or with other permissions; tell whether that changed anything.

    What it may enter otherwise stays. Raises what changing a contact raises.
    """

    def attempt() -> bool:
        contact = contacts.get_contact(account_id, contact_id).contact
        wanted: dict[str, Sequence[str] | None] = {group: at["permissions"] for group, at in contact.access.items()}
        if bill_group_id in wanted and permissions is None:
            return False
        wanted[bill_group_id] = permissions
        try:
            changed = contacts.patch_contact(
                call, account_id, contact_id, {}, None, contact.version, wanted_access=wanted
            )
        except StaleVersion:
            raise store.Contended from None
        return changed.changed

    return store.deciding_again(attempt)


def _refuse_deleted(account_id: str, email: str) -> None:
    # Nothing but the index names an inactive contact by its email.
    listed = keys.contact_by_email(email, account_id, "")
    page = store.query_index(listed.pk, listed.sk, limit=10)
    if any(item.status == rules.INACTIVE and item.email == email for item in page.items):
        raise Conflict("contact_is_inactive", "This contact was deleted. Restore it before changing it.")
