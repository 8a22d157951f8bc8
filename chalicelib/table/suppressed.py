"""Which addresses get no email (I6): after a permanent bounce that address, after a complaint its whole mailbox."""

from collections.abc import Iterable, Mapping
from typing import Any

from chalicelib.mailboxes import mailbox_of
from chalicelib.table import keys
from chalicelib.table.keys import Key

COMPLAINT = "complaint"


def suppression_keys(emails: Iterable[str]) -> list[Key]:
    """Return the keys of the rows that decide whether ``emails`` are suppressed: one each, two with a tag."""
    return list(dict.fromkeys(keys.suppression(one) for email in emails for one in (email, mailbox_of(email))))


def is_suppressed(email: str, found: Mapping[Key, Any]) -> bool:
    """Tell whether an address is suppressed, by the rows of ``suppression_keys``."""
    of_mailbox = found.get(keys.suppression(mailbox_of(email)))
    return keys.suppression(email) in found or (of_mailbox is not None and of_mailbox.reason == COMPLAINT)


def find_suppressed(emails: Iterable[str], found: Mapping[Key, Any]) -> frozenset[str]:
    """Return which of ``emails`` are suppressed, by the rows of ``suppression_keys``."""
    return frozenset(email for email in emails if is_suppressed(email, found))
