"""Tax numbers of all countries: what is no number at all, and what its country's rules refuse.

The country is named by the letters that the number begins with, or by the address of whoever has it. Where
python-stdnum knows the numbers of that country, it decides; elsewhere a number is taken as it is sent.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING

from babel import Locale
from stdnum import get_cc_module
from stdnum.exceptions import InvalidChecksum, InvalidComponent, InvalidLength, ValidationError

if TYPE_CHECKING:
    from stdnum.util import NumberValidationModule

_COUNTRY_BY_LETTERS = {"EL": "GR", "XI": "GB"}
"""Greece and Northern Ireland have letters of their own for VAT."""
_ONE_STOP_SHOP = "EU"
"""What the numbers of sellers from outside the European Union begin with, beside IM (one-stop shop)."""
_EUROPEAN = frozenset(
    ["AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GB", "GR", "HR", "HU", "IE", "IT", "LT", "LU",
     "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK"]
)  # fmt: skip
"""Countries whose VAT numbers bear the country's letters across borders."""
_COMPACT = _EUROPEAN | {"CH", "NO"}
_FURTHER_KINDS = {
    "AR": ("dni",), "AT": ("tin",), "AU": ("acn", "tfn"), "BE": ("nn", "bis"), "BR": ("cpf",), "CH": ("vat", "uid"),
    "CN": ("ric",), "CR": ("cpf", "cr"), "DE": ("stnr", "idnr"), "DO": ("cedula",), "EC": ("ci",),
    "ES": ("cif", "dni", "nie"), "FI": ("ytunnus", "veronumero"), "FR": ("siren", "siret", "nif"), "GB": ("utr",),
    "ID": ("nik",), "IL": ("idnr",), "IN": ("pan",), "IS": ("kennitala",), "IT": ("codicefiscale",), "LI": ("peid",),
    "NL": ("bsn",), "NO": ("orgnr",), "PE": ("cui",), "PL": ("regon", "pesel"), "RO": ("cui", "cnp"),
    "RU": ("ogrn",), "SE": ("orgnr", "personnummer"), "TH": ("tin", "pin"), "TR": ("tckimlik",),
}  # fmt: skip
"""Modules of python-stdnum, beside a country's ``vat``, whose numbers businesses give as their tax number too."""
_UNKNOWN_TO_LIBRARY = {
    "CA": re.compile(r"\d{10}TQ\d{4}"),  # The sales tax of Québec.
    "GH": re.compile(r"GHA\d{10}"),  # The number of the Ghana Card, which serves as tax number since 2021.
    "JP": re.compile(r"T(?P<number>\d{13})"),  # The number of an issuer of qualified invoices.
}
"""Forms in use that python-stdnum does not know; a group ``number`` is what it does."""
_BEGIN_WITH_LETTERS = (("MX", "rfc"), ("IT", "codicefiscale"), ("IN", "pan"), ("BY", "unp"))
"""Numbers that begin with letters, as of a name, which may read as those of a country."""
_VAT_KINDS = (
    "vat", "ustid", "mwst", "tva", "iva", "piva", "partitaiva", "btw", "moms", "mva", "uid", "alv", "nif", "cif", "nip",
    "dic", "icdph", "oib", "afm", "kmkr", "pvn", "pvm",
)  # fmt: skip
"""Prefixes, in lower case, of the kinds of tax numbers that may be the VAT number."""
_KIND = re.compile(
    r"(VAT|TVA|IVA|BTW|MWST|UST|MOMS|GSTIN|GST|TIN|EIN|RFC|NIF|CIF|NIT|RUT|RUC|RIF|CUIT|CNPJ|CPF|ABN|ACN|UID|NIP|REGON"
    r"|SIREN|SIRET|INN|KPP|OGRN|CRN|HRA|HRB|PAN|UEN|IRD|OIB|PIB|DIC|ICO)"
    r"(-?ID)?(-?N[OR])?[\s.:#-]*(?=[A-Z]{0,4}[\s.-]*\d)"
)
"""The name of the kind of number before it, whose letters are none of a country."""
_SEPARATORS = re.compile(r"[^0-9A-Z]")
_ONE_DIGIT_REPEATED = re.compile(r"(\d)\1{4,}")


