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
        (123456, "KWD", "en", "KWD123.456"),
        (150, "AFN", "en", "AFN1.50"),
        (-5, "USD", "en_US", "-$0.05"),
        (10**17 + 1, "EUR", "en", "€1,000,000,000,000,000.01"),
    ],
)
def test_an_amount_is_written_with_all_its_digits(minor_units: int, currency: str, locale: str, expected: str) -> None:
    assert money.format_money(minor_units, currency, Locale.parse(locale)) == expected


def test_an_amount_is_exact() -> None:
    assert money.to_major_units(-12345, "TND") == Decimal("-12.345")
