"""The PDF of a statement of account: its figures by age, what is open, and how to pay."""

from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise

import pytest

from chalicelib.documents.letter import Addressee, Sender
from chalicelib.entities.rules import BankDetails
from chalicelib.postal_address import PostalAddress
from chalicelib.statements.layout import render_statement
from chalicelib.statements.rules import Ageing, OpenItem, OpenPayment, StatementSection, build_sections
from tests import pdfs

TODAY = date(2026, 11, 23)
SENDER = Sender(
    "Acme",
    "Acme GmbH",
    "#0b5fff",
    PostalAddress("Hauptstraße 1", None, "Berlin", None, "10115", "DE"),
    bank_details=BankDetails("Acme GmbH", "Bank", "DE89370400440532013000"),
)
ADDRESSEE = Addressee("Kunde AG", attention="Ada Example")


def invoice(number: int, late: int, kind: str = "invoice") -> OpenItem:
    return OpenItem(
        f"i-{number}",
        kind,
        f"2026-{number:03}",
        "acme",
        "g-1",
        "EUR",
        TODAY - timedelta(days=late + 30),
        total=20000,
        balance=10000 + number,
        due_date=TODAY - timedelta(days=late),
        po_number="PO-7",
        disputed=number == 2,
    )


def section(*items: OpenItem) -> StatementSection:
    payment = OpenPayment("p-1", "acme", "EUR", TODAY, 5000, 1200, "SEPA 9")
    return build_sections(items, [payment], TODAY)[0]


def render(figures: StatementSection, locale: str = "en-GB", addressee: Addressee = ADDRESSEE) -> bytes:
    return render_statement(
        figures, TODAY, SENDER, addressee, account_id="a-1", locale=locale, portal_url="https://pay.example/a-1"
    )


@pdfs.needs("qpdf", "pdftotext")
def test_a_statement() -> None:
    figures = section(*(invoice(number, 30 * number - 30) for number in range(1, 7)), invoice(9, 0, "credit_note"))
    pdf = render(figures)
    assert pdfs.faults(pdf) == ""
    assert set(pdfs.fonts(pdf).values()) == {True}
    text = pdfs.text(pdf, "-raw")
    for row in (
        "Statement of account",
        "Balance to pay\n€488.12",
        "Overdue\n€388.11",
        "100.01 100.02 100.03 100.04 200.11 600.21",
        "Invoice 2026-006\nPO number PO-7\n27 May 2026 26 Jun 2026 150 200.00 100.06",
        "Disputed",
        "Credit note 2026-009\nPO number PO-7\n24 Oct 2026 −200.00 −100.09",
        "Payment SEPA 9 23 Nov 2026 −50.00 −12.00",
        "Owed on invoices 600.21",
        "Credit notes not yet used −100.09",
        "Payments not yet allocated −12.00",
        "Balance to pay €488.12",
        "Reference a-1",
        "https://pay.example/a-1",
    ):
        assert row in text
    assert [len(page.images) for page in pdfs.reader(pdf).pages][-1] == 1


@pdfs.needs("pdftotext")
def test_many_items_carry_the_balance_over_pages() -> None:
    found = pdfs.pages(render(section(*(invoice(number, 5) for number in range(1, 101)))))
    carried = [page for page in found if "Carried forward" in page]
    assert len(carried) >= 2
    for before, after in pairwise(carried):
        sums = [row.split()[-1] for row in before.splitlines() if row.startswith("Carried")]
        assert [row.split()[-1] for row in after.splitlines() if row.startswith("Brought")] == sums


@pdfs.needs("qpdf", "pdftotext")
def test_a_credit_asks_for_nothing() -> None:
    pdf = render(section(invoice(1, 0, "credit_note")))
    text = pdfs.text(pdf, "-raw")
    assert "Credit balance\n€112.01" in text
    assert "How to pay" not in text
    assert "No open items." in pdfs.text(render(StatementSection("acme", "EUR", Ageing())), "-raw")


@pdfs.needs("qpdf")
@pytest.mark.parametrize("locale", ["de", "fr", "es", "it", "nl", "pt", "ar", "ja", "he", "en-US"])
def test_every_language(locale: str) -> None:
    pdf = render(section(invoice(1, 3), invoice(2, 40)), locale)
    assert pdfs.faults(pdf) == ""
    assert pdf == render(section(invoice(1, 3), invoice(2, 40)), locale)


@pdfs.needs("qpdf")
@pytest.mark.parametrize("text", ["#panic()", "\u202e\ud800\x00", "x" * 10_000, "שלום {page} عربى", ""])
def test_hostile_names(text: str) -> None:
    item = replace(invoice(1, 3), number=text, po_number=text)
    figures = build_sections([item], [OpenPayment("p", "acme", "EUR", TODAY, 5, 5, text)], TODAY)[0]
    assert pdfs.faults(render(figures, "ar", Addressee(text, text, text, PostalAddress(text, text, text, text)))) == ""
