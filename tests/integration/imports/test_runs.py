"""What an import writes, tells, and leaves alone."""

import json
from typing import Any

import pytest

from chalicelib.accounts import service as accounts
from chalicelib.bill_groups import service as bill_groups
from chalicelib.bill_groups import subscriptions
from chalicelib.call import Actor, Call
from chalicelib.contacts import leaving
from chalicelib.contacts import service as contacts
from chalicelib.imports import contacts as matching
from chalicelib.imports import rules, service
from chalicelib.table.items import AuditEventItem, EmailItem
from tests.aws_calls import counted
from tests.integration.imports.imports import (
    ACCOUNTS,
    CALL,
    CONTACTS,
    NOW,
    data,
    imported,
    lines,
    mapping,
    prepare,
    rows,
    run,
    told,
)

STAFF = Call(Actor("staff", "s1", "Sam"), NOW, "test-correlation")
HEAD = "id,name,person,first,last,email,roles\n"
TWO = HEAD + "a1,Acme,p1,Ada,Byron,ada@a.example,invoicing\na2,Bolt,p2,Bo,Li,bo@b.example,\n"
BOTH = mapping(ACCOUNTS, CONTACTS)


def contact(account_id: str, external_id: str) -> Any:
    contact_id = matching.find(account_id, external_id, None)
    assert contact_id is not None
    return contacts.get_contact(account_id, contact_id)


def counts(created: int = 0, changed: int = 0, unchanged: int = 0, refused: int = 0) -> dict[str, int]:
    return {"created": created, "changed": changed, "unchanged": unchanged, "refused": refused}


def changed(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new)


class TestDryRun:
    def test_it_writes_nothing_and_tells_the_same(self, entity: None) -> None:
        content = (
            TWO + "a3,,p3,No,Name,nn@c.example,\na4,Deco,p4,De,Co,no address,\na1,Acme,p5,Eve,Fox,eve@a.example,\n"
        )
        before = data()
        rehearsed = imported(content, BOTH, dry_run=True)
        assert data() == before
        real = imported(content, BOTH)
        assert (rehearsed.status, rehearsed.counts) == ("finished", real.counts)
        assert rehearsed.refusals == real.refusals
        assert real.counts == {
            "rows": {"read": 5, "refused": 2},
            "accounts": counts(created=3, unchanged=1, refused=1),
            "contacts": counts(created=3, refused=2),
        }
        assert told(real) == [
            (4, "accounts", "name", "required"),
            (4, "contacts", "account_id", "unknown"),
            (5, "contacts", "email", "bad_email"),
        ]

    def test_it_sees_what_earlier_rows_would_have_done(self, entity: None) -> None:
        """Six contacts for one role (C2), two of one email (C3), and a change of what the file itself makes."""
        people = "".join(f"a1,Acme,p{n},P,Q,p{n}@a.example,invoicing\n" for n in range(1, 7))
        content = HEAD + people + "a1,Acme,p7,P,Q,p1@a.example,\na1,Acme Ltd,p8,P,Q,p8@a.example,\n"
        rehearsed = imported(content, BOTH, dry_run=True)
        assert told(rehearsed) == [
            (7, "contacts", "roles", "role_is_full"),
            (8, "contacts", "", "repeated"),
            (9, "accounts", "", "repeated"),
        ]
        assert told(imported(content, BOTH)) == told(rehearsed)

    def test_it_can_be_confirmed_with_the_same_file(self, entity: None) -> None:
        import_id = prepare(TWO.encode(), BOTH, dry_run=True)
        assert run(import_id).dry_run
        service.start_import(CALL, import_id, dry_run=False)
        found = run(import_id)
        assert (found.status, found.dry_run) == ("finished", False)
        assert found.counts["accounts"] == counts(created=2)
        assert accounts.get_account("a1").account.name == "Acme"


