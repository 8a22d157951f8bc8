"""Read several partitions as one ordered list, by their sort keys.

For lists across partitions: the invoices of several issuing entities and statuses. Each partition is queried for one
page, so a list must span few.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from chalicelib.table.items import Item, table_connection
from chalicelib.table.keys import Key
from chalicelib.table.store import ItemPage, batch_get_items
from chalicelib.table.store.failures import translate_table_errors

_LOWEST_SORT_KEY, _HIGHEST_SORT_KEY = " ", "~"
"""Sort before and after every sort key of ids, dates and ``#``."""


@dataclass(frozen=True)
class KeyRange:
    """A partition, or a part of it: ``until`` is the prefix of the last sort keys, which are included."""

    pk: str
    until: str | None = None


def query_merged_ranges(
    stretches: Sequence[KeyRange],
    *,
    limit: int,
    after: str | None = None,
    second_index: bool = False,
    newest_first: bool = False,
) -> ItemPage:
    """Read a page of several partitions, merged by their sort keys, which must be unique across them.

    ``second_index``: of GSI2, whose rows are then read, strongly consistently, from the table; since an index lags,
    callers check what they filter by. ``after`` is the last sort key of the previous page.
    """
    shown, more = _merge_ranges(stretches, limit, after, second_index, newest_first)
    found = batch_get_items([key for _, key in shown])
    return ItemPage([found[key] for _, key in shown if key in found], shown[-1][0] if more else None)


def query_merged_keys(
    stretches: Sequence[KeyRange], *, limit: int, after: str | None = None
) -> tuple[list[Key], str | None]:
    """Return only the keys of a page of several partitions of GSI2, merged, and where the next page begins."""
    shown, more = _merge_ranges(stretches, limit, after, second_index=True, newest_first=False)
    return [key for _, key in shown], shown[-1][0] if more else None


def _merge_ranges(
    stretches: Sequence[KeyRange], limit: int, after: str | None, second_index: bool, newest_first: bool
) -> tuple[list[tuple[str, Key]], bool]:
    met: list[tuple[str, Key]] = []
    for stretch in stretches:
        low, high = (
            _LOWEST_SORT_KEY,
            f"{stretch.until}{_HIGHEST_SORT_KEY}" if stretch.until is not None else _HIGHEST_SORT_KEY,
        )
        if after is not None:
            low, high = (low, min(after, high)) if newest_first else (max(after, low), high)
        if low <= high:
            met += _query_range(stretch.pk, low, high, limit + 2, second_index, newest_first)
    met = sorted((one for one in met if one[0] != after), reverse=newest_first)
    return met[:limit], len(met) > limit


def _query_range(
    pk: str, low: str, high: str, limit: int, second_index: bool, newest_first: bool
) -> list[tuple[str, Key]]:
    column = Item.gsi2_sk if second_index else Item.sk
    with translate_table_errors():
        answer = table_connection().query(
            pk,
            range_key_condition=column.between(low, high),
            index_name="GSI2" if second_index else None,
            consistent_read=not second_index,
            limit=limit,
            scan_index_forward=not newest_first,
        )
    name = "GSI2SK" if second_index else "SK"
    return [(row[name]["S"], Key(row["PK"]["S"], row["SK"]["S"])) for row in answer["Items"]]
