"""Amounts, days and texts as people type them into replies."""

from dataclasses import dataclass
from datetime import date
from typing import Any

import pytest

from chalicelib.errors import InvalidInput
from chalicelib.portal import reply_forms
from chalicelib.portal.reply_forms import BadFormField, NotMeForm, PaidForm
from chalicelib.web.forms import validate_form


@dataclass
class Of:
    currency: str = "EUR"
    total: int = 500_000


def amount(typed: str, locale: str = "en", **of: Any) -> int | None:
    return reply_forms.parse_disputed_amount(typed, Of(**of), locale)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("typed", "locale", "currency", "found"),
    [
        ("12.50", "en", "EUR", 1250), ("12,50", "en", "EUR", 1250), ("12.5", "de", "EUR", 1250),
        ("1,234.56", "en", "EUR", 123456), ("1.234,56", "de", "EUR", 123456), ("1,234", "en", "EUR", 123400),
        ("EUR 12", "en", "EUR", 1200), ("  ", "en", "EUR", None), ("1200", "ja", "JPY", 1200),
        ("1.234", "en", "KWD", 1234), ("5000", "en", "EUR", 500_000),
    ],
)  # fmt: skip
def test_amounts(typed: str, locale: str, currency: str, found: int | None) -> None:
    assert amount(typed, locale, currency=currency) == found


@pytest.mark.parametrize(
    ("typed", "currency"),
    [("x", "EUR"), ("0", "EUR"), ("-1", "EUR"), ("5000.01", "EUR"), ("1.5", "JPY"), ("NaN", "EUR"), ("Infinity", "EUR"),
     ("1e3", "EUR"), ("9" * 32, "EUR"), ("1.23,45", "EUR"), ("12,34.50", "EUR")],
)  # fmt: skip
def test_what_is_no_amount(typed: str, currency: str) -> None:
    with pytest.raises(BadFormField, match="amount"):
        amount(typed, currency=currency)


def test_days_and_texts() -> None:
    assert validate_form(PaidForm, {"on": "2026-02-28", "reference": " a  "}) == PaidForm(
        on=date(2026, 2, 28), reference="a"
    )
    for typed in ("", "2026-02-30", "28.2.2026", "1772236800"):
        with pytest.raises(InvalidInput) as refused:
            validate_form(PaidForm, {"on": typed})
        assert [one.field for one in refused.value.fields] == ["on"]
    assert validate_form(NotMeForm, {"note": " a\r\n b "}).note == "a\n b"
    assert validate_form(NotMeForm, {"note": ""}).note is None
    assert validate_form(NotMeForm, {"note": "\u202egnp\x07"}).note == "gnp"
    with pytest.raises(InvalidInput):
        validate_form(NotMeForm, {"note": "x" * 1001})
    for typed in ("\u202egnp", "\x07", "x" * 65):
        with pytest.raises(InvalidInput):
            validate_form(PaidForm, {"on": "2026-02-28", "reference": typed})
