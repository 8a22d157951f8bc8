"""Request bodies for reminder policies and reminder templates (R1)."""

import json
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints, ValidatorFunctionWrapHandler, WrapValidator
from pydantic_core import PydanticCustomError

from chalicelib.field_types import (
    Body,
    CalendarDate,
    LocaleTag,
    ShortText,
    SingleLineText,
    VendorId,
    normalise_paragraphs,
    normalise_text,
    require_not_blank,
)
from chalicelib.reminders.policy import rules, wording

_MAX_TEXTS_BYTES = 180_000
"""Bytes of all texts as the table has them; an audit event holds them as they were and as they are, within 400 KB."""
_PLACEHOLDER_HINT = f"In braces may stand: {', '.join(wording.PLACEHOLDERS)}. Two braces stand for one."


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
        description="The issuing entity's reminder template for the text. Null, or no text in the reader's "
        "language: the standard text for the tone.",
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
        default=None, ge=0, le=90, description="Maximum days ahead of a payment promise."
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
        default=None, ge=0, le=60, description="Minimum days between two reminders to an account."
    )


class EntityPolicyBody(AccountPolicyBody):
    """The reminder policy of an issuing entity. Absent means unchanged, null restores the default."""

    run_limit: int | None = Field(
        default=None, ge=1, le=10_000_000, description="A run with more accounts needs approval."
    )
    payments_limit_days: int | None = Field(
        default=None,
        ge=0,
        le=30,
        description="Maximum age of reported payments, in business days, once the billing system reports them.",
    )


def _validate_placeholders(value: str) -> str:
    try:
        wording.check_placeholders(value)
    except wording.BadPlaceholder as error:
        # The sentence is given as a fact, since braces of a template of pydantic's are its own placeholders.
        raise PydanticCustomError(error.code, "{sentence}", {"sentence": str(error)}) from None
    return value


def _each_language_once(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    texts = handler(value)
    if len(texts) != len(value):
        raise PydanticCustomError("repeated", "Two of these are the same language, written differently. Leave one out.")
    if len(json.dumps({locale: text.model_dump() for locale, text in texts.items()})) > _MAX_TEXTS_BYTES:
        raise PydanticCustomError("too_long", "Together these are too long. Shorten them.")
    return texts


class TemplateTextBody(Body):
    """The text of a reminder in one language. The rest of the email does not change."""

    subject: Annotated[
        str,
        StringConstraints(max_length=wording.MAX_SUBJECT_LENGTH),
        AfterValidator(normalise_text),
        AfterValidator(require_not_blank),
        AfterValidator(_validate_placeholders),
    ] = Field(
        description=f"One line; cut at {wording.MAX_SUBJECT_LENGTH} characters once it is filled in. "
        f"{_PLACEHOLDER_HINT}"
    )
    opening: Annotated[
        str,
        StringConstraints(max_length=wording.MAX_OPENING_LENGTH),
        AfterValidator(normalise_paragraphs),
        AfterValidator(require_not_blank),
        AfterValidator(_validate_placeholders),
    ] = Field(description=f"Plain text below the greeting; a blank line begins a paragraph. {_PLACEHOLDER_HINT}")


class ReminderTemplateBody(Body):
    """An issuing entity's own words for steps of its reminders."""

    texts: Annotated[
        dict[LocaleTag, TemplateTextBody],
        Field(min_length=1, max_length=wording.MAX_LANGUAGES),
        WrapValidator(_each_language_once),
    ] = Field(description="By language (BCP 47), such as `en` or `de-CH`. They replace all that were there.")
