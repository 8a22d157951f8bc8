"""The mails of reminders."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from babel import dates

from chalicelib import languages
from chalicelib.contacts.rules import Recipient
from chalicelib.entities.rules import Entity
from chalicelib.invoices.rules import Invoice
from chalicelib.mail.outbox import Mail
from chalicelib.table.items import DigestItem

LIFETIME = timedelta(days=3)
"""A reminder that could not be sent for so long is not sent: the next step says what holds by then."""
_STAFF_PER_MAIL = 45
_MAX_INVOICE_NUMBERS = 30
"""Of invoices that a mail to staff names."""


def reminder(about: Any, digest: DigestItem, contact: Recipient, found: Sequence[Any], others: tuple[str, ...]) -> Mail:
    """Return one contact's own copy of a digest; what it says of each invoice is read when it is sent (R3)."""
    groups = sorted({one.invoice.bill_group_id for one in found})
    return Mail(
        kind="reminder",
        entity_id=about.entity.entity_id,
        account_id=about.account.account_id,
        to=(contact.email,),
        locale=contact.locale or about.locale,
        lifetime=LIFETIME,
        bill_group_id=groups[0] if len(groups) == 1 else None,
        bill_group_ids=tuple(groups),
        contact_id=contact.contact_id,
        context={
            "digest": [digest.pk, digest.sk],
            "invoice_ids": [one.invoice.invoice_id for one in found],
            "due_dates": {one.invoice.invoice_id: _iso_date(one.invoice.due_date) for one in found},
            "bill_group_ids": groups,
            "tone": digest.tone,
            "template": digest.template,
            "others": list(others),
            "copy": contact.copy,
        },
    )


def _iso_date(day: date | None) -> str | None:
    return day.isoformat() if day is not None else None


def run_awaiting_approval(entity: Entity, staff: tuple[str, ...], run_hour: str, accounts: int, limit: int) -> Mail:
    """Return the mail to the vendor's staff that a run is larger than its limit and waits for their yes (R9)."""
    return Mail(
        kind="reminder_run_waits",
        entity_id=entity.entity_id,
        account_id=None,
        to=staff,
        locale=entity.locale,
        lifetime=LIFETIME,
        context={"run": f"{entity.entity_id}/{run_hour}", "accounts": accounts, "limit": limit},
    )


def reply_received(
    link: Any, answer: str, invoices: Sequence[Invoice], told: Mapping[str, Any], staff: Sequence[str], days: int
) -> list[Mail]:
    """Return the mails to the vendor's staff that a contact has replied to a reminder, and what came of it (R6).

    ``days`` is for how long a reply pauses reminders. They are in no account's history, and so are not kept.
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
        "on": dates.format_date(date.fromisoformat(on), "long", locale=reader) if on else None,
        **{name: told.get(name) for name in ("reference", "reason", "note", "lines", "amount", "owner")},
    }
    addressed = list(staff) or [entity.support_email or entity.reply_to or entity.sender_email]
    return [
        Mail(
            kind="reply_received",
            entity_id=entity.entity_id,
            account_id=None,
            to=tuple(addressed[start : start + _STAFF_PER_MAIL]),
            locale=entity.locale,
            lifetime=LIFETIME,
            context=context,
        )
        for start in range(0, len(addressed), _STAFF_PER_MAIL)
    ]
