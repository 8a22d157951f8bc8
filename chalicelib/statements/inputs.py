"""What callers send to have a statement of account made."""

from pydantic import Field

from chalicelib.field_types import Body, ContactId, Currency, VendorId
from chalicelib.statements.rules import MAX_RECIPIENTS


class StatementBody(Body):
    """Scope of a statement, and who receives it by email."""

    entity_id: VendorId | None = Field(default=None, description="Default: the account's issuing entity.")
    currency: Currency | None = Field(default=None, description="Default: the account's.")
    send_to: list[ContactId] | None = Field(
        default=None,
        max_length=MAX_RECIPIENTS,
        description="Contacts of the account. Each receives an email with the PDF. Default: none.",
    )
