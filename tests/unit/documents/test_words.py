"""How readers of different languages read dates, numbers and money in documents."""

from datetime import date

import pytest

from chalicelib.documents.reader_locale import get_localiser


@pytest.mark.parametrize(
    ("locale", "minor_units", "currency", "written"),
    [
        ("en-US", -123450, "EUR", "−€1,234.50"),
        ("de", 123450, "EUR", "1.234,50\u00a0€"),
        ("de-CH", 123450, "CHF", "CHF\u00a01’234.50"),
        ("fr", 123450, "EUR", "1\u202f234,50\u00a0€"),
        ("ja", 1234, "JPY", "¥1,234"),
        ("en", 1234500, "KWD", "KWD\u00a01,234.500"),
        ("en", 12345, "CLF", "CLF\u00a01.2345"),
    ],
)
def test_money(locale: str, minor_units: int, currency: str, written: str) -> None:
    assert get_localiser(locale).money(minor_units, currency) == written


@pytest.mark.parametrize(
    ("locale", "value", "unit", "written"),
    [
        ("en", "1", "C62", "1"),
        ("de", "1234.5", "HUR", "1.234,5 Stunden"),
        ("en", "1", "DAY", "1 day"),
        ("en", "2", "MON", "2 months"),
        ("ja", "3", "HUR", "3 時間"),
        ("en", "0.000125", "E34", "0.000125 GB"),
        ("en", "-3", "XBX", "−3 XBX"),
        ("ar", "2", "C62", "\u20662\u2069"),
    ],
)
def test_quantities(locale: str, value: str, unit: str, written: str) -> None:
    assert get_localiser(locale).quantity(value, unit).replace("\u00a0", " ") == written


def test_prices_may_be_finer_than_minor_units() -> None:
    assert get_localiser("en").price("0.00125", "USD") == "0.00125"
    assert get_localiser("en").price("1250", "USD") == "1,250.00"
    assert get_localiser("en").price("999999999999.9999999999", "JPY") == "999,999,999,999.9999999999"


def test_rates() -> None:
    assert [get_localiser("de").percent(rate) for rate in ("19", "7.7", "0", "8.875")] == [
        "19\u00a0%", "7,7\u00a0%", "0\u00a0%", "8,875\u00a0%",
    ]  # fmt: skip


def test_periods() -> None:
    words = get_localiser("en-GB")
    assert words.days(date(2026, 1, 1), date(2026, 1, 31)) == "1–31 Jan 2026"
    assert words.days(None, date(2026, 1, 31)) == "31 Jan 2026"
    assert words.days(date(2026, 1, 31), date(2026, 1, 31)) == "31 Jan 2026"


def test_numbers_keep_their_order_among_arabic_letters() -> None:
    words = get_localiser("ar")
    assert words.say("Invoice %(number)s", number="2026-001") == "فاتورة \u20662026-001\u2069"
    assert words.say("Logo of %(name)s", name="شركة أكمي") == "شعار شركة أكمي"
    assert words.amount(-100, "EUR") == "\u2066−1.00\u2069"


def test_a_language_that_is_not_known_is_english() -> None:
    assert get_localiser("he").say("Invoice") == get_localiser("nonsense").say("Invoice") == "Invoice"
    assert get_localiser("pt-BR").say("Invoice") == "Fatura"


def test_words_for_a_number() -> None:
    days = ("%(number)d day net", "%(number)d days net")
    assert [get_localiser("de").count(*days, number) for number in (1, 30)] == ["1 Tag netto", "30 Tage netto"]
    assert get_localiser("ar").count(*days, 30) == "30 يومًا صافيًا"
