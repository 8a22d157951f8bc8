"""The records of bill groups and subscriptions."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from chalicelib.errors import Conflict, FieldError, Forbidden, InvalidInput
from chalicelib.field_marks import FieldUse, MovesReminders, NotAudited, NotPersonal, PortalEditable, fields_marked
from chalicelib.postal_address import PostalAddress

SUBSCRIPTION_STATUSES = ("trial", "active", "paused", "past_due", "canceled", "ended")
BILLING_FREQUENCIES = ("weekly", "monthly", "quarterly", "half_yearly", "yearly", "one_time")

BILLING = "billing"
SHIPPING = "shipping"
CONTACT_FIELD_BY_KIND = {BILLING: "billing_contact_id", SHIPPING: "shipping_contact_id"}


@dataclass(frozen=True)
class BillGroup:
    """The unit that is billed and has a portal. It never changes its account or entity."""

    bill_group_id: NotPersonal[str]
    account_id: NotPersonal[str]
    entity_id: NotPersonal[str]
    name: NotPersonal[str]
    po_number: PortalEditable[NotPersonal[str | None]] = None
    vat_number: PortalEditable[NotPersonal[str | None]] = None
    registration_number: PortalEditable[NotPersonal[str | None]] = None
    billing_address: PortalEditable[NotPersonal[PostalAddress | None]] = None
    shipping_address: PortalEditable[NotPersonal[PostalAddress | None]] = None
    billing_frequency: NotPersonal[str | None] = None
    next_billing_date: date | None = None
    auto_pay: MovesReminders[bool] = False
    contract_start: date | None = None
    contract_end: date | None = None
    billing_contact_id: PortalEditable[NotPersonal[str | None]] = None
    shipping_contact_id: PortalEditable[NotPersonal[str | None]] = None
    invoicing_contact_ids: NotPersonal[tuple[str, ...]] = ()
    """Limits the invoices to some of the role's holders (C8); empty: all of them."""
    accounts_payable_contact_ids: MovesReminders[NotPersonal[tuple[str, ...]]] = ()
    """The same for reminders."""
    portal_token: NotAudited[NotPersonal[str | None]] = None
    """The token of the portal link; no credential (A3)."""
    upstream: NotAudited[NotPersonal[dict[str, Any]]] = field(default_factory=dict)
    version: NotAudited[int] = 1


@dataclass(frozen=True)
class Subscription:
    """A subscription of a bill group. ``unit_amount`` is in minor units, ``quantity`` a decimal as text."""

    subscription_id: NotPersonal[str]
    bill_group_id: NotPersonal[str]
    account_id: NotPersonal[str]
    name: NotPersonal[str]
    status: NotPersonal[str]
    product_code: NotPersonal[str | None] = None
    description: NotPersonal[str | None] = None
    quantity: NotPersonal[str | None] = None
    unit_amount: int | None = None
    currency: NotPersonal[str | None] = None
    billing_frequency: NotPersonal[str | None] = None
    start_date: date | None = None
    end_date: date | None = None
    renews_on: date | None = None
    version: NotAudited[int] = 1


def check_bill_group(group: BillGroup) -> None:
    """Raise InvalidInput where the fields of a bill group contradict each other."""
    if group.contract_start and group.contract_end and group.contract_end < group.contract_start:
        raise InvalidInput.field(
            "contract_end", "too_early", "The contract ends before it starts. Correct either date."
        )


def check_subscription(subscription: Subscription) -> None:
    """Raise InvalidInput where the fields of a subscription contradict each other."""
    if subscription.start_date and subscription.end_date and subscription.end_date < subscription.start_date:
        raise InvalidInput.field(
            "end_date", "too_early", "The subscription ends before it starts. Correct either date."
        )
    if (subscription.unit_amount is None) != (subscription.currency is None):
        raise InvalidInput.field(
            "currency", "required", "An amount and its currency go together. Send both or neither."
        )


def check_portal_editable(actor_kind: str, names: Iterable[str]) -> None:
    """Raise Forbidden when a portal user would change what only the vendor may."""
    closed = sorted(set(names) - fields_marked(BillGroup, FieldUse.PORTAL_EDITABLE))
    if actor_kind == "portal_user" and closed:
        raise Forbidden(
            "field_is_the_vendors",
            "Only the vendor can change this. Leave it out, or contact the vendor's billing team.",
            fields=tuple(
                FieldError(name, "field_is_the_vendors", "Only the vendor can change this.") for name in closed
            ),
        )


def check_not_moved(group: BillGroup, given: dict[str, Any]) -> None:
    """Raise Conflict when a write would move a bill group to another account or entity."""
    for name in ("account_id", "entity_id"):
        if name in given and given[name] != getattr(group, name):
            raise Conflict(
                "bill_group_is_fixed",
                "A bill group cannot change its account or issuing entity. Create a new bill group.",
                fields=(FieldError(name, "fixed", "Do not change this."),),
            )


def check_recipient_filter(
    before: BillGroup | None, group: BillGroup, *, invoicing: frozenset[str], accounts_payable: frozenset[str]
) -> None:
    """Raise InvalidInput when a write limits a bill group's emails to a contact without the role (C8).

    Existing entries may name contacts who have lost the role since (see ``select_recipients``).
    """
    for name, holders in (("invoicing_contact_ids", invoicing), ("accounts_payable_contact_ids", accounts_payable)):
        if before is not None and getattr(before, name) == getattr(group, name):
            continue
        strangers = [contact_id for contact_id in getattr(group, name) if contact_id not in holders]
        if strangers:
            raise InvalidInput.field(
                name,
                "not_a_holder",
                f"{', '.join(strangers)} does not have this role. Add the role first, or leave the contact out.",
            )


def select_recipients(narrowed_to: tuple[str, ...], holders: frozenset[str]) -> tuple[str, ...]:
    """Return the role holders who get a bill group's emails (C8).

    The selected ones who still hold the role; all holders if none is selected or left, so that a bill never reaches
    nobody while the role has a holder.
    """
    chosen = [contact_id for contact_id in narrowed_to if contact_id in holders]
    return tuple(sorted(chosen or holders))
