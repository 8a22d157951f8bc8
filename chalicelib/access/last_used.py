"""Record who signed in by which access rule, at most once an hour, on rows that were read anyway (A1)."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from chalicelib.access.domain_access import domain_access_from_item, record_entry, rule_to_plain
from chalicelib.errors import Unavailable
from chalicelib.observability import logger
from chalicelib.table import keys, store
from chalicelib.table.items import DomainAccessItem

ENTRY_RECORD_INTERVAL = timedelta(hours=1)
MAX_ROWS_RECORDED = 5
"""Rows per request; for a person with more bill groups, later requests record the others."""


def record_rule_entries(email: str, rows: Iterable[DomainAccessItem], now: datetime) -> None:
    """Record at the rules in ``rows``, which admitted ``email``, that it signed in by them.

    A failure, such as a concurrent change of the rules, is ignored: it must not keep anyone out.
    """
    at, not_since = keys.format_instant(now), keys.format_instant(now - ENTRY_RECORD_INTERVAL)
    noted = 0
    for row in rows:
        before = domain_access_from_item(row.domain, row)
        after = record_entry(before, email, at, not_since=not_since)
        if after == before:
            continue
        row.domain_rule = rule_to_plain(after.domain_rule) if after.domain_rule else None
        row.addresses = {other: rule_to_plain(rule) for other, rule in after.addresses.items()}
        try:
            store.replace_item(row)
        except (store.WriteConflict, Unavailable):
            logger.warning("The use of an access rule could not be noted.")
        noted += 1
        if noted == MAX_ROWS_RECORDED:
            return
