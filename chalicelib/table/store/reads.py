"""Reading the table: strongly consistent, page by page."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pynamodb.expressions.condition import Condition

from chalicelib.errors import IdempotentReplay, InvalidInput
from chalicelib.request_context import RequestContext
from chalicelib.table import dry_run, read_cache
from chalicelib.table.items import IdempotencyItem, Item, table_connection
from chalicelib.table.keys import Key, idempotency
from chalicelib.table.store.failures import translate_table_errors

T = TypeVar("T")
ItemT = TypeVar("ItemT", bound=Item)

_BATCH_SIZE = 100
_MAX_PAGES_PER_FILTER = 10


@dataclass(frozen=True)
class ItemPage:
    """Some items in order, and where the next page begins (None at the end)."""

    items: list[Any]
    after: str | None


def get_item(cls: type[ItemT], key: Key) -> ItemT | None:
    """Read one item strongly consistently; None when there is none."""
    if dry_run.current_dry_run() is not None or read_cache.current_read_cache() is not None:
        return batch_get_items([key]).get(key)
    with translate_table_errors():
        try:
            item = cls.get(key.pk, key.sk, consistent_read=True)
        except cls.DoesNotExist:
            return None
    return item


def get_items_for_write(context: RequestContext, *keys: Key) -> list[Any]:
    """Read ``keys`` strongly consistently in one go, in order; None for each that does not exist.

    The record of the call's idempotency key is read along with them. Raises IdempotentReplay when the
    key was used for the same request within 24 hours, InvalidInput when for another.
    """
    record_key = idempotency(context.idempotency.principal, context.idempotency.key) if context.idempotency else None
    found = batch_get_items(list(keys) + ([record_key] if record_key else []))
    record = found.get(record_key) if record_key else None
    if isinstance(record, IdempotencyItem):
        _check_idempotency_record(context, record)
    return [found.get(key) for key in keys]


def batch_get_items(keys: Sequence[Key]) -> dict[Key, Any]:
    """Read any number of keys strongly consistently, in batches of 100; missing ones are left out.

    What a dry run wrote, and what a job has read ahead, is not read again.
    """
    found: dict[Key, Any] = {}
    wanted = list(dict.fromkeys(keys))
    running_dry = dry_run.current_dry_run()
    if running_dry is not None:
        held, wanted = running_dry.split(wanted)
        found.update(held)
    cache = read_cache.current_read_cache()
    if cache is not None:
        known, wanted = cache.split(wanted)
        found.update(known)
    with translate_table_errors():
        for start in range(0, len(wanted), _BATCH_SIZE):
            chunk = [(key.pk, key.sk) for key in wanted[start : start + _BATCH_SIZE]]
            for item in Item.batch_get(chunk, consistent_read=True):
                found[item.key] = item
    if cache is not None:
        cache.remember(wanted, found)
    return found


def query_items(
    pk: str,
    prefix: str = "",
    *,
    limit: int,
    after: str | None = None,
    until: str | None = None,
    span: tuple[str, str] | None = None,
    newest_first: bool = False,
) -> ItemPage:
    """Read a page of one partition, strongly consistently, in order of the sort key.

    ``after`` is the sort key that the last page ended with; ``until`` bounds the sort key, exclusively, ``span`` at
    both ends, which are included.
    """
    condition: Condition | None = None
    if span is not None:
        condition = Item.sk.between(*span)
    elif until is not None:
        condition = Item.sk < until
    elif prefix:
        condition = Item.sk.startswith(prefix)
    start = {"PK": {"S": pk}, "SK": {"S": after}} if after else None
    rows, last = _query_page(pk, condition, None, limit, start, newest_first)
    return ItemPage([Item.from_raw_data(row) for row in rows], last["SK"]["S"] if last else None)


def query_sort_keys(pk: str, *, limit: int, after: str | None = None, until: str) -> tuple[list[str], str | None]:
    """Read only the sort keys of a page of one partition, up to ``until`` (exclusive), and where the next page begins.

    For rows whose keys hold all that is needed: making items of a million rows would take minutes.
    """
    start = {"PK": {"S": pk}, "SK": {"S": after}} if after else None
    rows, last = _query_page(pk, Item.sk < until, None, limit, start, newest_first=False)
    return [row["SK"]["S"] for row in rows], last["SK"]["S"] if last else None


def filter_pages(
    pk: str,
    prefix: str,
    select: Callable[[list[Any]], list[T | None]],
    *,
    limit: int,
    after: str | None = None,
) -> tuple[list[T], str | None]:
    """Map and filter one partition, page by page: return the first ``limit`` results, and where the next page begins.

    ``select`` returns, for a list of rows, a result for each, or None for a row that is left out. At most 1000 rows are
    read in one call: where few are selected, fewer than ``limit`` are returned.
    """
    found: list[T] = []
    for _ in range(_MAX_PAGES_PER_FILTER):
        page = query_items(pk, prefix, limit=_BATCH_SIZE, after=after)
        for row, thing in zip(page.items, select(page.items), strict=True):
            if thing is not None:
                found.append(thing)
            if len(found) == limit and row is not page.items[-1]:
                return found, str(row.sk)
        after = page.after
        if after is None or len(found) == limit:
            break
    return found, after


def query_items_by_index(
    pk: str,
    prefix: str = "",
    *,
    limit: int,
    after: str | None = None,
    span: tuple[str, str] | None = None,
    newest_first: bool = False,
) -> ItemPage:
    """Read a page of one partition of GSI1 in order, then its items strongly from the table.

    The index lags: a new item may be missing for a moment, and an item that has moved in the index is still
    returned, so callers check what they filter by. ``after`` is the text that the last page ended with;
    ``span`` bounds the index's sort key, both ends included.
    """
    condition: Condition | None = None
    if span is not None:
        condition = Item.gsi1_sk.between(*span)
    elif prefix:
        condition = Item.gsi1_sk.startswith(prefix)
    start = None
    if after:
        item_pk, item_sk, index_sk = after.split("\n")
        start = {
            "PK": {"S": item_pk},
            "SK": {"S": item_sk},
            "GSI1PK": {"S": pk},
            "GSI1SK": {"S": index_sk},
        }
    rows, last = _query_page(pk, condition, "GSI1", limit, start, newest_first)
    keys = [Key(row["PK"]["S"], row["SK"]["S"]) for row in rows]
    found = batch_get_items(keys)
    position = "\n".join((last["PK"]["S"], last["SK"]["S"], last["GSI1SK"]["S"])) if last else None
    return ItemPage([found[key] for key in keys if key in found], position)


def iterate_items(
    pk: str,
    prefix: str = "",
    *,
    page_size: int,
    after: str | None = None,
    span: tuple[str, str] | None = None,
    by_index: bool = False,
) -> Iterator[Any]:
    """Yield the items of one partition in order, reading a page only when its first item is wanted.

    ``by_index``: a partition of GSI1. The rest is as in ``query_items`` and ``query_items_by_index``.
    """
    query = query_items_by_index if by_index else query_items
    while True:
        page = query(pk, prefix, limit=page_size, after=after, span=span)
        yield from page.items
        after = page.after
        if after is None:
            return


def _query_page(
    pk: str,
    condition: Condition | None,
    index: str | None,
    limit: int,
    start: dict[str, Any] | None,
    newest_first: bool,
) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
    # The connection is asked directly: a model's query filters by class, which a keys-only index lacks.
    with translate_table_errors():
        answer = table_connection().query(
            pk,
            range_key_condition=condition,
            index_name=index,
            consistent_read=index is None,
            limit=limit,
            exclusive_start_key=start,
            scan_index_forward=not newest_first,
        )
    return answer["Items"], answer.get("LastEvaluatedKey")


def _check_idempotency_record(context: RequestContext, record: IdempotencyItem) -> None:
    if context.idempotency is None or record.lapses_at <= context.now:
        return
    if record.body_hash == context.idempotency.body_hash:
        raise IdempotentReplay(record.resource_id, int(record.status))
    raise InvalidInput(
        "idempotency_key_reused",
        "This Idempotency-Key was used for another request. Use a new key for a new request.",
    )
