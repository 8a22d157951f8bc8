"""The template data of an invoice."""

from dataclasses import replace
from datetime import date

from chalicelib.accounts.rules import PaymentTerms
from chalicelib.entities.rules import BankDetails
from chalicelib.invoices.pdf.layout import lay_out_invoice
from chalicelib.invoices.rules import CREDIT_NOTE, Content, Tax
from chalicelib.postal_address import PostalAddress
from tests.unit.invoices.contents import CONTENT, SELLER, content, line

TWO = content(line("2", "10.50"), line("1", "100", description="Setup\nonce", details="as agreed"), locale="en-GB")


def facts(invoice: Content) -> dict[str, str]:
    return {fact["label"]: fact["value"] for fact in lay_out_invoice(invoice)[0]["facts"]}


def test_what_matters_stands_at_the_top() -> None:
    told, _ = lay_out_invoice(TWO)
    assert told["title"] == "Invoice 2026-001"
    assert [(fact["label"], fact["value"]) for fact in told["highlights"]] == [
        ("Amount due", "€143.99"),
        ("Due date", "1 February 2026"),
        ("Please quote when paying", "2026-001"),
    ]
    assert told["addressee"] == ["Kunde AG", "Ada Example", "Ring 2", "Stiege 3", "1010 Wien", "Austria"]
    assert told["sender"]["lines"][:2] == ["Acme GmbH", "Hauptstraße 1"]
    assert "VAT DE136695976" in told["sender"]["lines"]
    assert "Registration number HRB 12345" in told["sender"]["lines"]


def test_the_facts() -> None:
    invoice = replace(
        TWO,
        po_number="PO-1",
        payment_terms=PaymentTerms("net", 30),
        period_start=date(2026, 1, 1),
        period_end=date(2026, 1, 31),
    )
    assert facts(invoice) == {
        "Invoice date": "2 January 2026",
        "Billing period": "1–31 Jan 2026",
        "Payment terms": "30 days net",
        "PO number": "PO-1",
        "Customer number": "a-1",
        "Your VAT number": "ATU12345675",
    }


def test_the_lines_know_the_sum_so_far() -> None:
    table = lay_out_invoice(TWO)[0]["table"]
    assert [column["label"] for column in table["columns"]] == [
        "Description", "Quantity", "Unit price", "Tax", "Amount in EUR",
    ]  # fmt: skip
    assert [(row["cells"], row["running"]) for row in table["rows"]] == [
        (["2", "10.50", "19%", "21.00"], "21.00"),
        (["1", "100.00", "19%", "100.00"], "121.00"),
    ]
    assert table["rows"][1]["description"] == ["Setup", "once"]
    assert table["rows"][1]["details"] == ["as agreed"]


def test_columns_that_no_line_needs_are_left_out() -> None:
    plain = content(replace(line("1", "5", taxes=()), unit_price=None))
    assert len(lay_out_invoice(plain)[0]["table"]["columns"]) == 2


def test_the_totals_are_the_tax_summary() -> None:
    reduced = line("1", "50", taxes=(Tax("VAT", "7", "S"),))
    totals = lay_out_invoice(replace(content(line("1", "100"), reduced, locale="en"), prepaid=1000))[0]["table"][
        "totals"
    ]
    assert [(row["label"], row["base"], row["amount"]) for row in totals] == [
        ("Net total", "", "150.00"),
        ("VAT 19%", "on 100.00", "19.00"),
        ("VAT 7%", "on 50.00", "3.50"),
        ("Tax total", "", "22.50"),
        ("Total", "", "172.50"),
        ("Already paid", "", "−10.00"),
        ("Amount due", "", "€162.50"),
    ]


def test_several_taxes_of_a_line_are_named_by_letters() -> None:
    taxes = (Tax("State tax", "4"), Tax("City tax", "4.5"))
    table = lay_out_invoice(content(line("1", "100", taxes=taxes), locale="en"))[0]["table"]
    assert table["rows"][0]["cells"][2] == "A B"
    assert [row["label"] for row in table["totals"]][1:3] == ["A  State tax 4%", "B  City tax 4.5%"]


def test_reasons_of_exemption_are_reported() -> None:
    exempt = line("1", "100", taxes=(Tax("VAT", "0", "AE"),))
    notes = lay_out_invoice(content(exempt, reasons={"AE": "Reverse charge"}, note="Thanks.\n\nBye.", locale="en"))[0][
        "notes"
    ]
    assert notes == [
        {"heading": "Notes", "lines": ["Thanks.", "", "Bye."]},
        {"heading": "Tax exemption", "lines": ["VAT 0%: Reverse charge"]},
    ]


def test_how_to_pay() -> None:
    told, images = lay_out_invoice(replace(TWO, portal_url="https://pay.example/x"))
    assert {fact["label"]: fact["value"] for fact in told["pay"]["facts"]} == {
        "Account holder": "Acme GmbH",
        "Bank": "Bank",
        "IBAN": "DE89 3704 0044 0532 0130 00",
        "BIC": "DEUTDEFF",
        "Reference": "2026-001",
    }
    assert told["pay"]["link"]["url"] == "https://pay.example/x"
    assert set(images) == {"code"}


def test_a_swiss_slip_comes_instead_of_a_code() -> None:
    address = PostalAddress("Bahnhofstrasse 1", None, "Zürich", None, "8001", "CH")
    bank = BankDetails("Käse AG", iban="CH9300762011623852957")
    invoice = content(line("1", "100", currency="CHF"), currency="CHF", locale="fr-CH")
    told, images = lay_out_invoice(replace(invoice, seller=replace(SELLER, address=address, bank_details=bank)))
    assert set(images) == {"slip"}
    assert told["pay"]["slip"]["words"]["receipt"] == "Récépissé"


def test_nothing_is_requested_where_nothing_is_due() -> None:
    told, images = lay_out_invoice(replace(TWO, prepaid=TWO.total))
    assert (told["pay"], images) == (None, {})
    assert told["highlights"][1]["value"] == "Nothing to pay"


def test_a_credit_note_names_what_it_corrects_and_asks_for_nothing() -> None:
    note = replace(TWO, kind=CREDIT_NOTE, number="C-1", preceding_numbers=("2026-001",), due_date=None)
    told, images = lay_out_invoice(note)
    assert told["title"] == "Credit note C-1"
    assert [fact["label"] for fact in told["highlights"]] == ["Amount credited"]
    assert facts(note)["Corrects invoice"] == "2026-001"
    assert told["table"]["totals"][-1]["label"] == "Amount credited"
    assert (told["pay"], images) == (None, {})


def test_without_a_due_date_it_is_due_on_receipt() -> None:
    assert lay_out_invoice(replace(TWO, due_date=None))[0]["highlights"][1]["value"] == "On receipt"


def test_paper_is_that_of_the_sender() -> None:
    american = replace(CONTENT, seller=replace(SELLER, address=PostalAddress(country="US")))
    assert [lay_out_invoice(one)[0]["paper"] for one in (CONTENT, american)] == ["a4", "us-letter"]


def test_japanese_addresses_go_from_the_large_to_the_small() -> None:
    address = PostalAddress("丸の内1-1-1", "5階", "千代田区", "東京都", "100-0005", "JP")
    told, _ = lay_out_invoice(replace(TWO, buyer=replace(TWO.buyer, attention=None, address=address), locale="ja"))
    assert told["addressee"] == ["Kunde AG", "〒100-0005", "東京都千代田区丸の内1-1-1", "5階", "日本"]
