"""Amounts of money: integers of minor units, and the ISO 4217 code of their currency."""

import re
from decimal import Decimal

from babel import Locale, numbers

# CLDR separates a code from the number, with a space that does not break; Babel does not.
_CODE_BESIDE_NUMBER = re.compile(r"(?<=[A-Za-z])(?=[\d\u2212-])|(?<=\d)(?=[A-Za-z])")

# ISO 4217 gives all others two digits. Babel's own table tells how amounts are usually rounded, not how
# billing systems count them: it gives the afghani none.
_ZERO_DECIMALS = ("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF", 0)
_THREE_DECIMALS = ("BHD IQD JOD KWD LYD OMR TND", 3)
_FOUR_DECIMALS = ("CLF UYW", 4)
_DECIMALS_BY_CURRENCY = {
    currency: count
    for currencies, count in (_ZERO_DECIMALS, _THREE_DECIMALS, _FOUR_DECIMALS)
    for currency in currencies.split()
}


def minor_unit_digits(currency: str) -> int:
    """Return how many decimal digits the minor unit of ``currency`` stands for."""
    return _DECIMALS_BY_CURRENCY.get(currency, 2)


def to_major_units(minor_units: int, currency: str) -> Decimal:
    """Return an amount of minor units as a decimal number of the currency."""
    return Decimal(minor_units).scaleb(-minor_unit_digits(currency))


def format_money(minor_units: int, currency: str, reader: Locale) -> str:
    """Return an amount as the reader writes money, with all digits of its minor unit."""
    pattern = numbers.parse_pattern(reader.currency_formats["standard"].pattern)
    pattern.frac_prec = (minor_unit_digits(currency), minor_unit_digits(currency))
    amount = to_major_units(minor_units, currency)
    written = str(pattern.apply(amount, reader, currency=currency, currency_digits=False))
    return _CODE_BESIDE_NUMBER.sub("\u00a0", written)
