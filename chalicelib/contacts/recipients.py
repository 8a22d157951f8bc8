"""Who gets the invoices and the reminders of a bill group (C7, C8): the role's holders, and who asked for copies."""

from chalicelib.accounts.rules import Account
from chalicelib.bill_groups.rules import BillGroup, select_recipients
from chalicelib.contacts.rows import role_assignments_from_item
from chalicelib.contacts.rules import ACCOUNTS_PAYABLE, ACTIVE, INVOICING, MAIL_CATEGORY_BY_ROLE, Contact, Recipient
from chalicelib.table import keys, store
from chalicelib.table.items import ContactRolesItem
from chalicelib.table.suppressed import is_suppressed, suppression_keys


def list_invoice_recipients(
    account: Account, group: BillGroup | None, roles: ContactRolesItem | None = None
) -> list[Recipient]:
    """Return who gets the invoices of a bill group: the role's holders (C8), then the copies, each in order of ids.

    Without ``group``, nothing is narrowed. At most three reads; two if the row at ``keys.contact_roles`` was read.
    """
    return _list_recipients(INVOICING, account, group.invoicing_contact_ids if group else (), roles)


def list_reminder_recipients(
    account: Account, group: BillGroup | None, roles: ContactRolesItem | None = None
) -> list[Recipient]:
    """Return who gets the reminders of a bill group, also."""
    return _list_recipients(ACCOUNTS_PAYABLE, account, group.accounts_payable_contact_ids if group else (), roles)


def _list_recipients(
    role: str, account: Account, narrowed_to: tuple[str, ...], roles: ContactRolesItem | None
) -> list[Recipient]:
    roles = roles or store.get_item(ContactRolesItem, keys.contact_roles(account.account_id))
    if roles is None:
        return []
    category = MAIL_CATEGORY_BY_ROLE[role]
    holders = role_assignments_from_item(roles).holders(role)
    chosen = select_recipients(narrowed_to, holders)
    # Whom the bill group leaves out, although it holds the role, has not asked for a copy of what it is spared.
    copies = sorted(set(roles.copies.get(category, ())) - holders)
    rows = store.batch_get_items([keys.contact(account.account_id, contact_id) for contact_id in (*chosen, *copies)])
    found = {row.contact_id: store.from_item(Contact, row) for row in rows.values() if row.status == ACTIVE}
    contacts = [found[one] for one in chosen if one in found]
    contacts += [found[one] for one in copies if one in found and found[one].preferences.get(category)]
    suppressions = store.batch_get_items(suppression_keys(contact.email for contact in contacts))
    return [
        Recipient(
            contact_id=contact.contact_id,
            email=contact.email,
            name=contact.name,
            locale=contact.locale,
            style=contact.delivery_style,
            copy=contact.contact_id not in holders,
            suppressed=is_suppressed(contact.email, suppressions),
        )
        for contact in contacts
    ]