def is_placeholder(number: str) -> bool:
    """Tell whether a text stands for no number: it has no digit, or none but zeros, as ``n/a``, ``tbd`` and ``000``.

    An Italian tax code may have letters in place of all its digits.
    """
    text = _fold(number)
    return not any(character in "123456789" for character in text) and not _begins_with_name(text)


def is_vat_kind(kind: str) -> bool:
    """Tell whether the kind of a tax number, in any language, is that of the VAT."""
    letters = "".join(one for one in unicodedata.normalize("NFKD", kind).lower() if "a" <= one <= "z")
    return letters.startswith(_VAT_KINDS)


def compact_european_number(number: str) -> str | None:
    """Return a valid VAT number of a European country with its letters and without separators.

    None for any other number.
    """
    text = _fold(number)
    country = _country_of_letters(text)
    if country not in _COMPACT:
        return None
    for candidate in _without_letters(text):
        checked = _validated(country, "vat", candidate)
        if checked is not None:
            return text[:2] + checked.removeprefix(text[:2]).removeprefix(country)
    return None


def vat_number_with_letters(number: str, country: str | None) -> str | None:
    """Return a VAT number without separators if it begins with the letters of the country that gave it, else None.

    ``country`` is that of the address. Letters that begin its tax numbers otherwise, as in a Mexican RFC, are none.
    """
    text = _without_kind(_fold(number))
    compact = _SEPARATORS.sub("", text)
    named = _COUNTRY_BY_LETTERS.get(compact[:2], compact[:2])
    if len(compact) < 3 or named not in Locale("en").territories or not named.isalpha():
        return None
    if _is_known(named):
        return compact if _judge(named, text) is None else None
    return compact if named == country or not _begins_with_name(text) else None


def find_tax_number_fault(number: str, country: str | None) -> str | None:
    """Return why a tax number is not valid, and the way out, or None when it is valid or its country's are not known.

    ``country`` is the ISO 3166-1 code of the address, if there is one. Letters of a country, and its name for the kind
    of number, may stand before it; spaces, dots and hyphens anywhere.
    """
    text = _without_kind(_fold(number))
    if _ONE_DIGIT_REPEATED.fullmatch(_SEPARATORS.sub("", text)):
        # As a registration number it may be one; as a tax number only where the check digits say so.
        if country is not None and _is_known(country) and _judge(country, text) is None:
            return None
        return "This stands for no tax number: it is one digit, repeated. Send the number itself, or leave it out."
    named = _country_of_letters(text)
    refusals: list[tuple[str, ValidationError]] = []
    if named == _ONE_STOP_SHOP:
        refusal = _first_refusal(_modules("EU", ("oss", "vat")), [text])
        return _describe("the European Union", refusal, by_letters=True) if refusal else None
    if named is not None:
        refusal = _judge(named, text)
        if refusal is None:
            return None
        strict = country in (None, named) or (named in _EUROPEAN and country in _EUROPEAN)
        if strict or _has_right_form(refusal):
            refusals.append((named, refusal))
    if country is None:
        if _begins_with_name(text):
            return None
    elif country != named:
        if not _is_known(country):
            return None
        refusal = _judge(country, text)
        if refusal is None:
            return None
        if _has_right_form(refusal):
            refusals.append((country, refusal))
    for refusing, refusal in refusals:
        return _describe(_country_name(refusing), refusal, by_letters=refusing == named)
    return None


def find_number_of_kind_fault(kind: str, number: str, country: str | None) -> str | None:
    """Return why a number whose kind is named, such as EIN or ABN, is not valid; None for a kind that is not known.

    The kind is looked up among those that python-stdnum has for the country of the address.
    """
    name = "".join(letter for letter in kind.lower() if letter.isalnum())
    modules = _modules(country, (name,)) if country else ()
    if country is None or not modules:
        return None
    refusal = _first_refusal(modules, list(_without_letters(_fold(number))))
    return _describe(_country_name(country), refusal, kind=kind) if refusal else None


