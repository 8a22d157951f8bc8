"""What an invoice says, as the table keeps it: compressed, in parts that each fit a row, never changed."""

import zlib
from collections.abc import Iterable, Mapping
from typing import Any

from chalicelib.invoices.rules import Content
from chalicelib.shapes import adapter
from chalicelib.table import keys
from chalicelib.table.items import InvoiceContentItem
from chalicelib.table.keys import Key

PART_BYTES = 300 * 1024
"""So that each row stays below the 400 KB of DynamoDB."""


def pack(content: Content) -> list[bytes]:
    """Return the content as compressed JSON, cut into parts."""
    packed = zlib.compress(adapter(Content).dump_json(content), 9)
    return [packed[start : start + PART_BYTES] for start in range(0, len(packed), PART_BYTES)]


def unpack(parts: Iterable[bytes]) -> Content:
    """Return the content that ``pack`` has packed."""
    content: Content = adapter(Content).validate_json(zlib.decompress(b"".join(parts)))
    return content


def rows_of(invoice_id: str, parts: Iterable[bytes]) -> list[InvoiceContentItem]:
    """Return the rows that keep the parts of an invoice's content."""
    wanted = [(keys.invoice_content(invoice_id, number), part) for number, part in enumerate(parts)]
    return [InvoiceContentItem(key.pk, key.sk, content=part) for key, part in wanted]


def keys_of(invoice_id: str, parts: int) -> list[Key]:
    """Return the keys of the rows that keep an invoice's content."""
    return [keys.invoice_content(invoice_id, number) for number in range(parts)]


def read_from(found: Mapping[Key, Any], invoice_id: str, parts: int) -> Content:
    """Return an invoice's content from its rows, which must all have been found."""
    return unpack(found[key].content for key in keys_of(invoice_id, parts))
