"""Rows that name the same record and differ; what is told of them, by cause; and what a dry run would change."""

import csv
import io
from typing import Any

import pytest

from chalicelib.accounts import service as accounts
from chalicelib.contacts import service as contacts
from chalicelib.imports import rules, service
from chalicelib.imports.rules import Import
from chalicelib.storage import read_object
from tests.integration.imports.imports import ACCOUNTS, CONTACTS, data, imported, lines, mapping, prepare, run, told
from tests.receivables import DUE_TOO_EARLY, receivables, receivables_kinds

VARYING = "id,name\na1,WAL-MAR co\na2,Bolt\na1,WAL-MAR llc\na1,WAL-MAR corp\n"
NAMES = ("WAL-MAR co", "WAL-MAR llc", "WAL-MAR corp")
GROUPS = {
    "kind": "bill_groups",
    "fields": {"bill_group_id": "id", "account_id": "id", "entity_id": {"constant": "acme"}, "name": "name"},
}


def customers(repeated: str | None) -> Any:
    rule = {} if repeated is None else {"repeated": repeated}
    return mapping({**ACCOUNTS, **rule}, {**GROUPS, **rule})


def counts(created: int = 0, changed: int = 0, unchanged: int = 0, refused: int = 0) -> dict[str, int]:
    return {"created": created, "changed": changed, "unchanged": unchanged, "refused": refused}


def table(found: Import, name: str) -> list[dict[str, str]]:
    raw = read_object(f"imports/{found.import_id}/{name}.csv")
    assert raw is not None
    return list(csv.DictReader(io.StringIO(raw.decode("utf-8-sig"))))


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_refusal_names_the_field_and_both_values_once(entity: None, dry_run: bool) -> None:
    found = imported(VARYING, customers(None), dry_run=dry_run)
    assert told(found) == [(4, "accounts", "name", "repeated"), (5, "accounts", "name", "repeated")]
    first = found.refusals[0]
    assert (first.value, first.other_line, first.other_value) == ("WAL-MAR llc", 2, "WAL-MAR co")
    assert first.message.endswith('Line 2 has "WAL-MAR co", this row "WAL-MAR llc".')
    # The bill group has the same name: the fault of the row is one.
    assert (first.column, first.also) == ("name", ("bill_groups",))
    assert found.counts["accounts"] == found.counts["bill_groups"] == counts(created=2, refused=2)
    (cause,) = found.refusal_causes
    assert (cause.count, cause.kind, cause.also, cause.field) == (2, "accounts", ("bill_groups",), "name")
    assert [(one.line, one.value, one.other_value) for one in cause.examples] == [
        (4, "WAL-MAR llc", "WAL-MAR co"),
        (5, "WAL-MAR corp", "WAL-MAR co"),
    ]


@pytest.mark.parametrize(("repeated", "wins"), [("first", 0), ("last", 2)])
def test_the_first_or_the_last_counts_as_the_mapping_says(entity: None, repeated: str, wins: int) -> None:
    dry_run = imported(VARYING, customers(repeated), dry_run=True)
    found = imported(VARYING, customers(repeated))
    assert (dry_run.counts, dry_run.warnings) == (found.counts, found.warnings)
    assert found.refusals == ()
    assert found.counts["accounts"] == found.counts["bill_groups"] == counts(created=2, unchanged=2)
    assert accounts.get_account("a1").account.name == NAMES[wins]
    told_of = [(one.line, one.value, one.other_value) for one in found.warnings]
    # By the line: what it has, and what counts instead.
    assert told_of == [
        (line, name, NAMES[wins]) for line, name in zip((2, 4, 5), NAMES, strict=True) if name != NAMES[wins]
    ]
    before = data()
    again = imported(VARYING, customers(repeated))
    assert again.counts["accounts"] == again.counts["bill_groups"] == counts(unchanged=4)
    assert data() == before


@pytest.mark.parametrize("repeated", ["first", "last", "refuse"])
def test_what_a_row_does_not_hold_contradicts_nothing(entity: None, repeated: str) -> None:
    """Each row adds what it has; rows that repeat it change nothing."""
    content = (
        "id,name,person,first,last,email,roles,title\n"
        "a1,Acme,p1,Ada,Byron,ada@a.example,,CFO\na1,,p1,Ada,Byron,,invoicing,\n"
    )
    imported("id,name\na1,Acme\n", mapping(ACCOUNTS))
    people: dict[str, Any] = {**CONTACTS, "repeated": repeated}
    people["fields"] = {**people["fields"], "job_title": "title"}
    del people["only_if"]
    found = imported(content, mapping(people))
    assert (found.refusals, found.warnings) == ((), ())
    # Where the last row counts, the first one writes what all rows together say.
    expected = counts(created=1, unchanged=1) if repeated == "last" else counts(created=1, changed=1)
    assert found.counts["contacts"] == expected
    (read,) = contacts.list_contacts("a1", "active", None, 10)[0]
    assert (read.contact.name, read.contact.job_title, read.roles) == ("Ada Byron", "CFO", {"invoicing"})
    before = data()
    assert imported(content, mapping(people)).counts["contacts"] == counts(unchanged=2)
    assert data() == before


