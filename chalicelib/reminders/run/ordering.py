"""In which order a reminder, its reply page and the plan tell of invoices."""

import re
from datetime import date

from chalicelib.invoices.rules import Invoice

_DIGITS = re.compile("([0-9]+)")


def invoice_sort_key(invoice: Invoice) -> tuple[date, list[tuple[str, int]], str]:
    """Return by what invoices are sorted: what is due first comes first, then by number, R0-2 before R0-10."""
    return invoice.due_date or date.max, _natural_key(invoice.number), invoice.number


def _natural_key(number: str) -> list[tuple[str, int]]:
    # Text and digits take turns; each text goes with the digits behind it.
    parts = [*_DIGITS.split(number), "0"]
    return [(text, int(digits)) for text, digits in zip(parts[::2], parts[1::2], strict=True)]
