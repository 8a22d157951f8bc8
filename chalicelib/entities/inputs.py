"""What callers send of issuing entities."""

from pydantic import Field

from chalicelib.fields import (
    AddressBody,
    Bic,
    Body,
    Colour,
    Email,
    Iban,
    Line,
    Link,
    LocaleTag,
    ShortText,
    TimeZone,
)


class TaxNumberBody(Body):
    """A tax number and its kind."""

    kind: ShortText = Field(description="What kind of number it is, such as VAT or EIN.")
    number: ShortText


class BankDetailsBody(Body):
    """Where the vendor is paid by bank transfer."""

    account_holder: Line
    bank_name: Line | None = None
    iban: Iban | None = None
    bic: Bic | None = None
    account_number: ShortText | None = None
    routing_number: ShortText | None = None


class ContactMailsBody(Body):
    """Which mails about contacts are sent; one that is left out is."""

    contact_added: bool = True
    role_changed: bool = True
    contact_removed: bool = True


class EntityBody(Body):
    """An issuing entity. Absent means unchanged, null clears."""

    name: Line | None = Field(default=None, description="Needed when the entity is created.")
    legal_name: Line | None = None
    colour: Colour | None = Field(default=None, description="#rrggbb. Needed when the entity is created.")
    address: AddressBody | None = None
    tax_numbers: list[TaxNumberBody] | None = Field(default=None, max_length=10)
    registration_number: ShortText | None = None
    bank_details: BankDetailsBody | None = None
    sender_name: Line | None = None
    sender_email: Email | None = Field(default=None, description="Needed when the entity is created.")
    reply_to: Email | None = None
    website: Link | None = None
    support_email: Email | None = None
    locale: LocaleTag | None = Field(default=None, description="BCP 47. Needed when the entity is created.")
    time_zone: TimeZone | None = Field(default=None, description="IANA. Needed when the entity is created.")
    contact_cell_required: bool | None = None
    access_delay_hours: int | None = Field(
        default=None, ge=0, le=168, description="How many hours after it was given access to a portal begins."
    )
    contact_mails: ContactMailsBody | None = None
