"""The languages of mails, pages and documents: gettext catalogues in ``locales``, English elsewhere."""

import re
from datetime import date, datetime
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError, dates
from babel.messages import mofile, pofile
from babel.support import NullTranslations, Translations

CATALOGUES = Path(__file__).parent / "locales"
SOURCE_LANGUAGE = "en"


@cache
def supported_languages() -> tuple[str, ...]:
    """Return the languages that mails are written in."""
    return (SOURCE_LANGUAGE, *sorted(path.parent.name for path in CATALOGUES.glob("*/mails.po")))


def best_language(locale: str) -> str:
    """Return the language of the mails for a reader of ``locale`` (BCP 47): English if theirs is not known."""
    language = locale.replace("_", "-").partition("-")[0].lower()
    return language if language in supported_languages() else SOURCE_LANGUAGE


@cache
def formatting_locale(locale: str) -> Locale:
    """Return how dates, numbers and names of countries are written in the mails for a reader of ``locale``.

    Where their language is not known, that is as English does, so that a mail is of one language throughout.
    """
    language = best_language(locale)
    try:
        found = Locale.parse(locale.replace("_", "-"), sep="-")
    except (UnknownLocaleError, ValueError):
        return Locale(language)
    return found if found.language == language else Locale(language)


def format_date(value: date, width: Literal["medium", "long"], reader: Locale) -> str:
    """Return a date as the reader writes it.

    French writes the first of a month as an ordinal, "1er mars", which CLDR leaves out of its patterns.
    """
    text = str(dates.format_date(value, width, locale=reader))
    return re.sub(r"^1(?=\s)", "1er", text) if reader.language == "fr" else text


def format_time(moment: datetime, reader: Locale, time_zone: str) -> str:
    """Return the local time of day, and the city of its time zone, which people know better than an offset."""
    zone = ZoneInfo(time_zone)
    time = dates.format_time(moment.astimezone(zone), "short", tzinfo=zone, locale=reader)
    town = dates.get_timezone_location(zone, locale=reader, return_city=True) if "/" in time_zone else time_zone
    return f"{time} ({town})"


def format_moment(moment: datetime, reader: Locale, time_zone: str) -> str:
    """Return the local date and time of ``moment``, with the city of its time zone."""
    day = format_date(moment.astimezone(ZoneInfo(time_zone)), "long", reader)
    joined = str(dates.get_datetime_format("long", locale=reader)).replace("'", "")
    return joined.replace("{1}", day).replace("{0}", format_time(moment, reader, time_zone))


@cache
def load_catalogue(language: str) -> NullTranslations:
    """Return the translations into ``language``, read from its catalogue once."""
    return read_catalogue("mails", language)


def read_catalogue(domain: str, language: str) -> NullTranslations:
    """Return the translations of ``domain`` (mails, pages, documents) into ``language``; English needs none."""
    if language == SOURCE_LANGUAGE:
        return NullTranslations()
    with (CATALOGUES / language / f"{domain}.po").open("rb") as file:
        entries = pofile.read_po(file, locale=language)
    compiled = BytesIO()
    mofile.write_mo(compiled, entries)
    compiled.seek(0)
    return Translations(compiled)
