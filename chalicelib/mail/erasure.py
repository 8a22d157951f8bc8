"""Taking a person's data out of the history of emails (C4)."""

from datetime import datetime
from functools import partial
from typing import Any

from chalicelib.table import keys, store
from chalicelib.table.items import EmailItem

_PAGE = 50
_UNFINISHED = frozenset({"queued", "sending", "unknown"})


def erase_emails(account_id: str, contact_id: str, email: str, now: datetime) -> None:
    """Erase what the account's emails to one contact, or to its address, say of the person.

    That a mail of some kind was sent, when, and what became of it, stays. A mail that still waits is not sent.
    Running it again changes nothing.
    """
    after: str | None = None
    while True:
        page = store.query_items_by_index(keys.email_listed(account_id, "").pk, limit=_PAGE, after=after)
        for item in page.items:
            if item.contact_id == contact_id or email in [*item.to, *item.cc]:
                store.retry_on_conflict(partial(_erase, item.email_id, contact_id, email, now))
        after = page.after
        if after is None:
            return


def _erase(email_id: str, contact_id: str, email: str, now: datetime) -> None:
    item = store.get_item(EmailItem, keys.email(email_id))
    if item is None:
        return
    store.delete_item(keys.email_content(email_id))
    # A mail to this contact alone may have gone to an address that it had before.
    erased = {email, *item.to} if item.contact_id == contact_id else {email}
    known = item.serialize()
    item.to = [address for address in item.to if address not in erased]
    item.cc = [address for address in item.cc if address not in erased]
    item.context, item.subject = {}, None
    item.events = [_redact_event(event, erased) for event in item.events]
    # What was reported still counts; of whom, is forgotten.
    item.recipients = [{**one, "email": ""} if one["email"] in erased else one for one in item.recipients]
    for one in item.recipients:
        if not one["email"]:
            one["kinds"] = {kind: [at, ""] for kind, (at, _) in one["kinds"].items()}
    item.withheld = {address: why for address, why in item.withheld.items() if address not in erased}
    if item.status in _UNFINISHED and item.not_after > now:
        # Whatever becomes of an attempt under way, there is no other: nothing is left that could be rendered.
        item.not_after = now
    if item.status == "queued":
        item.status, item.reason = "failed", "erased"
    if item.serialize() != known:
        store.replace_item(item)


def _redact_event(event: dict[str, Any], erased: set[str]) -> dict[str, Any]:
    """Return a report of SES that tells nothing of those who were erased."""
    left = [address for address in event["recipients"] if address not in erased]
    return event if left == list(event["recipients"]) else {**event, "recipients": left, "detail": ""}
