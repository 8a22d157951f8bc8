"""The PDF of an invoice: sound, the same each time, readable by people, programs and screen readers."""

import random
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from io import BytesIO

import pytest
from PIL import Image

from chalicelib.entities.rules import BankDetails
from chalicelib.invoices.pdf.layout import render_invoice
from chalicelib.invoices.rules import CREDIT_NOTE, Content, Tax
from chalicelib.postal_address import PostalAddress
from tests import pdfs
from tests.unit.invoices.contents import BUYER, SELLER, content, line

SWITZERLAND = PostalAddress("Bahnhofstrasse 1", None, "Zürich", None, "8001", "CH")
ARABIC = replace(
    content(
        line("2", "49.9", (Tax("ضريبة القيمة المضافة", "5", "S"),), "KWD", description="خدمة استضافة Hosting"),
        currency="KWD",
        locale="ar",
    ),
    seller=replace(SELLER, name="شركة أكمي", legal_name="شركة أكمي للخدمات"),
)
SLIP_BANK = BankDetails("Käse AG", iban="CH9300762011623852957")
INVOICES: dict[str, Content] = {
    "one line": content(line("1", "49.90"), locale="en-GB"),
    "fourteen lines": content(*(line(str(number), "10") for number in range(1, 15))),
    "credit note": replace(content(line("1", "5")), kind=CREDIT_NOTE),
    "yen": content(line("3", "400", currency="JPY", description="サポート費用"), currency="JPY", locale="ja"),
    "right to left": ARABIC,
    "Swiss slip": replace(
        content(line("1", "100", currency="CHF"), currency="CHF", locale="de-CH"),
        seller=replace(SELLER, address=SWITZERLAND, bank_details=BankDetails("Käse AG", iban="CH9300762011623852957")),
    ),
    "Hebrew names": replace(content(line("1", "5", description="שירותי אירוח"), locale="he"),
                            buyer=replace(BUYER, account_name='חברת הדוגמה בע"מ', attention="דוד כהן")),
    "scripts of further fonts": replace(
        content(line("1", "5", description="ព្រះរាជាណាចក្រ ස්ත්‍රී ኢትዮጵያ 🎉"), locale="en"),
        buyer=replace(BUYER, account_name="บริษัท สยาม จำกัด", attention="გიორგი"),
    ),
    "a part of the world": content(line("1", "5"), locale="es-419"),
    "nothing but what must be": replace(
        content(line("1", "5", ()), due_date=None),
        seller=replace(SELLER, address=None, tax_numbers=(), registration_number=None, bank_details=None, email=None,
                       website=None),
        buyer=replace(BUYER, address=None, attention=None, vat_number=None),
    ),
}  # fmt: skip


@pdfs.needs("pdftotext")
def test_a_swiss_invoice_of_one_line_takes_one_page() -> None:
    (page,) = pdfs.pages(render_invoice(INVOICES["Swiss slip"]))
    assert "Empfangsschein" in page
    banked = replace(
        INVOICES["Swiss slip"].seller, bank_details=replace(SLIP_BANK, bank_name="Bank", bic="POFICHBEXXX")
    )
    invoice = replace(INVOICES["Swiss slip"], seller=banked, portal_url="https://pay.example/" + "x" * 40)
    (page,) = pdfs.pages(render_invoice(invoice))
    assert "POFICHBEXXX" in page


def boxes(pdf: bytes) -> list[tuple[str, float, float]]:
    """Return each word of a PDF with its left and right edge, in points."""
    found = re.findall(r'<word xMin="([\d.]+)" yMin="[\d.]+" xMax="([\d.]+)"[^>]*>([^<]+)', pdfs.text(pdf, "-bbox"))
    return [(word, float(left), float(right)) for left, right, word in found]


@pdfs.needs("pdftotext")
@pytest.mark.parametrize("word", ["PURCHASEORDER2026NORTHWESTEU", "RECHNUNG20261119NORDOST00017", "W" * 28])
def test_long_words_stay_in_their_column(word: str) -> None:
    invoice = content(line("1", "5", description=word, details=word), number=word, po_number=word, locale="de")
    invoice = replace(
        invoice,
        buyer=replace(BUYER, account_name=word, attention=word),
        seller=replace(SELLER, legal_name=word),
    )
    width, side, aside = 595.28, 56.69, 204.1
    edges = boxes(render_invoice(invoice))
    assert max(right for _, _, right in edges) <= width - side + 0.5
    amount = min(left for text, left, _ in edges if text == "5,00")
    parts = [(left, right) for text, left, right in edges if text in word and len(text) > 8]
    assert len(parts) > 5
    # From the left edge on: the addressee and the descriptions. Beside them: the sender and the facts. The heading
    # takes the whole width.
    beyond = [left for left, right in parts if right >= amount and left < width - side - aside - 1]
    assert len(beyond) <= 1


@pdfs.needs("pdftotext")
def test_a_german_iban_stays_on_one_line() -> None:
    text = pdfs.text(render_invoice(replace(content(line("1", "5")), portal_url="https://pay.example/x")), "-layout")
    assert "DE89 3704 0044 0532 0130 00" in text


@pdfs.needs("pdftotext")
def test_decimals_line_up_where_text_runs_from_right_to_left() -> None:
    amounts = ("5.01", "1234.02", "88.03")
    edges = boxes(render_invoice(content(*(line("1", amount, ()) for amount in amounts), locale="ar")))
    rights = {round(right, 1) for text, _, right in edges if text in {"5.01", "1,234.02", "88.03"}}
    assert len(rights) == 2, "of the prices and of the amounts"


