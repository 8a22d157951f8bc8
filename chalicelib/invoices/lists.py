"""Lists of invoices of a bill group, and across customers by issuing entity; always by an index or pointers."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from chalicelib.entities.service import list_entities
from chalicelib.errors import InvalidInput, NotFound
from chalicelib.invoices import queries
from chalicelib.invoices.rules import (
    INVOICE,
    OPEN,
    PART_PAID,
    UNSETTLED,
    Invoice,
    days_overdue,
    invoice_local_date,
    normalize_number,
)
from chalicelib.table import keys, merged_query, store
from chalicelib.table.merged_query import KeyRange

MAX_ENTITIES = 20
"""Issuing entities that a list can merge; with more, the caller names one."""
_EASTERNMOST = timedelta(hours=14)


@dataclass(frozen=True)
class InvoiceFilters:
    """Filters: one of number, PO, disputed, promised, and status or days overdue; and an entity."""

    entity: str | None = None
    number: str | None = None
    po: str | None = None
    status: str | None = None
    overdue_days: int | None = None
    disputed: bool = False
    promised: bool = False
    kind: str = INVOICE


def list_bill_group_invoices(bill_group_id: str, after: str | None, limit: int) -> tuple[list[Invoice], str | None]:
    """Return a page of a bill group's invoices and credit notes, newest first. Raises NotFound without it."""
    group = keys.bill_group(bill_group_id)
    if after is None and group not in store.batch_get_items([group]):
        raise NotFound
    partition = keys.invoices_of_bill_group(bill_group_id)
    page = store.query_items_by_index(partition, limit=limit, after=after, newest_first=True)
    return [store.from_item(Invoice, item) for item in page.items], page.after


def list_invoices(
    wanted: InvoiceFilters, now: datetime, after: str | None, limit: int
) -> tuple[list[Invoice], str | None]:
    """Return a page of invoices across customers, and where the next one begins.

    By status or by days overdue, the earliest due date comes first; settled ones by day of issue, newest first; with
    neither filter, all open ones. Raises InvalidInput for filters that exclude each other, and in a deployment with
    more than MAX_ENTITIES issuing entities when none is named.
    """
    _check_filters(wanted)
    if wanted.po is not None:
        return _list_by_po(wanted, after, limit)
    ids = _entity_ids(wanted.entity)
    if wanted.number is not None:
        return _list_by_number(wanted.number, ids), None
    if wanted.disputed or wanted.promised:
        flagged = keys.disputed_invoices if wanted.disputed else keys.promised_invoices
        page = merged_query.query_merged_ranges([KeyRange(flagged(one)) for one in ids], limit=limit, after=after)
        heads = queries.get_invoice_heads(pointer.invoice_id for pointer in page.items).values()
        return [head for head in heads if (head.dispute if wanted.disputed else head.promise)], page.after
    return _list_by_status(wanted, ids, now, after, limit)


def _check_filters(wanted: InvoiceFilters) -> None:
    by_status = wanted.status is not None or wanted.overdue_days is not None
    ways = {
        "number": wanted.number is not None,
        "po": wanted.po is not None,
        "disputed": wanted.disputed,
        "promised": wanted.promised,
        "status": by_status,
    }
    asked = [name for name, is_asked in ways.items() if is_asked]
    if len(asked) > 1:
        raise InvalidInput.field(asked[1], "not_together", f"Filter by {asked[0]} or by {asked[1]}, not both.")
    if wanted.kind != INVOICE and (wanted.overdue_days is not None or wanted.disputed or wanted.promised):
        raise InvalidInput.field("kind", "not_together", "Only invoices are overdue, disputed or promised.")
    if wanted.overdue_days is not None and wanted.status not in (None, *UNSETTLED):
        raise InvalidInput.field("overdue_days", "not_together", "Only what is open is overdue. Leave the status out.")


def _entity_ids(entity: str | None) -> list[str]:
    if entity is not None:
        return [entity]
    listed, more = list_entities(None, MAX_ENTITIES)
    if more is not None:
        raise InvalidInput.field(
            "entity", "required", "There are too many issuing entities to list all at once. Name one."
        )
    return [one.entity_id for one in listed]


def _list_by_number(number: str, entity_ids: list[str]) -> list[Invoice]:
    found = store.batch_get_items(
        [keys.invoice_number(entity_id, normalize_number(number)) for entity_id in entity_ids]
    )
    return list(queries.get_invoice_heads(pointer.invoice_id for pointer in found.values()).values())


def _list_by_po(wanted: InvoiceFilters, after: str | None, limit: int) -> tuple[list[Invoice], str | None]:
    page = store.query_items(keys.invoice_by_po(normalize_number(wanted.po or ""), "").pk, limit=limit, after=after)
    heads = queries.get_invoice_heads(pointer.invoice_id for pointer in page.items)
    return [head for head in heads.values() if wanted.entity in (None, head.entity_id)], page.after


def _list_by_status(
    wanted: InvoiceFilters, entity_ids: list[str], now: datetime, after: str | None, limit: int
) -> tuple[list[Invoice], str | None]:
    statuses = (OPEN, PART_PAID) if wanted.status is None else (wanted.status,)
    until = None
    if wanted.overdue_days is not None:
        # Overdue is decided in each account's time zone; none is further ahead.
        until = ((now + _EASTERNMOST).date() - timedelta(days=wanted.overdue_days)).isoformat()
    page = merged_query.query_merged_ranges(
        [
            KeyRange(keys.invoices_by_status(entity_id, wanted.kind, status), until)
            for entity_id in entity_ids
            for status in statuses
        ],
        limit=limit,
        after=after,
        second_index=True,
        newest_first=wanted.status is not None and wanted.status not in UNSETTLED,
    )
    heads = [store.from_item(Invoice, item) for item in page.items]
    least = wanted.overdue_days or 0
    fitting = [
        head for head in heads if head.status in statuses and days_overdue(head, invoice_local_date(head, now)) >= least
    ]
    return fitting, page.after
