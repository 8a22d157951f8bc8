import json
from typing import Any

import pytest

from chalicelib.errors import FieldError, InvalidInput
from chalicelib.imports.inputs import ImportBody, Mapping
from chalicelib.imports.mapping.plan import MappedRow, Part, plan_import
from chalicelib.validation import parse_body

ACCOUNT = {"account_id": "id", "entity_id": {"constant": "acme"}, "currency": {"constant": "EUR"}}


def read(*kinds: dict[str, Any], **further: Any) -> Mapping:
    return parse_body(Mapping, json.dumps({"kinds": kinds, **further}).encode())


def mapped(kind: str, fields: dict[str, Any], row: dict[str, Any], **further: Any) -> MappedRow:
    (planned,) = plan_import(read({"kind": kind, "fields": fields, **further})).kinds
    result = planned.map(row)
    assert result is not None
    return result


def value(how: Any, **row: Any) -> Any:
    """Return what a field ``name`` of an account gets; an absent one is ``...``."""
    result = mapped("accounts", {**ACCOUNT, "name": how}, {"id": "a1", **row})
    assert result.faults == ()
    return result.row.given().get("name", ...)


def codes(result: MappedRow) -> dict[str, str]:
    assert result.row is None
    return {fault.field: fault.code for fault in result.faults}


class TestSources:
    def test_a_column(self) -> None:
        assert value("n", n=" Acme ") == "Acme"
        assert value({"column": "n"}, n="Acme") == "Acme"

    def test_joined_columns_leave_out_empty_ones(self) -> None:
        how = {"column": ["a", "b", "c"], "separator": "-"}
        assert value(how, a="1", b=" ", c="3") == "1-3"

    def test_a_template_is_empty_when_a_part_is(self) -> None:
        how = {"template": "c-{a}/{b}"}
        assert value(how, a="1", b="{a}") == "c-1/{a}"
        assert value(how, a="1", b="") is ...

    def test_the_first_that_is_not_empty(self) -> None:
        how = {"first_of": [{"column": "a"}, {"column": ["b", "c"]}]}
        assert value(how, a="1", b="2", c="3") == "1"
        assert value(how, a="", b="2", c="3") == "2 3"
        assert value(how, a="", b="", c="") is ...

    def test_empty_can_clear_or_be_refused(self) -> None:
        assert value({"column": "n", "empty": "clear"}, n="") is None
        result = mapped("accounts", {**ACCOUNT, "name": {"column": "n", "empty": "refuse"}}, {"id": "a", "n": " "})
        assert codes(result) == {"name": "required"}

    def test_only_if(self) -> None:
        kind = {"kind": "accounts", "fields": ACCOUNT, "only_if": {"column": "n", "one_of": ["x", "y"]}}
        (planned,) = plan_import(read(kind)).kinds
        assert planned.map({"id": "a", "n": "z"}) is None
        assert planned.map({"id": "a", "n": "y"}) is not None


class TestConversions:
    def test_lookup(self) -> None:
        lookup = {"values": {"A": "Alpha"}}
        assert value({"column": "n", "lookup": lookup}, n="A") == "Alpha"
        assert value({"column": "n", "lookup": {**lookup, "default": "Other"}}, n="B") == "Other"
        assert value({"column": "n", "lookup": {**lookup, "otherwise": "keep"}}, n="B") == "B"
        assert value({"column": "n", "lookup": {**lookup, "ignore_case": True}}, n="a") == "Alpha"
        result = mapped("accounts", {**ACCOUNT, "name": {"column": "n", "lookup": lookup}}, {"id": "a", "n": "B"})
        assert codes(result) == {"name": "not_in_lookup"}

    def test_types_are_those_of_the_field(self) -> None:
        fields = {
            **ACCOUNT,
            "name": "n",
            "payment_terms.kind": {"constant": "net"},
            "payment_terms.days": "days",
            "cost_center_billing": {"column": "c", "boolean": {"true": ["J"], "false": ["N"]}},
        }
        row = {"id": "a", "n": "x", "days": "30", "c": "j"}
        given = mapped("accounts", fields, row).row.given()
        assert given["payment_terms"] == {"kind": "net", "days": 30}
        assert given["cost_center_billing"] is True
        assert codes(mapped("accounts", fields, {**row, "days": "thirty"})) == {"payment_terms.days": "wrong_type"}

    def test_amounts_and_dates(self) -> None:
        fields = {
            "bill_group_id": "g",
            "subscription_id": "s",
            "unit_amount": {"column": "price", "minor_units": {"currency_column": "cur"}},
            "currency": "cur",
            "start_date": {"column": "from", "date": ["%d.%m.%Y", "%Y-%m-%d", "%%d%d%%%m"]},
        }
        row = {"g": "g1", "s": "s1", "price": "1200", "cur": "jpy", "from": "31.01.2026"}
        given = mapped("subscriptions", fields, row).row.given()
        assert (given["unit_amount"], given["currency"]) == (1200, "JPY")
        assert given["start_date"].isoformat() == "2026-01-31"
        assert codes(mapped("subscriptions", fields, {**row, "price": "1.5"})) == {"unit_amount": "too_many_decimals"}

    def test_lists_of_texts_and_of_json(self) -> None:
        fields = {"account_id": "id", "email": "e", "roles": {"column": "r", "list": {"separator": ";"}}}
        row = {"id": "a", "e": "a@b.example"}
        for roles in ("invoicing; accounts_payable;", ["invoicing", "accounts_payable"]):
            assert mapped("contacts", fields, {**row, "r": roles}).row.roles == ["invoicing", "accounts_payable"]
        result = mapped("contacts", fields, {**row, "r": "invoicing;boss"})
        assert [(fault.field, fault.column) for fault in result.faults] == [("roles", "r")]

    def test_a_phone_without_code_is_of_the_country_in_another_column(self) -> None:
        fields = {"account_id": "id", "email": "e", "cell": {"column": "p", "phone": {"region_column": "c"}}}
        row = {"id": "a", "e": "a@b.example", "p": "030 26550280", "c": "Germany"}
        assert mapped("contacts", fields, row).row.cell == "+493026550280"
        assert codes(mapped("contacts", fields, {**row, "c": "Narnia"})) == {"cell": "bad_phone"}


