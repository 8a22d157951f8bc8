"""The deliveries of an invoice, with the status of each recipient."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib.deliveries.rules import DeliveredTo, Delivery
from chalicelib.errors import NotFound
from chalicelib.mail.recipients import recipient_statuses
from chalicelib.mail.service import Email
from chalicelib.table import keys, store
from chalicelib.table.items import DeliveryItem


@dataclass(frozen=True)
class DeliveryRecipientStatus:
    """The status of a delivery for one recipient.

    ``status`` is that of the email for this recipient, or the outcome of the delivery without one. ``email`` is None
    when no email was written, and when the recipient was erased. A Cc recipient need not be a contact.
    """

    status: str
    email: str | None = None
    contact_id: str | None = None
    email_id: str | None = None
    cc: bool = False
    is_copy: bool = False
    reason: str | None = None
    at: str | None = None


@dataclass(frozen=True)
class DeliveryWithStatuses:
    """A delivery with the status of each recipient."""

    delivery: Delivery
    recipients: tuple[DeliveryRecipientStatus, ...]


def list_invoice_deliveries(invoice_id: str, after: Any, limit: int) -> tuple[list[DeliveryWithStatuses], str | None]:
    """Return a page of an invoice's deliveries, newest first, and where the next one begins; two reads.

    Raises NotFound when the invoice does not exist, which is checked only if there are no deliveries.
    """
    first = keys.delivery(invoice_id, "")
    page = store.query_items(first.pk, first.sk, limit=limit, after=after, newest_first=True)
    if not page.items and after is None and not store.batch_get_items([keys.invoice(invoice_id)]):
        raise NotFound
    return _with_recipient_statuses([store.from_item(Delivery, item) for item in page.items]), page.after


def get_delivery(invoice_id: str, delivery_id: str) -> DeliveryWithStatuses:
    """Read one delivery. Raises NotFound."""
    item = store.get_item(DeliveryItem, keys.delivery(invoice_id, delivery_id))
    if item is None:
        raise NotFound
    return _with_recipient_statuses([store.from_item(Delivery, item)])[0]


def _with_recipient_statuses(deliveries: Sequence[Delivery]) -> list[DeliveryWithStatuses]:
    wanted = {one.email_id for delivery in deliveries for one in delivery.recipients if one.email_id}
    rows = store.batch_get_items([keys.email(email_id) for email_id in sorted(wanted)])
    emails = {row.email_id: store.from_item(Email, row) for row in rows.values()}
    return [DeliveryWithStatuses(delivery, _recipient_statuses(delivery, emails)) for delivery in deliveries]


def _recipient_statuses(delivery: Delivery, emails: dict[str, Email]) -> tuple[DeliveryRecipientStatus, ...]:
    found = []
    by_mail: dict[str | None, list[DeliveredTo]] = defaultdict(list)
    for one in delivery.recipients:
        by_mail[one.email_id].append(one)
    for email_id, contacts in by_mail.items():
        email = emails.get(email_id) if email_id else None
        if email is None:
            found += [
                DeliveryRecipientStatus(one.state, contact_id=one.contact_id, is_copy=one.copy, cc=one.cc)
                for one in contacts
            ]
        else:
            found += _statuses_from_email(email, contacts)
    return tuple(found)


def _statuses_from_email(email: Email, contacts: Sequence[DeliveredTo]) -> list[DeliveryRecipientStatus]:
    statuses = recipient_statuses(email)
    told = [
        DeliveryRecipientStatus(one.status, one.email, None, email.email_id, cc=one.cc, reason=one.reason, at=one.at)
        for one in statuses
    ]
    # An email's addresses are in the order of its contacts, unless one was erased since.
    if len([one for one in statuses if not one.cc]) != len(contacts):
        return told or [DeliveryRecipientStatus(email.status, None, one.contact_id, email.email_id) for one in contacts]
    named = [
        DeliveryRecipientStatus(
            one.status, one.email, contact.contact_id, one.email_id, contact.cc, contact.copy, one.reason, one.at
        )
        for one, contact in zip(told, contacts, strict=False)
    ]
    return [*named, *told[len(contacts) :]]
