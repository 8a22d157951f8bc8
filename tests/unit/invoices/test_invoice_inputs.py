"""What callers send of invoices: brought into one form, or refused by field."""

import json
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from chalicelib.invoices import inputs
from chalicelib.invoices.inputs import DisputeBody, InvoiceBody, LineBody, TaxBody
from chalicelib.validation import to_field_errors


def line(**fields: Any) -> LineBody:
    return LineBody.model_validate_json(json.dumps({"description": "x", **fields}))


def refused(model: Any, **fields: Any) -> list[tuple[str, str]]:
    with pytest.raises(ValidationError) as error:
        model.model_validate_json(json.dumps(fields))
    return [(fault.field, fault.code) for fault in to_field_errors(error.value)]


@given(st.text(max_size=300))
def test_free_text_is_tidied_and_never_refused_for_what_prints_nothing(text: str) -> None:
    tidy = inputs.tidy_free_text(text)
    assert inputs.tidy_free_text(tidy) == tidy
    assert not any(unicodedata.category(one) == "Cc" and one != "\n" for one in tidy)
    assert not any(one in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\r" for one in tidy)
    if not any(unicodedata.category(one) in {"Cc", "Cs", "Zl", "Zp"} for one in text):
        kept = "".join(one for one in text if one not in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
        assert tidy.split() == unicodedata.normalize("NFC", kept).split()


def test_free_text_keeps_its_lines() -> None:
    assert line(description=" one\r\ntwo\u2028three\tfour\x00 ").description == "one\ntwo\nthree four"


@pytest.mark.parametrize("text", ["", " ", "\u200b", "\n\n", "\x00\x01"])
def test_a_blank_description_is_refused(text: str) -> None:
    assert refused(LineBody, description=text) == [("description", "blank")]


@pytest.mark.parametrize(
    ("sent", "kept"), [("1", "1"), ("1.50", "1.5"), ("-0.0", "0"), ("100", "100"), ("0010", "10"), ("-2.5", "-2.5")]
)
def test_numbers_have_one_form(sent: str, kept: str) -> None:
    assert line(quantity=sent).quantity == kept
    assert line(unit_price=sent).unit_price == kept


@pytest.mark.parametrize("sent", ["", "1,5", "1e5", "NaN", "Infinity", ".5", "5.", "1 000", "١", "1234567890123", "+1"])
def test_what_is_no_number_is_refused(sent: str) -> None:
    assert [field for field, _ in refused(LineBody, description="x", quantity=sent)] == ["quantity"]
    assert [field for field, _ in refused(LineBody, description="x", unit_price=sent)] == ["unit_price"]


def test_rates_are_not_negative_and_units_are_codes() -> None:
    assert refused(TaxBody, name="VAT", rate="-1") == [("rate", "bad_number")]
    assert refused(LineBody, description="x", unit="piece") == [("unit", "bad_unit")]
    assert refused(TaxBody, name="VAT", rate="19", category="X") == [("category", "unknown_value")]


def test_what_is_at_fault_is_named_with_its_line() -> None:
    body = {"lines": [{"description": "x"}, {"description": "x", "taxes": [{"name": "VAT", "rate": "x"}]}]}
    assert refused(InvoiceBody, **body) == [("lines.1.taxes.0.rate", "bad_number")]


def test_bounds() -> None:
    assert refused(InvoiceBody, lines=[]) == [("lines", "too_few")]
    assert refused(InvoiceBody, lines=[{"description": "x"}] * 2001) == [("lines", "too_many")]
    assert refused(InvoiceBody, total=10**15 + 1) == [("total", "too_large")]
    assert refused(InvoiceBody, prepaid=-1) == [("prepaid", "too_small")]
    assert refused(InvoiceBody, issue_date="3000-01-01") == [("issue_date", "too_large")]
    assert refused(DisputeBody, reason="other", lines=[0]) == [("lines.0", "too_small")]
