"""From pydantic's faults to field errors in plain words that say the way out. Used by the API and by imports."""

from string import Formatter
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from chalicelib.errors import FieldError, InvalidInput

Model = TypeVar("Model", bound=BaseModel)

# Kind of fault: (our code, the sentence). ``{…}`` are pydantic's own facts about the fault.
_MESSAGES: dict[str, tuple[str, str]] = {
    "missing": ("required", "This field is required. Send it."),
    "extra_forbidden": ("unknown_field", "Unknown field. Remove it or correct its name."),
    "string_type": ("wrong_type", "Send a text, in quotes."),
    "bool_type": ("wrong_type", "Send true or false."),
    "bool_parsing": ("wrong_type", "Send true or false."),
    "int_type": ("wrong_type", "Send a whole number, without quotes."),
    "int_from_float": ("wrong_type", "Send a whole number."),
    "int_parsing": ("wrong_type", "Send a whole number."),
    "float_type": ("wrong_type", "Send a number, without quotes."),
    "list_type": ("wrong_type", "Send a list: […]."),
    "tuple_type": ("wrong_type", "Send a list: […]."),
    "set_type": ("wrong_type", "Send a list: […]."),
    "frozen_set_type": ("wrong_type", "Send a list: […]."),
    "dict_type": ("wrong_type", "Send an object: {{…}}."),
    "model_type": ("wrong_type", "Send an object: {{…}}."),
    "model_attributes_type": ("wrong_type", "Send an object: {{…}}."),
    "none_required": ("wrong_type", "Send null."),
    "string_too_short": ("too_short", "Use at least {min_length} characters."),
    "string_too_long": ("too_long", "Use at most {max_length} characters. Shorten it."),
    "string_pattern_mismatch": ("bad_form", "This must match {pattern}."),
    "too_short": ("too_few", "Send at least {min_length} entries."),
    "too_long": ("too_many", "At most {max_length} entries are possible."),
    "greater_than": ("too_small", "Send more than {gt}."),
    "greater_than_equal": ("too_small", "Send {ge} or more."),
    "less_than": ("too_large", "Send less than {lt}."),
    "less_than_equal": ("too_large", "Send {le} or less."),
    "literal_error": ("unknown_value", "Send one of: {expected}."),
    "enum": ("unknown_value", "Send one of: {expected}."),
    "date_type": ("bad_date", "Send a date such as 2026-01-31."),
    "date_parsing": ("bad_date", "Send a date such as 2026-01-31."),
    "date_from_datetime_parsing": ("bad_date", "Send a date such as 2026-01-31."),
    "date_from_datetime_inexact": ("bad_date", "Send a date such as 2026-01-31, without a time."),
    "datetime_type": ("bad_instant", "Send an instant such as 2026-01-31T09:00:00Z."),
    "datetime_parsing": ("bad_instant", "Send an instant such as 2026-01-31T09:00:00Z."),
    "datetime_from_date_parsing": ("bad_instant", "Send an instant such as 2026-01-31T09:00:00Z."),
    "timezone_aware": ("bad_instant", "Send the instant with its offset, such as 2026-01-31T09:00:00Z."),
    "frozen_instance": ("invalid", "This cannot be changed."),
}


def parse_body(model: type[Model], raw: bytes) -> Model:
    """Return the model in ``raw``, which is strict JSON already. Raises Invalid naming every fault."""
    try:
        return model.model_validate_json(raw)
    except ValidationError as error:
        raise InvalidInput(
            "invalid_body", "Some values in the body are not valid.", fields=to_field_errors(error)
        ) from None


def to_field_errors(error: ValidationError, *, parameter: bool = False) -> tuple[FieldError, ...]:
    """Return every fault that pydantic found, by field; ``parameter`` says that these are query parameters."""
    return tuple(_to_field_error(one, parameter) for one in error.errors(include_url=False, include_input=False))


def _to_field_error(error: ErrorDetails, parameter: bool) -> FieldError:
    field = ".".join(str(step) for step in error["loc"])
    kind, context = error["type"], error.get("ctx", {})
    if parameter and kind == "extra_forbidden":
        return FieldError(field, "unknown_parameter", "Unknown parameter. Remove it.")
    code, sentence = _MESSAGES.get(kind, ("", ""))
    # A kind of our own may share its name with one of pydantic's, but lacks the facts of the sentence.
    if code and all(name is None or name in context for _, name, _, _ in Formatter().parse(sentence)):
        return FieldError(field, code, sentence.format(**context))
    if kind == "value_error":
        return FieldError(field, "invalid", _error_message(context))
    # Kinds of our own (PydanticCustomError) bring a code and a sentence; pydantic's others are rare.
    return FieldError(field, kind, error["msg"])


def _error_message(context: dict[str, Any]) -> str:
    return str(context.get("error", "")) or "This cannot be accepted."
