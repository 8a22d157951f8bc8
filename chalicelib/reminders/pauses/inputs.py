"""Request bodies for pauses, promises and failed automatic payments (R2, R6)."""

from pydantic import Field

from chalicelib.field_types import Body, CalendarDate, SingleLineText


class PauseBody(Body):
    """A pause of reminders."""

    until: CalendarDate | None = Field(default=None, description="Its last day. Without it, the pause is for good.")
    reason: SingleLineText | None = None


class PromiseBody(Body):
    """By when payment is promised."""

    on: CalendarDate
    by: SingleLineText | None = Field(default=None, description="Who has promised it. Without it, whoever sends this.")


class AutoPayFailureBody(Body):
    """That an automatic payment has failed."""

    failed_on: CalendarDate
    reason: SingleLineText | None = None
