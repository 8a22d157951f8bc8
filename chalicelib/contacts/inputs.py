"""What callers send of contacts."""

from typing import Literal

from pydantic import Field

from chalicelib.fields import AddressBody, Body, Email, Line, LocaleTag, Phone, ShortText

Role = Literal["invoicing", "accounts_payable"]


class ContactDetails(Body):
    """The details of a contact. Absent means unchanged, null clears."""

    kind: Literal["person", "mailbox"] | None = Field(default=None, description="A person when never sent.")
    first_name: Line | None = Field(default=None, description="Of a person; needed.")
    last_name: Line | None = Field(default=None, description="Of a person; needed.")
    display_name: Line | None = Field(default=None, description="Of a mailbox; needed.")
    email: Email | None = Field(default=None, description="Needed when the contact is added.")
    cell: Phone | None = Field(default=None, description="With its country code; kept as E.164.")
    company: Line | None = None
    address: AddressBody | None = None
    job_title: Line | None = None
    locale: LocaleTag | None = Field(default=None, description="BCP 47; null means the account's.")
    external_id: ShortText | None = Field(default=None, description="Yours; unique in the account.")


class ContactBody(ContactDetails):
    """A contact and its roles."""

    roles: list[Role] | None = Field(
        default=None,
        max_length=2,
        description="All roles that it is to hold; absent means unchanged, null none.",
    )

    def details(self) -> dict[str, object]:
        """Return the details that were sent, without the roles."""
        return {name: value for name, value in self.given().items() if name != "roles"}


class ErasureBody(Body):
    """The confirmation of an erasure."""

    confirm: Literal[True] = Field(description="Erasing is final. Send true.")
