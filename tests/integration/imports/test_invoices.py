"""Invoices with lines from a second file or from rows that belong together, and payments."""

import json
from typing import Any

import pytest

from chalicelib.errors import InvalidInput
from chalicelib.imports import rules, service
from chalicelib.imports.mapping.plan import plan_import
from chalicelib.invoices import queries
from chalicelib.payments import queries as payments
from chalicelib.table.items import EmailItem, InvoiceItem, TaskItem
from tests.aws_calls import counted
from tests.integration.imports.imports import CALL, data, imported, lines, mapping, prepare, rows, run
from tests.integration.imports.shop import (
    FIELDS,
    INVOICES,
    JOINED,
    LINE_FIELDS,
    LINES,
    LINES_OF,
    PAYMENT,
    customers,
    imported_two,
    prepare_two,
)


@pytest.fixture
def shop(entity: None) -> None:
    customers()


def found(created: int = 0, changed: int = 0, unchanged: int = 0, refused: int = 0) -> dict[str, int]:
    return {"created": created, "changed": changed, "unchanged": unchanged, "refused": refused}


def told(one: Any) -> list[tuple[str, int, str, str, str]]:
    return [(one.file, one.line, one.field, one.column, one.code) for one in one.refusals]


def changed(text: str, old: str, new: str) -> str:
    assert text.count(old) == 1
    return text.replace(old, new)


