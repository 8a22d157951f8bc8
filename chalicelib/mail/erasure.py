"""Erase a contact's personal data from the history of emails (C4)."""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

from chalicelib.field_marks import DataSubject
from chalicelib.table import keys, store
from chalicelib.table.items import EmailItem

_PAGE = 50
_UNFINISHED = frozenset({"queued", "sending", "unknown"})


def erase_emails(account_id: str, contact_id: str, email: str, now: datetime) -> None:
    """Erase the person from the account's emails to one contact or to its address.

    The kind of the mail, its time and its outcome stay. A mail that is still queued is not sent. Idempotent.
    """
    for item in store.iterate_items(keys.email_listed(account_id, "").pk, page_size=_PAGE, by_index=True):
        if item.contact_id == contact_id or email in [*item.to, *item.cc]:
            store.retry_on_conflict(partial(_erase, item.email_id, contact_id, email, now))


def _erase(email_id: str, contact_id: str, email: str, now: datetime) -> None:
    item = store.get_item(EmailItem, keys.email(email_id))
    if item is None:
        return
    store.delete_item(keys.email_content(email_id))
    # A mail to this contact alone may have gone to an address that it had before.
    erased = {email, *item.to} if item.contact_id == contact_id else {email}
    before = item.serialize()
    for name in EmailItem.attributes_about(DataSubject.CONTACT):
        redact = _REDACTIONS.get(name)
        if redact is None:
            item.empty(name)
        else:
            setattr(item, name, redact(getattr(item, name), erased))
    if item.status in _UNFINISHED and item.not_after > now:
        # An attempt under way is the last one: nothing is left to render.
        item.not_after = now
    if item.status == "queued":
        item.status, item.reason = "failed", "erased"
    if item.serialize() != before:
        store.replace_item(item)


def _redact_addresses(addresses: list[str], erased: set[str]) -> list[str]:
    return [address for address in addresses if address not in erased]


def _redact_withheld(withheld: dict[str, str], erased: set[str]) -> dict[str, str]:
    return {address: reason for address, reason in withheld.items() if address not in erased}


def _redact_events(events: list[dict[str, Any]], erased: set[str]) -> list[dict[str, Any]]:
    """Drop the erased recipients from each report of SES, and with them its detail, which may quote an address."""
    redacted = []
    for event in events:
        remaining = _redact_addresses(event["recipients"], erased)
        same = remaining == list(event["recipients"])
        redacted.append(event if same else {**event, "recipients": remaining, "detail": ""})
    return redacted


def _redact_recipients(recipients: list[dict[str, Any]], erased: set[str]) -> list[dict[str, Any]]:
    """Keep what was reported, which mail health counts, and drop of whom it was."""
    return [
        {**one, "email": "", "kinds": {kind: [at, ""] for kind, (at, _) in one["kinds"].items()}}
        if one["email"] in erased or not one["email"]
        else one
        for one in recipients
    ]


_REDACTIONS: dict[str, Callable[[Any, set[str]], Any]] = {
    "to": _redact_addresses,
    "cc": _redact_addresses,
    "events": _redact_events,
    "recipients": _redact_recipients,
    "withheld": _redact_withheld,
}
"""Attributes that may also hold data of others. Every other attribute about a contact is emptied."""
