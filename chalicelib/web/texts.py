"""The languages of the pages: as the browser asks, else as the issuing entity speaks, else English."""

from functools import cache

from babel.support import NullTranslations

from chalicelib import languages

_MAX_LANGUAGES = 20


def parse_accept_language(header: str | None) -> tuple[str, ...]:
    """Return the languages of an ``Accept-Language``, the best first."""
    weighed = []
    for place, part in enumerate((header or "").split(",")[:_MAX_LANGUAGES]):
        tag, _, parameter = part.strip().partition(";")
        try:
            weight = float(parameter.strip().removeprefix("q=")) if parameter else 1.0
        except ValueError:
            continue
        if tag and tag != "*" and 0 < weight <= 1:
            weighed.append((-weight, place, tag.strip()))
    return tuple(tag for _, _, tag in sorted(weighed))


def choose_page_locale(wanted: tuple[str, ...], otherwise: str) -> str:
    """Return the locale of a page: the first of ``wanted`` whose language is known, else ``otherwise``."""
    for tag in wanted:
        if tag.replace("_", "-").partition("-")[0].lower() in languages.supported_languages():
            return tag
    return otherwise


@cache
def page_translations(language: str) -> NullTranslations:
    """Return the translations of the pages into ``language``."""
    return languages.read_catalogue("pages", language)