def _fold(number: str) -> str:
    # Digits of other scripts and full width become plain ones.
    plain = "".join(str(int(one)) if one.isdecimal() else one for one in number)
    return " ".join(plain.upper().split())


def _without_kind(text: str) -> str:
    kind = _KIND.match(text)
    return text[kind.end() :] if kind else text


def _country_of_letters(text: str) -> str | None:
    """Return the country that a number names by its first letters, if python-stdnum knows its numbers."""
    if not re.match(r"[A-Z]{2}", text):
        return None
    if text[:2] == _ONE_STOP_SHOP:
        return _ONE_STOP_SHOP if re.match(r"[\s.-]*\d", text[2:]) else None
    country = _COUNTRY_BY_LETTERS.get(text[:2], text[:2])
    return country if _is_known(country) else None


@cache
def _modules(country: str, names: tuple[str, ...]) -> "tuple[NumberValidationModule, ...]":
    found = (get_cc_module(country.lower(), name) for name in names)
    return tuple(module for module in found if module is not None and hasattr(module, "validate"))


def _is_known(country: str) -> bool:
    return bool(_modules(country, ("vat",)))


def _without_letters(text: str) -> Iterator[str]:
    """Yield the forms in which a number may be read: as it stands, and without the letters of the country."""
    yield text
    if re.match("[A-Z]{2}", text):
        yield text[2:].strip(" .:-/")


def _judge(country: str, text: str) -> ValidationError | None:
    """Return why the rules of a country refuse a number, or None if they accept it."""
    named = _COUNTRY_BY_LETTERS.get(text[:2], text[:2]) == country
    texts = list(_without_letters(text)) if named else [text]
    further = _UNKNOWN_TO_LIBRARY.get(country)
    for one in tuple(texts):
        match = further.fullmatch(_SEPARATORS.sub("", one)) if further else None
        if match:
            inner = match.groupdict().get("number")
            if inner is None:
                return None
            texts.append(inner)
    # Without check digits, such numbers would make a mistyped VAT number valid.
    further_kinds = (kind for kind in _FURTHER_KINDS.get(country, ()) if not (named and kind == "stnr"))
    return _first_refusal(_modules(country, ("vat", *further_kinds)), texts)


def _first_refusal(modules: "Sequence[NumberValidationModule]", texts: Sequence[str]) -> ValidationError | None:
    """Return None when one of the modules accepts one of the texts, else the refusal that says most."""
    refusals = []
    for module in modules:
        for text in texts:
            try:
                module.validate(text)
            except ValidationError as refusal:
                refusals.append(refusal)
            else:
                return None
    return max(refusals, key=_has_right_form)


def _validated(country: str, kind: str, text: str) -> str | None:
    try:
        return str(_modules(country, (kind,))[0].validate(text)).upper()
    except ValidationError:
        return None


def _has_right_form(refusal: ValidationError) -> bool:
    return isinstance(refusal, InvalidChecksum | InvalidComponent)


def _begins_with_name(text: str) -> bool:
    if not re.match("(?!CHE)[A-Z]{2}", text):
        return False
    return any(_validated(country, kind, text) is not None for country, kind in _BEGIN_WITH_LETTERS)


def _country_name(country: str) -> str:
    return str(Locale("en").territories.get(country, country))


def _describe(country: str, refusal: ValidationError, *, by_letters: bool = False, kind: str = "tax number") -> str:
    reasons = {
        InvalidChecksum: "its check digits do not fit",
        InvalidComponent: "a part of it, such as a date or a place, does not exist",
        InvalidLength: "it has too few or too many characters",
    }
    reason = reasons.get(type(refusal), "it is written in another form")
    source = "letters that it begins with" if by_letters else "address"
    return (
        f"This is not a valid {kind} of {country}, the country of the {source}: {reason}. Compare it with the "
        "register, or leave it out. If another country has given it, send that country in the address, or its letters "
        "before the number."
    )
