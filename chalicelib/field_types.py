"""The kinds of fields that callers send: checked and brought into one form, wherever they come from.

Used by the models of the API and, through the same models, by imports. Each refusal says the way out.
"""

import re
import unicodedata
from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import cache
from importlib import resources
from typing import Annotated, Any

import phonenumbers
from babel import Locale, UnknownLocaleError
from babel.core import get_global
from email_validator import EmailNotValidError, validate_email
from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError
from stdnum import bic, iban
from stdnum.exceptions import ValidationError as NumberError

from chalicelib.ids import CONTACT_PREFIX, VENDOR_ID_PATTERN
from chalicelib.tax_numbers import compact_european_number, is_placeholder

_DIRECTION_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_UNITS_OF_ACCOUNT = frozenset({"BOV", "CHE", "CHW", "CLF", "COU", "MXV", "USN", "UYI", "UYW"})
_SUBDIVISION = re.compile(r"[A-Z]{2}-[A-Z0-9]{1,3}")
_COLOUR = re.compile(r"#[0-9A-Fa-f]{6}")
_WEB_URL = re.compile(r"https?://[^\s\x00-\x1f\"<>\\]+")
_MAX_EMAIL_LENGTH = 254
_MAX_LOCAL_PART_LENGTH = 64
# "%" and "!" route in some mail servers (RFC 5321 §3.6.1, appendix F.2), "|" and "`" name programs, and "=?" begins an
# encoded-word (RFC 2047), which some programs decode within an address.
_AMBIGUOUS_LOCAL_PART = re.compile(r"[%!|`]|=\?|\?=")
_WEB_ADDRESS = re.compile(r"\b[a-z][a-z0-9+.-]*://|\bwww\.", re.IGNORECASE)
_ENCODED_WORD = re.compile(r"=\?[^?]*\?[bq]\?.*?\?=", re.IGNORECASE)
_LOCALE = re.compile(r"(?!und)[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class Body(BaseModel):
    """What a caller sends: strict types, unknown fields refused."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)

    def given(self) -> dict[str, Any]:
        """Return the fields that the caller sent, null included; what is absent stays unchanged (DESIGN §5).

        Within a field, such as an address, nothing is absent: it is sent as a whole.
        """
        whole = self.model_dump()
        return {name: whole[name] for name in sorted(self.model_fields_set)}


def normalise_text(value: str) -> str:
    """Return the text in NFC without white space around it. Refuses control and direction-changing characters.

    Directions of right-to-left names come from their letters; explicit embeddings only serve to mislead. So do
    encoded-words (RFC 2047), which a mail program would decode into something else than we show.
    """
    tidy = unicodedata.normalize("NFC", value).strip()
    for character in tidy:
        if unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} or character in _DIRECTION_CONTROLS:
            raise PydanticCustomError(
                "bad_character", "This holds a control character, which no name or line may. Remove it."
            )
    if _ENCODED_WORD.search(tidy):
        raise PydanticCustomError(
            "encoded_word", "This holds text in the encoding of email headers (=?…?=). Write the text itself."
        )
    return tidy


def find_web_address(text: str) -> str | None:
    """Return the beginning of the first web address in a text, as mail programs find and link it; None without one."""
    found = _WEB_ADDRESS.search(text)
    return found.group() if found else None


def _refuse_web_address(value: str) -> str:
    if find_web_address(value):
        raise PydanticCustomError("address_in_name", "A name holds no web address. Leave it out.")
    return value


def normalise_paragraphs(value: str) -> str:
    """Return a text of several lines, each as ``tidy_text`` has it, and its paragraphs parted by one blank line."""
    lines = [normalise_text(line) for line in value.replace("\r\n", "\n").split("\n")]
    return re.sub("\n{3,}", "\n\n", "\n".join(lines)).strip("\n")


def normalise_email(value: str) -> str:
    """Return the one form of an email address: ASCII local part, IDNA A-label, lower case.

    What is returned is exactly what mail is sent to, so two spellings cannot be two people. Refuses what another
    program may read as another address: encoded-words and the routes of old, ``a%b@c`` and ``a!b@c``.
    """
    try:
        found = validate_email(
            value.strip(), check_deliverability=False, allow_smtputf8=False, allow_quoted_local=False
        )
    except EmailNotValidError:
        raise PydanticCustomError(
            "bad_email", "This is not a valid email address. Write it as name@example.com."
        ) from None
    if _AMBIGUOUS_LOCAL_PART.search(found.local_part):
        raise PydanticCustomError(
            "ambiguous_email",
            "An email address has none of % ! | ` =? or ?= before the @: email programs read them in "
            "different ways. Send another address of this person.",
        )
    address = f"{found.local_part}@{found.ascii_domain}".lower()
    if len(address) > _MAX_EMAIL_LENGTH or len(found.local_part) > _MAX_LOCAL_PART_LENGTH:
        raise PydanticCustomError(
            "bad_email", "An email address has at most 254 characters, and at most 64 of them before the @."
        )
    return address


def normalise_phone(value: str) -> str:
    """Return a phone number in E.164 form. It must come with its country code, and with nothing that would be lost.

    The parser would find a number in any text, turn letters into digits and keep an extension apart.
    """
    try:
        number = phonenumbers.parse(value, None)
    except phonenumbers.NumberParseException:
        number = None
    lost = any(character.isalpha() or character in ";=#*" for character in value)
    if number is None or lost or number.extension or not phonenumbers.is_possible_number(number):
        raise PydanticCustomError(
            "bad_phone", "This is not a phone number with its country code. Write it as +49 30 1234567."
        )
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


@cache
def _country_codes() -> frozenset[str]:
    not_countries = {"EU", "EZ", "UN", "ZZ", "QO", "XA", "XB"}
    return frozenset(
        code
        for code in map(str, Locale("en").territories)
        if re.fullmatch("[A-Z]{2}", code) and code not in not_countries
    )


@cache
def _currency_codes() -> frozenset[str]:
    """Return the codes of currencies in use, and of the units of account that invoices are written in."""
    uses = (use for of_territory in get_global("territory_currencies").values() for use in of_territory)
    in_use = {code for code, _, until, is_tender in uses if until is None and is_tender}
    return frozenset(in_use) | _UNITS_OF_ACCOUNT


def _parse_country(value: str) -> str:
    if not value.isascii() or value.upper() not in _country_codes():
        raise PydanticCustomError("bad_country", "Send the two-letter code of a country (ISO 3166-1), such as DE.")
    return value.upper()


def _parse_subdivision(value: str) -> str:
    if (
        not value.isascii()
        or _SUBDIVISION.fullmatch(value.upper()) is None
        or value[:2].upper() not in _country_codes()
    ):
        raise PydanticCustomError("bad_subdivision", "Send the code of a subdivision (ISO 3166-2), such as US-CA.")
    return value.upper()


def _parse_currency(value: str) -> str:
    if not value.isascii() or value.upper() not in _currency_codes():
        raise PydanticCustomError("bad_currency", "Send the code of a currency in use (ISO 4217), such as EUR.")
    return value.upper()


def _parse_locale(value: str) -> str:
    try:
        if _LOCALE.fullmatch(value) is None:
            raise ValueError
        return str(Locale.parse(value.replace("_", "-"), sep="-")).replace("_", "-")
    except (UnknownLocaleError, ValueError, TypeError):
        raise PydanticCustomError("bad_locale", "Send a language tag (BCP 47), such as en-GB or de.") from None


@cache
def _time_zone_names() -> frozenset[str]:
    """Return the names of the IANA list, from its package: what a machine calls its own zone is none of them.

    ``Factory`` is in the list as the placeholder of a machine whose zone nobody has set.
    """
    names = resources.files("tzdata").joinpath("zones").read_text(encoding="ascii").split()
    return frozenset(names) - {"Factory"}


def _check_time_zone(value: str) -> str:
    if value not in _time_zone_names():
        raise PydanticCustomError("bad_time_zone", "Send a time zone of the IANA list, such as Europe/Berlin.")
    return value


def pattern_validator(pattern: re.Pattern[str], code: str, message: str) -> Callable[[str], str]:
    """Return a check that a text has the form of ``pattern`` as a whole, with the refusal of one that has not."""

    def check(value: str) -> str:
        if pattern.fullmatch(value) is None:
            raise PydanticCustomError(code, message)
        return value

    return check


def _check_not_placeholder(value: str) -> str:
    if is_placeholder(value):
        raise PydanticCustomError(
            "placeholder", "This stands for no number. Send the number itself, or leave it out; null clears it."
        )
    return value


def _tidy_vat_number(value: str) -> str:
    """Return a European VAT number with its letters and without separators, any other as it is sent.

    Whether it is valid depends on the country of the address, which the use case knows.
    """
    tidy = " ".join(value.upper().split())
    return compact_european_number(tidy) or tidy


def _number_validator(module: Any, code: str, message: str) -> Callable[[str], str]:
    def check(value: str) -> str:
        try:
            return str(module.validate(value))
        except NumberError:
            raise PydanticCustomError(code, message) from None

    return check


def _parse_date(value: Any) -> Any:
    # Pydantic itself would take a text of digits for seconds since 1970.
    if not isinstance(value, str):
        return value
    try:
        if _DATE.fullmatch(value) is None:
            raise ValueError
        return date.fromisoformat(value)
    except ValueError:
        raise PydanticCustomError("bad_date", "Send a date such as 2026-01-31.") from None


def require_not_blank(value: str) -> str:
    """Return the text. Refuses one that has nothing to be seen."""
    if all(unicodedata.category(character) in {"Cf", "Zs"} for character in value):
        raise PydanticCustomError("blank", "This is blank. Send null to clear it.")
    return value


_AnyText = Annotated[str, StringConstraints(max_length=320)]
ShortText = Annotated[
    str, StringConstraints(max_length=64), AfterValidator(normalise_text), AfterValidator(require_not_blank)
]
SingleLineText = Annotated[
    str, StringConstraints(max_length=200), AfterValidator(normalise_text), AfterValidator(require_not_blank)
]
NameText = Annotated[SingleLineText, AfterValidator(_refuse_web_address)]
"""A name of a person or of their company, which is printed in emails (A13)."""
EmailAddress = Annotated[_AnyText, AfterValidator(normalise_email), Field(json_schema_extra={"format": "email"})]
Phone = Annotated[str, StringConstraints(max_length=64), AfterValidator(normalise_phone)]
Country = Annotated[ShortText, AfterValidator(_parse_country)]
Subdivision = Annotated[ShortText, AfterValidator(_parse_subdivision)]
Currency = Annotated[ShortText, AfterValidator(_parse_currency)]
LocaleTag = Annotated[ShortText, AfterValidator(_parse_locale)]
TimeZone = Annotated[ShortText, AfterValidator(_check_time_zone)]
OfficialNumber = Annotated[ShortText, AfterValidator(_check_not_placeholder)]
"""A number that an authority has given: of a tax, or in a register."""
VatNumber = Annotated[OfficialNumber, AfterValidator(_tidy_vat_number)]
VendorId = Annotated[
    ShortText,
    AfterValidator(
        pattern_validator(
            VENDOR_ID_PATTERN,
            "bad_id",
            "An id has 1 to 64 letters, digits, dots, hyphens and underscores, and begins with a letter or digit.",
        )
    ),
]
ContactId = Annotated[
    ShortText,
    AfterValidator(
        pattern_validator(
            re.compile(re.escape(CONTACT_PREFIX) + "[0-9A-HJKMNP-TV-Z]{26}"),
            "bad_id",
            "This is not the id of a contact. Read it from the account's contacts.",
        )
    ),
]
Colour = Annotated[
    ShortText, AfterValidator(pattern_validator(_COLOUR, "bad_colour", "Send a colour as #rrggbb, such as #0b5fff."))
]
WebUrl = Annotated[
    SingleLineText,
    AfterValidator(pattern_validator(_WEB_URL, "bad_link", "Send an address that begins with https:// or http://.")),
]
Iban = Annotated[
    ShortText,
    AfterValidator(_number_validator(iban, "bad_iban", "This is not a valid IBAN. Compare it with the bank's.")),
]
Bic = Annotated[
    ShortText, AfterValidator(_number_validator(bic, "bad_bic", "This is not a valid BIC. It has 8 or 11 characters."))
]
CalendarDate = Annotated[date, BeforeValidator(_parse_date), Field(ge=date(1900, 1, 1), le=date(9999, 12, 31))]
Instant = Annotated[AwareDatetime, Field(ge=datetime(1900, 1, 1, tzinfo=UTC), lt=datetime(3000, 1, 1, tzinfo=UTC))]
"""A day either way, as time zones ask for, is still a date."""


class AddressBody(Body):
    """A postal address."""

    line1: SingleLineText | None = None
    line2: SingleLineText | None = None
    city: SingleLineText | None = None
    region: SingleLineText | None = None
    postal_code: ShortText | None = None
    country: Country | None = None
