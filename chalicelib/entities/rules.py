"""Issuing entities: what they are."""

from dataclasses import dataclass, field
from datetime import date

from chalicelib.errors import FieldError, InvalidInput
from chalicelib.field_marks import MovesReminders, NotAudited, NotPersonal
from chalicelib.postal_address import PostalAddress

CONTACT_MAIL_KINDS = ("contact_added", "role_changed", "contact_removed")

OFF, SHADOW, PILOT, LIVE = "off", "shadow", "pilot", "live"
ROLLOUT_MODES = (OFF, SHADOW, PILOT, LIVE)
MAX_PILOT_ACCOUNTS = 200

TOGETHER, EACH = "together", "each"


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
class Logo:
    """The logo as it is kept in the bucket, under a key that names its content. Sizes are in pixels."""

    key: str
    sha256: str
    media_type: str
    width: int
    height: int


@dataclass(frozen=True)
class Rollout:
    """How far one sort of an issuing entity's mail has gone live (R9)."""

    mode: str = OFF
    pilot_account_ids: tuple[str, ...] = ()
    """To whom it goes while it is ``pilot``."""

    def mode_for_account(self, account_id: str) -> str:
        """Return what becomes of the mail to an account: it is sent (LIVE), planned but not sent (SHADOW), or OFF.

        During a pilot, what the other accounts would get is planned, so that it can be looked at beforehand.
        """
        if self.mode == PILOT:
            return LIVE if account_id in self.pilot_account_ids else SHADOW
        return self.mode


@dataclass(frozen=True)
class Entity:
    """An issuing entity: a legal entity or brand of the vendor. ``colour`` is #rrggbb."""

    entity_id: NotPersonal[str]
    name: NotPersonal[str]
    colour: NotPersonal[str]
    sender_email: NotPersonal[str]
    locale: NotPersonal[str]
    time_zone: MovesReminders[NotPersonal[str]]
    legal_name: NotPersonal[str | None] = None
    address: NotPersonal[PostalAddress | None] = None
    tax_numbers: NotPersonal[tuple[TaxNumber, ...]] = ()
    registration_number: NotPersonal[str | None] = None
    bank_details: NotPersonal[BankDetails | None] = None
    logo: NotPersonal[Logo | None] = None
    sender_name: NotPersonal[str | None] = None
    reply_to: NotPersonal[str | None] = None
    website: NotPersonal[str | None] = None
    support_email: NotPersonal[str | None] = None
    contact_cell_required: bool = False
    access_delay_hours: int = 0
    """How long after it was given access begins to count (A7)."""
    contact_mails: NotPersonal[dict[str, bool]] = field(default_factory=dict)
    """Which of CONTACT_MAIL_KINDS are sent; one that is not named is."""
    invoice_mail: NotPersonal[Rollout] = Rollout()
    reminder_mail: MovesReminders[NotPersonal[Rollout]] = Rollout()
    live_from: MovesReminders[date | None] = None
    """Invoices dated before this day are never delivered, and reminded only when staff release them (R9)."""
    invoice_addressing: NotPersonal[str] = EACH
    """Whether an invoice goes to EACH of its contacts in an email of their own, or TOGETHER, in one email (I3)."""
    version: NotAudited[int] = 1


def check_entity(entity: Entity) -> None:
    """Raise InvalidInput where going live would mail more than was meant (R9).

    A pilot names its accounts, and nothing goes live before it is said from which invoices on, so that an import of
    history can neither be delivered nor reminded.
    """
    faults = []
    for name, rollout in (("invoice_mail", entity.invoice_mail), ("reminder_mail", entity.reminder_mail)):
        if rollout.mode == PILOT and not rollout.pilot_account_ids:
            faults.append(
                FieldError(f"{name}.pilot_account_ids", "required", "A pilot needs named accounts. Send their ids.")
            )
    sending = PILOT, LIVE
    if entity.live_from is None and (entity.invoice_mail.mode in sending or entity.reminder_mail.mode in sending):
        faults.append(
            FieldError(
                "live_from",
                "required",
                "Send the day from which email is live. Invoices dated before it are never delivered, and "
                "reminded only after release.",
            )
        )
    if faults:
        raise InvalidInput(
            "invalid_body", "Email of this entity cannot go live with these values.", fields=tuple(faults)
        )