def many(count: int) -> Content:
    """Return an invoice of many lines, some with details, for amounts that differ."""
    lines = (
        line(str(number % 7 + 1), "12.35", description=f"Service {number}", details="Details" * (number % 3))
        for number in range(1, count + 1)
    )
    return content(*lines, locale="en", note="The last words.")


@pdfs.needs("qpdf", "pdftotext")
@pytest.mark.parametrize("invoice", INVOICES.values(), ids=INVOICES)
def test_it_is_sound_tagged_and_has_its_fonts(invoice: Content) -> None:
    pdf = render_invoice(invoice)
    assert pdfs.faults(pdf) == ""
    assert set(pdfs.fonts(pdf).values()) == {True}
    root = pdfs.reader(pdf).trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"]
    assert str(root["/Lang"]).partition("-")[0] in ("en", "de", "ja", "ar", "es")
    metadata = root["/Metadata"].get_data().decode()
    assert "<pdfuaid:part>1" in metadata
    assert "<pdfaid:part>3" in metadata
    assert invoice.number in str(pdfs.reader(pdf).metadata.title)
    assert invoice.number in pdfs.text(pdf)


def test_it_is_the_same_each_time_and_in_each_thread() -> None:
    invoices = [*INVOICES.values(), many(30)]
    alone = [render_invoice(invoice) for invoice in invoices]
    wanted = list(range(len(invoices))) * 3
    random.Random(1).shuffle(wanted)
    with ThreadPoolExecutor(4) as threads:
        made = list(threads.map(lambda number: render_invoice(invoices[number]), wanted))
    assert made == [alone[number] for number in wanted]


@pdfs.needs("pdftotext")
def test_its_text_is_in_reading_order() -> None:
    invoice = replace(many(3), po_number="PO-77", portal_url="https://pay.example/x", locale="en-GB")
    text = " ".join(pdfs.text(render_invoice(invoice), "-raw").split())
    order = [
        "Acme GmbH", "VAT DE136695976", "Kunde AG", "1010 Wien", "Invoice date", "2 January 2026", "PO number",
        "PO-77", "Invoice 2026-001", "Amount due", "€", "Due date", "1 February 2026", "Description", "Quantity",
        "Service 1", "Service 2", "Service 3", "Net total", "VAT 19%", "Amount due", "Notes", "The last words.",
        "How to pay", "IBAN", "DE89 3704 0044 0532 0130 00", "https://pay.example/x", "Page 1 of 1",
    ]  # fmt: skip
    at = 0
    for words in order:
        at = text.find(words, at) + len(words)
        assert at >= len(words), f"{words!r} does not follow in {text!r}"


@pdfs.needs("pdftotext")
@pytest.mark.parametrize("count", [20, 40, 400])
def test_each_page_repeats_the_head_and_carries_the_sum(count: int) -> None:
    invoice = many(count)
    found = pdfs.pages(render_invoice(invoice))
    assert len(found) > count // 40
    of_table = [page for page in found if "Amount in EUR" in page]
    assert "Amount due" in of_table[-1]
    assert "Carried forward" not in of_table[-1]
    assert "Brought forward" not in found[0]
    printed = 0
    for number, page in enumerate(of_table):
        carried = [line for line in page.splitlines() if "forward" in line]
        sums = [sum(one.net_amount for one in invoice.lines[:printed])] if number else []
        printed += sum(row.startswith("Service ") for row in page.splitlines())
        if number < len(of_table) - 1:
            sums.append(sum(one.net_amount for one in invoice.lines[:printed]))
        assert [row.split()[-1] for row in carried] == [f"{sum_ / 100:,.2f}" for sum_ in sums]
    assert printed == count
    for number, page in enumerate(found, 1):
        assert f"Page {number} of {len(found)}" in page


@pdfs.needs("pdftotext")
def test_totals_that_do_not_fit_stand_under_a_head_with_what_was_carried() -> None:
    for count in range(5, 30):
        found = pdfs.pages(render_invoice(many(count)))
        for page in found:
            assert ("Net total" in page) <= ("Amount in EUR" in page)
            assert ("Carried forward" in page) == (page is not found[-1] and "Net total" not in page)


@pdfs.needs("pdftotext")
def test_long_words_are_broken_and_copied_whole() -> None:
    word = "Donaudampfschiffahrtsgesellschaftskapitänsmützenhersteller" * 2
    text = pdfs.text(render_invoice(content(line("1", "5", description=word))), "-raw")
    assert word in text.replace("\n", "")


@pdfs.needs("pdftotext")
def test_scripts_are_written_with_their_letters() -> None:
    names = ("Ελληνική", "Общество", "株式会社", "주식회사", "有限公司", "Łódź", "नमस्ते")
    text = pdfs.text(render_invoice(content(*(line("1", "5", description=name) for name in names))), "-raw")
    assert [name for name in names if name not in text] == []


def test_the_logo_is_in_it_with_a_text_for_who_cannot_see_it() -> None:
    logo = BytesIO()
    Image.new("RGB", (300, 100), "red").save(logo, "PNG")
    pdf = pdfs.reader(render_invoice(INVOICES["nothing but what must be"], logo=logo.getvalue()))
    assert [len(page.images) for page in pdf.pages] == [1]
    assert "Logo von Acme".encode("utf-16-be") in b"".join(
        str(item.get("/Alt", "")).encode("utf-16-be")
        for item in (pdf.get_object(number) for number in range(1, len(pdf.xref[0]) + 1))
        if isinstance(item, dict)
    )


def test_a_swiss_slip_takes_the_foot_of_the_last_page() -> None:
    pdf = pdfs.reader(render_invoice(INVOICES["Swiss slip"]))
    last = pdf.pages[-1].extract_text()
    assert "Zahlteil" in last
    assert f"Seite {len(pdf.pages)} von {len(pdf.pages)}" in last