class TestTwoFiles:
    def test_each_invoice_gets_its_lines_in_the_order_of_their_file(self, shop: None) -> None:
        came = imported_two()
        assert (came.status, came.refusals, came.warnings) == ("finished", (), ())
        assert came.counts == {
            "rows": {"read": 3, "refused": 0},
            "lines": {"read": 5, "refused": 0},
            "invoices": found(created=3),
        }
        invoice = queries.get_invoice_with_content("i-2")
        assert [(one.description, one.quantity, one.net_amount) for one in invoice.content.lines] == [
            ("Track 4", "2", 398),
            ("Track 9", "4", 196),
        ]
        assert (invoice.invoice.total, invoice.invoice.number) == (594, "CH-2")
        # By the terms of the account, which are not in the file.
        dates = {key: str(queries.get_invoice_head(key).due_date) for key in ("i-1", "i-2", "i-3")}
        assert dates == {"i-1": "2021-03-02", "i-2": "2021-02-15", "i-3": "2021-02-08"}

    def test_a_dry_run_writes_nothing_and_tells_the_same(self, shop: None) -> None:
        before = data()
        content = changed(INVOICES, "1.98", "1.99")
        dry_run = imported_two(content, dry_run=True)
        assert data() == before
        real = imported_two(content)
        assert (dry_run.status, dry_run.counts, dry_run.refusals) == ("finished", real.counts, real.refusals)
        assert told(real) == [("file", 2, "total", "Total", "wrong_amount")]
        assert real.counts["invoices"] == found(created=2, refused=1)

    def test_a_second_import_writes_nothing(self, shop: None) -> None:
        imported_two()
        before = data()
        import_id = prepare_two(INVOICES, LINES, mapping(JOINED))
        with counted() as calls:
            again = run(import_id)
        assert data() == before
        assert calls.of("dynamodb.TransactWriteItems") == 0
        assert again.counts["invoices"] == found(unchanged=3)

    def test_what_is_issued_stays_and_the_difference_is_reported(self, shop: None) -> None:
        imported_two()
        other = imported_two(INVOICES, changed(LINES, "1,1,2,", "1,1,3,"))
        assert told(other) == [("file", 2, "lines", "", "differs")]
        assert other.counts["invoices"] == found(unchanged=2, refused=1)

    def test_nobody_is_mailed_unless_requested_to_deliver(self, shop: None) -> None:
        imported_two()
        assert not any(isinstance(item, EmailItem) for item in rows())
        assert not any(item.delivery_wanted for item in rows() if isinstance(item, InvoiceItem))
        # Their PDFs are made all the same.
        assert sorted(one.subject for one in rows() if isinstance(one, TaskItem) and one.kind == "document") == [
            "i-1", "i-2", "i-3",
        ]  # fmt: skip

    def test_asked_to_deliver_accounts_on_net_terms_get_theirs(self, shop: None) -> None:
        imported_two(mail=True)
        assert all(item.delivery_wanted for item in rows() if isinstance(item, InvoiceItem))

    def test_a_field_can_say_which_are_delivered(self, shop: None) -> None:
        fields = {**FIELDS, "deliver": {"column": "CustomerId", "boolean": {"true": ["c1"], "false": ["c2", "c3"]}}}
        imported_two(wanted=mapping({**JOINED, "fields": fields}), mail=True)
        wanted = {item.invoice_id: item.delivery_wanted for item in rows() if isinstance(item, InvoiceItem)}
        assert wanted == {"i-1": True, "i-2": False, "i-3": False}

    def test_every_refusal_tells_file_line_field_and_reason(self, shop: None) -> None:
        invoices = INVOICES + "4,c1,2021-02-30 00:00:00,1\n5,c9,2021-02-01 00:00:00,1\n6,c1,2021-02-01 00:00:00,1\n"
        second = changed(LINES, "2,2,4,1.99,2", "2,2,4,1.x9,2") + (
            "6,4,1,1,1\n7,5,1,1,1\n8,77,1,1,1\n9,,1,1,1\n10,3,1\n11,4,1,1,two\n"
        )
        came = imported_two(invoices, second)
        assert told(came) == [
            ("lines", 3, "lines.unit_price", "UnitPrice", "bad_number"),
            ("file", 5, "issue_date", "InvoiceDate", "bad_date"),
            ("lines", 12, "lines.quantity", "Quantity", "bad_number"),
            ("file", 6, "bill_group_id", "CustomerId", "unknown_bill_group"),
            ("file", 7, "lines", "InvoiceId", "required"),
            ("lines", 9, "lines", "InvoiceId", "belongs_to_nothing"),
            ("lines", 10, "lines", "InvoiceId", "belongs_to_nothing"),
            ("lines", 11, "", "", "bad_number_of_columns"),
        ]
        assert came.counts == {
            "rows": {"read": 6, "refused": 4},
            "lines": {"read": 11, "refused": 5},
            "invoices": found(created=2, refused=4),
        }
        assert [(one["file"], one["line"]) for one in lines(came.import_id, "refusals.jsonl")] == [
            (one.file, one.line) for one in came.refusals
        ]

    def test_an_amount_of_a_line_is_checked_where_it_stands(self, shop: None) -> None:
        fields = {**LINE_FIELDS, "net_amount": {"column": "Net", "minor_units": {"currency": "USD"}}}
        second = "InvoiceId,TrackId,UnitPrice,Quantity,Net\n3,1,0,1,0\n1,2,0.99,1,0.99\n1,4,0.99,1,0.98\n"
        wanted = mapping({**JOINED, "lines": {**LINES_OF, "fields": fields}})
        came = imported_two(wanted=wanted, second=second)
        assert told(came) == [
            ("lines", 4, "lines.net_amount", "Net", "wrong_amount"),
            ("file", 3, "lines", "InvoiceId", "required"),
        ]

    def test_the_same_number_twice(self, shop: None) -> None:
        fields = {**FIELDS, "number": {"constant": "one"}}
        for dry_run in (True, False):
            came = imported_two(wanted=mapping({**JOINED, "fields": fields}), dry_run=dry_run)
            assert [(one.line, one.field, one.code) for one in came.refusals] == [
                (3, "number", "number_taken"),
                (4, "number", "number_taken"),
            ]

    def test_lines_may_name_columns_of_the_first_file(self, shop: None) -> None:
        fields = {
            "description": {"template": "Track {TrackId} for {CustomerId}"},
            "net_amount": {"column": "UnitPrice", "minor_units": {"currency_column": "Currency"}},
        }
        first = "InvoiceId,CustomerId,InvoiceDate,Total,Currency\n1,c1,2021-01-31 00:00:00,198,JPY\n"
        head = {
            **FIELDS,
            "currency": "Currency",
            "total": {"column": "Total", "minor_units": {"currency_column": "Currency"}},
        }
        wanted = mapping({**JOINED, "fields": head, "lines": {**LINES_OF, "fields": fields}})
        came = imported_two(first, "InvoiceId,TrackId,UnitPrice\n1,5,198\n", wanted)
        assert came.refusals == ()
        assert [one.description for one in queries.get_invoice_with_content("i-1").content.lines] == ["Track 5 for c1"]

    def test_the_second_file_may_be_of_another_form(self, shop: None) -> None:
        second = "".join(
            json.dumps({"invoice": {"id": number}, "TrackId": 1, "UnitPrice": price, "Quantity": 1}) + "\n"
            for number, price in ((3, 0.0), (1, 1.98), (2, 5.94))
        )
        kind = {**JOINED, "lines": {**LINES_OF, "join": {"InvoiceId": "invoice.id"}}}
        came = imported_two(second=second, wanted=mapping(kind, lines_file={"format": "json_lines"}))
        assert (came.refusals, came.counts["invoices"]) == ((), found(created=3))
        # 1.98 is the number that the file holds, to the digit.
        assert queries.get_invoice_with_content("i-1").content.lines[0].unit_price == "1.98"

    @pytest.mark.parametrize(
        ("second", "field", "line"),
        [
            (b"InvoiceId,TrackId,UnitPrice\n1,2,3\n", "mapping.kinds.0.lines.fields.quantity", 1),
            (b"Id,TrackId,UnitPrice,Quantity\n1,2,3,4\n", "mapping.kinds.0.lines.join", 1),
            (b"InvoiceId,TrackId,UnitPrice,Quantity\n1,\xe42,3,4\n", "mapping.lines_file.encoding", 2),
        ],
    )
    def test_a_second_file_that_cannot_be_read_stops_everything(
        self, shop: None, second: bytes, field: str, line: int
    ) -> None:
        before = data()
        came = run(prepare_two(INVOICES, second, mapping(JOINED)))
        assert came.status == "failed"
        assert (came.reason or "").startswith("The second file: ")
        assert [(one.file, one.line, one.field) for one in came.refusals] == [("lines", line, field)]
        assert data() == before

    def test_it_goes_on_where_it_stopped(self, shop: None, monkeypatch: pytest.MonkeyPatch) -> None:
        for dry_run in (True, False):
            import_id = prepare_two(INVOICES, LINES + "9,8,1,1,1\n", mapping(JOINED), dry_run=dry_run)
            states = [run(import_id, time_is_left=lambda: False).status for _ in range(4)]
            assert states == ["queued", "queued", "queued", "finished"]
            came = service.get_import(import_id)
            assert came.counts == {
                "rows": {"read": 3, "refused": 0},
                "lines": {"read": 6, "refused": 1},
                "invoices": found(created=3),
            }
            assert [(one.file, one.line, one.code) for one in came.refusals] == [("lines", 7, "belongs_to_nothing")]
        assert sum(isinstance(item, InvoiceItem) for item in rows()) == 3

    def test_too_many_rows(self, shop: None, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(rules, "MAX_PARTS", 4)
        came = imported_two()
        assert (came.status, "more than 4 rows" in (came.reason or "")) == ("failed", True)

    def test_the_two_files_must_both_be_there(self, shop: None) -> None:
        made = service.create_import(CALL, mapping(JOINED), dry_run=True, mail=False)
        assert made.lines_source is not None
        with pytest.raises(Exception, match="The file is not there yet"):
            service.start_import(CALL, made.import_id)

    @pytest.mark.parametrize(
        ("kind", "lines_of", "field"),
        [
            (mapping(JOINED), {"file": rules.ImportSource(source="imports/x")}, "lines_key"),
            (
                mapping({**JOINED, "lines": {"fields": LINE_FIELDS}}),
                {"lines": rules.ImportSource(size=3)},
                "lines_size",
            ),
            (
                mapping({**JOINED, "lines": {"fields": LINE_FIELDS}}),
                {"lines": rules.ImportSource(source="imports/y")},
                "lines_key",
            ),
        ],
    )
    def test_a_second_file_that_is_not_joined_or_not_named(
        self, entity: None, kind: Any, lines_of: Any, field: str
    ) -> None:
        with pytest.raises(InvalidInput) as refusal:
            service.create_import(CALL, kind, dry_run=True, mail=False, **lines_of)
        assert [one.field for one in refusal.value.fields] == [field]


ONE_FILE = (
    "Id,Customer,Date,Total,Item,Net,Rate\n"
    'A,c1,2021-02-01,"1.190,00",Chair,"1.000,00",19\n'
    'B,c2,2021-02-01,"10,00",Pen,"10,00",\n'
    'A,c1,2021-02-01,"1.190,00",Discount,"-0,00",19\n'
    'C,c1,2021-02-03,"-11,90",Chair back,"-10,00",19\n'
)
GERMAN = {"currency": "EUR", "decimal_separator": ",", "group_separator": "."}
TAXES = {
    "taxes.0.name": {"constant": "USt."},
    "taxes.0.rate": "Rate",
    "taxes.0.category": {"constant": "S"},
}


def grouped(kind: str, negate: bool) -> dict[str, Any]:
    amounts = {**GERMAN, "negate": negate}
    return {
        "kind": "invoices",
        "only_if": {"column": "Id", "one_of": ["C"] if negate else ["A", "B"]},
        "fields": {
            "invoice_id": "Id",
            "kind": {"constant": kind},
            "bill_group_id": "Customer",
            "number": "Id",
            "issue_date": "Date",
            "currency": {"constant": "EUR"},
            "total": {"column": "Total", "minor_units": amounts},
        },
        "lines": {"fields": {"description": "Item", "net_amount": {"column": "Net", "minor_units": amounts}, **TAXES}},
    }


BOTH = mapping(grouped("invoice", False), grouped("credit_note", True))


class TestOneFile:
    def test_rows_of_one_invoice_need_not_stand_together(self, shop: None) -> None:
        for dry_run in (True, False):
            came = imported(ONE_FILE, BOTH, dry_run=dry_run)
            assert came.refusals == ()
            assert came.counts == {"rows": {"read": 4, "refused": 0}, "invoices": found(created=3)}
        invoice = queries.get_invoice_with_content("A")
        assert [(one.description, one.net_amount) for one in invoice.content.lines] == [
            ("Chair", 100000),
            ("Discount", 0),
        ]
        assert [(one.name, one.rate, one.amount) for one in invoice.content.tax_totals] == [("USt.", "19", 19000)]
        # Where nothing but constants is left of a tax, there is none.
        assert queries.get_invoice_with_content("B").content.tax_totals == ()
        credit = queries.get_invoice_head("C")
        assert (credit.kind, credit.total, credit.balance) == ("credit_note", 1190, 1190)
        assert imported(ONE_FILE, BOTH).counts["invoices"] == found(unchanged=3)

    def test_rows_of_one_invoice_must_say_the_same_of_it(self, shop: None) -> None:
        content = changed(ONE_FILE, 'A,c1,2021-02-01,"1.190,00",Discount', 'A,c2,2021-02-01,"1.190,00",Discount')
        came = imported(content, BOTH)
        assert told(came) == [("file", 4, "bill_group_id", "Customer", "differs")]
        assert came.counts["invoices"] == found(created=2, refused=1)
        assert "Line 2" in came.refusals[0].message

    def test_heads_and_lines_may_be_rows_of_different_kinds(self, shop: None) -> None:
        content = (
            "Row,Id,Customer,Date,Total,Item,Net\n"
            "D,A,,,,Chair,1.00\nH,A,c1,2021-02-01,3.00,,\nD,A,,,,Desk,2.00\nD,Z,,,,Lost,1.00\n"
        )
        kind = {
            "kind": "invoices",
            "only_if": {"column": "Row", "one_of": ["H"]},
            "fields": {
                "invoice_id": "Id",
                "bill_group_id": "Customer",
                "number": "Id",
                "issue_date": "Date",
                "currency": {"constant": "USD"},
                "total": {"column": "Total", "minor_units": {"currency": "USD"}},
            },
            "lines": {
                "only_if": {"column": "Row", "one_of": ["D"]},
                "fields": {"description": "Item", "net_amount": {"column": "Net", "minor_units": {"currency": "USD"}}},
            },
        }
        came = imported(content, mapping(kind))
        assert [one.description for one in queries.get_invoice_with_content("A").content.lines] == ["Chair", "Desk"]
        assert told(came) == [("file", 5, "lines", "Id", "belongs_to_nothing")]
        assert came.counts == {"rows": {"read": 4, "refused": 1}, "invoices": found(created=1)}

    def test_an_id_that_cannot_be_used_is_reported_of_each_row(self, shop: None) -> None:
        content = "Id,Customer,Date,Total,Item,Net,Rate\n" + "".join(
            f"{named},c1,2021-02-01,1,a,1,\n" for named in ("", "", "a/b")
        )
        kind = {**grouped("invoice", False)}
        del kind["only_if"]
        came = imported(content, mapping(kind))
        assert [(one.line, one.field) for one in came.refusals] == [
            (2, "invoice_id"),
            (3, "invoice_id"),
            (4, "invoice_id"),
        ]

    def test_it_goes_on_where_it_stopped(self, shop: None) -> None:
        import_id = prepare(ONE_FILE.encode(), BOTH)
        while run(import_id, time_is_left=lambda: False).status != "finished":
            pass
        came = service.get_import(import_id)
        assert came.counts == {"rows": {"read": 4, "refused": 0}, "invoices": found(created=3)}

    def test_a_kind_that_has_no_lines(self) -> None:
        with pytest.raises(InvalidInput) as refusal:
            plan_import(mapping({**JOINED, "kind": "accounts", "fields": {"account_id": "x"}}))
        assert [one.field for one in refusal.value.fields] == ["mapping.kinds.0.lines"]
        with pytest.raises(InvalidInput) as refusal:
            plan_import(mapping({"kind": "invoices", "fields": FIELDS}))
        assert [one.field for one in refusal.value.fields] == ["mapping.kinds.0.fields"]


HEAD = "id,account,amount,on,text,invoice,paid\n"


class TestPayments:
    def test_one_row_a_payment(self, shop: None) -> None:
        imported_two()
        content = HEAD + (
            "p1,c1,1.00,2021-02-03,thanks,i-1,1.00\n"
            "p2,,7.00,2021-02-03,,i-2,5.94\n"
            "p3,c3,5.00,2021-02-04,,,\n"
            "p4,c1,1.00,2021-02-04,,i-1,1.00\n"
            "p5,,1.00,2021-02-04,,i-9,1.00\n"
            "p6,,1.00,2021-02-04,,,\n"
            "p7,nobody,1.00,2021-02-04,,,\n"
        )
        before = data()
        dry_run = imported(content, mapping(PAYMENT), dry_run=True)
        assert data() == before
        came = imported(content, mapping(PAYMENT))
        assert (dry_run.counts, dry_run.refusals) == (came.counts, came.refusals)
        assert came.counts["payments"] == found(created=3, refused=4)
        assert [(one.line, one.field, one.column) for one in came.refusals] == [
            (5, "allocations.0.amount", "paid"),
            (6, "allocations.0.invoice_id", "invoice"),
            (7, "account_id", "account"),
            (8, "account_id", "account"),
        ]
        assert queries.get_invoice_head("i-1").balance == 98
        assert queries.get_invoice_head("i-2").status == "paid"
        assert payments.get_payment("c2", "p2").unallocated == 106
        again = imported(content, mapping(PAYMENT))
        assert again.counts["payments"] == found(unchanged=3, refused=4)

    def test_rows_of_one_payment_are_its_allocations(self, shop: None) -> None:
        imported_two()
        spread = {
            "fields": {
                "invoice_id": "invoice",
                "amount": {"column": "paid", "minor_units": {"currency": "USD"}},
            }
        }
        fields = {name: how for name, how in PAYMENT["fields"].items() if not name.startswith("allocations")}
        kind = {"kind": "payments", "fields": fields, "allocations": spread}
        content = HEAD + "p1,c1,2.00,2021-02-03,x,i-1,0.50\np1,c1,2.00,2021-02-03,x,i-2,1.00\n"
        other = imported(content, mapping(kind))
        # Of another account than the payment's.
        assert [(one.line, one.field, one.column) for one in other.refusals] == [
            (3, "allocations.invoice_id", "invoice")
        ]
        one = HEAD + "p1,c1,2.00,2021-02-03,x,i-1,0.50\np2,c1,1.00,2021-02-03,x,i-1,0.40\n"
        came = imported(one, mapping(kind))
        assert came.counts["payments"] == found(created=2)
        assert queries.get_invoice_head("i-1").balance == 108
