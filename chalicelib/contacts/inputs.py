"""What callers send of contacts."""

from typing import Literal

from pydantic import Field

from chalicelib.access.inputs import Permissions
from chalicelib.contacts.preference_rules import MAX_SIZE_LIMIT_KIB, MIN_SIZE_LIMIT_KIB
from chalicelib.field_types import (
    AddressBody,
    Body,
    EmailAddress,
    LocaleTag,
    NameText,
    Phone,
    ShortText,
    VendorId,
)

Role = Literal["invoicing", "accounts_payable"]


class ContactDetails(Body):
    """The details of a contact. Absent means unchanged, null clears."""

    kind: Literal["person", "mailbox"] | None = Field(default=None, description="Default: a person.")
    first_name: NameText | None = Field(default=None, description="Required for a person.")
    last_name: NameText | None = Field(default=None, description="Required for a person.")
    display_name: NameText | None = Field(default=None, description="Required for a mailbox.")
    email: EmailAddress | None = Field(default=None, description="Required when the contact is added.")
    cell: Phone | None = Field(default=None, description="With country code. Stored as E.164.")
    company: NameText | None = None
    address: AddressBody | None = None
    job_title: NameText | None = None
    locale: LocaleTag | None = Field(default=None, description="BCP 47; null means the account's.")
    external_id: ShortText | None = Field(default=None, description="Your own id, unique in the account.")


class ContactBody(ContactDetails):
    """A contact and its roles."""

    roles: list[Role] | None = Field(
        default=None,
        max_length=2,
        description="All roles of the contact. Absent means unchanged, null means none.",
    )

    def details(self) -> dict[str, object]:
        """Return the details that were sent, without the roles."""
        return {name: value for name, value in self.given().items() if name != "roles"}


class GivenBody(Body):
    """What a contact may do at one bill group."""

    permissions: Permissions | None = Field(default=None, description="Default, and null: all except `access`.")


class AccessBody(Body):
    """All bill groups that a contact may enter; what is not named here, it may not."""

    bill_groups: dict[VendorId, GivenBody] = Field(
        max_length=100, examples=[{"bg-1": {"permissions": ["invoices", "pay"]}}]
    )

    def wanted(self) -> dict[str, list[str] | None]:
        """Return the permissions by bill group, None standing for the default."""
        return {
            group: list(given.permissions) if given.permissions else None for group, given in self.bill_groups.items()
        }


class ContactWrite(ContactBody):
    """A contact, its roles and its access."""

    access: AccessBody | None = Field(
        default=None,
        description="All access of the contact. Absent means unchanged, null means none. Only staff, a key "
        "with the scope access:write, and the account's owner may send it.",
    )

    def details(self) -> dict[str, object]:
        """Return the details that were sent, without roles and access."""
        return {name: value for name, value in super().details().items() if name != "access"}

    def wanted_access(self) -> dict[str, list[str] | None] | None:
        """Return the access that it is to have, None when that is to stay as it is."""
        if "access" not in self.model_fields_set:
            return None
        return self.access.wanted() if self.access else {}


class DeliveryStyleBody(Body):
    """How a contact wants its invoices; sent as a whole."""

    grouping: Literal["together", "one_per_mail"] = Field(
        default="one_per_mail",
        description="`one_per_mail`: an email for each invoice, as soon as it is issued. `together`: "
        "invoices issued within a short time in one email.",
    )
    pdf_only: bool = Field(default=False, description="Attach PDF files and nothing else, as some mailboxes need.")
    size_limit_kib: int | None = Field(
        default=None,
        ge=MIN_SIZE_LIMIT_KIB,
        le=MAX_SIZE_LIMIT_KIB,
        description="Maximum size of all attachments of an email, in KiB. Larger invoices are emailed "
        "without their PDF. Null: the general limit.",
    )


class PreferencesBody(Body):
    """Which emails a contact chooses, and how. Absent means unchanged, null restores the default, off."""

    invoices: bool | None = Field(
        default=None, description="Copies. Contacts with the role `invoicing` always get invoices."
    )
    reminders: bool | None = Field(
        default=None, description="Copies. Contacts with the role `accounts_payable` always get reminders."
    )
    general: bool | None = Field(default=None, description="News about the account and the service.")
    support: bool | None = Field(default=None, description="Support updates.")
    product: bool | None = Field(default=None, description="Product updates.")
    delivery_style: DeliveryStyleBody | None = None


class ErasureBody(Body):
    """The confirmation of an erasure."""

    confirm: Literal[True] = Field(description="Erasing is final. Send true.")
