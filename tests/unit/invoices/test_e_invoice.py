"""An e-invoice is valid by the schema and every business rule of EN 16931, or the reason is given."""

from dataclasses import replace
from datetime import date
from xml.etree.ElementTree import fromstring

import pytest

from chalicelib.accounts.rules import PaymentTerms
from chalicelib.entities.rules import BankDetails, TaxNumber
from chalicelib.invoices.e_invoice import en16931
from chalicelib.invoices.e_invoice.codes import load_codes
from chalicelib.invoices.e_invoice.en16931 import Inexpressible
from chalicelib.invoices.rules import Content, Line, Tax
from chalicelib.postal_address import PostalAddress
from tests import e_invoices
from tests.unit.invoices.contents import BUYER, SELLER, content, line, vat

RAM = "{urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100}"

EXPRESSIBLE: dict[str, Content] = {
    "one line": content(line("3", "3.3333")),
    "lines of one rate": content(*(line("1", f"{number}.99") for number in range(1, 15))),
    "several rates": content(
        line("1", "10"), line("2", "5", vat("S", "7")), line("1", "3", vat("S", "5.5")), line("1", "1", vat("Z", "0"))
    ),
    "one rate written in two ways": content(line("1", "10"), line("1", "5", vat("S", "19.00"))),
    "reverse charge": content(line("1", "100", vat("AE", "0"))),
    "reverse charge, told": content(line("1", "100", vat("AE", "0")), reasons={"AE": "Steuerschuld beim Empfänger"}),
    "exempt": content(line("1", "100", vat("E", "0")), reasons={"E": "§ 4 Nr. 21 UStG"}),
    "within the European Union": content(
        line("1", "100", vat("K", "0")), period_start=date(2026, 1, 1), period_end=date(2026, 1, 31)
    ),
    "within the European Union, by the lines": content(
        line("1", "100", vat("K", "0"), period_start=date(2026, 1, 1)),
        line("1", "100", vat("K", "0"), period_end=date(2026, 1, 31)),
    ),
    "to Greece": content(
        line("1", "100", vat("K", "0")),
        period_end=date(2026, 1, 31),
        buyer=replace(BUYER, vat_number="EL094259216", address=PostalAddress(city="Athens", country="GR")),
    ),
    "export": content(line("1", "100", vat("G", "0")), buyer=replace(BUYER, vat_number=None)),
    "not subject to VAT": content(line("1", "100", vat("O", "0"))),
    "zero rate": content(line("1", "100", vat("Z", "0"))),
    "zero rate with a reason": content(line("1", "100", vat("Z", "0")), reasons={"Z": "Books"}),
    "Canaries and Ceuta": content(line("1", "100", vat("L", "7")), line("1", "100", vat("M", "4"))),
    "credit note": content(line("1", "100"), kind="credit_note", due_date=None, preceding_numbers=("2025-9", "2025-8")),
    "negative line": content(line("10", "10"), line("-2", "10"), line("1", "-5")),
    "negative total": content(line("-1", "10")),
    "line without a unit price": content(
        Line("Flat", 1000, taxes=vat()), Line("Three for ten", 1000, "3", taxes=vat()), Line("Off", -700, taxes=vat())
    ),
    "taken back without a unit price": content(
        Line("Back", -1000, "-3", taxes=vat()), Line("Odd", 900, "-3", taxes=vat()), Line("Off", -100, "3", taxes=vat())
    ),
    "nothing to pay": content(line("0", "10"), Line("Free", 0, "0", taxes=vat()), Line("Gift", 0, taxes=vat())),
    "yen": content(line("3", "333.3", vat("S", "10"), "JPY"), currency="JPY"),
    "dinar of two decimals": content(line("1", "10.100", vat("S", "10"), "KWD"), currency="KWD"),
    "prepaid": content(line("1", "100"), prepaid=5000),
    "prepaid too much": content(line("1", "100"), prepaid=50000, due_date=None),
    "due on receipt": content(line("1", "100"), due_date=None, payment_terms=PaymentTerms()),
    "net terms without a day": content(line("1", "100"), due_date=None, payment_terms=PaymentTerms("net", 30)),
    "account number": content(
        line("1", "1"), currency="USD", seller=replace(SELLER, bank_details=BankDetails("Acme", account_number="12"))
    ),
    "no bank": content(line("1", "1"), seller=replace(SELLER, bank_details=None)),
    "bank of no account": content(line("1", "1"), seller=replace(SELLER, bank_details=BankDetails("Acme", bic="X"))),
    "tax number only": content(line("1", "1"), seller=replace(SELLER, tax_numbers=SELLER.tax_numbers[1:])),
    "everything told": content(
        line(
            "1.5", "10", unit="HUR", details="Long\nstory", product_code="P 1", period_start=date(2026, 1, 1),
            period_end=date(2026, 1, 1),
        ),
        buyer=replace(BUYER, company="Kunde Österreich GmbH", registration_number="FN 1", attention="Ada"),
        po_number="PO-7", note="Thanks!", period_start=date(2026, 1, 1), period_end=date(2026, 1, 31), prepaid=1,
    ),
    "four hundred lines": content(*(line("3", f"0.{number:03}") for number in range(1, 401))),
}  # fmt: skip

