"""Amounts of money."""

from decimal import Decimal

import pytest
from babel import Locale

from chalicelib import money


@pytest.mark.parametrize(
    ("minor_units", "currency", "locale", "expected"),
    [
        (123456, "EUR", "de", "1.234,56\xa0€"),
        (123456, "JPY", "ja", "￥123,456"),
        (123456, "KWD", "en", "KWD\xa0123.456"),
        (150, "AFN", "en", "AFN\xa01.50"),
        (1234567, "KWD", "en", "KWD\xa01,234.567"),
        (-1234567, "KWD", "en", "-KWD\xa01,234.567"),
        (100, "CHF", "de_CH", "CHF\xa01.00"),
        (-5, "USD", "en_US", "-$0.05"),
        (10**17 + 1, "EUR", "en", "€1,000,000,000,000,000.01"),
    ],
)
def test_an_amount_is_written_with_all_its_digits(minor_units: int, currency: str, locale: str, expected: str) -> None:
    assert money.format_money(minor_units, currency, Locale.parse(locale)) == expected


def test_an_amount_is_exact() -> None:
    assert money.to_major_units(-12345, "TND") == Decimal("-12.345")
