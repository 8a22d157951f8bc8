"""The order of invoices in emails and pages."""

from dataclasses import dataclass
from datetime import date
from typing import Any, cast

import pytest

from chalicelib.reminders.run.rules import invoice_sort_key


@dataclass
class Told:
    """What of an invoice its place depends on."""

    number: str
    due_date: date | None = date(2026, 3, 10)


def ordered(*invoices: Told) -> list[str]:
    return [one.number for one in sorted(invoices, key=lambda one: invoice_sort_key(cast(Any, one)))]


@pytest.mark.parametrize(
    "numbers",
    [
        ["R0-2", "R0-10", "R1-1"],
        ["2", "10", "A", "A1", "A1B", "A2"],
        ["07", "7", "08"],
        ["INV-2026-9", "INV-2026-10", "INV-2027-1"],
    ],
)
def test_digits_count_as_numbers(numbers: list[str]) -> None:
    assert ordered(*map(Told, reversed(numbers))) == numbers


def test_what_is_due_first_comes_first() -> None:
    told = [Told("A1", None), Told("A3", date(2026, 3, 10)), Told("A10", date(2026, 3, 9))]
    assert ordered(*told) == ["A10", "A3", "A1"]
