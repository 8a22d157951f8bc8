"""What callers send of issuing entities."""

from typing import Literal

from pydantic import Field

from chalicelib.entities.rules import MAX_PILOT_ACCOUNTS
from chalicelib.field_types import (
    AddressBody,
    Bic,
    Body,
    CalendarDate,
    Colour,
    EmailAddress,
    Iban,
    LocaleTag,
    OfficialNumber,
    ShortText,
    SingleLineText,
    TimeZone,
    VendorId,
    WebUrl,
)


class TaxNumberBody(Body):
    """A tax number and its kind."""

    kind: ShortText = Field(description="What kind of number it is, such as VAT or EIN.")
    number: OfficialNumber = Field(
        description="A VAT number, or one of a kind that is known of the country of the address, is checked."
    )


class BankDetailsBody(Body):
    """Where the vendor is paid by bank transfer."""

    account_holder: SingleLineText
    bank_name: SingleLineText | None = None
    iban: Iban | None = None
    bic: Bic | None = None
    account_number: ShortText | None = None
    routing_number: ShortText | None = None


class ContactMailsBody(Body):
    """Which emails about contacts are sent. Omitted kinds are sent."""

    contact_added: bool = True
    role_changed: bool = True
    contact_removed: bool = True


class RolloutBody(Body):
    """Mode of one sort of email."""

    mode: Literal["off", "shadow", "pilot", "live"] = Field(
        description="`off`: nothing happens. `shadow`: emails are planned and listed but not sent. `pilot`: "
        "emails are sent to the named accounts; others are as in `shadow`. `live`: emails are "
        "sent to all."
    )
    pilot_account_ids: list[VendorId] = Field(
        default=[],
        max_length=MAX_PILOT_ACCOUNTS,
        description="Accounts that get emails in a pilot. They must exist, and may belong to other entities.",
        examples=[["customer-1"]],
    )


class EntityBody(Body):
    """An issuing entity. Absent means unchanged, null clears."""

    name: SingleLineText | None = Field(default=None, description="Required when the entity is created.")
    legal_name: SingleLineText | None = None
    colour: Colour | None = Field(default=None, description="#rrggbb. Required when the entity is created.")
    address: AddressBody | None = None
    tax_numbers: list[TaxNumberBody] | None = Field(default=None, max_length=10)
    registration_number: OfficialNumber | None = None
    bank_details: BankDetailsBody | None = None
    sender_name: SingleLineText | None = None
    sender_email: EmailAddress | None = Field(default=None, description="Required when the entity is created.")
    reply_to: EmailAddress | None = None
    website: WebUrl | None = None
    support_email: EmailAddress | None = None
    locale: LocaleTag | None = Field(default=None, description="BCP 47. Required when the entity is created.")
    time_zone: TimeZone | None = Field(default=None, description="IANA. Required when the entity is created.")
    contact_cell_required: bool | None = None
    access_delay_hours: int | None = Field(
        default=None, ge=0, le=168, description="Hours until newly granted portal access takes effect."
    )
    contact_mails: ContactMailsBody | None = None
    invoice_mail: RolloutBody | None = Field(default=None, description="Of invoices and statements. Off at first.")
    reminder_mail: RolloutBody | None = Field(default=None, description="Of reminders. Off at first.")
    live_from: CalendarDate | None = Field(
        default=None,
        description="Invoices dated before this day are never delivered, and reminded only after release. "
        "Required before any email is `pilot` or `live`.",
    )
    invoice_addressing: Literal["each", "together"] | None = Field(
        default=None,
        description="Whether an invoice goes to each of its contacts in an email of their own that names the others, "
        "which is so at first, or to all of them together, in one email.",
    )
