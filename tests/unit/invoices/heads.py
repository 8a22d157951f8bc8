"""Heads of invoices for unit tests."""

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from chalicelib.invoices.rules import Invoice, derive_invoice_status

NOW = datetime(2026, 1, 31, 9, tzinfo=UTC)


def head(**fields: Any) -> Invoice:
    """Return the head of an invoice of 12000 minor units that is due on 14 February 2026."""
    made = Invoice(
        **{
            "invoice_id": "i1",
            "kind": "invoice",
            "number": "2026-001",
            "entity_id": "acme",
            "account_id": "a1",
            "bill_group_id": "g1",
            "currency": "EUR",
            "issue_date": date(2026, 1, 15),
            "due_date": date(2026, 2, 14),
            "net_total": 10000,
            "tax_total": 2000,
            "total": 12000,
            "content_hash": "x",
            "content_parts": 1,
            "recorded_at": NOW,
            "line_count": 3,
            **fields,
        }
    )
    return made if "status" in fields else replace(made, status=derive_invoice_status(made))
