"""What callers send of access rules and permissions."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from chalicelib.access import domain_access, domains
from chalicelib.access.domains import RuleTarget
from chalicelib.field_types import Body

Permission = Literal[
    "profile", "contacts", "subscriptions", "invoices", "pay", "payment_methods", "tickets", "emails", "access"
]
Permissions = Annotated[list[Permission], Field(min_length=1, max_length=len(domain_access.GRANTABLE_PERMISSIONS) + 1)]


def _check_rule_value(value: str) -> str:
    try:
        return domains.parse_rule_target(value).text
    except domains.RuleTargetError as refusal:
        raise PydanticCustomError(refusal.code, "{sentence}", {"sentence": str(refusal)}) from None


RuleValue = Annotated[str, StringConstraints(max_length=4000), AfterValidator(_check_rule_value)]


class AccessRuleBody(Body):
    """An email address or domain that may sign in to a bill group's portal."""

    value: RuleValue = Field(
        description="One email address, or one domain, which is matched exactly.", examples=["example.com"]
    )
    permissions: Permissions | None = Field(default=None, description="Default: all except `access`.")
    replace_emails: bool = Field(default=False, description="Whether a domain replaces the rules of its addresses.")

    def read(self) -> RuleTarget:
        """Return what the rule is for."""
        return domains.parse_rule_target(self.value)
