"""The forms of replies to a reminder, parsed strictly."""

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal, InvalidOperation

from babel import numbers

from chalicelib import field_types, languages, money
from chalicelib.invoices.rules import Invoice

DISPUTE_REASONS = ("amount", "quantity", "quality", "not_ordered", "not_received", "duplicate", "tax", "other")
MAX_LENGTHS = {"note": 1000, "reference": 64}


class BadFormField(Exception):
    """A field cannot be accepted; the message is its name."""


def parse_reply_day(form: Mapping[str, str]) -> date:
    """Return the day ``on``. Raises BadFormField."""
    try:
        return date.fromisoformat(form.get("on", ""))
    except ValueError:
        raise BadFormField("on") from None


def parse_reply_text(form: Mapping[str, str], name: str) -> str | None:
    """Return the text as one line, None for an empty field. Raises BadFormField."""
    try:
        line = field_types.normalise_text(" ".join(form.get(name, "").split()))
    except ValueError:
        raise BadFormField(name) from None
    if len(line) > MAX_LENGTHS[name]:
        raise BadFormField(name)
    return line or None


def parse_disputed_amount(form: Mapping[str, str], invoice: Invoice, locale: str) -> int | None:
    """Return the disputed amount in minor units, as readers of ``locale`` write amounts; None for an empty field.

    Raises BadFormField for what is no amount, or more than the invoice's total.
    """
    typed = form.get("amount", "").replace(invoice.currency, "").strip()
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
