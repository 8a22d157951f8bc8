"""What callers send of access rules and permissions."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from chalicelib.access import book, domains
from chalicelib.access.domains import Value
from chalicelib.fields import Body

Permission = Literal[
    "profile", "contacts", "subscriptions", "invoices", "pay", "payment_methods", "tickets", "emails", "access"
]
Permissions = Annotated[list[Permission], Field(min_length=1, max_length=len(book.GIVEN) + 1)]


def _readable(value: str) -> str:
    try:
        return domains.read(value).text
    except domains.Refused as refusal:
        raise PydanticCustomError(refusal.code, "{sentence}", {"sentence": str(refusal)}) from None


RuleValue = Annotated[str, StringConstraints(max_length=4000), AfterValidator(_readable)]


class AccessRuleBody(Body):
    """An address or a domain that is to enter the portal of one bill group."""

    value: RuleValue = Field(
        description="One email address, or one domain, which is matched exactly.", examples=["example.com"]
    )
    permissions: Permissions | None = Field(default=None, description="All but `access` when never sent.")
    replace_emails: bool = Field(
        default=False, description="Whether a domain takes the place of the rules of its addresses."
    )

    def read(self) -> Value:
        """Return what the rule is for."""
        return domains.read(self.value)
