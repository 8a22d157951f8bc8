"""Localisation of documents: texts, dates, numbers and money in the reader's locale."""

import unicodedata
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache

from babel import Locale, dates, numbers, units
from babel.support import NullTranslations

from chalicelib import languages, money

_MINUS = "\u2212"
# Codes of UN/ECE Recommendation 20 that invoices use, as CLDR names the unit. None is a piece, which has no name.
_UNITS = {
    "C62": None,
    "H87": None,
    "EA": None,
    "SEC": "duration-second",
    "MIN": "duration-minute",
    "HUR": "duration-hour",
    "DAY": "duration-day",
    "WEE": "duration-week",
    "MON": "duration-month",
    "ANN": "duration-year",
    "GRM": "mass-gram",
    "KGM": "mass-kilogram",
    "TNE": "mass-tonne",
    "MTR": "length-meter",
    "KMT": "length-kilometer",
    "MTK": "area-square-meter",
    "LTR": "volume-liter",
    "KWH": "energy-kilowatt-hour",
    "AD": "digital-byte",
    "2P": "digital-kilobyte",
    "4L": "digital-megabyte",
    "E34": "digital-gigabyte",
    "E35": "digital-terabyte",
}


@dataclass(frozen=True)
class Localiser:
    """A reader's language and formats."""

    formats: Locale
    translations: NullTranslations

    def say(self, text: str, **values: str) -> str:
        """Return ``text`` in the reader's language, with ``%(name)s`` filled from ``values``."""
        said = self.translations.ugettext(text)
        return said % {name: self._isolated(value) for name, value in values.items()} if values else said

    def count(self, one: str, many: str, number: int) -> str:
        """Return the plural form of a text for ``number``, which fills ``%(number)s``."""
        return self.translations.ungettext(one, many, number) % {"number": number}

    def money(self, minor_units: int, currency: str) -> str:
        """Return an amount with its currency."""
        written = money.format_money(minor_units, currency, self.formats).replace("\uffe5", "\u00a5")
        parted = written.replace("-", _MINUS)
        return parted.replace(_MINUS, f"\u200e{_MINUS}") if self._leftward else parted

    def amount(self, minor_units: int, currency: str) -> str:
        """Return an amount for a column that names its currency."""
        places = money.minor_unit_digits(currency)
        return self._decimal(money.to_major_units(minor_units, currency), places, places)

    def price(self, value: str, currency: str) -> str:
        """Return a price, which may be finer than minor units, for a column that names its currency."""
        decimal = Decimal(value)
        return self._decimal(decimal, money.minor_unit_digits(currency), _decimal_places(decimal))

    def quantity(self, value: str, unit: str) -> str:
        """Return a quantity with its unit, a code of UN/ECE Recommendation 20; an unknown one is printed unchanged."""
        decimal = Decimal(value)
        written = self._decimal(decimal, 0, _decimal_places(decimal))
        name = _UNITS.get(unit, unit)
        if name is None:
            return written
        if unit not in _UNITS:
            return f"{written} {name}"
        # The number selects the plural form ("1 day", "2 days"), and is formatted as everywhere here.
        plain = abs(int(decimal)) if decimal == int(decimal) else abs(float(decimal))
        # Babel returns the name of the unit if CLDR has no long form.
        long = units.format_unit(plain, name, length="long", locale=self.formats)
        short = units.format_unit(plain, name, length="short", locale=self.formats)
        pattern = long if name.startswith("duration") and name not in long else short
        shown = numbers.format_decimal(plain, locale=self.formats)
        return pattern.replace(shown, written, 1) if shown in pattern else f"{written} {pattern}"

    def percent(self, rate: str) -> str:
        """Return a rate in percent."""
        decimal = Decimal(rate)
        pattern = numbers.parse_pattern(self.formats.percent_formats[None].pattern)
        pattern.frac_prec = (0, _decimal_places(decimal))
        return self._whole(str(pattern.apply(decimal / 100, self.formats)))

    def day(self, value: date) -> str:
        """Return a date in long form."""
        return languages.format_date(value, "long", self.formats)

    def short_day(self, value: date) -> str:
        """Return a date for a column."""
        return languages.format_date(value, "medium", self.formats)

    def days(self, first: date | None, last: date | None) -> str:
        """Return a period with at least one known end."""
        if first is None or last is None or first == last:
            known = first or last
            return self.short_day(known) if known else ""
        return str(dates.format_interval(first, last, "yMMMd", locale=self.formats))

    def _decimal(self, value: Decimal, least: int, most: int) -> str:
        pattern = numbers.parse_pattern(self.formats.decimal_formats[None].pattern)
        pattern.frac_prec = (least, max(least, most))
        return self._whole(str(pattern.apply(value, self.formats)))

    @property
    def _leftward(self) -> bool:
        return self.formats.text_direction == "rtl"

    def _isolated(self, value: str) -> str:
        """Return a value for use in a sentence; in Arabic, a foreign name or number keeps its direction."""
        leftward = any(unicodedata.bidirectional(letter) in {"R", "AL"} for letter in value)
        return f"\u2066{value}\u2069" if self._leftward and not leftward else value

    def _whole(self, number: str) -> str:
        """Return a number isolated from the direction of the surrounding text."""
        written = number.replace("-", _MINUS)
        return f"\u2066{written}\u2069" if self._leftward else written


def get_localiser(locale: str) -> Localiser:
    """Return the localiser of ``locale`` (BCP 47); English if documents are not translated into its language."""
    formats = languages.formatting_locale(locale)
    return Localiser(formats, _translations(formats.language))


@cache
def _translations(language: str) -> NullTranslations:
    return languages.read_catalogue("documents", language)


def _decimal_places(value: Decimal) -> int:
    exponent = value.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
