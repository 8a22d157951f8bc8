"""Dates and times in emails, as their reader writes them."""

from datetime import UTC, date, datetime

import pytest
from babel import Locale

from chalicelib import languages

MOMENT = datetime(2026, 3, 1, 22, 40, tzinfo=UTC)


@pytest.mark.parametrize(
    ("locale", "time_zone", "shown"),
    [
        ("en-GB", "Europe/Berlin", "1 March 2026, 23:40 (Berlin)"),
        ("en-US", "America/New_York", "March 1, 2026, 5:40\u202fPM (New York)"),
        ("de", "Europe/Berlin", "1. März 2026, 23:40 (Berlin)"),
        ("fr", "Europe/Paris", "1er mars 2026, 23:40 (Paris)"),
        ("de", "UTC", "1. März 2026, 22:40 (UTC)"),
    ],
)
def test_a_moment_is_local_and_names_its_place(locale: str, time_zone: str, shown: str) -> None:
    assert languages.format_moment(MOMENT, languages.formatting_locale(locale), time_zone) == shown


@pytest.mark.parametrize(
    ("day", "locale", "shown"),
    [
        (date(2026, 3, 1), "fr", "1er mars 2026"),
        (date(2026, 3, 1), "fr_CA", "1er mars 2026"),
        (date(2026, 3, 11), "fr", "11 mars 2026"),
        (date(2026, 3, 21), "fr", "21 mars 2026"),
        (date(2026, 3, 1), "es", "1 de marzo de 2026"),
    ],
)
def test_the_first_of_a_month_is_an_ordinal_in_french(day: date, locale: str, shown: str) -> None:
    assert languages.format_date(day, "long", Locale.parse(locale)) == shown


def test_a_short_date_has_the_ordinal_too() -> None:
    assert languages.format_date(date(2026, 1, 1), "medium", Locale("fr")) == "1er janv. 2026"
