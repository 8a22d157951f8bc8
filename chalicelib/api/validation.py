"""Query parameters, validated; bodies are validated by ``chalicelib.validation``."""

import json
from collections.abc import Iterator, Mapping, Sequence

from pydantic import BaseModel, ValidationError

from chalicelib.errors import FieldError, InvalidInput
from chalicelib.validation import Model, to_field_errors


def parse_query(model: type[Model], given: Mapping[str, Sequence[str]], known: frozenset[str] = frozenset()) -> Model:
    """Return the model of the query parameters other than ``known``. Raises InvalidInput naming every fault.

    A parameter that stands twice is refused, since no reader could know which of the two was meant.
    """
    found = [
        FieldError(name, "repeated", "This parameter appears more than once. Send it once.")
        for name, values in given.items()
        if len(values) != 1
    ]
    found += [
        FieldError(name, "bad_character", "This contains a character that is not allowed. Remove it.")
        for name, values in given.items()
        if any("\x00" in value or not _is_unicode(value) for value in values)
    ]
    texts = {name: values[-1] for name, values in given.items() if name not in known and values}
    result: Model | None = None
    try:
        result = model.model_validate_strings(texts, strict=True)
        found += [
            FieldError(name, "wrong_type", "Send true or false." if text_of_bool else "Send a whole number.")
            for name, text, text_of_bool in _find_loosely_parsed(result, texts)
        ]
    except ValidationError as error:
        found += to_field_errors(error, parameter=True)
    if found or result is None:
        raise InvalidInput("invalid_query", "Some query parameters are not valid.", fields=tuple(found))
    return result


def _find_loosely_parsed(result: BaseModel, texts: Mapping[str, str]) -> Iterator[tuple[str, str, bool]]:
    """Yield the parameters whose text pydantic took for a number or truth value although it is not written so."""
    for name, text in texts.items():
        value = getattr(result, name)
        if isinstance(value, bool | int) and text != json.dumps(value):
            yield name, text, isinstance(value, bool)


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)
