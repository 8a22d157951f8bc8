"""Invoice lines as data for the template: columns, rows with carried totals, and the totals."""

from string import ascii_uppercase
from typing import Any

from chalicelib.documents import printable_text
from chalicelib.documents.reader_locale import Localiser
from chalicelib.invoices.rules import CREDIT_NOTE, Content, Line, Tax, TaxTotal


def lay_out_lines(content: Content, words: Localiser) -> dict[str, Any]:
    """Return the table of lines as template data.

    Columns that no line needs are omitted. Each row has the sum up to it, which a page carries forward.
    """
    columns = _columns(content, words)
    rows = []
    running = 0
    for line in content.lines:
        running += line.net_amount
        rows.append(
            {
                "description": printable_text.split_lines(line.description) or ["…"],
                "details": _details(line, words),
                "cells": [cell for name, cell in _cells(line, content, words).items() if name in columns],
                "running": words.amount(running, content.currency),
            }
        )
    return {
        "columns": [
            {"label": label, "reads": "words" if name == "description" else "numbers"}
            for name, label in columns.items()
        ],
        "rows": rows,
        "brought": words.say("Brought forward"),
        "carried": words.say("Carried forward"),
        "totals": _totals(content, words),
    }


def _columns(content: Content, words: Localiser) -> dict[str, str]:
    lines = content.lines
    priced = any(line.unit_price is not None for line in lines)
    counted = priced or any(line.quantity != "1" or line.unit != "C62" for line in lines)
    labels = {"description": words.say("Description")}
    if counted:
        labels["quantity"] = words.say("Quantity")
    if priced:
        labels["price"] = words.say("Unit price")
    if any(line.taxes for line in lines):
        labels["tax"] = words.say("Tax")
    labels["amount"] = words.say("Amount in %(currency)s", currency=content.currency)
    return labels


def _cells(line: Line, content: Content, words: Localiser) -> dict[str, str]:
    return {
        "quantity": words.quantity(line.quantity, printable_text.to_single_line(line.unit, 12)),
        "price": words.price(line.unit_price, content.currency) if line.unit_price is not None else "",
        "tax": " ".join(_line_tax_label(tax, content, words) for tax in line.taxes),
        "amount": words.amount(line.net_amount, content.currency),
    }


def _details(line: Line, words: Localiser) -> list[str]:
    told = printable_text.split_lines(line.details) if line.details else []
    if line.period_start or line.period_end:
        told.append(words.days(line.period_start, line.period_end))
    if line.product_code:
        told.append(printable_text.to_single_line(line.product_code, 200))
    return told


def _line_tax_label(tax: Tax, content: Content, words: Localiser) -> str:
    """Return the rate; or the letter of the tax in the totals, if the invoice has taxes of several names."""
    letters = _tax_letters(content)
    return letters.get((tax.name, tax.rate, tax.category), "") if letters else words.percent(tax.rate)


def _tax_letters(content: Content) -> dict[tuple[str, str, str | None], str]:
    if len({total.name for total in content.tax_totals}) < 2 or len(content.tax_totals) > len(ascii_uppercase):
        return {}
    totals = zip(ascii_uppercase, content.tax_totals, strict=False)
    return {(total.name, total.rate, total.category): letter for letter, total in totals}


def _tax_label(tax: TaxTotal, words: Localiser) -> str:
    name = printable_text.to_single_line(tax.name, 60)
    return name if "%" in name else f"{name} {words.percent(tax.rate)}"


def _totals(content: Content, words: Localiser) -> list[dict[str, str]]:
    """Return the totals: each tax with its base, so that they are the tax summary too."""
    currency = content.currency

    def row(label: str, amount: int, base: str = "") -> dict[str, str]:
        return {"label": label, "base": base, "amount": words.amount(amount, currency), "weight": "plain"}

    rows = [row(words.say("Net total"), content.net_total)]
    letters = _tax_letters(content)
    for total in content.tax_totals:
        base = words.say("on %(amount)s", amount=words.amount(total.taxable_amount, currency))
        letter = letters.get((total.name, total.rate, total.category))
        label = _tax_label(total, words)
        rows.append(row(f"{letter}  {label}" if letter else label, total.amount, base))
    if len(content.tax_totals) > 1:
        rows.append(row(words.say("Tax total"), content.tax_total))
    label, last = words.say("Amount due"), content.amount_due
    if content.kind == CREDIT_NOTE:
        label, last = words.say("Amount credited"), content.total
    elif content.prepaid:
        rows.append(row(words.say("Total"), content.total))
        rows.append(row(words.say("Already paid"), -content.prepaid))
    return [*rows, {"label": label, "base": "", "amount": words.money(last, currency), "weight": "strong"}]