@pytest.mark.parametrize("repeated", ["first", "last"])
def test_two_people_are_never_taken_for_one(entity: None, repeated: str) -> None:
    content = "id,name,person,first,last,email,roles\na1,Acme,p1,Ada,B,x@a.example,\na1,Acme,p2,Eve,F,x@a.example,\n"
    found = imported(content, mapping({**ACCOUNTS}, {**CONTACTS, "repeated": repeated}))
    assert ("external_id", "repeated") in [(one.field, one.code) for one in found.refusals]
    assert found.counts["contacts"] == counts(created=1, refused=1)


def test_a_record_that_was_refused_is_not_unchanged_later(entity: None) -> None:
    """The same row again was counted as unchanged, though there is no such record."""
    wanted = mapping({**ACCOUNTS, "fields": {**ACCOUNTS["fields"], "entity_id": {"constant": "absent"}}})
    for dry_run in (True, False):
        found = imported("id,name\na1,Acme\na1,Acme\na1,Other\n", wanted, dry_run=dry_run)
        assert found.counts["accounts"] == counts(refused=3)
        assert [one.code for one in found.refusals] == ["unknown_entity"] * 3


@pytest.mark.parametrize("repeated", ["first", "last", "refuse"])
@pytest.mark.parametrize("dry_run", [True, False])
def test_an_import_that_is_handed_over_ends_the_same(entity: None, repeated: str, dry_run: bool) -> None:
    whole = imported(VARYING + "-,x\n", customers(repeated), dry_run=True)
    import_id = prepare((VARYING + "-,x\n").encode(), customers(repeated), dry_run=dry_run)
    for _ in range(6):
        found = run(import_id, time_is_left=lambda: False)
    assert (found.status, found.counts, found.refusals, found.warnings) == (
        "finished",
        whole.counts,
        whole.refusals,
        whole.warnings,
    )
    assert found.refusal_causes == whole.refusal_causes
    assert found.warning_causes == whole.warning_causes


def test_of_grouped_rows_one_counts_where_the_mapping_says_so(entity: None) -> None:
    imported("id,name\na1,Acme\n", mapping(ACCOUNTS, GROUPS))
    content = "invoice,customer,po,what,net,total\ni1,a1,P-1,Pen,100,300\ni1,a1,P-2,Ink,200,300\ni1,a1,,Cap,0,300\n"
    kind = {
        "kind": "invoices",
        "fields": {
            "invoice_id": "invoice",
            "number": "invoice",
            "bill_group_id": "customer",
            "po_number": "po",
            "issue_date": {"constant": "2026-01-01"},
            "currency": {"constant": "EUR"},
            "total": "total",
        },
        "lines": {"fields": {"description": "what", "net_amount": "net"}},
    }
    refused = imported(content, mapping(kind), dry_run=True)
    assert [(one.line, one.field, one.value, one.other_line, one.other_value) for one in refused.refusals] == [
        (3, "po_number", "P-2", 2, "P-1")
    ]
    for repeated, po in (("first", "P-1"), ("last", "P-2")):
        found = imported(content, mapping({**kind, "repeated": repeated}), dry_run=True)
        assert found.counts["invoices"]["created"] == 1
        assert [one.code for one in found.warnings] == ["differs"]
        assert po in found.warnings[0].message


class TestChanges:
    def test_a_dry_run_lists_every_change(self, entity: None) -> None:
        street = {"billing_address.line1": "street", "billing_address.city": "city", "billing_address.country": "land"}
        kinds = (ACCOUNTS, {**GROUPS, "fields": {**GROUPS["fields"], **street}})
        head = "id,name,street,city,land\n"
        imported(f"{head}a1,Acme,Way 1,Rome,IT\na2,Bolt,Way 2,Bari,IT\n", mapping(*kinds))
        before = data()
        again = f"{head}a1,Acme,Way 1,Milan,IT\na2,=HYPERLINK(1),Way 2,Bari,IT\na3,New,Way 3,Pisa,IT\n"
        found = imported(again, mapping(*kinds), dry_run=True)
        assert data() == before
        assert [
            (one.line, one.kind, one.id, one.result, one.field, one.before, one.after) for one in found.changes
        ] == [
            (2, "bill_groups", "a1", "changed", "billing_address.city", "Rome", "Milan"),
            (3, "accounts", "a2", "changed", "name", "Bolt", "=HYPERLINK(1)"),
            (3, "bill_groups", "a2", "changed", "name", "Bolt", "=HYPERLINK(1)"),
            (4, "accounts", "a3", "created", "", None, None),
            (4, "bill_groups", "a3", "created", "", None, None),
        ]
        assert lines(found.import_id, "changes.jsonl")[0]["after"] == "Milan"
        shown = table(found, "changes")
        assert (shown[0]["from"], shown[0]["to"]) == ("Rome", "Milan")
        # A spreadsheet must not run what a customer named itself.
        assert shown[1]["to"] == "'=HYPERLINK(1)"

    @pytest.mark.parametrize(("empty", "terms"), [("absent", 30), ("clear", None)])
    def test_an_empty_cell_is_unchanged_unless_the_mapping_clears(
        self, entity: None, empty: str, terms: int | None
    ) -> None:
        zone = {"column": "zone", "empty": empty}
        wanted = mapping({**ACCOUNTS, "fields": {**ACCOUNTS["fields"], "time_zone": zone}})
        imported("id,name,zone\na1,Acme,Europe/Rome\n", wanted)
        found = imported("id,name,zone\na1,Acme,\n", wanted, dry_run=True)
        changes = [(one.field, one.before, one.after) for one in found.changes]
        assert changes == ([] if empty == "absent" else [("time_zone", "Europe/Rome", None)])
        imported("id,name,zone\na1,Acme,\n", wanted)
        assert accounts.get_account("a1").account.time_zone == ("Europe/Rome" if empty == "absent" else None)

    def test_an_import_that_writes_leaves_that_to_the_audit(self, entity: None) -> None:
        found = imported(VARYING, customers("first"))
        assert found.changes == ()
        assert "changes" not in service.get_result_urls(found)


