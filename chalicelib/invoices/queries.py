"""Queries of invoices."""

from collections.abc import Iterable
from dataclasses import dataclass

from chalicelib.errors import NotFound
from chalicelib.invoices.content import content_item_keys, from_content_items
from chalicelib.invoices.rules import Content, Invoice
from chalicelib.table import keys, store
from chalicelib.table.items import InvoiceItem


@dataclass(frozen=True)
class InvoiceWithContent:
    """An invoice or credit note: its head and content."""

    invoice: Invoice
    content: Content


def get_invoice_head(invoice_id: str) -> Invoice:
    """Read the head of an invoice; one read. Raises NotFound."""
    item = store.get_item(InvoiceItem, keys.invoice(invoice_id))
    if item is None:
        raise NotFound
    return store.from_item(Invoice, item)


def get_invoice_heads(invoice_ids: Iterable[str]) -> dict[str, Invoice]:
    """Read the heads of invoices by their ids, in order, as far as they exist; one read for each 100."""
    wanted = {invoice_id: keys.invoice(invoice_id) for invoice_id in invoice_ids}
    found = store.batch_get_items(list(wanted.values()))
    return {invoice_id: store.from_item(Invoice, found[key]) for invoice_id, key in wanted.items() if key in found}


def get_invoice_content(invoice: Invoice) -> Content:
    """Read the content of an invoice; one read."""
    found = store.batch_get_items(content_item_keys(invoice.invoice_id, invoice.content_parts))
    return from_content_items(found, invoice.invoice_id, invoice.content_parts)


def get_invoice_with_content(invoice_id: str) -> InvoiceWithContent:
    """Read an invoice with its content; one read, two if the content is large. Raises NotFound."""
    key = keys.invoice(invoice_id)
    found = store.batch_get_items([key, *content_item_keys(invoice_id, 1)])
    if key not in found:
        raise NotFound
    head = store.from_item(Invoice, found[key])
    found.update(store.batch_get_items(content_item_keys(invoice_id, head.content_parts)[1:]))
    return InvoiceWithContent(head, from_content_items(found, invoice_id, head.content_parts))
