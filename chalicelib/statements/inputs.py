"""What callers send to have a statement of account made."""

from pydantic import Field

from chalicelib.field_types import Body, ContactId, Currency, VendorId
from chalicelib.statements.rules import MAX_RECIPIENTS


class StatementBody(Body):
    """Of what a statement is wanted, and who is to get it by mail."""

    entity_id: VendorId | None = Field(default=None, description="The account's own issuing entity when never sent.")
    currency: Currency | None = Field(default=None, description="The account's own when never sent.")
    send_to: list[ContactId] | None = Field(
        default=None,
        max_length=MAX_RECIPIENTS,
        description="Contacts of the account, each of whom gets a mail with the PDF. Nobody when never sent.",
    )
