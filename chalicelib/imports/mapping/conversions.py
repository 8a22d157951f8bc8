"""Conversions from text to values: each is exact, or gives the reason why it fails."""

import hashlib
import re
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any

import phonenumbers
from babel import Locale
from phonenumbers import NumberParseException, PhoneNumberFormat

from chalicelib.accounts.rules import fold_for_search
from chalicelib.money import minor_unit_digits

# Common names that CLDR does not list in English.
_COUNTRY_ALIASES = {
    "america": "US",
    "burma": "MM",
    "czech republic": "CZ",
    "england": "GB",
    "great britain": "GB",
    "holland": "NL",
    "hong kong": "HK",
    "ivory coast": "CI",
    "korea": "KR",
    "macao": "MO",
    "macedonia": "MK",
    "palestine": "PS",
    "republic of ireland": "IE",
    "republic of korea": "KR",
    "russian federation": "RU",
    "scotland": "GB",
    "swaziland": "SZ",
    "the netherlands": "NL",
    "turkey": "TR",
    "u.k.": "GB",
    "u.s.": "US",
    "u.s.a.": "US",
    "uk": "GB",
    "united states of america": "US",
    "usa": "US",
    "viet nam": "VN",
    "wales": "GB",
}
# Letters that have an ASCII form and do not decompose into it.
_ASCII_LETTERS = str.maketrans(
    {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i", "&": " and "}
)
_MAX_ID_LENGTH = 64
_ID_HASH_LENGTH = 10
_MAX_DIGITS = 15
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class BadValue(Exception):
    """A text does not fit the mapping: a stable code, and a sentence that says how to fix it."""

    def __init__(self, code: str, message: str) -> None:
        """Store code and sentence."""
        super().__init__(message)
        self.code = code
        self.message = message


def check_text(text: str) -> str:
    """Return the stripped text. Raises BadValue for characters that no text may have."""
    if _UNSTORABLE.search(text):
        raise BadValue("bad_character", "This holds a NUL character or half of a character. Correct it in the file.")
    return text.strip()


def date(text: str, formats: Sequence[str]) -> str:
    """Return a date in ISO 8601, by the first of ``formats`` that matches."""
    for form in formats:
        try:
            return datetime.strptime(text, form).date().isoformat()
        except ValueError:
            continue
    raise BadValue("bad_date", f"This is not a date of the form {' or '.join(formats)}.")


def decimal(text: str, *, decimal_separator: str = ".", group_separator: str | None = None) -> str:
    """Return a decimal number with a decimal point and without group separators."""
    whole = r"\d+"
    if group_separator is not None:
        spaces = "[ \u00a0\u202f]" if group_separator == " " else re.escape(group_separator)
        whole = rf"\d{{1,3}}(?:{spaces}\d{{3}})+|\d+"
    found = re.fullmatch(rf"([+-]?)({whole})(?:{re.escape(decimal_separator)}(\d+))?", text, re.ASCII)
    if found is None:
        raise BadValue("bad_amount", f"This is not a number such as 1234{decimal_separator}50.")
    sign, integer, fraction = "-" if found[1] == "-" else "", re.sub(r"\D", "", found[2]), found[3]
    return f"{sign}{integer}.{fraction}" if fraction else f"{sign}{integer}"


def negate(number: str) -> str:
    """Return a decimal number with the other sign."""
    return number[1:] if number.startswith("-") else f"-{number}"


def minor_units(text: str, currency: str, *, decimal_separator: str = ".", group_separator: str | None = None) -> int:
    """Return an amount in minor units of ``currency``, exactly. More decimals than it has are rejected."""
    number = decimal(text, decimal_separator=decimal_separator, group_separator=group_separator)
    integer, _, fraction = number.removeprefix("-").partition(".")
    fraction, decimals = fraction.rstrip("0"), minor_unit_digits(currency)
    if len(fraction) > decimals:
        raise BadValue("too_many_decimals", f"{currency} has {decimals} decimals; this amount has {len(fraction)}.")
    units = integer + fraction.ljust(decimals, "0")
    if len(units.lstrip("0")) > _MAX_DIGITS:
        raise BadValue("number_too_large", "This amount is too large.")
    return -int(units) if number.startswith("-") else int(units)


def integer(text: str) -> int:
    """Return a whole number."""
    if not re.fullmatch(r"[+-]?\d{1,15}", text, re.ASCII):
        raise BadValue("wrong_type", "This is not a whole number.")
    return int(text)


def boolean(text: str, true: Sequence[str], false: Sequence[str]) -> bool:
    """Return the boolean that a word means."""
    word = text.casefold()
    if word in (one.casefold() for one in true):
        return True
    if word in (one.casefold() for one in false):
        return False
    raise BadValue("bad_boolean", f"This is none of {', '.join([*true, *false])}.")


@cache
def _country_names(language: str) -> dict[str, str]:
    locale = Locale.parse(language, sep="-")
    names = {fold_for_search(name): code for code, name in locale.territories.items() if re.fullmatch("[A-Z]{2}", code)}
    return names if language.partition("-")[0] != "en" else {**_COUNTRY_ALIASES, **names}


def country(text: str, language: str = "en") -> str:
    """Return the code (ISO 3166-1) of a country that is given by its name or its code."""
    code = _country_names(language).get(fold_for_search(text))
    if code is None and re.fullmatch("[A-Za-z]{2}", text):
        code = text.upper()
    if code is None:
        raise BadValue(
            "bad_country", "No country is known by this name. Use its two-letter code, or a lookup in the mapping."
        )
    return code


def phone(text: str, region: str | None) -> str:
    """Return a phone number in E.164 form; one without a country code belongs to ``region``."""
    try:
        number = phonenumbers.parse(text, region)
    except NumberParseException:
        number = None
    # A local number without area code is useless here.
    possible = phonenumbers.ValidationResult.IS_POSSIBLE
    if number is None or phonenumbers.is_possible_number_with_reason(number) != possible:
        raise BadValue("bad_phone", "This is not a phone number. Write it with its country code.")
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def name_part(text: str, part: str) -> str:
    """Return the first or the last names in a whole name, as ``Ada Lovelace`` or ``Lovelace, Ada``."""
    last, comma, first = (piece.strip() for piece in text.partition(","))
    if not comma:
        first, _, last = (piece.strip() for piece in text.rpartition(" "))
    return first if part == "first" else last


def id_from_name(text: str, prefix: str = "") -> str:
    """Return an id (DESIGN §4) made of a name, always the same: lower case, no accents, hyphens between the words.

    Where that loses letters or digits, or the name is too long, a hash of the name follows, so that different names
    keep different ids. Names that differ only in case, accents and punctuation make the same id.
    """
    folded = fold_for_search(text).translate(_ASCII_LETTERS)
    words = re.findall("[a-z0-9]+", folded)
    made = "-".join(words)
    lost = any(letter.isalnum() and not letter.isascii() for letter in folded)
    if not lost and made and len(prefix) + len(made) <= _MAX_ID_LENGTH:
        return prefix + made
    digest = hashlib.sha256(" ".join(folded.split()).encode()).hexdigest()[:_ID_HASH_LENGTH]
    room = _MAX_ID_LENGTH - len(prefix) - _ID_HASH_LENGTH - 1
    return prefix + "-".join(part for part in (made[:room].strip("-"), digest) if part)


def plain_text(value: Any) -> str:
    """Return a value of a row as text; None is empty. Raises BadValue for lists and objects."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | dict):
        raise BadValue("wrong_type", "This is a list or an object; a single value is needed.")
    return check_text(
        value if isinstance(value, str) else format(value, "f") if not isinstance(value, int) else str(value)
    )
