"""Do an invoice's figures agree? Against exact fractions, for currencies with 0 to 4 digits."""

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.errors import InvalidInput
from chalicelib.invoices import figures
from chalicelib.invoices.rules import MAX_AMOUNT, Line, Tax, TaxTotal

VAT, REDUCED, SALES = Tax("VAT", "19", "S"), Tax("VAT", "7", "S"), Tax("Sales tax", "8.875")
TAXES = st.lists(st.sampled_from([VAT, REDUCED, SALES]), unique=True, max_size=2).map(tuple)
LINES = st.lists(
    st.builds(Line, description=st.just("x"), net_amount=st.integers(-(10**9), 10**9), taxes=TAXES), min_size=1
)
NUMBERS = st.decimals(-(10**6), 10**6, allow_nan=False, allow_infinity=False, places=4)


def exactly(value: Fraction) -> int:
    """Return a fraction as a whole number, halves away from zero."""
    whole = abs(value).__floor__()
    away = whole + (1 if abs(value) - whole >= Fraction(1, 2) else 0)
    return away if value >= 0 else -away


def taxed(lines: list[Line], tax: Tax, *, on_each_line: bool) -> int:
    nets = [line.net_amount for line in lines if tax in line.taxes]
    rate = Fraction(tax.rate) / 100
    return sum(exactly(net * rate) for net in nets) if on_each_line else exactly(sum(nets) * rate)


def totals(lines: list[Line], *, on_each_line: bool) -> list[TaxTotal]:
    taxes = dict.fromkeys(tax for line in lines for tax in line.taxes)
    return [
        TaxTotal(
            tax.name,
            tax.rate,
            sum(line.net_amount for line in lines if tax in line.taxes),
            taxed(lines, tax, on_each_line=on_each_line),
            tax.category,
        )
        for tax in taxes
    ]


def faults(refused: pytest.ExceptionInfo[InvalidInput]) -> list[tuple[str, str]]:
    return [(fault.field, fault.code) for fault in refused.value.fields]


@given(NUMBERS, NUMBERS, st.sampled_from([0, 2, 3, 4]))
def test_a_net_amount_is_quantity_times_price_rounded_half_away_from_zero(
    quantity: Any, price: Any, digits: int
) -> None:
    expected = exactly(Fraction(quantity) * Fraction(price) * 10**digits)
    assert figures.compute_net_amount(str(quantity), str(price), digits) == expected


@given(LINES, st.booleans(), st.booleans())
def test_figures_that_agree_are_taken_whichever_way_they_are_rounded(
    lines: list[Line], on_each_line: bool, told: bool
) -> None:
    of_taxes = totals(lines, on_each_line=on_each_line)
    net, tax = sum(line.net_amount for line in lines), sum(total.amount for total in of_taxes)
    agreed = figures.check_totals(
        lines,
        total=net + tax,
        net_total=net if told else None,
        tax_total=tax if told else None,
        tax_totals=of_taxes if told else None,
    )
    assert (agreed.net_total, agreed.tax_total, agreed.total) == (net, tax, net + tax)
    assert sum(total.amount for total in agreed.tax_totals) == tax
    assert {(total.name, total.rate) for total in agreed.tax_totals} == {(total.name, total.rate) for total in of_taxes}


@given(LINES, st.integers(-3, 3).filter(bool))
def test_a_figure_that_is_a_little_off_is_refused_by_name_with_the_right_one(lines: list[Line], off: int) -> None:
    of_taxes = totals(lines, on_each_line=False)
    net, tax = sum(line.net_amount for line in lines), sum(total.amount for total in of_taxes)
    right = {"total": net + tax, "net_total": net, "tax_total": tax}
    for name, value in right.items():
        with pytest.raises(InvalidInput) as refused:
            figures.check_totals(lines, **{**right, name: value + off}, tax_totals=of_taxes)
        assert refused.value.code == "figures_disagree"
        assert faults(refused) == [(name, "wrong_amount")]
        assert f"Send {value}." in refused.value.fields[0].message


