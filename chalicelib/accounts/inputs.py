"""What callers send of accounts."""

from typing import Literal

from pydantic import Field

from chalicelib.accounts.rules import MAX_NET_DAYS
from chalicelib.field_types import (
    Body,
    ContactId,
    Country,
    Currency,
    LocaleTag,
    SingleLineText,
    Subdivision,
    TimeZone,
    VendorId,
)


class PaymentTermsBody(Body):
    """When the account pays."""

    kind: Literal["due_on_receipt", "net"]
    days: int | None = Field(default=None, ge=1, le=MAX_NET_DAYS, description="With net terms only.")


class OwnerBody(Body):
    """The new owner of an account."""

    contact_id: ContactId | None = Field(description="An active contact of the account. Null for none (staff only).")


class AccountBody(Body):
    """An account. Absent means unchanged, null clears."""

    entity_id: VendorId | None = Field(
        default=None, description="The default issuing entity. Required when the account is created."
    )
    name: SingleLineText | None = Field(default=None, description="Required when the account is created.")
    currency: Currency | None = Field(default=None, description="ISO 4217. Required when the account is created.")
    payment_terms: PaymentTermsBody | None = Field(default=None, description="Default: due on receipt.")
    country: Country | None = None
    subdivision: Subdivision | None = None
    cost_center_billing: bool | None = None
    locale: LocaleTag | None = Field(default=None, description="BCP 47; null means the issuing entity's.")
    time_zone: TimeZone | None = Field(default=None, description="IANA; null means the issuing entity's.")
