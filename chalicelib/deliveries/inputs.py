"""What callers send to have an invoice sent."""

from pydantic import Field

from chalicelib.deliveries.rules import MOST_RECIPIENTS, Asked
from chalicelib.fields import Body, ContactId, Email, VendorId


class SendBody(Body):
    """Whom an invoice is to be sent to; nothing at all: all invoicing contacts of its bill group."""

    to: list[ContactId] | None = Field(
        default=None, min_length=1, max_length=MOST_RECIPIENTS, description="Contacts of the account."
    )
    cc: list[Email] | None = Field(
        default=None,
        max_length=MOST_RECIPIENTS,
        description="Who gets a copy this once. A portal user can only name contacts of the account.",
    )

    def asked(self) -> Asked:
        """Return whom it is to be sent to; a contact or an address that is named twice counts once."""
        to = tuple(dict.fromkeys(self.to)) if self.to else None
        return Asked(to, tuple(dict.fromkeys(self.cc or ())))


class ConsoleSendBody(SendBody):
    """The same for the console function."""

    invoice_id: VendorId
    confirm: bool = False
