"""One-click unsubscribe from optional email, including copies of a role's emails (C7, RFC 8058).

Each such email has its own link. The link is signed, names contact and category, and is valid for the address that the
email was sent to: its holder can unsubscribe without signing in, and nothing else. It does not expire.
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
from chalicelib.config import settings
from chalicelib.contacts import preference_rules, preferences
from chalicelib.contacts.rows import role_assignments_from_item
from chalicelib.contacts.rules import ACTIVE, MAIL_CATEGORIES, Contact
from chalicelib.entities.rules import Entity
from chalicelib.entities.service import get_cached_entity
from chalicelib.errors import Conflict, NotFound
from chalicelib.request_context import Actor, RequestContext
from chalicelib.table import keys, store
from chalicelib.tokens import UNSUBSCRIBE

UNSUBSCRIBE_PATH = "/portal/unsubscribe"
UNSUBSCRIBE_ACTOR = Actor("system", "unsubscribe", "Unsubscribe link")

_TOKEN = re.compile(UNSUBSCRIBE.form)
_SIGNATURE_BYTES = 16


@dataclass(frozen=True)
class MailSubscription:
    """The subscription of a link.

    ``required``: the contact holds the role that includes the emails, which no link ends.
    """

    account: Account
    entity: Entity
    contact: Contact
    category: str
    wanted: bool
    required: bool


def build_unsubscribe_url(account_id: str, contact_id: str, email: str, category: str) -> str:
    """Return the URL that unsubscribes the contact from the emails of a category to ``email``."""
    name = contact_id.removeprefix(ids.CONTACT_PREFIX)
    signature = _signature(account_id, contact_id, email, category)
    return f"{settings().public_url}{UNSUBSCRIBE_PATH}/{account_id}~{name}~{category}~{signature}"


def build_unsubscribe_headers(address: str, entity: Entity, category: str) -> Mapping[str, str]:
    """Return the headers by which a mail program offers one-click unsubscribe (RFC 8058, RFC 2369)."""
    host = urlsplit(settings().public_url).hostname or "localhost"
    return {
        "List-Unsubscribe": f"<{address}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        # Spam filters penalise a list without a name.
        "List-Id": f"<{category}.{entity.entity_id.lower()}.{host}>",
    }


def get_mail_subscription(context: RequestContext, token: str) -> MailSubscription:
    """Return the subscription of the link with ``token``; one read, and the entity.

    Raises NotFound for an invalid link, or when its contact is deleted or has another address now.
    """
    match = _TOKEN.fullmatch(token)
    if match is None or match.group(3) not in MAIL_CATEGORIES:
        raise NotFound
    account_id, name, category, signature = match.groups()
    contact_id = ids.CONTACT_PREFIX + name
    wanted = (keys.contact(account_id, contact_id), keys.account(account_id), keys.contact_roles(account_id))
    found = store.batch_get_items(wanted)
    item, account_item, roles_item = (found.get(key) for key in wanted)
    if item is None or account_item is None or roles_item is None:
        raise NotFound
    contact = store.from_item(Contact, item)
    genuine = _signature(account_id, contact_id, contact.email, category)
    if contact.status != ACTIVE or not hmac.compare_digest(genuine.encode(), signature.encode()):
        raise NotFound
    account, roles = store.from_item(Account, account_item), role_assignments_from_item(roles_item).of(contact_id)
    return MailSubscription(
        account=account,
        entity=get_cached_entity(account.entity_id, context.now),
        contact=contact,
        category=category,
        wanted=preference_rules.receives_category(contact, roles, category),
        required=category in preference_rules.required_categories(roles),
    )


def unsubscribe(context: RequestContext, token: str) -> MailSubscription:
    """Unsubscribe by the link with ``token``, and return the subscription after it. Idempotent.

    Raises NotFound as ``get_mail_subscription`` does. The emails of a role continue, as ``required`` shows.
    """
    found = get_mail_subscription(context, token)
    if found.required or not found.wanted:
        return found
    account_id, contact_id = found.account.account_id, found.contact.contact_id
    try:
        preferences.put_preferences(
            replace(context, actor=UNSUBSCRIBE_ACTOR),
            account_id,
            contact_id,
            {found.category: False},
            expected_version=None,
        )
    except Conflict:
        # The contact got the role, or was deleted, concurrently.
        return get_mail_subscription(context, token)
    return replace(found, wanted=False)


def _signature(account_id: str, contact_id: str, email: str, category: str) -> str:
    message = "\n".join(("unsubscribe", account_id, contact_id, email, category)).encode()
    digest = hmac.new(settings().signing_key.encode(), message, hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest[:_SIGNATURE_BYTES]).rstrip(b"=").decode()
