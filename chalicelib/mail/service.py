"""The history of an account's mails (I5)."""

import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from chalicelib.errors import NotFound
from chalicelib.mail import rules
from chalicelib.mail.reports import RecipientReport
from chalicelib.table import keys, store

_MAX_PAGES_SCANNED = 10


@dataclass(frozen=True)
class EmailContent:
    """The content of an email."""

    text: str
    html: str


@dataclass(frozen=True)
class AttachmentSummary:
    """A recorded attachment; ``size`` in bytes."""

    name: str
    media_type: str
    size: int


@dataclass(frozen=True)
class Email:
    """An email of an account's history. Instants are UTC."""

    email_id: str
    account_id: str
    kind: str
    status: str
    entity_id: str
    locale: str
    created_at: datetime
    not_after: datetime
    to: tuple[str, ...]
    security: bool = False
    cc: tuple[str, ...] = ()
    reason: str | None = None
    subject: str | None = None
    bill_group_id: str | None = None
    bill_group_ids: tuple[str, ...] = ()
    """The bill groups it is about, if several."""
    contact_id: str | None = None
    sent_at: datetime | None = None
    attempts: int = 0
    events: tuple[rules.Event, ...] = ()
    recipients: tuple[RecipientReport, ...] = ()
    withheld: Mapping[str, str] = field(default_factory=dict)
    attachments: tuple[AttachmentSummary, ...] = ()
    resent_from: str | None = None


def list_emails(
    account_id: str, after: Any, limit: int, seen: Callable[[Email], bool] = lambda email: True
) -> tuple[list[Email], str | None]:
    """Return a page of an account's emails that the caller may see, newest first, and where the next one begins.

    If the caller may not see most of them, a page may be short although another one follows. Raises NotFound.
    """
    if not store.batch_get_items([keys.account(account_id)]):
        raise NotFound()
    found: list[Email] = []
    for _ in range(_MAX_PAGES_SCANNED):
        listed = keys.email_listed(account_id, "")
        page = store.query_items_by_index(listed.pk, limit=limit - len(found), after=after, newest_first=True)
        found += [email for email in (store.from_item(Email, item) for item in page.items) if seen(email)]
        after = page.after
        if after is None or len(found) >= limit:
            break
    return found, after


def get_email(account_id: str, email_id: str) -> tuple[Email, EmailContent | None]:
    """Return an email of the account, with its content if that is stored and may be shown. Raises NotFound."""
    found = store.batch_get_items([keys.email(email_id), keys.email_content(email_id)])
    item, content = found.get(keys.email(email_id)), found.get(keys.email_content(email_id))
    if item is None or item.account_id != account_id:
        raise NotFound()
    email = store.from_item(Email, item)
    if content is None or email.security:
        return email, None
    return email, EmailContent(**json.loads(zlib.decompress(content.content)))
