"""The reachability of contact roles (C9): which holders have an address that works."""

from collections.abc import Iterable
from dataclasses import dataclass

from chalicelib.table import keys, store
from chalicelib.table.suppressed import is_suppressed, suppression_keys


@dataclass(frozen=True)
class ContactEmail:
    """The address of a contact, and whether email is sent to it (I6)."""

    email: str
    works: bool


def get_contact_emails(account_id: str, contact_ids: Iterable[str]) -> dict[str, ContactEmail]:
    """Return the addresses of active contacts of an account by contact id; two reads, none if there are none."""
    rows = store.batch_get_items([keys.contact(account_id, contact_id) for contact_id in sorted(contact_ids)])
    emails = {row.contact_id: str(row.email) for row in rows.values() if row.status == "active"}
    found = store.batch_get_items(suppression_keys(emails.values()))
    return {
        contact_id: ContactEmail(email, works=not is_suppressed(email, found)) for contact_id, email in emails.items()
    }
