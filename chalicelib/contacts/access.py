"""A contact's own access to the portals of its account's bill groups (A9). It goes with the contact's address."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from chalicelib.access import access_rules, grants
from chalicelib.access import book as books
from chalicelib.call import Call
from chalicelib.contacts.rules import Contact
from chalicelib.errors import Forbidden, Invalid
from chalicelib.table import keys, store
from chalicelib.table.items import BillGroupItem, ContactAddressItem
from chalicelib.table.keys import Key

Wanted = Mapping[str, Sequence[str] | None]
"""All bill groups that a contact is to enter, each with its permissions; None stands for the default (A1)."""


def needed_rows(wanted: Wanted | None, email: str) -> list[Key]:
    """Return the keys of the rows upon which ``given`` decides, in the order in which it takes them."""
    domain = grants.domain_of(f"@{email}")
    return [
        key
        for bill_group_id in sorted(wanted or ())
        for key in (keys.bill_group(bill_group_id), keys.access(bill_group_id, domain))
    ]


def changed(call: Call, contact: Contact, wanted: Wanted) -> Contact:
    """Return the contact with the access that it is to have and no other; one read if any is wanted.

    Raises Forbidden to a portal user who changes their own, and what ``given`` raises.
    """
    if call.actor.kind == "portal_user" and contact.email == call.actor.id:
        raise Forbidden("own_access", "Nobody changes their own access. Ask the account's owner, or the vendor.")
    wanted_rows = needed_rows(wanted, contact.email)
    found = store.batch(wanted_rows)
    return replace(contact, access=given(call, contact, wanted, [found.get(key) for key in wanted_rows]))


def given(call: Call, contact: Contact, wanted: Wanted, rows: Sequence[Any]) -> dict[str, Any]:
    """Return a contact's access as it is kept: what is new begins after the issuing entity's delay (A7).

    Raises Invalid for a bill group of another account and for permissions that cannot be given, Conflict where the
    address is denied (C4).
    """
    found: dict[str, Any] = {}
    for number, bill_group_id in enumerate(sorted(wanted)):
        group, row = rows[2 * number], rows[2 * number + 1]
        field = f"access.{bill_group_id}"
        if not isinstance(group, BillGroupItem) or group.account_id != contact.account_id:
            raise Invalid.field(field, "unknown_bill_group", "This is not a bill group of the account.")
        permissions = books.check_permissions(wanted[bill_group_id], field)
        denial = books.book_of(grants.domain_of(contact.email), row).denies(contact.email)
        if denial is not None:
            raise books.address_denied(contact.email, denial, bill_group_id)
        before = contact.access.get(bill_group_id)
        starts_at = before["starts_at"] if before else access_rules.starts_at(call, group)
        found[bill_group_id] = {"permissions": list(permissions), "starts_at": starts_at}
    return found


def write(transaction: store.Transaction, contact: Contact) -> None:
    """Write a contact's access to the row of its address too, where sign-ins and requests find it."""
    address = store.get(ContactAddressItem, keys.contact_address(contact.account_id, contact.email))
    if address is None or address.contact_id != contact.contact_id:
        raise store.Contended
    address.access = contact.access
    transaction.replace(address)
