"""The mails of reminders."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from chalicelib.contacts.rules import Recipient
from chalicelib.entities.rules import Entity
from chalicelib.mail.outbox import Mail
from chalicelib.table.items import DigestItem

LIFETIME = timedelta(days=3)
"""A reminder that could not be sent for so long is not sent: the next step says what holds by then."""


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
