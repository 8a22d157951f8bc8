"""Reading invoices: one, with what it says, and lists of them."""

from collections.abc import Iterable
from dataclasses import dataclass

from chalicelib.errors import NotFound
from chalicelib.invoices import content as contents
from chalicelib.invoices.rules import Content, Invoice
from chalicelib.table import keys, store
from chalicelib.table.items import InvoiceItem


@dataclass(frozen=True)
class InvoiceRead:
    """An invoice or credit note: its head, and what it says."""

    invoice: Invoice
    content: Content


def get_head(invoice_id: str) -> Invoice:
    """Read the head of an invoice; one read. Raises NotFound."""
    item = store.get(InvoiceItem, keys.invoice(invoice_id))
    if item is None:
        raise NotFound
    return store.load(Invoice, item)


def heads_of(invoice_ids: Iterable[str]) -> dict[str, Invoice]:
    """Read the heads of invoices by their ids, in their order, as far as they exist; one read for each 100."""
    wanted = {invoice_id: keys.invoice(invoice_id) for invoice_id in invoice_ids}
    found = store.batch(list(wanted.values()))
    return {invoice_id: store.load(Invoice, found[key]) for invoice_id, key in wanted.items() if key in found}


def get_content(invoice: Invoice) -> Content:
    """Read what an invoice says; one read."""
    found = store.batch(contents.keys_of(invoice.invoice_id, invoice.content_parts))
    return contents.read_from(found, invoice.invoice_id, invoice.content_parts)


def get_invoice(invoice_id: str) -> InvoiceRead:
    """Read an invoice with what it says; one read, two where its content is large. Raises NotFound."""
    key = keys.invoice(invoice_id)
    found = store.batch([key, *contents.keys_of(invoice_id, 1)])
    if key not in found:
        raise NotFound
    head = store.load(Invoice, found[key])
    found.update(store.batch(contents.keys_of(invoice_id, head.content_parts)[1:]))
    return InvoiceRead(head, contents.read_from(found, invoice_id, head.content_parts))