_ROUNDED_BY_LINE = content(line("1", "0.03"), line("1", "0.03"))

INEXPRESSIBLE: dict[str, Content] = {
    "number": content(line("1", "1"), number="\x01"),
    "currency": content(line("1", "1"), currency="DEM"),
    "decimals": content(line("1", "10.001", vat("S", "10"), "KWD"), currency="KWD"),
    "line_description": content(line("1", "1", description="\x01\x02 ")),
    "line_unit": content(line("1", "1", unit="QQQ")),
    "line_amount": content(replace(line("2", "1"), net_amount=201)),
    "tax_missing": content(line("1", "1", ())),
    "several_taxes": content(line("1", "1", (*vat(), Tax("City", "1")))),
    "tax_category": content(line("1", "1", vat(None))),
    "tax_rate": content(line("1", "1", vat("AE", "19"))),
    "tax_totals": content(line("1", "1"), tax_totals=()),
    "tax_rounding": replace(
        _ROUNDED_BY_LINE, tax_totals=(replace(_ROUNDED_BY_LINE.tax_totals[0], amount=2),), tax_total=2, total=8
    ),
    "exemption_reason": content(line("1", "1", vat("E", "0"))),
    "not_subject": content(line("1", "1"), line("1", "1", vat("O", "0"))),
    "totals": content(line("1", "1"), total=5),
    "seller_name": content(line("1", "1"), seller=replace(SELLER, legal_name="\ufffe")),
    "seller_country": content(line("1", "1"), seller=replace(SELLER, address=None)),
    "buyer_country": content(line("1", "1"), buyer=replace(BUYER, address=PostalAddress("Ring 2"))),
    "seller_number": content(
        line("1", "1"), seller=replace(SELLER, registration_number=None, tax_numbers=SELLER.tax_numbers[1:])
    ),
    "seller_vat_number": content(line("1", "1"), seller=replace(SELLER, tax_numbers=())),
    "buyer_vat_number": content(line("1", "1", vat("AE", "0")), buyer=replace(BUYER, vat_number=None)),
    "delivery_country": content(
        line("1", "1", vat("K", "0")), buyer=replace(BUYER, vat_number="FR40303265045"), period_end=date(2026, 1, 1)
    ),
    "delivery_date": content(line("1", "1", vat("K", "0"))),
    "period": content(line("1", "1"), period_start=date(2026, 2, 1), period_end=date(2026, 1, 1)),
    "due_date": content(line("1", "1"), due_date=None),
}
MORE_INEXPRESSIBLE: list[tuple[str, Content]] = [
    ("tax_rate", content(line("1", "1", vat("S", "0")))),
    ("tax_category", content(line("1", "1", vat("B", "22")))),
    ("line_amount", content(Line("Nothing of it", 5, "0", taxes=vat()))),
    ("totals", content()),
    ("seller_vat_number", content(line("1", "1", vat("G", "0")), seller=replace(SELLER, tax_numbers=()))),
    ("buyer_vat_number", content(line("1", "1", vat("K", "0")), buyer=replace(BUYER, vat_number="12"))),
    ("period", content(line("1", "1", period_start=date(2026, 2, 1), period_end=date(2026, 1, 1)))),
    ("seller_number", content(line("1", "1", vat("O", "0")), seller=replace(SELLER, registration_number=None))),
]


def made(invoice: Content) -> bytes:
    found = en16931.build_e_invoice(invoice)
    assert isinstance(found, bytes), found
    return found


def told(xml: bytes, name: str) -> list[str | None]:
    return [one.text for one in fromstring(xml).iter(RAM + name)]


