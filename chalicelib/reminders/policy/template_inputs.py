"""What callers send of reminder templates."""

import json
from typing import Annotated, Any

from pydantic import AfterValidator, Field, StringConstraints, ValidatorFunctionWrapHandler, WrapValidator
from pydantic_core import PydanticCustomError

from chalicelib.field_types import Body, LocaleTag, normalise_paragraphs, normalise_text, require_not_blank
from chalicelib.reminders.policy import wording

_MAX_TEXTS_BYTES = 180_000
"""Bytes of all texts as the table has them; an audit event holds them as they were and as they are, within 400 KB."""
_PLACEHOLDER_HINT = f"In braces may stand: {', '.join(wording.PLACEHOLDERS)}. Two braces stand for one."


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
        raise PydanticCustomError("too_long", "These are too long together. Shorten them.")
    return texts


class TemplateTextBody(Body):
    """What a reminder says in one language. The rest of the mail stays as it is."""

    subject: Annotated[
        str,
        StringConstraints(max_length=wording.MAX_SUBJECT_LENGTH),
        AfterValidator(normalise_text),
        AfterValidator(require_not_blank),
        AfterValidator(_validate_placeholders),
    ] = Field(
        description=f"One line, cut at {wording.MAX_SUBJECT_LENGTH} characters after filling it in. {_PLACEHOLDER_HINT}"
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
