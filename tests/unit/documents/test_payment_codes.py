"""Payment codes hold what their standards ask for, or there is none."""

from dataclasses import replace
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from chalicelib.documents import payment_codes, payment_slip
from chalicelib.documents.letter import QUIET_ZONE
from chalicelib.documents.payment_codes import Party, Transfer
from chalicelib.payment_references import PaymentReference
from chalicelib.postal_address import PostalAddress

GERMAN = Transfer(
    Party("Acme GmbH", PostalAddress("Hauptstraße 1", None, "Berlin", None, "10115", "DE")),
    iban="DE89 3704 0044 0532 0130 00",
    amount=123450,
    currency="EUR",
    reason="2026-001",
    bic="DEUTDEFF",
)
SWISS = Transfer(
    Party("Käse & Söhne AG", PostalAddress("Bahnhofstrasse 1", None, "Zürich", None, "8001", "CH")),
    iban="CH9300762011623852957",
    amount=123450,
    currency="CHF",
    reason="2026-001",
    debtor=Party("Müller GmbH", PostalAddress("Hauptgasse 5", "c/o Łukasz", "Bern", None, "3011", "CH")),
)
QR_IBAN = "CH4431999123000889012"


def test_an_epc_code() -> None:
    assert payment_codes.build_epc_payload(GERMAN) == "\n".join(
        ("BCD", "002", "1", "SCT", "DEUTDEFF", "Acme GmbH", "DE89370400440532013000", "EUR1234.50", "", "", "2026-001")
    )


@pytest.mark.parametrize(
    "change",
    [
        {"currency": "CHF"},
        {"currency": "USD"},
        {"amount": 0},
        {"amount": -1},
        {"amount": 10**11},
        {"iban": "DE89370400440532013001"},
        {"creditor": Party("\U0001f600")},
        {"creditor": Party("\u2d30")},
    ],
)
def test_no_epc_code_where_the_standard_has_none(change: dict[str, object]) -> None:
    assert payment_codes.build_epc_payload(replace(GERMAN, **change)) is None  # type: ignore[arg-type]


def test_a_long_name_is_cut_and_a_wrong_bic_left_out() -> None:
    payload = payment_codes.build_epc_payload(replace(GERMAN, creditor=Party("x" * 100), bic="wrong"))
    assert payload is not None
    assert payload.split("\n")[4:6] == ["", "x" * 70]


@given(st.text(max_size=200), st.text(max_size=200), st.integers(1, 99_999_999_999))
def test_an_epc_code_has_its_eleven_lines_whatever_it_says(name: str, reason: str, amount: int) -> None:
    payload = payment_codes.build_epc_payload(replace(GERMAN, creditor=Party(name), reason=reason, amount=amount))
    if payload is not None:
        assert len(payload.splitlines()) in (10, 11)
        assert len(payload.encode()) <= 331
        assert payload.split("\n")[7] == f"EUR{amount // 100}.{amount % 100:02}"


def test_a_swiss_bill() -> None:
    bill = payment_codes.build_swiss_bill(SWISS)
    assert bill is not None
    assert bill.payload.split("\n") == [
        "SPC", "0200", "1", "CH9300762011623852957",
        "S", "Käse & Söhne AG", "Bahnhofstrasse 1", "", "8001", "Zürich", "CH",
        "", "", "", "", "", "", "",
        "1234.50", "CHF",
        "S", "Müller GmbH", "Hauptgasse 5, c/o Łukasz", "", "3011", "Bern", "CH",
        "NON", "", "2026-001", "EPD",
    ]  # fmt: skip
    assert bill.creditor == ("Käse & Söhne AG", "Bahnhofstrasse 1", "8001 Zürich")
    assert (bill.iban, bill.amount, bill.reference) == ("CH93 0076 2011 6238 5295 7", "1 234.50", None)


@pytest.mark.parametrize("currency", ["CHF", "EUR"])
def test_a_qr_iban_takes_a_qr_reference(currency: str) -> None:
    # The example of the Swiss Implementation Guidelines QR-bill.
    reference = PaymentReference("qrr", "210000000003139471430009017")
    bill = payment_codes.build_swiss_bill(replace(SWISS, iban=QR_IBAN, reference=reference, currency=currency))
    assert bill is not None
    assert bill.payload.split("\n")[18:20] == ["1234.50", currency]
    assert bill.payload.split("\n")[27:30] == ["QRR", "210000000003139471430009017", "2026-001"]
    assert (bill.reference, bill.currency) == ("21 00000 00003 13947 14300 09017", currency)
    assert payment_slip.build_slip_data(bill, "en")["alternative"].endswith(f"{currency} 1 234.50")


