"""The portal link of a bill group: the URL of its sign-in page, to be copied (A3). It is no credential."""

import secrets

from chalicelib.audit.service import record_audit_event
from chalicelib.config import settings
from chalicelib.errors import NotFound
from chalicelib.request_context import RequestContext
from chalicelib.table import keys, store
from chalicelib.table.items import BillGroupItem, PortalLinkItem

_RANDOM_BYTES = 20


def new_token() -> str:
    """Return a new token for a portal link: 160 random bits."""
    return secrets.token_urlsafe(_RANDOM_BYTES)


def add(transaction: store.Transaction, token: str, bill_group_id: str, account_id: str) -> None:
    """Add the pointer from the portal link to its bill group."""
    key = keys.portal_link(token)
    transaction.create(PortalLinkItem(key.pk, key.sk, bill_group_id=bill_group_id, account_id=account_id))


def get_portal_link_url(token: str) -> str:
    """Return the portal link. The pages answer at ``/portal/l/{token}``."""
    return f"{settings().public_url}/portal/l/{token}"


def get_url(bill_group_id: str) -> str | None:
    """Return a bill group's portal link, None if it never had one. Raises NotFound."""
    item = store.get_item(BillGroupItem, keys.bill_group(bill_group_id))
    if item is None:
        raise NotFound
    return get_portal_link_url(item.portal_token) if item.portal_token else None


def replace(context: RequestContext, bill_group_id: str) -> str:
    """Create a new portal link; the old one becomes invalid. Raises NotFound."""

    def attempt() -> str:
        (item,) = store.get_items_for_write(context, keys.bill_group(bill_group_id))
        if item is None:
            raise NotFound
        transaction = store.Transaction(context)
        if item.portal_token:
            transaction.delete_unconditionally(keys.portal_link(item.portal_token))
        item.portal_token = new_token()
        transaction.replace(item)
        add(transaction, item.portal_token, bill_group_id, item.account_id)
        record_audit_event(
            transaction, context, "portal_link.replaced", "bill_group", bill_group_id, (),
            account_id=item.account_id, bill_group_id=bill_group_id,
        )  # fmt: skip
        transaction.record_response(bill_group_id, 200)
        transaction.commit()
        return get_portal_link_url(item.portal_token)

    return store.retry_on_conflict(attempt)
