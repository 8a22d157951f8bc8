"""With any texts and numbers, an e-invoice is valid, or the reason is given."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any
from xml.etree.ElementTree import fromstring

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.accounts.rules import PaymentTerms
from chalicelib.entities.rules import BankDetails, TaxNumber
from chalicelib.invoices.e_invoice import cii, en16931
from chalicelib.invoices.e_invoice.en16931 import Inexpressible
from chalicelib.invoices.rules import Content, Line, Tax
from chalicelib.postal_address import PostalAddress
from tests import e_invoices
from tests.unit.invoices.contents import BUYER, SELLER, content, line, vat

RAM = "{urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100}"

HOSTILE = (
    "<script>alert(1)</script>",
    "]]><!--&xxe;--><![CDATA[",
    '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>&x;',
    "#panic() $x$ *bold* {{ 7*7 }} {% raw %} \\u{41} ${jndi}",
    "nul\x00bell\x07escape\x1b[31mdelete\x7fnext\x85",
    "lone \ud800 surrogate \udfff",
    "noncharacters \ufffe\uffff\U0001fffe\U0010ffff\ufdd0",
    "\u202eright to left\u202c \u200b\u2060\ufeff zero width",
    "astral 𝔘𝔫𝔦𝔠𝔬𝔡𝔢 👩‍👩‍👧‍👦 \U00100000",
    "Ελληνικά Кириллица 日本語 العربية עברית ẗ̴̢̛̲̮̳",
    "lines\r\nof\rthree\nkinds\u2028and\u2029more\x0b\x0c",
    "x" * 10_000,
    " \t padded \xa0 ",
)

# Anything that a text can hold in memory, the illegal and the unprintable often.
texts = st.text(st.characters() | st.sampled_from("\x00\x08\x0b\x1b\ud800\udfff\ufffe\uffff<>&\"' \r\n\t"), max_size=30)
days = st.dates(date(1900, 1, 1), date(2999, 12, 31))
decimals = st.decimals("-99999", "99999", places=3)
CURRENCIES = ("EUR", "USD", "JPY", "KWD", "CLF", "CHF", "DEM")
CATEGORIES = ("S", "Z", "E", "AE", "K", "G", "O", "L", "M", "B", None)


@pytest.mark.parametrize("hostile", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_is_text(hostile: str) -> None:
    invoice = content(
        line("1", "10", vat("E", "0"), description=f"a {hostile}", details=hostile, product_code=hostile),
        reasons={"E": f"a {hostile}"},
        number=f"a {hostile}",
        po_number=hostile,
        note=hostile,
        preceding_numbers=(hostile,),
        seller=replace(
            SELLER, name=hostile, legal_name=f"a {hostile}", registration_number=hostile,
            address=PostalAddress(hostile, hostile, hostile, hostile, hostile, "DE"),
            bank_details=BankDetails(hostile, account_number=hostile),
        ),
        buyer=replace(
            BUYER, account_name=f"a {hostile}", attention=hostile, bill_group_name=hostile,
            address=PostalAddress(hostile, hostile, hostile, hostile, hostile, "AT"),
        ),
    )  # fmt: skip
    xml = en16931.build_e_invoice(invoice)
    assert isinstance(xml, bytes)
    assert e_invoices.faults(xml) == []
    assert b"<!" not in xml
    names = [one.text for one in fromstring(xml).iter(f"{RAM}Name")]
    assert names[0] == cii.xml_text(f"a {hostile}")


@given(texts)
def test_only_what_xml_lacks_is_left_out(value: str) -> None:
    kept = cii.xml_text(value)
    assert fromstring(f"<a>{kept.replace('&', '&amp;').replace('<', '&lt;')}</a>".encode()).text in (kept, kept or None)
    assert cii.xml_text(kept) == kept
    printable = [one for one in value if one.isprintable()]
    assert [one for one in kept if one.isprintable()] == printable


@st.composite
def ordinary(draw: st.DrawFn) -> Content:
    """An invoice as billing systems make them, which can be expressed."""
    rates = st.sampled_from((vat(), vat("S", "7"), vat("S", "5.5"), vat("Z", "0"), vat("E", "0"), vat("AE", "0")))
    lines = draw(st.lists(st.builds(_line, decimals, decimals, rates, st.booleans()), min_size=1, max_size=8))
    invoice = content(*lines, reasons={"E": "Exempt"}, kind=draw(st.sampled_from(("invoice", "credit_note"))))
    return replace(invoice, prepaid=draw(st.integers(0, max(invoice.total, 0))))


def _line(quantity: Decimal, price: Decimal, taxes: tuple[Tax, ...], with_price: bool) -> Line:
    made = line(str(quantity), str(price), taxes)
    return made if with_price else replace(made, unit_price=None, quantity="-3" if quantity < 0 else "7")


@settings(max_examples=100, deadline=None)
@given(ordinary())
def test_an_ordinary_invoice_is_expressed(invoice: Content) -> None:
    xml = en16931.build_e_invoice(invoice)
    assert isinstance(xml, bytes), xml
    assert e_invoices.faults(xml) == []


maybe = st.none() | texts
addresses = st.none() | st.builds(
    PostalAddress, maybe, maybe, maybe, maybe, maybe, st.sampled_from(("DE", "AT", "XX", None))
)
numbers = st.builds(TaxNumber, st.sampled_from(("VAT", "EIN")), st.just("DE1") | texts)
banks = st.builds(BankDetails, texts, maybe, st.none() | st.just("DE1"), maybe, maybe)
OF_SELLER = {
    "name": texts, "legal_name": texts, "registration_number": maybe, "email": maybe, "address": addresses,
    "tax_numbers": st.lists(numbers, max_size=3).map(tuple), "bank_details": st.none() | banks,
}  # fmt: skip
OF_BUYER = {
    "account_name": texts, "company": maybe, "bill_group_name": texts, "address": addresses, "attention": maybe,
    "vat_number": st.none() | st.just("DE136695976") | texts, "registration_number": maybe,
}  # fmt: skip
OF_LINES = {
    "description": texts, "details": maybe, "product_code": maybe, "unit": st.sampled_from(("HUR", "??")),
    "period_start": days, "period_end": days, "unit_price": st.none(), "quantity": decimals.map(str),
    "taxes": st.lists(
        st.builds(Tax, st.just("VAT"), st.sampled_from(("0", "7", "0.0001")), st.sampled_from(CATEGORIES)),
        min_size=1, max_size=2,
    ).map(tuple),
}  # fmt: skip
OF_ALL = {
    "note": maybe, "po_number": maybe, "number": texts.map("1 ".__add__), "currency": st.sampled_from(CURRENCIES),
    "due_date": st.none() | days, "payment_terms": st.sampled_from((PaymentTerms(), PaymentTerms("net", 7))),
    "period_start": days, "period_end": days, "prepaid": st.integers(-100, 10**9),
    "preceding_numbers": st.lists(texts, max_size=2).map(tuple), "total": st.integers(-10, 10),
    "kind": st.sampled_from(("invoice", "credit_note")),
}  # fmt: skip


@st.composite
def odd(draw: st.DrawFn) -> Content:
    """An ordinary invoice of which some fields are anything. Some can be expressed, and some cannot."""

    def some(fields: dict[str, st.SearchStrategy[Any]]) -> dict[str, Any]:
        names = draw(st.lists(st.sampled_from(sorted(fields)), unique=True, max_size=2))
        return {name: draw(fields[name]) for name in names}

    base = draw(ordinary())
    lines = [replace(one, **some(OF_LINES)) for one in base.lines]
    fields = {"seller": replace(SELLER, **some(OF_SELLER)), "buyer": replace(BUYER, **some(OF_BUYER)), **some(OF_ALL)}
    return content(*lines, reasons=dict.fromkeys(draw(st.lists(st.sampled_from(("E", "AE", "S")))), "Why"), **fields)


@settings(max_examples=300, deadline=None)
@given(odd())
def test_an_odd_invoice_is_right_or_told(invoice: Content) -> None:
    xml = en16931.build_e_invoice(invoice)
    if isinstance(xml, Inexpressible):
        assert xml.code
        assert xml.reason
    else:
        assert e_invoices.faults(xml) == []