class TestTwice:
    def test_a_second_import_writes_nothing(self, entity: None) -> None:
        imported(TWO, BOTH)
        before = data()
        import_id = prepare(TWO.encode(), BOTH)
        with counted() as calls:
            found = run(import_id)
        assert data() == before
        assert calls.of("dynamodb.TransactWriteItems") == 0
        assert found.counts["accounts"] == found.counts["contacts"] == counts(unchanged=2)

    def test_a_value_that_was_changed_here_stands_until_the_file_brings_another(self, entity: None) -> None:
        imported(TWO, BOTH)
        ada = contact("a1", "p1")
        contact_id = ada.contact.contact_id
        contacts.patch_contact(
            STAFF, "a1", contact_id, {"first_name": "Augusta"}, frozenset({"accounts_payable"}), None
        )
        again = imported(TWO, BOTH)
        assert again.counts["contacts"] == counts(unchanged=2)
        assert contact("a1", "p1").contact.first_name == "Augusta"
        assert contact("a1", "p1").roles == {"accounts_payable"}
        other = imported(changed(TWO, "Ada,", "Adah,"), BOTH)
        assert other.counts["contacts"] == counts(changed=1, unchanged=1)
        assert [(one.line, one.field, one.column, one.code) for one in other.warnings] == [
            (2, "first_name", "first", "overridden")
        ]
        assert contact("a1", "p1").contact.first_name == "Adah"
        assert contact("a1", "p1").roles == {"accounts_payable"}

    @pytest.mark.parametrize("person", ["p2", ""])
    def test_a_contact_that_was_deleted_here_stays_deleted(self, entity: None, person: str) -> None:
        content = changed(TWO, "p2", person)
        imported(content, BOTH)
        contact_id = matching.find("a2", person or None, "bo@b.example")
        assert contact_id is not None
        leaving.delete_contact(STAFF, "a2", contact_id, None, None)
        before = data()
        for dry_run in (True, False):
            again = imported(content, BOTH, dry_run=dry_run)
            assert data() == before
            assert again.counts["contacts"] == counts(unchanged=2)
            assert [(one.line, one.code) for one in again.warnings] == [(3, "contact_is_inactive")]

    def test_an_email_of_somebody_else_is_refused(self, entity: None) -> None:
        imported(TWO, BOTH)
        found = imported(HEAD + "a1,Acme,p9,Imp,Ostor,ada@a.example,\n", BOTH)
        assert told(found) == [(2, "contacts", "email", "taken")]

    def test_a_contact_without_external_id_takes_the_one_of_the_file(self, entity: None) -> None:
        imported(changed(TWO, "p1", ""), BOTH)
        assert imported(TWO, BOTH).counts["contacts"] == counts(changed=1, unchanged=1)
        assert contact("a1", "p1").contact.email == "ada@a.example"
        assert imported(TWO, BOTH).counts["contacts"] == counts(unchanged=2)


class TestMails:
    def test_nobody_is_mailed_unless_asked(self, entity: None) -> None:
        imported(TWO, BOTH)
        assert not any(isinstance(item, EmailItem) for item in rows())

    def test_mails_go_out_when_asked_but_not_in_a_dry_run(self, entity: None) -> None:
        imported(TWO, BOTH, mail=True, dry_run=True)
        assert not any(isinstance(item, EmailItem) for item in rows())
        imported(TWO, BOTH, mail=True)
        assert sorted(item.to[0] for item in rows() if isinstance(item, EmailItem)) == [
            "ada@a.example",
            "bo@b.example",
        ]


def test_whoever_started_it_acts(entity: None) -> None:
    imported(TWO, BOTH)
    events = [item for item in rows() if isinstance(item, AuditEventItem) and item.resource_kind == "contact"]
    assert {(item.actor_kind, item.actor_id) for item in events} == {("api_key", "key_1")}
    assert len(events) == 2


