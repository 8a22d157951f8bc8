"""What callers send of reminder policies."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from chalicelib.field_types import Body, CalendarDate, Instant, ShortText, SingleLineText, VendorId
from chalicelib.reminders.outlook import plan, preview
from chalicelib.reminders.policy import rules


def _time_of_day(value: str) -> str:
    hours, _, minutes = value.partition(":")
    if not (len(hours) == len(minutes) == 2 and hours.isdigit() and minutes.isdigit() and value.isascii()):
        raise PydanticCustomError("bad_time", "Send a time of the day as HH:MM, such as 09:00.")
    if int(hours) > 23 or int(minutes) > 59:
        raise PydanticCustomError("bad_time", "There is no such time of the day. Send HH:MM, such as 09:00.")
    return value


class StepBody(Body):
    """A step of a reminder policy."""

    offset: int = Field(
        ge=-rules.MAX_OFFSET_DAYS,
        le=rules.MAX_OFFSET_DAYS,
        description="Days after the due date; before it, if negative.",
    )
    tone: Literal["friendly", "neutral", "firm", "final"]
    template: VendorId | None = Field(
        default=None,
        description="The reminder template of the issuing entity whose words it takes. Null, or where that has none in "
        "the reader's language: those of the tone.",
    )


class SpellBody(Body):
    """Days on which nobody is reminded, both ends included."""

    first: CalendarDate
    last: CalendarDate
    reason: SingleLineText | None = None


class StepsBody(Body):
    """What a bill group may have of its own. Absent means unchanged, null takes it from above."""

    steps: list[StepBody] | None = Field(default=None, max_length=rules.MAX_STEPS)
    repeat_every_days: int | None = Field(default=None, ge=1, le=365, description="After the last step.")
    repeat_at_most: int | None = Field(default=None, ge=0, le=rules.MAX_REPETITIONS)
    promise_limit_days: int | None = Field(
        default=None, ge=0, le=90, description="How far ahead a promise to pay may lie."
    )


class AccountPolicyBody(StepsBody):
    """What an account may have of its own. Absent means unchanged, null takes it from the issuing entity."""

    send_at: Annotated[ShortText, AfterValidator(_time_of_day)] | None = Field(
        default=None,
        description=f"Local time of the account from which its reminders are sent, as HH:MM; at the latest "
        f"{rules.LATEST_SEND_AT}.",
    )
    business_days_only: bool | None = Field(
        default=None, description="Whether reminders wait for a business day of the account's country and subdivision."
    )
    closing_days: list[CalendarDate] | None = Field(default=None, max_length=100)
    quiet_spells: list[SpellBody] | None = Field(default=None, max_length=20)
    minimum_gap_days: int | None = Field(
        default=None, ge=0, le=60, description="Days at least between two days on which an account is reminded."
    )


class EntityPolicyBody(AccountPolicyBody):
    """The reminder policy of an issuing entity. Absent means unchanged, null restores the default."""

    run_limit: int | None = Field(
        default=None, ge=1, le=10_000_000, description="A run with more accounts than that waits for staff."
    )
    payments_limit_days: int | None = Field(
        default=None,
        ge=0,
        le=30,
        description="How many business days old what is known of payments may be, once the billing system reports it.",
    )


class ConsoleRunBody(Body):
    """What the console function of the hourly run is asked."""

    as_of: Instant | None = None
    entity_id: VendorId | None = None
    account_id: VendorId | None = None
    confirm: bool = False


class ConsoleExplainBody(Body):
    """Of which invoice the console asks."""

    invoice: VendorId


class ConsolePlanBody(Body):
    """Which plan the console asks for."""

    as_of: Instant | None = None
    days: int = Field(default=plan.DEFAULT_PLAN_DAYS, ge=1, le=plan.MAX_PLAN_DAYS)
    entity_id: VendorId | None = None
    account_id: VendorId | None = None
    go_on_with: list[int | str | None] | None = None


class PauseBody(Body):
    """A pause of reminders."""

    until: CalendarDate | None = Field(default=None, description="Its last day. Without it, the pause is for good.")
    reason: SingleLineText | None = None


class AutoPayFailureBody(Body):
    """That an automatic payment has failed."""

    failed_on: CalendarDate
    reason: SingleLineText | None = None


class PromiseBody(Body):
    """By when payment is promised."""

    on: CalendarDate
    by: SingleLineText | None = Field(default=None, description="Who has promised it. Without it, whoever sends this.")


class PaymentsAsOfBody(Body):
    """Up to when payments are known."""

    as_of: Instant | None = Field(
        description="All payments received before this instant are recorded. Null: it is not reported any more."
    )


class PolicyPreviewBody(EntityPolicyBody):
    """A change of an issuing entity's policy that is tried. Absent means unchanged, null restores the default."""

    account_ids: Annotated[list[VendorId], Field(min_length=1, max_length=preview.MAX_NAMED_ACCOUNTS)] | None = Field(
        default=None, description="Of these accounts only; otherwise all, page by page."
    )
    days: int = Field(
        default=plan.DEFAULT_PLAN_DAYS, ge=1, le=plan.MAX_PLAN_DAYS, description="How many days from today on."
    )


class ReleaseBody(Body):
    """How many accounts are released a day."""

    accounts_a_day: int = Field(ge=0, le=100_000, description="0 stops the release; what was released stays so.")