@pytest.mark.parametrize("invoice", EXPRESSIBLE.values(), ids=EXPRESSIBLE)
def test_it_is_right_by_schema_and_business_rules(invoice: Content) -> None:
    xml = made(invoice)
    assert e_invoices.faults(xml) == []
    assert made(invoice) == xml


@pytest.mark.parametrize(
    ("code", "invoice"), [*INEXPRESSIBLE.items(), *MORE_INEXPRESSIBLE], ids=lambda value: value if value else ""
)
def test_what_cannot_be_said_is_reported_with_the_reason(code: str, invoice: Content) -> None:
    found = en16931.build_e_invoice(invoice)
    assert isinstance(found, Inexpressible)
    assert found.code == code
    assert found.reason.endswith(".")


def test_the_rules_look_at_something_and_find_what_is_wrong() -> None:
    xml = made(EXPRESSIBLE["several rates"])
    assert e_invoices.fired(xml) > 50
    assert any(
        "BR-CO-10" in one for one in e_invoices.faults(xml.replace(b"LineTotalAmount>10.00", b"LineTotalAmount>9"))
    )
    assert any("BR-02" in one for one in e_invoices.faults(xml.replace(b"<ram:ID>2026-001</ram:ID>", b"")))
    assert any("not expected" in one for one in e_invoices.faults(xml.replace(b"ram:GrandTotalAmount", b"ram:Grand")))


def test_a_price_is_never_negative_and_the_amount_stays() -> None:
    xml = made(EXPRESSIBLE["taken back without a unit price"])
    assert told(xml, "ChargeAmount") == ["10.00", "9.00", "1.00"]
    assert told(xml, "BilledQuantity") == ["-3", "3", "-3"]
    assert told(xml, "BasisQuantity") == ["3", "3", "3"]


def test_a_credit_note_is_positive_and_names_what_it_corrects() -> None:
    xml = made(EXPRESSIBLE["credit note"])
    assert told(xml, "TypeCode")[0] == "381"
    assert told(xml, "DuePayableAmount") == ["119.00"]
    assert told(xml, "IBANID") == []
    references = fromstring(xml).findall(f".//{RAM}InvoiceReferencedDocument/{RAM}IssuerAssignedID")
    assert [one.text for one in references] == ["2025-9", "2025-8"]


def test_numbers_of_the_parties() -> None:
    numbers = fromstring(made(EXPRESSIBLE["one line"])).findall(f".//{RAM}SpecifiedTaxRegistration/{RAM}ID")
    assert [(one.get("schemeID"), one.text) for one in numbers] == [
        ("VA", "DE136695976"), ("FC", "37/123/45678"), ("VA", "ATU12345675"),
    ]  # fmt: skip
    # Nobody's VAT number may stand on what is not subject to VAT; the tax number may.
    numbers = fromstring(made(EXPRESSIBLE["not subject to VAT"])).findall(f".//{RAM}SpecifiedTaxRegistration/{RAM}ID")
    assert [one.get("schemeID") for one in numbers] == ["FC"]


@pytest.mark.parametrize(
    "kind", ["VAT", "vat id", "VAT-Reg-No", "USt-IdNr.", "TVA", "P.IVA", "Partita IVA", "BTW", "NIP", "DIČ"]
)
def test_what_a_vat_number_is_called(kind: str) -> None:
    seller = replace(SELLER, tax_numbers=(TaxNumber("Steuernummer", "1"), TaxNumber(kind, "de 136 695 976")))
    numbers = fromstring(made(content(line("1", "1"), seller=seller))).findall(f".//{RAM}ID[@schemeID='VA']")
    assert [one.text for one in numbers] == ["DE136695976", "ATU12345675"]


@pytest.mark.parametrize("kind", ["EIN", "Steuernummer", "GST", "Registration"])
def test_what_is_no_vat_number(kind: str) -> None:
    seller = replace(SELLER, tax_numbers=(TaxNumber(kind, "DE136695976"),))
    numbers = fromstring(made(content(line("1", "1"), seller=seller))).findall(f".//{RAM}ID[@schemeID='FC']")
    assert [one.text for one in numbers] == ["DE136695976"]


def test_the_codes_are_those_that_the_business_rules_look_into() -> None:
    assert load_codes("countries") == e_invoices.codes(7)
    assert load_codes("currencies") == e_invoices.codes(24)
    assert load_codes("units") == e_invoices.codes(8)
