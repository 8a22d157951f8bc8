"""The emails to staff about replies to reminders (R6)."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from chalicelib import languages
from chalicelib.invoices.rules import Invoice
from chalicelib.mail.outbox import Mail
from chalicelib.reminders.replies.links import ReplyLink
from chalicelib.reminders.run.emails import LIFETIME

_MAX_INVOICE_NUMBERS = 30
"""Of invoices that a mail to staff names."""


def reply_received(
    link: ReplyLink,
    answer: str,
    invoices: Sequence[Invoice],
    told: Mapping[str, Any],
    recipients: Sequence[tuple[str, ...]],
    days: int,
) -> list[Mail]:
    """Return the mails to the vendor's staff that a contact has replied to a reminder, and what came of it (R6).

    ``recipients`` are those of each mail; ``days`` is for how long a reply pauses reminders. The mails are in no
    account's history, and so are not kept.
    """
    entity, reader = link.entity, languages.formatting_locale(link.entity.locale)
    on = told.get("on")
    context = {
        "account_name": link.account.name,
        "account_id": link.account.account_id,
        "contact_name": link.contact.name,
        "contact_email": link.contact.email,
        "answer": answer,
        "days": days,
        "numbers": [one.number for one in invoices[:_MAX_INVOICE_NUMBERS]],
        "more": max(0, len(invoices) - _MAX_INVOICE_NUMBERS),
        "on": languages.format_date(date.fromisoformat(on), "long", reader) if on else None,
        **{name: told.get(name) for name in ("reference", "reason", "note", "lines", "amount", "owner")},
    }
    return [
        Mail(
            kind="reply_received",
            entity_id=entity.entity_id,
            account_id=None,
            about_account_id=link.account.account_id,
            to=to,
            locale=entity.locale,
            lifetime=LIFETIME,
            context=context,
        )
        for to in recipients
    ]
