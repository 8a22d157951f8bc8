"""The portal link of a bill group: the address of its sign-in page, to be copied (A3). It is no credential."""

import secrets

from chalicelib.audit import service as audit
from chalicelib.call import Call
from chalicelib.config import settings
from chalicelib.errors import NotFound
from chalicelib.table import keys, store
from chalicelib.table.items import BillGroupItem, PortalLinkItem

_RANDOM_BYTES = 20


def new_token() -> str:
    """Return what names a bill group in its portal link: 160 random bits."""
    return secrets.token_urlsafe(_RANDOM_BYTES)


def add(transaction: store.Transaction, token: str, bill_group_id: str, account_id: str) -> None:
    """Add the row that leads from the portal link to its bill group."""
    key = keys.portal_link(token)
    transaction.create(PortalLinkItem(key.pk, key.sk, bill_group_id=bill_group_id, account_id=account_id))


def url_of(token: str) -> str:
    """Return the portal link. The pages answer at ``/portal/l/{token}``."""
    return f"{settings().public_url}/portal/l/{token}"


def get_url(bill_group_id: str) -> str | None:
    """Return a bill group's portal link, None if it never had one. Raises NotFound."""
    item = store.get(BillGroupItem, keys.bill_group(bill_group_id))
    if item is None:
        raise NotFound
    return url_of(item.portal_token) if item.portal_token else None


def replace(call: Call, bill_group_id: str) -> str:
    """Make a new portal link, after which the old one leads nowhere. Raises NotFound."""

    def attempt() -> str:
        (item,) = store.gather(call, keys.bill_group(bill_group_id))
        if item is None:
            raise NotFound
        transaction = store.Transaction(call)
        if item.portal_token:
            transaction.erase(keys.portal_link(item.portal_token))
        item.portal_token = new_token()
        transaction.replace(item)
        add(transaction, item.portal_token, bill_group_id, item.account_id)
        audit.record(
            transaction, call, "portal_link.replaced", "bill_group", bill_group_id, (),
            account_id=item.account_id, bill_group_id=bill_group_id,
        )  # fmt: skip
        transaction.answers(bill_group_id, 200)
        transaction.commit()
        return url_of(item.portal_token)

    return store.deciding_again(attempt)


def bill_group_of(token: str) -> tuple[str, str] | None:
    """Return the ids of the bill group and the account that a portal link leads to, None when nowhere."""
    item = store.get(PortalLinkItem, keys.portal_link(token))
    return (item.bill_group_id, item.account_id) if item else None
