"""One-click unsubscribe from optional mail, copies of a role's mail among it (C7, RFC 8058).

Each such mail carries a link of its own. The link is signed, names contact and category, and acts for the address that
the mail went to: whoever has the mail may stop it, without signing in, and may do nothing else. It does not expire.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from chalicelib import ids
from chalicelib.accounts.rules import Account
from chalicelib.call import Actor, Call
from chalicelib.config import settings
from chalicelib.contacts import choices, preferences
from chalicelib.contacts.records import roles_of
from chalicelib.contacts.rules import ACTIVE, CATEGORIES, Contact
from chalicelib.entities.rules import Entity
from chalicelib.entities.service import remembered_entity
from chalicelib.errors import Conflict, NotFound
from chalicelib.table import keys, store

PAGE = "/portal/unsubscribe"
READER = Actor("system", "unsubscribe", "Unsubscribe link")

_TOKEN = re.compile(rf"([^~]{{1,64}})~([0-9A-HJKMNP-TV-Z]{{26}})~({'|'.join(CATEGORIES)})~([A-Za-z0-9_-]{{22}})")
_SIGNATURE_BYTES = 16


@dataclass(frozen=True)
class Subscription:
    """What a link is about, and whether there is something to stop.

    ``required`` says that the contact holds the role that brings the mail, which no link ends.
    """

    account: Account
    entity: Entity
    contact: Contact
    category: str
    wanted: bool
    required: bool


def address(account_id: str, contact_id: str, email: str, category: str) -> str:
    """Return the address at which the contact stops the mails of a category that go to ``email``."""
    name = contact_id.removeprefix(ids.CONTACT)
    signature = _signature(account_id, contact_id, email, category)
    return f"{settings().public_url}{PAGE}/{account_id}~{name}~{category}~{signature}"


def headers(address: str, entity: Entity, category: str) -> Mapping[str, str]:
    """Return the headers by which a mail program offers to stop the mails with one click (RFC 8058, RFC 2369)."""
    host = urlsplit(settings().public_url).hostname or "localhost"
    return {
        "List-Unsubscribe": f"<{address}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        # Spam filters think ill of a list that has no name.
        "List-Id": f"<{category}.{entity.entity_id.lower()}.{host}>",
    }


def find(call: Call, token: str) -> Subscription:
    """Return what the link with ``token`` is about; one read, and the entity.

    Raises NotFound for a link that was not given out, or whose contact has gone or has another address by now.
    """
    match = _TOKEN.fullmatch(token)
    if match is None:
        raise NotFound
    account_id, name, category, signature = match.groups()
    contact_id = ids.CONTACT + name
    wanted = (keys.contact(account_id, contact_id), keys.account(account_id), keys.contact_roles(account_id))
    found = store.batch(wanted)
    item, account_item, roles_item = (found.get(key) for key in wanted)
    if item is None or account_item is None or roles_item is None:
        raise NotFound
    contact = store.load(Contact, item)
    genuine = _signature(account_id, contact_id, contact.email, category)
    if contact.status != ACTIVE or not hmac.compare_digest(genuine.encode(), signature.encode()):
        raise NotFound
    account, roles = store.load(Account, account_item), roles_of(roles_item).of(contact_id)
    return Subscription(
        account=account,
        entity=remembered_entity(account.entity_id, call.now),
        contact=contact,
        category=category,
        wanted=choices.wants(contact, roles, category),
        required=category in choices.required(roles),
    )


def unsubscribe(call: Call, token: str) -> Subscription:
    """Stop the mails that the link with ``token`` is about, and return it as it is then. Again changes nothing.

    Raises NotFound as ``find`` does. What a role brings goes on, and is told as ``required``.
    """
    found = find(call, token)
    if found.required or not found.wanted:
        return found
    account_id, contact_id = found.account.account_id, found.contact.contact_id
    try:
        preferences.put_preferences(
            replace(call, actor=READER), account_id, contact_id, {found.category: False}, expected_version=None
        )
    except Conflict:
        # The contact was given the role, or deleted, at this moment.
        return find(call, token)
    return replace(found, wanted=False)


def _signature(account_id: str, contact_id: str, email: str, category: str) -> str:
    message = "\n".join(("unsubscribe", account_id, contact_id, email, category)).encode()
    digest = hmac.new(settings().signing_key.encode(), message, hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest[:_SIGNATURE_BYTES]).rstrip(b"=").decode()
