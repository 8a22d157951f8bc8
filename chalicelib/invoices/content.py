"""The content of an invoice as stored: compressed, split into rows, immutable."""

import zlib
from collections.abc import Iterable, Mapping
from typing import Any

from chalicelib.invoices.rules import Content
from chalicelib.serialization import get_type_adapter
from chalicelib.table import keys
from chalicelib.table.items import InvoiceContentItem
from chalicelib.table.keys import Key

CONTENT_PART_BYTES = 300 * 1024
"""Keeps each row below the 400 KB of DynamoDB."""


def pack_invoice_content(content: Content) -> list[bytes]:
    """Return the content as compressed JSON, split into parts."""
    packed = zlib.compress(get_type_adapter(Content).dump_json(content), 9)
    return [packed[start : start + CONTENT_PART_BYTES] for start in range(0, len(packed), CONTENT_PART_BYTES)]


def unpack_invoice_content(parts: Iterable[bytes]) -> Content:
    """Return the content that ``pack_invoice_content`` has packed."""
    content: Content = get_type_adapter(Content).validate_json(zlib.decompress(b"".join(parts)))
    return content


def to_content_items(invoice_id: str, parts: Iterable[bytes]) -> list[InvoiceContentItem]:
    """Return the rows that hold the parts of an invoice's content."""
    wanted = [(keys.invoice_content(invoice_id, number), part) for number, part in enumerate(parts)]
    return [InvoiceContentItem(key.pk, key.sk, content=part) for key, part in wanted]


def content_item_keys(invoice_id: str, parts: int) -> list[Key]:
    """Return the keys of the rows of an invoice's content."""
    return [keys.invoice_content(invoice_id, number) for number in range(parts)]


def from_content_items(found: Mapping[Key, Any], invoice_id: str, parts: int) -> Content:
    """Return an invoice's content from its rows, all of which must have been read."""
    return unpack_invoice_content(found[key].content for key in content_item_keys(invoice_id, parts))
