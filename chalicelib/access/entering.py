"""Who entered by which access rule, and when: noted at most once an hour, upon rows that were read anyway (A1)."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from chalicelib.access import book as books
from chalicelib.errors import Unavailable
from chalicelib.observability import logger
from chalicelib.table import keys, store
from chalicelib.table.items import AccessItem

NOTED_EVERY = timedelta(hours=1)
MOST_NOTED = 5
"""In one request; a person who uses more bill groups at once is noted at the rest with later requests."""


def note(email: str, rows: Iterable[AccessItem], now: datetime) -> None:
    """Note at the rules in ``rows``, which let ``email`` in, that it entered by them.

    A failure, as when somebody changes the rules just now, is not told: nobody must be kept out for want of a note.
    """
    at, not_since = keys.instant(now), keys.instant(now - NOTED_EVERY)
    noted = 0
    for row in rows:
        before = books.book_of(row.domain, row)
        after = books.entered(before, email, at, not_since=not_since)
        if after == before:
            continue
        row.domain_rule = books.plain(after.domain_rule) if after.domain_rule else None
        row.addresses = {other: books.plain(rule) for other, rule in after.addresses.items()}
        try:
            store.replace(row)
        except (store.Contended, Unavailable):
            logger.warning("The use of an access rule could not be noted.")
        noted += 1
        if noted == MOST_NOTED:
            return