TAXES = {
    "description": "d",
    "taxes.0.name": {"constant": "GST"},
    "taxes.0.rate": "gst",
    "taxes.3.name": {"constant": "QST"},
    "taxes.3.rate": {"column": "qst", "on_bad": "drop"},
}
INVOICE = {
    "invoice_id": "id",
    "bill_group_id": {"constant": "g"},
    "total": {"column": "t", "minor_units": {"currency": "CAD"}},
}


class TestEntriesOfLists:
    def line(self, **row: Any) -> MappedRow:
        kind = {"kind": "invoices", "fields": INVOICE, "lines": {"fields": TAXES}}
        (planned,) = plan_import(read(kind)).kinds
        result = planned.map({"id": "i", "t": "1"}, [Part({"d": "x", **row}, 7)])
        assert result is not None
        return result

    def test_an_entry_of_which_only_constants_are_left_is_left_out(self) -> None:
        taxes = [
            [(tax["name"], tax["rate"]) for tax in self.line(gst=gst, qst=qst).row.given()["lines"][0]["taxes"] or ()]
            for gst, qst in (("5", "9.975"), ("", "9.975"), ("5", ""), ("", ""))
        ]
        assert taxes == [[("GST", "5"), ("QST", "9.975")], [("QST", "9.975")], [("GST", "5")], []]

    def test_a_fault_names_the_entry_as_the_mapping_does(self) -> None:
        (fault,) = self.line(gst="five", qst="9.975").faults
        assert (fault.field, fault.column, fault.line) == ("lines.taxes.0.rate", "gst", 7)
        explained = self.line(gst="", qst="5").explained(FieldError("lines.0.taxes.0.rate", "c", "m"))
        assert (explained.field, explained.column, explained.line) == ("lines.taxes.3.rate", "qst", 7)
        assert self.line(gst="", qst="5").explained(FieldError("total", "c", "m")).column == "t"

    def test_a_bad_value_of_a_part_can_be_dropped(self) -> None:
        result = self.line(gst="5", qst="many")
        assert [fault.field for fault in result.dropped] == ["lines.taxes.3.rate"]
        # Its name alone makes no tax.
        assert [tax.name for tax in result.row.lines[0].taxes] == ["GST"]

    def test_what_is_no_entry(self) -> None:
        for target in ("taxes.name", "taxes.x.name", "taxes.10.name", "taxes.0", "taxes", "period_start.0.x"):
            fields = {**TAXES, target: "x"}
            with pytest.raises(InvalidInput) as refusal:
                plan_import(read({"kind": "invoices", "fields": INVOICE, "lines": {"fields": fields}}))
            assert [one.field for one in refusal.value.fields] == [f"mapping.kinds.0.lines.fields.{target}"]


FIELDS = {"account_id": "id", "email": "e", "cell": {"column": "p", "on_bad": "drop"}, "first_name": "f"}
ROW = {"id": "a", "e": "a@b.example", "p": "none", "f": "Ada"}