def test_every_wrong_line_is_named_with_what_was_expected() -> None:
    lines = [
        {"description": "a", "quantity": "3", "unit_price": "19.995", "net_amount": 5998},
        {"description": "b", "quantity": "1", "unit_price": "1", "net_amount": 100},
        {"description": "c"},
        {"description": "d", "unit_price": "0.005"},
    ]
    with pytest.raises(InvalidInput) as refused:
        figures.with_net_amounts(lines, 2)
    assert faults(refused) == [("lines.0.net_amount", "wrong_amount"), ("lines.2.net_amount", "required")]
    assert "is 5999 minor units, not 5998" in refused.value.fields[0].message


def test_a_net_amount_follows_from_the_price() -> None:
    lines = [{"unit_price": "0.005"}, {"unit_price": "-0.005", "quantity": "1"}, {"net_amount": 7, "quantity": "3"}]
    assert [line["net_amount"] for line in figures.with_net_amounts(lines, 2)] == [1, -1, 7]


def test_an_amount_beyond_all_bounds_is_refused() -> None:
    with pytest.raises(InvalidInput) as refused:
        figures.with_net_amounts([{"quantity": "999999999999", "unit_price": "999999999999"}], 2)
    assert faults(refused) == [("lines.0.net_amount", "too_large")]
    assert str(MAX_AMOUNT) in refused.value.fields[0].message


def test_tax_totals_are_those_of_the_lines() -> None:
    lines = [Line("a", 1005, taxes=(VAT,)), Line("b", 1005, taxes=(VAT,)), Line("c", 500, taxes=(REDUCED,))]
    with pytest.raises(InvalidInput) as refused:
        figures.check_totals(
            lines,
            total=2510 + 383 + 10,
            tax_totals=[
                TaxTotal("VAT", "19", 2009, 383, "S"),
                TaxTotal("VAT", "19", 2010, 382, "S"),
                TaxTotal("VAT", "20", 500, 100, "S"),
            ],
        )
    assert ("tax_totals.0.taxable_amount", "wrong_amount") in faults(refused)
    assert ("tax_totals.0.amount", "wrong_amount") in faults(refused)
    assert ("tax_totals.1", "repeated") in faults(refused)
    assert ("tax_totals.2", "unknown_tax") in faults(refused)
    assert ("tax_totals", "missing_tax") in faults(refused)


def test_both_ways_of_rounding_are_reported() -> None:
    # 19% of 1003 is 190.57, twice 191; of 2006 it is 381.14.
    lines = [Line("a", 1003, taxes=(VAT,)), Line("b", 1003, taxes=(VAT,))]
    for amount in (381, 382):
        assert figures.check_totals(lines, total=2006 + amount).tax_total == amount
    with pytest.raises(InvalidInput) as refused:
        figures.check_totals(lines, total=2389, tax_totals=[TaxTotal("VAT", "19", 2006, 383, "S")])
    assert "Send 381 or 382." in refused.value.fields[0].message


def test_the_reason_of_an_exemption_is_stored() -> None:
    exempt = Tax("VAT", "0", "E")
    sent = TaxTotal("VAT", "0", 100, 0, "E", "Education")
    assert figures.check_totals([Line("a", 100, taxes=(exempt,))], total=100, tax_totals=[sent]).tax_totals == (sent,)


def test_a_tax_stands_once_on_a_line() -> None:
    with pytest.raises(InvalidInput) as refused:
        figures.check_totals([Line("a", 100, taxes=(VAT, VAT))], total=119)
    assert faults(refused) == [("lines.0.taxes", "repeated")]


def test_a_refusal_stays_readable() -> None:
    with pytest.raises(InvalidInput) as refused:
        figures.with_net_amounts([{}] * 2000, 2)
    assert len(refused.value.fields) == 50


def test_some_lines_come_to_their_nets_and_taxes() -> None:
    lines = [Line("a", 1000, taxes=(VAT,)), Line("b", 503, taxes=(VAT,)), Line("c", 100), Line("d", -200, taxes=(VAT,))]
    total = figures.check_totals(lines, total=1651).total
    assert figures.sum_lines(lines, [1], total) == 1190
    assert figures.sum_lines(lines, [3, 1, 3], total) == 1290
    assert figures.sum_lines(lines, [3], total) == 100
    assert figures.sum_lines(lines, [1, 2, 3, 4], total) == total
    # A deduction is no part of the total, and neither is what exceeds it.
    assert figures.sum_lines(lines, [4], total) is None
    assert figures.sum_lines(lines, [1, 2], total) is None
