"""What callers send of bill groups and subscriptions."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from chalicelib.field_types import (
    AddressBody,
    Body,
    CalendarDate,
    ContactId,
    Currency,
    OfficialNumber,
    ShortText,
    SingleLineText,
    VatNumber,
    VendorId,
    pattern_validator,
)

Quantity = Annotated[
    ShortText,
    AfterValidator(
        pattern_validator(
            re.compile(r"[0-9]{1,12}(\.[0-9]{1,6})?"),
            "bad_quantity",
            "Send a decimal number as text, such as 12 or 1.5.",
        )
    ),
]
Frequency = Literal["weekly", "monthly", "quarterly", "half_yearly", "yearly", "one_time"]


class BillGroupDetails(Body):
    """The fields of a bill group that may change."""

    name: SingleLineText | None = Field(default=None, description="Required when the bill group is created.")
    po_number: SingleLineText | None = None
    vat_number: VatNumber | None = Field(
        default=None,
        description="Checked by the rules of the country whose letters it begins with, or of the billing address.",
    )
    registration_number: OfficialNumber | None = None
    billing_address: AddressBody | None = None
    shipping_address: AddressBody | None = None
    billing_frequency: Frequency | None = None
    next_billing_date: CalendarDate | None = None
    auto_pay: bool | None = None
    contract_start: CalendarDate | None = None
    contract_end: CalendarDate | None = None
    billing_contact_id: ContactId | None = None
    shipping_contact_id: ContactId | None = None
    invoicing_contact_ids: list[ContactId] | None = Field(
        default=None, max_length=5, description="Narrows invoices to these holders of the role; empty means all."
    )
    accounts_payable_contact_ids: list[ContactId] | None = Field(
        default=None, max_length=5, description="Narrows reminders to these holders of the role; empty means all."
    )


class BillGroupBody(BillGroupDetails):
    """A bill group. Absent means unchanged, null clears."""

    account_id: VendorId | None = Field(
        default=None, description="Required when the bill group is created. It never changes."
    )
    entity_id: VendorId | None = Field(
        default=None, description="Required when the bill group is created. It never changes."
    )


class SubscriptionBody(Body):
    """A subscription. Absent means unchanged, null clears."""

    name: SingleLineText | None = Field(default=None, description="Required when the subscription is created.")
    status: Literal["trial", "active", "paused", "past_due", "canceled", "ended"] | None = Field(
        default=None, description="Required when the subscription is created."
    )
    product_code: ShortText | None = None
    description: SingleLineText | None = None
    quantity: Quantity | None = None
    unit_amount: int | None = Field(default=None, ge=0, le=10**12, description="In minor units of the currency.")
    currency: Currency | None = None
    billing_frequency: Frequency | None = None
    start_date: CalendarDate | None = None
    end_date: CalendarDate | None = None
    renews_on: CalendarDate | None = None
