"""The forms of replies to a reminder, with the field types of the API; amounts as their reader writes them."""

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Literal, get_args

from babel import numbers

from chalicelib import languages, money
from chalicelib.field_types import CalendarDate, ShortText
from chalicelib.invoices.inputs import Description, DisputeReason
from chalicelib.invoices.rules import Invoice
from chalicelib.web import Form

DISPUTE_REASONS = get_args(DisputeReason)
MAX_LENGTHS = {"note": 1000, "reference": 64}


class PaidForm(Form):
    """When it was paid, and what the payer stated."""

    on: CalendarDate
    reference: ShortText | None = None


class PromisedForm(Form):
    """When it will be paid."""

    on: CalendarDate


class ProblemForm(Form):
    """What is wrong."""

    reason: DisputeReason
    note: Description | None = None


class SendForm(Form):
    """To whom the invoices are sent again."""

    to: Literal["me", "invoicing"]


class NotMeForm(Form):
    """What the reader tells of who it is for."""

    note: Description | None = None


class BadFormField(Exception):
    """A field cannot be accepted; the message is its name."""


def list_ticked(typed: Mapping[str, str], prefix: str, names: Iterable[str]) -> list[str]:
    """Return those of ``names`` whose box, named ``prefix`` and the name, is ticked."""
    return [name for name in names if f"{prefix}-{name}" in typed]


def parse_disputed_amount(typed_amount: str, invoice: Invoice, locale: str) -> int | None:
    """Return the disputed amount in minor units, as readers of ``locale`` write amounts; None for an empty field.

    Raises BadFormField for what is no amount, or more than the invoice's total.
    """
    typed = typed_amount.replace(invoice.currency, "").strip()
    if not typed:
        return None
    digits = money.minor_unit_digits(invoice.currency)
    if any(character.isalpha() for character in typed):
        raise BadFormField("amount")
    try:
        plain = re.fullmatch(rf"[0-9]{{1,15}}([.,][0-9]{{1,{max(digits, 1)}}})?", typed)
        if plain:
            found = Decimal(typed.replace(",", "."))
        else:
            found = numbers.parse_decimal(typed, locale=languages.formatting_locale(locale), strict=True)
        minor = found.scaleb(digits)
    except (numbers.NumberFormatError, InvalidOperation):
        raise BadFormField("amount") from None
    if not minor.is_finite() or minor != minor.to_integral_value() or not 0 < minor <= invoice.total:
        raise BadFormField("amount")
    return int(minor)
