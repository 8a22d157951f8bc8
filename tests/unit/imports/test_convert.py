import re
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.imports.mapping import conversions
from chalicelib.imports.mapping.conversions import BadValue
from chalicelib.money import minor_unit_digits, to_major_units

CURRENCIES = ("EUR", "USD", "JPY", "KWD", "CLF", "HUF", "AFN")


@given(units=st.integers(-(10**14), 10**14), currency=st.sampled_from(CURRENCIES))
def test_an_amount_comes_back_as_it_was(units: int, currency: str) -> None:
    assert conversions.minor_units(format(to_major_units(units, currency), "f"), currency) == units


@given(units=st.integers(0, 10**14), currency=st.sampled_from(CURRENCIES))
def test_an_amount_with_groups_and_a_comma_comes_back_as_it_was(units: int, currency: str) -> None:
    written = f"{to_major_units(units, currency):,f}".translate({ord(","): ".", ord("."): ","})
    assert conversions.minor_units(written, currency, decimal_separator=",", group_separator=".") == units


@given(value=st.decimals(0, 10**9, allow_nan=False, places=5), currency=st.sampled_from(CURRENCIES))
def test_an_amount_is_exact_or_refused(value: Decimal, currency: str) -> None:
    exact = value.scaleb(minor_unit_digits(currency))
    if exact == exact.to_integral_value():
        assert conversions.minor_units(format(value, "f"), currency) == exact
    else:
        with pytest.raises(BadValue) as refusal:
            conversions.minor_units(format(value, "f"), currency)
        assert refusal.value.code == "too_many_decimals"


@pytest.mark.parametrize(
    ("text", "units"), [("0", 0), ("12", 1200), ("12.5", 1250), ("12.500", 1250), ("-3.07", -307), ("+0.01", 1)]
)
def test_amounts(text: str, units: int) -> None:
    assert conversions.minor_units(text, "EUR") == units


@pytest.mark.parametrize(
    "text", ["", "€5", "5 EUR", "1,5", "1e3", "NaN", "1_000", ".5", "5.", "--1", "٣", "1.2.3", "1,000.00", "0x10"]
)
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(BadValue) as refusal:
        conversions.minor_units(text, "EUR")
    assert refusal.value.code == "bad_amount"


@pytest.mark.parametrize("text", ["1,23.00", "12,34,567", "1,0000", ",100", "1000,000"])
def test_groups_have_three_digits(text: str) -> None:
    with pytest.raises(BadValue):
        conversions.minor_units(text, "EUR", group_separator=",")


@pytest.mark.parametrize(
    ("text", "number"), [("1.250,5", "1250.5"), ("-0,50", "-0.50"), ("+7", "7"), ("1250", "1250"), ("1.250", "1250")]
)
def test_decimals_stay_such(text: str, number: str) -> None:
    assert conversions.decimal(text, decimal_separator=",", group_separator=".") == number
    assert conversions.negate(conversions.negate(number)) == number


@pytest.mark.parametrize("text", ["", "1,5,5", "1.25,0", "x", "1e3", ",5"])
def test_what_is_no_decimal_is_refused(text: str) -> None:
    with pytest.raises(BadValue):
        conversions.decimal(text, decimal_separator=",", group_separator=".")


def test_an_endless_amount_is_refused() -> None:
    with pytest.raises(BadValue) as refusal:
        conversions.minor_units("9" * 5000, "EUR")
    assert refusal.value.code == "number_too_large"


@given(
    day=st.dates(date(1900, 1, 1), date(2999, 12, 31)),
    form=st.sampled_from(["%Y-%m-%d", "%d.%m.%Y", "%m/%d/%Y", "%d %B %Y", "%Y%m%d", "%Y-%m-%d 00:00:00"]),
)
def test_a_date_comes_back_as_it_was(day: date, form: str) -> None:
    assert conversions.date(f"{day:{form}}", (form,)) == day.isoformat()


def test_the_first_form_that_fits_tells_how_to_read_a_date() -> None:
    forms = ("%d/%m/%Y", "%m/%d/%Y")
    assert conversions.date("03/04/2026", forms) == "2026-04-03"
    assert conversions.date("03/14/2026", forms) == "2026-03-14"


