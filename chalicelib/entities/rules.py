"""Issuing entities: what they are."""

from dataclasses import dataclass, field

from chalicelib.accounts.rules import Address

CONTACT_MAILS = ("contact_added", "role_changed", "contact_removed")


@dataclass(frozen=True)
class TaxNumber:
    """A tax number and what kind it is, as ``VAT`` or ``EIN``."""

    kind: str
    number: str


@dataclass(frozen=True)
class BankDetails:
    """Where the vendor is paid by bank transfer."""

    account_holder: str
    bank_name: str | None = None
    iban: str | None = None
    bic: str | None = None
    account_number: str | None = None
    routing_number: str | None = None


@dataclass(frozen=True)
class Entity:
    """An issuing entity: a legal entity or brand of the vendor. ``colour`` is #rrggbb."""

    entity_id: str
    name: str
    colour: str
    sender_email: str
    locale: str
    time_zone: str
    legal_name: str | None = None
    address: Address | None = None
    tax_numbers: tuple[TaxNumber, ...] = ()
    registration_number: str | None = None
    bank_details: BankDetails | None = None
    sender_name: str | None = None
    reply_to: str | None = None
    website: str | None = None
    support_email: str | None = None
    contact_cell_required: bool = False
    access_delay_hours: int = 0
    """How long after it was given access begins to count (A7)."""
    contact_mails: dict[str, bool] = field(default_factory=dict)
    """Which of CONTACT_MAILS are sent; one that is not named is."""
    version: int = 1