class TestBadValues:
    def test_a_bad_value_can_be_dropped_who_finds_it_bad(self) -> None:
        for how in (FIELDS["cell"], {"column": "p", "phone": {}, "on_bad": "drop"}):
            result = mapped("contacts", {**FIELDS, "cell": how}, ROW)
            assert result.row.given() == {"account_id": "a", "email": "a@b.example", "first_name": "Ada"}
            assert [(fault.field, fault.column, fault.code) for fault in result.dropped] == [("cell", "p", "bad_phone")]

    def test_every_fault_is_reported_with_its_column(self) -> None:
        result = mapped("contacts", FIELDS, {**ROW, "e": "nobody", "f": "a\tb", "id": ""})
        assert {(fault.field, fault.column, fault.code) for fault in result.faults} == {
            ("account_id", "id", "required"),
            ("email", "e", "bad_email"),
            ("first_name", "f", "bad_character"),
        }

    @pytest.mark.parametrize("bad", ["\x00", "\ud800", "x" * 201, {"a": 1}, ["x"]])
    def test_hostile_values(self, bad: Any) -> None:
        result = mapped("contacts", FIELDS, {**ROW, "f": bad})
        assert codes(result).keys() == {"first_name"}


class TestRefusedMappings:
    @pytest.mark.parametrize(
        ("kind", "field"),
        [
            ({"kind": "tickets", "fields": {"a": "b"}}, "mapping.kinds.0.kind"),
            ({"kind": "accounts", "fields": {"name": "n"}}, "mapping.kinds.0.fields"),
            ({"kind": "accounts", "fields": {"account_id": "a", "nam": "n"}}, "mapping.kinds.0.fields.nam"),
            ({"kind": "contacts", "fields": {"account_id": "a"}}, "mapping.kinds.0.fields"),
            (
                {"kind": "bill_groups", "fields": {"bill_group_id": "a", "billing_address": "b"}},
                "mapping.kinds.0.fields.billing_address",
            ),
            (
                {"kind": "bill_groups", "fields": {"bill_group_id": "a", "billing_address.town": "b"}},
                "mapping.kinds.0.fields.billing_address.town",
            ),
        ],
    )
    def test_what_the_kind_does_not_know(self, kind: dict[str, Any], field: str) -> None:
        with pytest.raises(InvalidInput) as refusal:
            plan_import(read(kind))
        assert [fault.field for fault in refusal.value.fields] == [field]

    @pytest.mark.parametrize(
        ("how", "place"),
        [
            ({"colum": "n"}, "colum"),
            ({"column": "n", "constant": "x"}, ""),
            ({}, ""),
            ({"template": "no column"}, "template"),
            ({"template": "{a}{"}, "template"),
            ({"column": "n", "date": "%Q"}, "date"),
            ({"column": "n", "date": "%d.%m.%d"}, "date"),
            ({"column": "n", "minor_units": {}}, "minor_units"),
            ({"column": "n", "minor_units": {"currency": "XXQ"}}, "minor_units.currency"),
            ({"column": "n", "country": {}, "phone": {}}, ""),
            ({"column": "n", "on_bad": "ignore"}, "on_bad"),
        ],
    )
    def test_a_field_that_cannot_be_read(self, how: Any, place: str) -> None:
        body = {"mapping": {"kinds": [{"kind": "accounts", "fields": {"account_id": "a", "name": how}}]}}
        with pytest.raises(InvalidInput) as refusal:
            parse_body(ImportBody, json.dumps(body).encode())
        where = f"mapping.kinds.0.fields.name.{place}".rstrip(".")
        assert any(fault.field.startswith(where) for fault in refusal.value.fields), refusal.value.fields

    @pytest.mark.parametrize("encoding", ["rot13", "base64", "idna", "unicode_escape", "utf-7", "klingon", "a\x00"])
    def test_encodings_that_are_none(self, encoding: str) -> None:
        with pytest.raises(InvalidInput):
            read({"kind": "accounts", "fields": {"account_id": "a"}}, encoding=encoding)

    @pytest.mark.parametrize("encoding", ["utf8", "UTF-8", "cp1252", "windows-1252", "latin1", "shift_jis", "utf-16"])
    def test_encodings(self, encoding: str) -> None:
        assert read({"kind": "accounts", "fields": {"account_id": "a"}}, encoding=encoding)


def test_a_mapping_survives_being_stored() -> None:
    fields = {"account_id": {"template": "c-{n}"}, "name": "n", "locale": {"constant": None}}
    wanted = read({"kind": "accounts", "fields": fields}, encoding="latin1")
    stored = json.dumps(wanted.model_dump(mode="json", exclude_unset=True))
    assert Mapping.model_validate_json(stored) == wanted