class TestNames:
    """Ids that are made of names."""

    def wanted(self, **how: Any) -> Any:
        made = {"column": "name", "id_from_name": {"prefix": "c-", **how}}
        return mapping({**ACCOUNTS, "fields": {**ACCOUNTS["fields"], "account_id": made}, "repeated": "first"})

    def test_a_name_makes_an_id(self, entity: None) -> None:
        found = imported("name\nÀcme & Söhne GmbH\n日本商事\nÀcme & Söhne GmbH\n", self.wanted())
        assert found.counts["accounts"] == counts(created=2, unchanged=1)
        assert accounts.get_account("c-acme-and-sohne-gmbh").account.name == "Àcme & Söhne GmbH"

    @pytest.mark.parametrize("dry_run", [True, False])
    def test_collisions_are_told(self, entity: None, dry_run: bool) -> None:
        content = "name\nAcme Inc.\nACME-inc\nAcme Inc.\n"
        found = imported(content, self.wanted(), dry_run=dry_run)
        assert [(one.line, one.field, one.code, one.value, one.other_value) for one in found.refusals] == [
            (3, "account_id", "id_collision", "ACME-inc", "Acme Inc.")
        ]
        joined = imported(content, self.wanted(collisions="join"), dry_run=dry_run)
        assert joined.refusals == ()
        assert [one.code for one in joined.warnings] == ["id_collision", "repeated"]


def test_causes_beyond_the_limit_are_counted_together(entity: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chalicelib.imports.run.report.MAX_CAUSES_SHOWN", 1)
    found = imported("id,name\na1,\n-,x\n-,y\n", mapping(ACCOUNTS))
    assert [(one.code, one.count) for one in found.refusal_causes] == [("required", 1), (rules.FURTHER, 2)]


def test_all_refusals_are_in_a_table(entity: None) -> None:
    content = "id,name\na1,Acme\n" + "".join(f"a1,Other {number}\n" for number in range(250))
    found = imported(content, customers(None), dry_run=True)
    shown = table(found, "refusals")
    assert (len(shown), len(found.refusals), found.refusal_causes[0].count) == (250, 100, 250)
    last = shown[-1]
    assert (last["kind"], last["also"], last["field"], last["value"], last["other_value"]) == (
        "accounts",
        "bill_groups",
        "name",
        "Other 249",
        "Acme",
    )


class TestReceivables:
    """A table as businesses export it: the customer's name in every row, and not always the same."""

    ROWS = 300

    def test_by_default_each_row_that_differs_is_refused_once(self, entity: None) -> None:
        found = imported(receivables(self.ROWS), mapping(*receivables_kinds()), dry_run=True)
        repeated = [one for one in found.refusal_causes if one.code == "repeated"]
        assert [(one.kind, one.also, one.field, one.column) for one in repeated] == [
            ("accounts", ("bill_groups",), "name", "name_customer")
        ]
        assert repeated[0].count == found.counts["accounts"]["refused"]
        assert len(found.refusal_causes) <= 3

    @pytest.mark.parametrize("repeated", ["first", "last"])
    def test_with_a_rule_all_customers_come(self, entity: None, repeated: str) -> None:
        found = imported(receivables(self.ROWS), mapping(*receivables_kinds(repeated=repeated)), dry_run=True)
        assert found.counts["accounts"]["refused"] == found.counts["bill_groups"]["refused"] == 0
        assert {one.field for one in found.refusals} <= {"due_date"}
        assert found.counts["rows"]["refused"] <= DUE_TOO_EARLY

    def test_a_cleared_row_becomes_a_payment(self, entity: None) -> None:
        content = receivables(40)
        cleared = [row for row in csv.DictReader(io.StringIO(content)) if row["clear_date"]]
        found = imported(content, mapping(*receivables_kinds(repeated="first")))
        paid = found.counts["payments"]
        assert paid["created"] + paid["refused"] == len(cleared)
        assert paid["created"] >= len(cleared) - DUE_TOO_EARLY
        again = imported(content, mapping(*receivables_kinds(repeated="first")))
        assert again.counts["payments"]["created"] == 0
