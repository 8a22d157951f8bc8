"""Names of people that a portal user writes hold no web address and no email address (A13).

They are printed in emails to other people, and mail programs make links of them.
"""

import re
import unicodedata

from chalicelib.access.domains import is_top_level_domain
from chalicelib.contacts.rules import Contact
from chalicelib.errors import FieldError, InvalidInput
from chalicelib.field_types import find_web_address

NAME_FIELDS = ("first_name", "last_name", "display_name")
OTHER_PRINTED_FIELDS = ("company", "job_title")
_HOST = re.compile(r"[\w-]{2,}(?:\.[\w-]+)*\.(?P<last>[^\W\d_]{2,}|xn--[\w-]+)")
_FULL_STOPS = re.compile("[\u3002\uff0e\uff61\u2024]")


def check_names(actor_kind: str, before: Contact | None, after: Contact) -> None:
    """Raise InvalidInput for each name that a portal user has changed into one that a mail program links.

    A company may be called after its domain ("Booking.com"), so the other fields are only refused web and email
    addresses. What the vendor wrote stands.
    """
    if actor_kind != "portal_user":
        return
    faults = [
        FieldError(
            name,
            "address_in_name",
            "A name holds no web address and no email address. Leave it out; put a space after a full stop.",
        )
        for name in (*NAME_FIELDS, *OTHER_PRINTED_FIELDS)
        if (text := getattr(after, name))
        and (before is None or text != getattr(before, name))
        and holds_address(text, hosts=name in NAME_FIELDS)
    ]
    if faults:
        raise InvalidInput("invalid_body", "The contact cannot be kept as sent.", fields=tuple(faults))


def holds_address(text: str, *, hosts: bool) -> bool:
    """Tell whether a text has a web address, an email address, or with ``hosts`` the bare name of a host."""
    plain = _FULL_STOPS.sub(".", unicodedata.normalize("NFKC", text)).lower()
    if find_web_address(plain) or re.search(r"\S@\S", plain):
        return True
    return hosts and any(is_top_level_domain(found.group("last")) for found in _HOST.finditer(plain))
