"""Request bodies for the reminders to come and the history of one invoice (R7)."""

from typing import Annotated

from pydantic import Field

from chalicelib.field_types import VendorId
from chalicelib.reminders.outlook import plan, policy_comparison
from chalicelib.reminders.policy.inputs import EntityPolicyBody


class PolicyPreviewBody(EntityPolicyBody):
    """A change of an issuing entity's policy that is tried. Absent means unchanged, null restores the default."""

    account_ids: (
        Annotated[list[VendorId], Field(min_length=1, max_length=policy_comparison.MAX_NAMED_ACCOUNTS)] | None
    ) = Field(default=None, description="Of these accounts only; otherwise all, page by page.")
    days: int = Field(
        default=plan.DEFAULT_PLAN_DAYS, ge=1, le=plan.MAX_PLAN_DAYS, description="How many days from today on."
    )
