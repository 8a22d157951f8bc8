"""Contents of invoices to make documents of."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from chalicelib import money
from chalicelib.entities.rules import BankDetails, TaxNumber
from chalicelib.invoices.rules import Buyer, Content, Line, Seller, Tax, TaxTotal
from chalicelib.postal_address import PostalAddress

SELLER = Seller(
    entity_id="acme",
    name="Acme",
    legal_name="Acme GmbH",
    colour="#0b5fff",
    address=PostalAddress("Hauptstraße 1", None, "Berlin", None, "10115", "DE"),
    tax_numbers=(TaxNumber("VAT", "DE136695976"), TaxNumber("Steuernummer", "37/123/45678")),
    registration_number="HRB 12345",
    bank_details=BankDetails("Acme GmbH", "Bank", "DE89370400440532013000", "DEUTDEFF"),
    email="billing@acme.example",
    website="https://acme.example",
)
BUYER = Buyer(
    account_id="a-1",
    account_name="Kunde AG",
    bill_group_id="g-1",
    bill_group_name="Kunde Wien",
    attention="Ada Example",
    address=PostalAddress("Ring 2", "Stiege 3", "Wien", None, "1010", "AT"),
    vat_number="ATU12345675",
)
CONTENT = Content(
    invoice_id="i-1",
    kind="invoice",
    number="2026-001",
    issue_date=date(2026, 1, 2),
    currency="EUR",
    locale="de",
    time_zone="Europe/Berlin",
    seller=SELLER,
    buyer=BUYER,
    lines=(),
    tax_totals=(),
    net_total=0,
    tax_total=0,
    total=0,
    due_date=date(2026, 2, 1),
)


def vat(category: str | None = "S", rate: str = "19") -> tuple[Tax, ...]:
    """Return the taxes of a line with one VAT."""
    return (Tax("VAT", rate, category),)


def rounded(amount: Decimal, currency: str) -> int:
    """Return an amount of a currency in its minor units, halves away from zero."""
    return int(amount.scaleb(money.minor_unit_digits(currency)).quantize(Decimal(1), ROUND_HALF_UP))


def line(quantity: str, price: str, taxes: tuple[Tax, ...] | None = None, currency: str = "EUR", **fields: Any) -> Line:
    """Return a line of a quantity and a unit price."""
    net = rounded(Decimal(quantity) * Decimal(price), currency)
    taxes = vat() if taxes is None else taxes
    return Line(**{"description": "Service", "net_amount": net, "quantity": quantity, "unit_price": price,
                   "taxes": taxes, **fields})  # fmt: skip


def content(*lines: Line, reasons: dict[str, str] | None = None, **fields: Any) -> Content:
    """Return an invoice of these lines with the taxes and totals that follow; ``fields`` replace what it has."""
    currency = fields.get("currency", CONTENT.currency)
    totals = tax_totals(lines, currency, reasons or {})
    net = sum(one.net_amount for one in lines)
    tax = sum(one.amount for one in totals)
    made = replace(CONTENT, lines=lines, tax_totals=totals, net_total=net, tax_total=tax, total=net + tax)
    return replace(made, **fields)


def tax_totals(lines: Sequence[Line], currency: str, reasons: dict[str, str]) -> tuple[TaxTotal, ...]:
    """Return what the taxes of the lines come to, each rounded once."""
    taxable: dict[Tax, int] = {}
    for one in lines:
        for tax in one.taxes:
            taxable[tax] = taxable.get(tax, 0) + one.net_amount
    return tuple(
        TaxTotal(
            tax.name,
            tax.rate,
            amount,
            rounded(money.to_major_units(amount, currency) * Decimal(tax.rate) / 100, currency),
            tax.category,
            reasons.get(tax.category or ""),
        )
        for tax, amount in taxable.items()
    )