def test_bill_groups_and_subscriptions_of_json_lines(entity: None) -> None:
    imported(TWO, BOTH)
    groups = {
        "kind": "bill_groups",
        "only_if": {"column": "kind", "one_of": ["group"]},
        "fields": {
            "bill_group_id": "id",
            "account_id": "account",
            "entity_id": {"constant": "acme"},
            "name": "name",
            "auto_pay": "auto",
            "billing_address.line1": "address.street",
            "billing_address.country": {"column": "address.country", "country": {}},
            "billing_contact.email": "mail",
        },
    }
    of_group = {
        "kind": "subscriptions",
        "only_if": {"column": "kind", "one_of": ["subscription"]},
        "fields": {
            "bill_group_id": "group",
            "subscription_id": "id",
            "name": "name",
            "status": {"column": "state", "lookup": {"values": {"on": "active"}}},
            "unit_amount": {"column": "price", "minor_units": {"currency": "EUR"}},
            "currency": {"constant": "EUR"},
            "start_date": {"column": "from", "date": "%d/%m/%Y"},
        },
    }
    content = "\n".join(
        json.dumps(line)
        for line in (
            {"kind": "group", "id": "g1", "account": "a1", "name": "Main", "auto": True, "mail": "Ada@A.example",
             "address": {"street": "Straße 1", "country": "Germany"}},
            {"kind": "subscription", "id": "s1", "group": "g1", "name": "Phone", "state": "on", "price": 12.5,
             "from": "01/02/2026"},
            {"kind": "subscription", "id": "s2", "group": "g1", "name": "Fax", "state": "on", "price": "12.505"},
            {"kind": "subscription", "id": "s3", "group": "g9", "name": "Fax", "state": "off", "price": "1"},
            {"kind": "subscription", "id": "s4", "group": "g9", "name": "Fax", "state": "on", "price": "1"},
            ["group"],
            {"kind": "group", "id": "g2", "account": "a1", "name": "Other", "mail": "bo@b.example"},
        )
    )  # fmt: skip
    wanted = mapping(groups, of_group, format="json_lines")
    found = imported(content, wanted)
    assert told(found) == [
        (3, "subscriptions", "unit_amount", "too_many_decimals"),
        (4, "subscriptions", "status", "not_in_lookup"),
        (5, "subscriptions", "bill_group_id", "unknown"),
        (6, "", "", "not_an_object"),
        (7, "bill_groups", "billing_contact.email", "unknown_contact"),
    ]
    group = bill_groups.get_bill_group("g1").bill_group
    assert (group.auto_pay, group.billing_contact_id) == (True, contact("a1", "p1").contact.contact_id)
    assert group.billing_address is not None
    assert (group.billing_address.line1, group.billing_address.country) == ("Straße 1", "DE")
    assert subscriptions.get_subscription("g1", "s1").unit_amount == 1250
    assert imported(content, wanted).counts["bill_groups"] == counts(unchanged=1, refused=1)


def test_all_refusals_are_in_a_file_and_the_first_hundred_here(entity: None) -> None:
    content = HEAD + "".join(f"a{n},N{n},,,,,\n" if n % 2 else f"-{n},N{n},,,,,\n" for n in range(450))
    found = imported(content, mapping(ACCOUNTS))
    assert found.counts["accounts"] == counts(created=225, refused=225)
    assert len(found.refusals) == rules.TOLD_AT_ONCE
    stored = lines(found.import_id, "refusals.jsonl")
    assert [one["line"] for one in stored] == list(range(2, 452, 2))
    assert stored[0] == {**vars(found.refusals[0])}
    assert (stored[0]["field"], stored[0]["column"], stored[0]["code"]) == ("account_id", "id", "bad_id")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"id,nam\na1,x\n", "unknown_column"),
        ("id,name\na1,Ångström\n".encode("cp1252"), "bad_encoding"),
    ],
)
def test_a_file_that_does_not_fit_fails_before_anything(entity: None, content: bytes, code: str) -> None:
    before = data()
    found = imported(content, mapping(ACCOUNTS))
    assert found.status == "failed"
    assert found.reason
    assert [one.code for one in found.refusals] == [code]
    assert data() == before
    assert lines(found.import_id, "refusals.jsonl")[0]["code"] == code


def test_too_many_rows_are_refused(entity: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "MOST_ROWS", 1)
    found = imported(TWO, BOTH)
    assert (found.status, found.counts["rows"]["read"]) == ("failed", 1)


def test_calls_per_row(entity: None) -> None:
    """A new account is a read and a transaction; a new contact a read more; what is unchanged is reads only."""
    content = HEAD + "".join(f"a{n},N{n},p{n},P,Q,p{n}@a.example,invoicing\n" for n in range(50))

    def calls(text: str, *kinds: dict[str, Any]) -> tuple[int, int]:
        import_id = prepare(text.encode(), mapping(*kinds))
        with counted() as made:
            run(import_id)
        return made.of("dynamodb.BatchGetItem", "dynamodb.Query"), made.of("dynamodb.TransactWriteItems")

    assert calls(content, ACCOUNTS) == (50, 50)
    assert calls(content, ACCOUNTS) == (50, 0)
    assert calls(content, CONTACTS) == (100, 50)
    assert calls(content, CONTACTS) == (100, 0)
