"""Amounts of money: integers of minor units, and the ISO 4217 code of their currency."""

from decimal import Decimal

from babel import Locale, numbers

# ISO 4217 gives all others two digits. Babel's own table tells how amounts are usually rounded, not how
# billing systems count them: it gives the afghani none.
_NONE = ("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF", 0)
_THREE = ("BHD IQD JOD KWD LYD OMR TND", 3)
_FOUR = ("CLF UYW", 4)
_DIGITS = {currency: count for currencies, count in (_NONE, _THREE, _FOUR) for currency in currencies.split()}


def digits(currency: str) -> int:
    """Return how many decimal digits the minor unit of ``currency`` stands for."""
    return _DIGITS.get(currency, 2)


def amount(minor_units: int, currency: str) -> Decimal:
    """Return an amount of minor units as a decimal number of the currency."""
    return Decimal(minor_units).scaleb(-digits(currency))


def written(minor_units: int, currency: str, reader: Locale) -> str:
    """Return an amount as the reader writes money, with all digits of its minor unit."""
    pattern = numbers.parse_pattern(reader.currency_formats["standard"].pattern)
    pattern.frac_prec = (digits(currency), digits(currency))
    return str(pattern.apply(amount(minor_units, currency), reader, currency=currency, currency_digits=False))
