"""Read what the next rows of an import will need together, instead of one row after the other."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from chalicelib.imports.mapping.plan import MappedRow, PlannedKind
from chalicelib.imports.mapping.reader import Row, UnreadableFile
from chalicelib.imports.rows.invoices import InvoiceRow, PaymentRow, invoice_reads_next, payment_reads_next
from chalicelib.imports.rows.kinds import BillGroupRow
from chalicelib.table import keys, store
from chalicelib.table.keys import Key

ROWS_AHEAD = 25


@dataclass(frozen=True)
class MappedKinds:
    """A row of the file with what it makes of each kind, by the position of the kind in the mapping."""

    row: Row
    number: int
    kinds: tuple[tuple[int, PlannedKind, MappedRow], ...]


def chunked(found: Iterable[Row]) -> Iterator[list[tuple[int, Row]]]:
    """Yield the rows with their numbers, some at a time. Raises UnreadableFile after the rows before the fault."""
    chunk: list[tuple[int, Row]] = []
    failure: UnreadableFile | None = None
    try:
        for number, row in enumerate(found, start=1):
            chunk.append((number, row))
            if len(chunk) == ROWS_AHEAD:
                yield chunk
                chunk = []
    except UnreadableFile as error:
        failure = error
    if chunk:
        yield chunk
    if failure is not None:
        raise failure


def read_ahead(rows: Iterable[MappedKinds], further: Iterable[Key] = ()) -> None:
    """Read what ``rows`` will need, and ``further``, into the current cache, as far as it can be told beforehand."""
    made = [(planned, mapped.row) for one in rows for _, planned, mapped in one.kinds if mapped.row is not None]
    found = store.batch_get_items([*(key for planned, row in made for key in planned.kind.reads(row)), *further])
    groups = {row.bill_group_id: row for _, row in made if isinstance(row, BillGroupRow)}
    next_keys: list[Key] = []
    for _, row in made:
        if isinstance(row, InvoiceRow) and row.bill_group_id and keys.invoice(row.invoice_id) not in found:
            group = found.get(keys.bill_group(row.bill_group_id)) or groups.get(row.bill_group_id)
            if group is not None and group.account_id and group.entity_id:
                next_keys += invoice_reads_next(row, group.account_id, group.entity_id)
        if isinstance(row, PaymentRow) and keys.payment(row.account_id or "", row.payment_id) not in found:
            next_keys += payment_reads_next(row)
    store.batch_get_items(next_keys)