@pytest.mark.parametrize("reason", ["2026-001", "2139471430009017"])
@pytest.mark.parametrize("currency", ["CHF", "EUR"])
def test_a_qr_iban_without_a_qr_reference_has_neither_slip_nor_code(reason: str, currency: str) -> None:
    without = replace(SWISS, iban=QR_IBAN, reason=reason, currency=currency)
    other = replace(without, reference=PaymentReference("iso11649", "RF18539007547034"))
    for transfer in (without, other):
        assert payment_codes.build_swiss_bill(transfer) is None
        assert payment_codes.build_epc_payload(transfer) is None


def test_an_ordinary_iban_takes_a_creditor_reference_or_a_text() -> None:
    creditor = payment_codes.build_swiss_bill(
        replace(SWISS, reference=PaymentReference("iso11649", "RF18539007547034"))
    )
    assert creditor is not None
    assert creditor.payload.split("\n")[27:30] == ["SCOR", "RF18539007547034", "2026-001"]
    assert creditor.reference == "RF18 5390 0754 7034"
    free = payment_codes.build_swiss_bill(replace(SWISS, reference=PaymentReference("free", "Vertrag 7")))
    assert free is not None
    assert free.payload.split("\n")[27:30] == ["NON", "", "Vertrag 7"]
    wrong = replace(SWISS, reference=PaymentReference("qrr", "210000000003139471430009017"))
    assert payment_codes.build_swiss_bill(wrong) is None


@pytest.mark.parametrize(
    ("kind", "value", "lines"),
    [
        ("iso11649", "RF18539007547034", ["RF18539007547034", ""]),
        ("be_ogm", "010806817183", ["010806817183", ""]),
        ("fi_viite", "234096783", ["234096783", ""]),
        ("si", "SI0519-1235-84503", ["SI0519-1235-84503", ""]),
        ("no_kid", "12344", ["", "12344"]),
        ("free", "Contract 7", ["", "Contract 7"]),
    ],
)
def test_an_epc_code_has_the_reference_in_its_field(kind: str, value: str, lines: list[str]) -> None:
    payload = payment_codes.build_epc_payload(replace(GERMAN, reference=PaymentReference(kind, value)))
    assert payload is not None
    assert payload.split("\n")[9:] == lines


@pytest.mark.parametrize(
    "change",
    [
        {"currency": "EUR"},
        {"iban": "DE89370400440532013000"},
        {"amount": 0},
        {"creditor": Party("Käse AG")},
        {"creditor": Party("Käse AG", PostalAddress("Gasse 1", None, "Bern", None, None, "CH"))},
        {"creditor": Party("株式会社", PostalAddress("Gasse 1", None, "Bern", None, "3011", "CH"))},
        {"creditor": Party("x" * 71, PostalAddress("Gasse 1", None, "Bern", None, "3011", "CH"))},
    ],
)
def test_no_swiss_bill_where_the_standard_has_none(change: dict[str, object]) -> None:
    assert payment_codes.build_swiss_bill(replace(SWISS, **change)) is None  # type: ignore[arg-type]


def test_a_debtor_who_does_not_fit_is_left_for_writing_in() -> None:
    bill = payment_codes.build_swiss_bill(
        replace(SWISS, debtor=Party("Κάποιος", PostalAddress("Οδός", None, "Αθήνα", None, "1", "GR")))
    )
    assert bill is not None
    assert bill.debtor == ()
    assert bill.payload.split("\n")[20:27] == [""] * 7
    abroad = Party("Zoë", PostalAddress("Weg 1", None, "Wien", None, "1010", "AT"))
    named = payment_codes.build_swiss_bill(replace(SWISS, debtor=abroad))
    assert named is not None
    assert named.debtor == ("Zoë", "Weg 1", "AT-1010 Wien")


def test_the_slip_speaks_the_languages_of_switzerland_and_english() -> None:
    bill = payment_codes.build_swiss_bill(SWISS)
    assert bill is not None
    heads = [
        payment_slip.build_slip_data(bill, language)["words"]["payment_part"] for language in ("de", "fr", "it", "ja")
    ]
    assert heads == ["Zahlteil", "Section paiement", "Sezione pagamento", "Payment part"]


def test_readers_get_a_margin_of_four_modules() -> None:
    plain, framed = (payment_codes.render_qr_code("BCD\n002", zone) for zone in (0, QUIET_ZONE))
    with Image.open(BytesIO(plain)) as code, Image.open(BytesIO(framed)) as picture:
        module = 8
        assert picture.width == code.width + 2 * 4 * module
        assert set(picture.convert("L").crop((0, 0, picture.width, 4 * module)).tobytes()) == {255}


def test_the_picture_is_sharp_and_without_a_margin() -> None:
    with Image.open(BytesIO(payment_codes.render_qr_code("BCD\n002", 0))) as picture:
        assert picture.width == picture.height
        assert picture.width % 8 == 0
        pixels = picture.convert("1")
        assert {pixels.getpixel((at, at)) for at in range(7)} == {0}
