"""Read and write the table: a few plain functions, and the transaction that carries every change.

A use case gathers, decides and writes. If a row has changed since it was read, the write raises ``WriteConflict``, and
the use case reads and decides again (``retry_on_conflict``): the rules then see what forbids the change, and explain
it. So conditions hold the invariants, and the rules explain the refusal.

This is the interface for the rest of the code; its parts are not imported from outside ``table``.
"""

from chalicelib.table.store.failures import WriteConflict, retry_on_conflict
from chalicelib.table.store.mapping import from_item, to_item
from chalicelib.table.store.reads import (
    ItemPage,
    batch_get_items,
    filter_pages,
    get_item,
    get_items_for_write,
    iterate_items,
    query_items,
    query_items_by_index,
    query_sort_keys,
)
from chalicelib.table.store.writes import Transaction, create_item, delete_item, replace_item

__all__ = [
    "ItemPage",
    "Transaction",
    "WriteConflict",
    "batch_get_items",
    "create_item",
    "delete_item",
    "filter_pages",
    "from_item",
    "get_item",
    "get_items_for_write",
    "iterate_items",
    "query_items",
    "query_items_by_index",
    "query_sort_keys",
    "replace_item",
    "retry_on_conflict",
    "to_item",
]
