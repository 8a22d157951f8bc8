"""Forms: parsed strictly, and accepted from our own pages only."""

from collections.abc import Mapping
from urllib.parse import parse_qs, urlsplit

from chalicelib.api.problems import BodyTooLarge, MalformedRequest
from chalicelib.errors import Forbidden

_MAX_FORM_BYTES = 64 * 1024
_MAX_FIELDS = 800
"""A digest of reminders lists up to 500 invoices, each with a box to tick."""


def parse_form(raw: bytes) -> dict[str, str]:
    """Return the fields of a form, trimmed. Raises MalformedRequest or BodyTooLarge."""
    if len(raw) > _MAX_FORM_BYTES:
        raise BodyTooLarge(_MAX_FORM_BYTES)
    try:
        fields = parse_qs(raw.decode("utf-8"), keep_blank_values=True, max_num_fields=_MAX_FIELDS, errors="strict")
    except ValueError:
        raise MalformedRequest(
            "bad_form", "The form cannot be read. Open its page again and send it from there."
        ) from None
    if any(len(values) > 1 or "\x00" in values[0] for values in fields.values()):
        raise MalformedRequest("bad_form", "The form cannot be read. Open its page again and send it from there.")
    return {name: values[0].strip() for name, values in fields.items()}


def check_form_origin(headers: Mapping[str, str], public_url: str) -> None:
    """Raise Forbidden unless the browser says that the form comes from a page of ours.

    Cookies with SameSite=Lax do not come along from other sites; this also holds for sites of the same domain.
    """
    parts = urlsplit(public_url)
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    own = origin == f"{parts.scheme}://{parts.netloc}" if origin is not None else site == "same-origin"
    if not own or site not in (None, "same-origin"):
        raise Forbidden("foreign_form", "This form was not sent from one of our own pages.")
