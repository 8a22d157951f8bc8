"""Check the arithmetic of an invoice to the minor unit. Pure, over integers of minor units and decimals as text."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any

from chalicelib.errors import FieldError, InvalidInput
from chalicelib.invoices.rules import MAX_AMOUNT, Line, Tax, TaxTotal

_EXACT = Context(prec=60, rounding=ROUND_HALF_UP)
_MAX_FAULTS = 50
"""Limits the length of an error."""


@dataclass(frozen=True)
class InvoiceTotals:
    """The totals of an invoice, which agree with its lines and with one another."""

    tax_totals: tuple[TaxTotal, ...]
    net_total: int
    tax_total: int
    total: int


def round_minor_units(exact: Decimal) -> int:
    """Return an amount as whole minor units; halves are rounded away from zero."""
    return int(exact.quantize(Decimal(1), context=_EXACT))


def compute_net_amount(quantity: str, unit_price: str, digits: int) -> int:
    """Return quantity times unit price in minor units; the currency has 10 ** ``digits`` of them per unit."""
    return round_minor_units(_EXACT.multiply(Decimal(quantity), Decimal(unit_price)).scaleb(digits, context=_EXACT))


def with_net_amounts(lines: Sequence[Mapping[str, Any]], digits: int) -> list[dict[str, Any]]:
    """Return the lines, with a net amount wherever it follows from quantity and unit price.

    Raises InvalidInput that names the lines in which it is neither given nor computable, or is wrong.
    """
    completed = []
    faults = []
    for number, line in enumerate(lines):
        sent, price = line.get("net_amount"), line.get("unit_price")
        follows = compute_net_amount(line.get("quantity") or "1", price, digits) if price is not None else None
        field = f"lines.{number}.net_amount"
        if follows is not None and abs(follows) > MAX_AMOUNT:
            faults.append(FieldError(field, "too_large", f"An amount is at most {MAX_AMOUNT} minor units."))
            continue
        if sent is None and follows is None:
            faults.append(FieldError(field, "required", "Send the net amount, or the unit price that it follows from."))
        elif sent is not None and follows not in (None, sent):
            faults.append(
                FieldError(
                    field,
                    "wrong_amount",
                    f"Quantity times unit price is {follows} minor units, not {sent}. Send {follows}, or leave the "
                    "unit price out.",
                )
            )
        completed.append({**line, "net_amount": follows if sent is None else sent})
    _raise_faults(faults)
    return completed


def check_totals(
    lines: Sequence[Line],
    *,
    total: int,
    net_total: int | None = None,
    tax_total: int | None = None,
    tax_totals: Sequence[TaxTotal] | None = None,
) -> InvoiceTotals:
    """Return the totals of an invoice with ``lines``; None stands for an absent value.

    A tax may be rounded on the sum of its lines, or on each of them. Raises InvalidInput that names every wrong figure,
    with the expected one.
    """
    faults: list[FieldError] = []
    net = sum(line.net_amount for line in lines)
    if net_total is not None and net_total != net:
        faults.append(_wrong_amount("net_total", f"The lines come to {net} minor units", net))
    for number, line in enumerate(lines):
        if len(set(line.taxes)) < len(line.taxes):
            faults.append(
                FieldError(f"lines.{number}.taxes", "repeated", "The same tax stands here twice. Send it once.")
            )
    by_tax = _group_by_tax(lines)
    if tax_totals is not None:
        faults += _find_tax_total_faults(tax_totals, by_tax)
        taxes = tuple(tax_totals)
        tax = sum(one.amount for one in taxes)
        if tax_total is not None and tax_total != tax:
            faults.append(_wrong_amount("tax_total", f"The tax totals come to {tax} minor units", tax))
    else:
        taxes = _compute_tax_totals(by_tax, total - net if tax_total is None else tax_total)
        tax = sum(one.amount for one in taxes)
        if tax_total is not None and tax_total != tax:
            faults.append(_wrong_amount("tax_total", f"The taxes of the lines come to {tax} minor units", tax))
    if net + tax != total:
        expected = net + tax
        faults.append(_wrong_amount("total", f"{net} net and {tax} tax come to {expected} minor units", expected))
    _raise_faults(faults)
    return InvoiceTotals(taxes, net, tax, total)


def sum_lines(lines: Sequence[Line], numbers: Iterable[int], total: int) -> int | None:
    """Return what some lines of an invoice of ``total`` come to with their taxes, in minor units.

    ``numbers`` are those of the lines, from 1 on. Each tax is rounded on its sum; all lines come to the total. None
    when the lines do not come to a part of the total, as deductions do not.
    """
    chosen = [lines[number - 1] for number in sorted(set(numbers))]
    if len(chosen) == len(lines):
        return total
    amount = sum(line.net_amount for line in chosen)
    amount += sum(taxed.on_the_sum for taxed in _group_by_tax(chosen).values())
    return amount if 0 < amount <= total else None


@dataclass(frozen=True)
class _TaxBase:
    tax: Tax
    nets: tuple[int, ...]

    @property
    def taxable(self) -> int:
        return sum(self.nets)

    @property
    def on_the_sum(self) -> int:
        return _compute_tax(self.taxable, self.tax.rate)

    @property
    def on_each_line(self) -> int:
        return sum(_compute_tax(net, self.tax.rate) for net in self.nets)

    def total(self, amount: int) -> TaxTotal:
        return TaxTotal(self.tax.name, self.tax.rate, self.taxable, amount, self.tax.category)


def _compute_tax(net: int, rate: str) -> int:
    return round_minor_units(_EXACT.multiply(Decimal(net), Decimal(rate)).scaleb(-2, context=_EXACT))


def _group_by_tax(lines: Iterable[Line]) -> dict[Tax, _TaxBase]:
    nets: dict[Tax, list[int]] = {}
    for line in lines:
        for tax in dict.fromkeys(line.taxes):
            nets.setdefault(tax, []).append(line.net_amount)
    return {tax: _TaxBase(tax, tuple(of_tax)) for tax, of_tax in nets.items()}


def _compute_tax_totals(by_tax: Mapping[Tax, _TaxBase], wanted: int) -> tuple[TaxTotal, ...]:
    """Return the tax totals, rounded in the way that gives ``wanted``; on the sums if neither does."""
    on_sums = tuple(taxed.total(taxed.on_the_sum) for taxed in by_tax.values())
    on_lines = tuple(taxed.total(taxed.on_each_line) for taxed in by_tax.values())
    return on_lines if sum(one.amount for one in on_lines) == wanted else on_sums


def _find_tax_total_faults(sent: Sequence[TaxTotal], by_tax: Mapping[Tax, _TaxBase]) -> list[FieldError]:
    faults = []
    seen = set()
    for number, one in enumerate(sent):
        field = f"tax_totals.{number}"
        tax = Tax(one.name, one.rate, one.category)
        taxed = by_tax.get(tax)
        if taxed is None:
            faults.append(
                FieldError(field, "unknown_tax", f"No line has this tax: {_describe_tax(tax)}. Correct either.")
            )
            continue
        if tax in seen:
            faults.append(
                FieldError(field, "repeated", f"{_describe_tax(tax)} stands here twice. Send one total of it.")
            )
        seen.add(tax)
        if one.taxable_amount != taxed.taxable:
            message = f"The lines with {_describe_tax(tax)} come to {taxed.taxable} minor units"
            faults.append(_wrong_amount(f"{field}.taxable_amount", message, taxed.taxable))
        either = sorted({taxed.on_the_sum, taxed.on_each_line})
        if one.amount not in either:
            message = f"{_describe_tax(tax)} on these lines comes to {' or '.join(map(str, either))} minor units"
            faults.append(_wrong_amount(f"{field}.amount", message, *either))
    for tax in by_tax.keys() - seen:
        faults.append(
            FieldError("tax_totals", "missing_tax", f"The lines have {_describe_tax(tax)}. Send its total too.")
        )
    return faults


def _describe_tax(tax: Tax) -> str:
    return f"{tax.name} {tax.rate}%" + (f" ({tax.category})" if tax.category else "")


def _wrong_amount(field: str, why: str, *expected: int) -> FieldError:
    return FieldError(field, "wrong_amount", f"{why}. Send {' or '.join(map(str, expected))}.")


def _raise_faults(faults: Sequence[FieldError]) -> None:
    if faults:
        raise InvalidInput(
            "figures_disagree", "The figures do not agree with one another.", fields=tuple(faults)[:_MAX_FAULTS]
        )
