"""A contact's own access to the portals of its account's bill groups (A9). It belongs to the contact's address."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from chalicelib.access import access_rules, grants
from chalicelib.access.domain_access import address_denied_error, check_grantable_permissions, domain_access_from_item
from chalicelib.contacts.rules import Contact
from chalicelib.errors import Forbidden, InvalidInput
from chalicelib.request_context import RequestContext
from chalicelib.table import keys, store
from chalicelib.table.items import BillGroupItem, ContactAddressItem
from chalicelib.table.keys import Key

RequestedAccess = Mapping[str, Sequence[str] | None]
"""All bill groups of a contact's access, each with its permissions; None is the default (A1)."""


def contact_access_keys(wanted: RequestedAccess | None, email: str) -> list[Key]:
    """Return the keys of the rows that decide the access, in the order of the parameters."""
    domain = grants.get_email_domain(f"@{email}")
    return [
        key
        for bill_group_id in sorted(wanted or ())
        for key in (keys.bill_group(bill_group_id), keys.domain_access(bill_group_id, domain))
    ]


def apply_contact_access(context: RequestContext, contact: Contact, wanted: RequestedAccess) -> Contact:
    """Return the contact with exactly the requested access; one read if there is any.

    Raises Forbidden to a portal user who changes their own, and what ``build_contact_access`` raises.
    """
    if context.actor.kind == "portal_user" and contact.email == context.actor.id:
        raise Forbidden("own_access", "You cannot change your own access. Ask the account's owner or the vendor.")
    wanted_rows = contact_access_keys(wanted, contact.email)
    found = store.batch_get_items(wanted_rows)
    return replace(
        contact, access=build_contact_access(context, contact, wanted, [found.get(key) for key in wanted_rows])
    )


def build_contact_access(
    context: RequestContext, contact: Contact, wanted: RequestedAccess, rows: Sequence[Any]
) -> dict[str, Any]:
    """Return a contact's access as stored: new access starts after the issuing entity's delay (A7).

    Raises InvalidInput for a bill group of another account and for permissions that cannot be granted, Conflict when
    the address is denied (C4).
    """
    found: dict[str, Any] = {}
    for number, bill_group_id in enumerate(sorted(wanted)):
        group, row = rows[2 * number], rows[2 * number + 1]
        field = f"access.{bill_group_id}"
        if not isinstance(group, BillGroupItem) or group.account_id != contact.account_id:
            raise InvalidInput.field(field, "unknown_bill_group", "This is not a bill group of the account.")
        permissions = check_grantable_permissions(wanted[bill_group_id], field)
        denial = domain_access_from_item(grants.get_email_domain(contact.email), row).find_denial(contact.email)
        if denial is not None:
            raise address_denied_error(contact.email, denial, bill_group_id)
        before = contact.access.get(bill_group_id)
        starts_at = before["starts_at"] if before else access_rules.compute_access_start(context, group)
        found[bill_group_id] = {"permissions": list(permissions), "starts_at": starts_at}
    return found


def write_contact_access(transaction: store.Transaction, contact: Contact) -> None:
    """Write a contact's access to the row of its address too, where sign-ins and requests find it."""
    address = store.get_item(ContactAddressItem, keys.contact_address(contact.account_id, contact.email))
    if address is None or address.contact_id != contact.contact_id:
        raise store.WriteConflict
    address.access = contact.access
    transaction.replace(address)
