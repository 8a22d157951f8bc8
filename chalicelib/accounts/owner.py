"""The owner of an account: the contact, named by staff, who manages the access of the others (A9)."""

from typing import Any

from chalicelib.audit.rules import FieldChange
from chalicelib.audit.service import record_audit_event
from chalicelib.errors import Forbidden, InvalidInput, NotFound
from chalicelib.request_context import RequestContext
from chalicelib.table import keys, store
from chalicelib.table.items import AccountItem


def put_owner(context: RequestContext, account_id: str, contact_id: str | None) -> str | None:
    """Set the owner of an account, None for nobody; return the owner. An owner may hand the ownership over.

    Raises NotFound, InvalidInput when the contact is not an active one of the account, and Forbidden to a portal user
    who is not the owner, or would leave the account without one.
    """
    contact_key = [keys.contact(account_id, contact_id)] if contact_id else []

    def attempt() -> str | None:
        asker_key = keys.contact_address(account_id, context.actor.id)
        account, asker, *contacts = store.get_items_for_write(
            context, keys.account(account_id), asker_key, *contact_key
        )
        if account is None:
            raise NotFound
        if context.actor.kind == "portal_user":
            _check_ownership_transfer(account, asker, contact_id)
        contact = contacts[0] if contacts else None
        if contact_id is not None and (contact is None or contact.status != "active"):
            raise InvalidInput.field("contact_id", "unknown_contact", "This is not an active contact of the account.")
        if account.owner_contact_id == contact_id:
            return contact_id
        transaction = store.Transaction(context)
        set_account_owner(transaction, context, account, contact_id)
        if contact is not None:
            transaction.check(contact)
        transaction.record_response(account_id, 200)
        transaction.commit()
        return contact_id

    return store.retry_on_conflict(attempt)


def _check_ownership_transfer(account: AccountItem, asker: Any, contact_id: str | None) -> None:
    if asker is None or asker.contact_id != account.owner_contact_id:
        raise Forbidden("owners_alone", "Only the account's owner can transfer ownership.")
    if contact_id is None:
        raise Forbidden("owner_needed", "Name another contact who becomes the owner.")


def set_account_owner(
    transaction: store.Transaction, context: RequestContext, account: AccountItem, contact_id: str | None
) -> None:
    """Add the change of owner to a transaction; the account was read."""
    change = FieldChange("owner_contact_id", account.owner_contact_id, contact_id)
    account.owner_contact_id = contact_id
    transaction.replace(account)
    record_audit_event(
        transaction, context, "account.owner_changed", "account", account.account_id, (change,),
        account_id=account.account_id,
    )  # fmt: skip


def get_owner(account_id: str) -> str | None:
    """Return the id of an account's owner, None when nobody is. Raises NotFound."""
    account = store.get_item(AccountItem, keys.account(account_id))
    if account is None:
        raise NotFound
    return account.owner_contact_id
