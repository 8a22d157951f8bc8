"""What callers send to have an invoice sent."""

from pydantic import Field

from chalicelib.deliveries.rules import MAX_RECIPIENTS, RequestedRecipients
from chalicelib.field_types import Body, ContactId, EmailAddress


class SendBody(Body):
    """Recipients of an invoice. Empty: all invoicing contacts of its bill group."""

    to: list[ContactId] | None = Field(
        default=None, min_length=1, max_length=MAX_RECIPIENTS, description="Contacts of the account."
    )
    cc: list[EmailAddress] | None = Field(
        default=None,
        max_length=MAX_RECIPIENTS,
        description="Who gets a copy of this email only. A portal user can name only contacts of the account.",
    )

    def asked(self) -> RequestedRecipients:
        """Return whom it is to be sent to; a contact or an address that is named twice counts once."""
        to = tuple(dict.fromkeys(self.to)) if self.to else None
        return RequestedRecipients(to, tuple(dict.fromkeys(self.cc or ())))
