"""Forms: parsed strictly, with the field types of the API, and accepted from our own pages only."""

from collections.abc import Mapping
from typing import ClassVar, TypeVar
from urllib.parse import parse_qs, urlsplit

from pydantic import BaseModel, ConfigDict, ValidationError

from chalicelib.api.problems import BodyTooLarge, MalformedRequest
from chalicelib.errors import Forbidden, InvalidInput
from chalicelib.validation import to_field_errors

_MAX_FORM_BYTES = 64 * 1024
_MAX_FIELDS = 800
"""A digest of reminders lists up to 500 invoices, each with a box to tick."""


class Form(BaseModel):
    """What a form sends. Its fields have the types of the API's fields; what it does not name is left out.

    A form that does the same as a route of the API names the route's body: a field of both has one type. Fields that
    only pages have take the types that API fields use (``tests/unit/web/test_page_forms.py``).
    """

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True, hide_input_in_errors=True)
    api_body: ClassVar[type[BaseModel] | None] = None


AnyForm = TypeVar("AnyForm", bound=Form)


def validate_form(model: type[AnyForm], typed: Mapping[str, str]) -> AnyForm:
    """Return the validated form; a field that is left empty is absent. Raises InvalidInput naming every field."""
    try:
        return model.model_validate({name: text for name, text in typed.items() if text != ""})
    except ValidationError as error:
        raise InvalidInput(
            "invalid_form", "Some values in the form are not valid.", fields=to_field_errors(error)
        ) from None


def parse_form(raw: bytes) -> dict[str, str]:
    """Return the fields of a form as they were typed. Raises MalformedRequest or BodyTooLarge."""
    if len(raw) > _MAX_FORM_BYTES:
        raise BodyTooLarge(_MAX_FORM_BYTES)
    try:
        fields = parse_qs(raw.decode("utf-8"), keep_blank_values=True, max_num_fields=_MAX_FIELDS, errors="strict")
    except ValueError:
        raise MalformedRequest(
            "bad_form", "The form cannot be read. Open its page again and submit it there."
        ) from None
    if any(len(values) > 1 or "\x00" in values[0] for values in fields.values()):
        raise MalformedRequest("bad_form", "The form cannot be read. Open its page again and submit it there.")
    return {name: values[0] for name, values in fields.items()}


def check_form_origin(headers: Mapping[str, str], public_url: str) -> None:
    """Raise Forbidden unless the browser says that the form comes from a page of ours.

    Cookies with SameSite=Lax do not come along from other sites; this also holds for sites of the same domain.
    """
    parts = urlsplit(public_url)
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    own = origin == f"{parts.scheme}://{parts.netloc}" if origin is not None else site == "same-origin"
    if not own or site not in (None, "same-origin"):
        raise Forbidden("foreign_form", "This form was not sent from one of our own pages.")
