"""The content of an invoice is stored completely."""

import random
import string
from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.accounts.rules import PaymentTerms
from chalicelib.entities.rules import TaxNumber
from chalicelib.invoices import content as contents
from chalicelib.invoices.rules import Buyer, Content, Line, Seller, Tax, TaxTotal
from chalicelib.postal_address import PostalAddress

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=50)


def content(lines: tuple[Line, ...], note: str | None = None) -> Content:
    return Content(
        invoice_id="i1",
        kind="invoice",
        number="1",
        issue_date=date(2026, 1, 15),
        currency="EUR",
        locale="de",
        time_zone="Europe/Berlin",
        seller=Seller("acme", "Acme", "Acme Ltd", "#123456", tax_numbers=(TaxNumber("VAT", "DE1"),)),
        buyer=Buyer("a1", "Customer", "g1", "Group", address=PostalAddress(city="Köln")),
        lines=lines,
        tax_totals=(TaxTotal("VAT", "19", 1, 0, "E", "Why"),),
        net_total=1,
        tax_total=0,
        total=1,
        due_date=date(2026, 2, 14),
        payment_terms=PaymentTerms("net", 30),
        note=note,
        preceding_numbers=("x",),
    )


@given(TEXT, TEXT, st.integers(-(10**15), 10**15))
def test_what_is_packed_comes_out_again(description: str, note: str, net: int) -> None:
    said = content((Line(description, net, unit_price="0.0000000001", taxes=(Tax("VAT", "19"),)),), note)
    assert contents.unpack_invoice_content(contents.pack_invoice_content(said)) == said


def test_the_same_is_packed_alike() -> None:
    said = content((Line("x", 1),))
    assert contents.pack_invoice_content(said) == contents.pack_invoice_content(
        contents.unpack_invoice_content(contents.pack_invoice_content(said))
    )


def test_what_is_large_is_cut_into_parts_that_fit_a_row() -> None:
    letters = random.Random(1)
    lines = tuple(Line("".join(letters.choices(string.printable[:94], k=1000)), 1) for _ in range(900))
    said = content(lines)
    parts = contents.pack_invoice_content(said)
    assert len(parts) > 1
    assert {len(part) for part in parts[:-1]} == {contents.CONTENT_PART_BYTES}
    assert contents.unpack_invoice_content(parts) == said
    rows = contents.to_content_items("i1", parts)
    assert [row.key for row in rows] == contents.content_item_keys("i1", len(parts))
