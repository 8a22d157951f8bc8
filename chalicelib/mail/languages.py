"""The languages of the mails: gettext catalogues beside this file, English where a language is not among them."""

from functools import cache
from io import BytesIO
from pathlib import Path

from babel import Locale, UnknownLocaleError
from babel.messages import mofile, pofile
from babel.support import NullTranslations, Translations

CATALOGUES = Path(__file__).parent / "locales"
SOURCE = "en"


@cache
def known() -> tuple[str, ...]:
    """Return the languages that mails are written in."""
    return (SOURCE, *sorted(path.parent.name for path in CATALOGUES.glob("*/mails.po")))


def best(locale: str) -> str:
    """Return the language of the mails for a reader of ``locale`` (BCP 47): English if theirs is not known."""
    language = locale.replace("_", "-").partition("-")[0].lower()
    return language if language in known() else SOURCE


@cache
def formats(locale: str) -> Locale:
    """Return how dates, numbers and names of countries are written in the mails for a reader of ``locale``.

    Where their language is not known, that is as English does, so that a mail is of one language throughout.
    """
    language = best(locale)
    try:
        found = Locale.parse(locale.replace("_", "-"), sep="-")
    except (UnknownLocaleError, ValueError):
        return Locale(language)
    return found if found.language == language else Locale(language)


@cache
def catalogue(language: str) -> NullTranslations:
    """Return the translations into ``language``, read from its catalogue once."""
    return read(CATALOGUES / language / "mails.po", language)


def read(path: Path, language: str) -> NullTranslations:
    """Return the translations in the catalogue at ``path``; English needs none."""
    if language == SOURCE:
        return NullTranslations()
    with path.open("rb") as file:
        entries = pofile.read_po(file, locale=language)
    compiled = BytesIO()
    mofile.write_mo(compiled, entries)
    compiled.seek(0)
    return Translations(compiled)
