"""Request bodies for pauses, promises and failed automatic payments (R2, R6)."""

from pydantic import Field

from chalicelib.field_types import Body, CalendarDate, SingleLineText


class PauseBody(Body):
    """A pause of reminders."""

    until: CalendarDate | None = Field(default=None, description="Its last day. Without it, the pause has no end.")
    reason: SingleLineText | None = None


class PromiseBody(Body):
    """The date by which payment is promised."""

    on: CalendarDate
    by: SingleLineText | None = Field(default=None, description="Who promised it. Default: the caller.")


class AutoPayFailureBody(Body):
    """A failed automatic payment."""

    failed_on: CalendarDate
    reason: SingleLineText | None = None