@pytest.mark.parametrize("text", ["31.02.2026", "2026-01-01", "1.1.26", "01.01.2026 ", "heute"])
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(BadValue) as refusal:
        conversions.date(text, ("%d.%m.%Y",))
    assert refusal.value.code == "bad_date"


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("Germany", "DE"), ("germany", "DE"), ("DE", "DE"), ("de", "DE"), ("USA", "US"), ("United Kingdom", "GB"),
        ("UK", "GB"), ("Czech Republic", "CZ"), ("Côte d’Ivoire", "CI"), ("Turkey", "TR"), ("Türkiye", "TR"),
        ("United States of America", "US"), ("Netherlands", "NL"), ("Russia", "RU"), ("Chile", "CL"),
    ],
)  # fmt: skip
def test_countries(name: str, code: str) -> None:
    assert conversions.country(name) == code


def test_countries_in_another_language() -> None:
    assert conversions.country("Österreich", "de") == "AT"
    with pytest.raises(BadValue):
        conversions.country("Österreich")


@pytest.mark.parametrize(
    ("text", "region", "number"),
    [
        ("+55 (12) 3923-5555", None, "+551239235555"),
        ("+49 0711 2842222", None, "+497112842222"),
        ("030 26550280", "DE", "+493026550280"),
        ("(514) 721-4711", "CA", "+15147214711"),
        ("+61 (02) 9332 3633", "AU", "+61293323633"),
    ],
)
def test_phones(text: str, region: str | None, number: str) -> None:
    assert conversions.phone(text, region) == number


@pytest.mark.parametrize(("text", "region"), [("030 26550280", None), ("none", "DE"), ("12", "DE"), ("+", None)])
def test_what_is_no_phone_is_refused(text: str, region: str | None) -> None:
    with pytest.raises(BadValue) as refusal:
        conversions.phone(text, region)
    assert refusal.value.code == "bad_phone"


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("Ada Lovelace", "Ada", "Lovelace"),
        ("Lovelace, Ada", "Ada", "Lovelace"),
        ("Johanna van der Berg", "Johanna van der", "Berg"),
        ("van der Berg, Johanna", "Johanna", "van der Berg"),
        ("Plato", "", "Plato"),
    ],
)
def test_parts_of_names(text: str, first: str, last: str) -> None:
    assert (conversions.name_part(text, "first"), conversions.name_part(text, "last")) == (first, last)


@pytest.mark.parametrize("text", ["a\x00b", "\ud800", "x\udfff"])
def test_what_no_text_may_hold_is_refused(text: str) -> None:
    with pytest.raises(BadValue) as refusal:
        conversions.plain_text(text)
    assert refusal.value.code == "bad_character"


def test_plain_values_become_text() -> None:
    assert [conversions.plain_text(one) for one in (None, " a ", 12, True, Decimal("1E+3"), Decimal("0.10"))] == [
        "", "a", "12", "true", "1000", "0.10",
    ]  # fmt: skip
    with pytest.raises(BadValue):
        conversions.plain_text(["a"])


@given(offset=st.integers(0, 40_000))
def test_iso_dates_need_no_words(offset: int) -> None:
    day = date(1900, 1, 1) + timedelta(days=offset)
    assert conversions.date(day.isoformat(), ("%Y-%m-%d",)) == day.isoformat()


def test_words_for_true_and_false() -> None:
    assert conversions.boolean("JA", ("ja",), ("nein",)) is True
    assert conversions.boolean("Nein", ("ja",), ("nein",)) is False
    with pytest.raises(BadValue):
        conversions.boolean("vielleicht", ("ja",), ("nein",))


@pytest.mark.parametrize("text", ["1.5", "", "1_0", "9" * 16, "one", "٣"])
def test_what_is_no_whole_number_is_refused(text: str) -> None:
    with pytest.raises(BadValue):
        conversions.integer(text)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Àcme & Söhne GmbH", "c-acme-and-sohne-gmbh"),
        ("  ACME,  inc. ", "c-acme-inc"),
        ("Ærø Łódź Straße", "c-aero-lodz-strasse"),
        ("ＡＣＭＥ", "c-acme"),
        ("日本商事", "c-bb5c2a148f"),
        ("Acme 日本", "c-acme-cc3c3d8162"),
        ("!!!", "c-e84c538e7f"),
        ("a" * 62, f"c-{'a' * 62}"),
        ("a" * 63, f"c-{'a' * 51}-7d3e74a05d"),
    ],
)
def test_ids_of_names(name: str, expected: str) -> None:
    made = conversions.id_from_name(name, "c-")
    assert made == expected
    assert re.fullmatch("[A-Za-z0-9][A-Za-z0-9._-]{0,63}", made)


def test_ids_of_names_that_differ_in_what_is_lost_differ() -> None:
    names = ("日本商事", "日本商社", "東京", "Acme 日本", "Acme 東京", "b" * 70, "b" * 71)
    assert len({conversions.id_from_name(name) for name in names}) == len(names)
