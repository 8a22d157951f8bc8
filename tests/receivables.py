"""A made-up table of accounts receivable, of the shape in which such tables are published: one row an invoice.

The customer's name stands in every row and varies, as it does where people type it. Cleared rows were paid.
"""

import csv
import io
import random
from datetime import date, timedelta
from typing import Any

COLUMNS = (
    "business_code", "cust_number", "name_customer", "clear_date", "buisness_year", "doc_id", "posting_date",
    "document_create_date", "due_in_date", "invoice_currency", "document type", "total_open_amount",
    "baseline_create_date", "cust_payment_terms", "invoice_id", "isOpen",
)  # fmt: skip
_STEMS = ("WAL-MAR", "COSTC", "SYSC", "BEN E", "MDV/", "TARG", "KROGE", "BJ'S", "US FO", "ALBERT", "DOLLAR", "AM")
_SUFFIXES = ("", " in", " llc", " co", " corp", " corporation", " associates", " us", " trust", " systems")
_CUSTOMERS = 400
_FIRST_DAY = date(2019, 1, 2)
DUE_TOO_EARLY = 11
"""Rows of the whole table that fall due before they were issued."""


def receivables(rows: int = 3000, *, seed: int = 9) -> str:
    """Return the table as CSV; the same for the same arguments."""
    chance = random.Random(seed)
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    early = set(chance.sample(range(rows), min(DUE_TOO_EARLY, rows)))
    for number in range(rows):
        table.writerow(_row(chance, number, early=number in early))
    return text.getvalue()


def _row(chance: random.Random, number: int, *, early: bool) -> list[str]:
    # Few customers have most of the rows.
    customer = int(_CUSTOMERS * chance.random() ** 2)
    name = f"{_STEMS[customer % len(_STEMS)]}{customer // len(_STEMS) or ''}{chance.choice(_SUFFIXES)}"
    posted = _FIRST_DAY + timedelta(days=chance.randrange(500))
    days = -chance.randint(1, 5) if early else chance.choice((0, 15, 15, 30, 45, 65))
    is_open = chance.random() < 0.2
    cleared = "" if is_open else f"{posted + timedelta(days=max(days, 0) + chance.randint(0, 20))} 00:00:00"
    code, currency = ("CA02", "CAD") if customer % 9 == 0 else ("U001", "USD")
    document = 1_930_000_000 + number
    return [
        code, f"02{customer:08d}", name, cleared, f"{posted.year}.0", f"{document}.0", f"{posted}",
        f"{posted:%Y%m%d}", f"{posted + timedelta(days=days):%Y%m%d}.0", currency, "RV",
        f"{chance.randint(500, 9_000_000) / 100:.2f}", f"{posted:%Y%m%d}.0", "NAH4", f"{document}.0",
        "1" if is_open else "0",
    ]  # fmt: skip


def receivables_kinds(**further: Any) -> list[dict[str, Any]]:
    """Return a mapping of the table: customers, their invoices, and a payment for each row that was cleared.

    ``further`` joins the kinds that hold the customer's name.
    """
    currency = {"currency_column": "invoice_currency"}
    customer = {"entity_id": {"constant": "acme"}, "name": "name_customer"}
    invoice_id = {"template": "inv-{invoice_id}"}
    amount = {"column": "total_open_amount", "minor_units": currency}
    return [
        {
            "kind": "accounts",
            "fields": {"account_id": "cust_number", "currency": "invoice_currency", **customer},
            **further,
        },
        {
            "kind": "bill_groups",
            "fields": {"bill_group_id": "cust_number", "account_id": "cust_number", **customer},
            **further,
        },
        {
            "kind": "invoices",
            "fields": {
                "invoice_id": invoice_id,
                "number": "doc_id",
                "bill_group_id": "cust_number",
                "issue_date": {"column": "document_create_date", "date": "%Y%m%d"},
                "due_date": {"column": "due_in_date", "date": "%Y%m%d.0"},
                "currency": "invoice_currency",
                "total": amount,
                "lines.0.description": "document type",
                "lines.0.net_amount": amount,
            },
        },
        {
            "kind": "payments",
            "only_if": {"column": "clear_date"},
            "fields": {
                "payment_id": {"template": "pay-{invoice_id}"},
                "account_id": "cust_number",
                "amount": amount,
                "currency": "invoice_currency",
                "received_on": {"column": "clear_date", "date": "%Y-%m-%d %H:%M:%S"},
                "allocations.0.invoice_id": invoice_id,
                "allocations.0.amount": amount,
            },
        },
    ]
