"""What an import writes, tells, and leaves alone."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.accounts import service as accounts
from chalicelib.bill_groups import service as bill_groups
from chalicelib.bill_groups import subscriptions
from chalicelib.contacts import deletion
from chalicelib.contacts import service as contacts
from chalicelib.imports import rules, service
from chalicelib.imports.rows import contacts as matching
from chalicelib.request_context import Actor, RequestContext
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

STAFF = RequestContext(Actor("staff", "s1", "Sam"), NOW, "test-correlation")
HEAD = "id,name,person,first,last,email,roles\n"
TWO = HEAD + "a1,Acme,p1,Ada,Byron,ada@a.example,invoicing\na2,Bolt,p2,Bo,Li,bo@b.example,\n"
BOTH = mapping(ACCOUNTS, CONTACTS)


def contact(account_id: str, external_id: str) -> Any:
    contact_id = matching.find_contact(account_id, external_id, None)
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
        dry_run = imported(content, BOTH, dry_run=True)
        assert data() == before
        real = imported(content, BOTH)
        assert (dry_run.status, dry_run.counts) == ("finished", real.counts)
        assert dry_run.refusals == real.refusals
        assert real.counts == {
            "rows": {"read": 5, "refused": 2},
            "accounts": counts(created=3, unchanged=1, refused=1),
            "contacts": counts(created=3, refused=2),
        }
        assert told(real) == [
            (4, "accounts", "name", "required"),
            (5, "contacts", "email", "bad_email"),
        ]

    def test_it_sees_what_earlier_rows_would_have_done(self, entity: None) -> None:
        """Six contacts for one role (C2), two of one email (C3), and a change of what the file itself makes."""
        people = "".join(f"a1,Acme,p{n},P,Q,p{n}@a.example,invoicing\n" for n in range(1, 7))
        content = HEAD + people + "a1,Acme,p7,P,Q,p1@a.example,\na1,Acme Ltd,p8,P,Q,p8@a.example,\n"
        dry_run = imported(content, BOTH, dry_run=True)
        assert told(dry_run) == [
            (7, "contacts", "roles", "role_is_full"),
            (8, "contacts", "external_id", "repeated"),
            (9, "accounts", "name", "repeated"),
        ]
        assert told(imported(content, BOTH)) == told(dry_run)

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
        contact_id = matching.find_contact("a2", person or None, "bo@b.example")
        assert contact_id is not None
        deletion.delete_contact(STAFF, "a2", contact_id, None, None)
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


def people(account_id: str, status: str = "all") -> list[tuple[str, str, str | None]]:
    found = contacts.list_contacts(account_id, status, None, 100)[0]
    return [(one.contact.email, one.contact.status, one.contact.external_id) for one in found]


class TestKnownByEmail:
    """The mapping names contacts by their email alone, which may change here."""

    MAPPING = mapping(
        ACCOUNTS,
        {**CONTACTS, "fields": {name: how for name, how in CONTACTS["fields"].items() if name != "external_id"}},
        {
            "kind": "bill_groups",
            "fields": {
                "bill_group_id": {"template": "g-{id}"},
                "account_id": "id",
                "entity_id": {"constant": "acme"},
                "name": "name",
                "billing_contact.email": "email",
            },
        },
    )
    ONE = HEAD + "a1,Acme,,Ada,Byron,ada@a.example,\n"

    def ada(self) -> str:
        imported(self.ONE, self.MAPPING)
        contact_id = matching.find_contact("a1", None, "ada@a.example")
        assert contact_id is not None
        return contact_id

    def move(self, contact_id: str, email: str) -> None:
        contacts.patch_contact(STAFF, "a1", contact_id, {"email": email}, None, None)

    def add(self, email: str) -> str:
        given = {"first_name": "Bo", "last_name": "Li", "email": email}
        return contacts.create_contact(STAFF, "a1", given, frozenset()).contact.contact_id

    def group(self) -> Any:
        return bill_groups.get_bill_group("g-a1").bill_group

    @pytest.mark.parametrize("dry_run", [True, False])
    def test_an_email_that_was_changed_here_stands(self, entity: None, dry_run: bool) -> None:
        contact_id = self.ada()
        self.move(contact_id, "augusta@a.example")
        before = data()
        again = imported(self.ONE, self.MAPPING, dry_run=dry_run)
        assert (again.refusals, again.warnings) == ((), ())
        assert again.counts["contacts"] == again.counts["bill_groups"] == counts(unchanged=1)
        assert data() == before
        assert people("a1") == [("augusta@a.example", "active", None)]
        assert self.group().billing_contact_id == contact_id

    @pytest.mark.parametrize("dry_run", [True, False])
    def test_other_values_of_the_contact_are_still_taken(self, entity: None, dry_run: bool) -> None:
        contact_id = self.ada()
        self.move(contact_id, "augusta@a.example")
        again = imported(changed(self.ONE, "Ada,", "Adah,"), self.MAPPING, dry_run=dry_run)
        assert again.counts["contacts"] == counts(changed=1)
        first = contacts.get_contact("a1", contact_id).contact.first_name
        assert first == ("Ada" if dry_run else "Adah")

    def test_a_bill_group_may_newly_name_whom_only_the_billing_system_knows_so(self, entity: None) -> None:
        contact_id = self.ada()
        self.move(contact_id, "augusta@a.example")
        row = HEAD.strip() + "\nb,Other,,,,ada@a.example,\n"
        groups = mapping(
            {
                "kind": "bill_groups",
                "fields": {
                    "bill_group_id": "id",
                    "account_id": {"constant": "a1"},
                    "entity_id": {"constant": "acme"},
                    "name": "name",
                    "billing_contact.email": "email",
                },
            }
        )
        assert imported(row, groups).refusals == ()
        assert bill_groups.get_bill_group("b").bill_group.billing_contact_id == contact_id

    def test_another_contact_that_has_the_email_now_is_meant(self, entity: None) -> None:
        moved = self.ada()
        self.move(moved, "augusta@a.example")
        other = self.add("ada@a.example")
        assert matching.find_intended_contact("a1", None, "ada@a.example") == other

    def test_the_newest_active_one_that_was_brought_with_it_is_meant(
        self, entity: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(matching, "_PAGE_SIZE", 1)
        self.move(self.ada(), "one@a.example")
        # Ids of one millisecond have no order.
        later = replace(CALL, now=NOW + timedelta(seconds=1))
        made = contacts.create_contact(
            later, "a1", {"first_name": "Ada", "last_name": "B", "email": "ada@a.example"}, frozenset()
        ).contact.contact_id
        self.move(made, "two@a.example")
        deleted = self.add("ada@a.example")
        deletion.delete_contact(STAFF, "a1", deleted, None, None)
        assert matching.find_intended_contact("a1", None, "ada@a.example") == made
        assert matching.find_intended_contact("a1", None, "nobody@a.example") is None

    @pytest.mark.parametrize("dry_run", [True, False])
    def test_an_external_id_tells_who_is_somebody_else(self, entity: None, dry_run: bool) -> None:
        """Who has none takes the one of the file; the email of who has another is free for a new contact."""
        imported(self.ONE, self.MAPPING)
        contact_id = matching.find_contact("a1", None, "ada@a.example")
        assert contact_id is not None
        self.move(contact_id, "augusta@a.example")
        first = imported(changed(self.ONE, "Acme,,", "Acme,p1,"), BOTH, dry_run=dry_run)
        assert first.counts["contacts"] == counts(changed=1)
        if dry_run:
            return
        assert people("a1") == [("augusta@a.example", "active", "p1")]
        assert imported(changed(self.ONE, "Acme,,", "Acme,p2,"), BOTH).counts["contacts"] == counts(created=1)
        assert sorted(people("a1")) == [("ada@a.example", "active", "p2"), ("augusta@a.example", "active", "p1")]

    @pytest.mark.parametrize("dry_run", [True, False])
    def test_an_email_that_an_earlier_row_takes_away_finds_nobody(self, entity: None, dry_run: bool) -> None:
        """A dry run searches the table and the effects of earlier rows."""
        imported(changed(self.ONE, "Acme,,", "Acme,p1,"), BOTH)
        contact_id = contact("a1", "p1").contact.contact_id
        self.move(contact_id, "augusta@a.example")
        content = HEAD + "a1,Acme,p1,Ada,Byron,new@a.example,\na1,Acme,,Eve,Fox,ada@a.example,\n"
        found = imported(content, BOTH, dry_run=dry_run)
        assert found.counts["contacts"] == counts(created=1, changed=1)

    @pytest.mark.parametrize("dry_run", [True, False])
    @pytest.mark.parametrize("person", ["", "p1"])
    def test_who_took_the_place_of_a_deleted_contact_stays(self, entity: None, dry_run: bool, person: str) -> None:
        by_email = self.MAPPING.model_dump(mode="json", exclude_unset=True)["kinds"]
        group_fields = {**by_email[2]["fields"]}
        if person:
            del group_fields["billing_contact.email"]
            group_fields["billing_contact.external_id"] = "person"
        wanted = mapping(ACCOUNTS, CONTACTS, {**by_email[2], "fields": group_fields})
        content = changed(self.ONE, "Acme,,", f"Acme,{person},")
        imported(content, wanted)
        contact_id = self.group().billing_contact_id
        successor = self.add("bo@a.example")
        deletion.delete_contact(STAFF, "a1", contact_id, successor, None)
        before = data()
        again = imported(content, wanted, dry_run=dry_run)
        assert again.refusals == ()
        assert data() == before
        field = "billing_contact.external_id" if person else "billing_contact.email"
        assert [(one.kind, one.field, one.code) for one in again.warnings] == [
            ("contacts", "", "contact_is_inactive"),
            ("bill_groups", field, "contact_is_inactive"),
        ]
        renamed = imported(changed(content, "Acme,", "Acme Ltd,"), wanted, dry_run=dry_run)
        assert renamed.counts["bill_groups"] == counts(changed=1)
        assert self.group().name == ("Acme" if dry_run else "Acme Ltd")
        assert self.group().billing_contact_id == successor

    def test_a_bill_group_that_newly_names_a_deleted_contact_is_refused(self, entity: None) -> None:
        contact_id = self.ada()
        bo = self.add("bo@a.example")
        deletion.delete_contact(STAFF, "a1", bo, None, None)
        found = imported(changed(self.ONE, "ada@a.example", "bo@a.example"), self.MAPPING)
        assert told(found) == [(2, "bill_groups", "billing_contact.email", "unknown_contact")]
        assert self.group().billing_contact_id == contact_id

    @pytest.mark.parametrize("dry_run", [True, False])
    @pytest.mark.parametrize("on_bad", ["refuse", "drop"])
    def test_where_the_account_is_refused_nothing_else_of_the_row_is_reported(
        self, entity: None, dry_run: bool, on_bad: str
    ) -> None:
        kinds = self.MAPPING.model_dump(mode="json", exclude_unset=True)["kinds"]
        email = {"column": "email", "on_bad": on_bad}
        accounts = {**kinds[0], "fields": {**kinds[0]["fields"], "currency": {"constant": "NONE"}}}
        groups = {**kinds[2], "fields": {**kinds[2]["fields"], "billing_contact.email": email}}
        found = imported(self.ONE, mapping(accounts, kinds[1], groups), dry_run=dry_run)
        assert [(one.kind, one.field, one.code, one.also) for one in found.refusals] == [
            ("accounts", "currency", "bad_currency", ("contacts", "bill_groups"))
        ]
        assert found.counts["contacts"] == found.counts["bill_groups"] == counts(refused=1)
        assert found.warnings == ()

    def test_calls(self, entity: None) -> None:
        """Whose email is not in use costs one Query more, of the contacts of its account."""
        contact_id = self.ada()

        def queries() -> int:
            import_id = prepare(self.ONE.encode(), self.MAPPING)
            with counted() as made:
                run(import_id)
            return made.of("dynamodb.Query")

        assert queries() == 0
        self.move(contact_id, "augusta@a.example")
        assert queries() == 2


class TestMails:
    def test_nobody_is_mailed_unless_requested(self, entity: None) -> None:
        imported(TWO, BOTH)
        assert not any(isinstance(item, EmailItem) for item in rows())

    def test_mails_are_sent_when_asked_but_not_in_a_dry_run(self, entity: None) -> None:
        imported(TWO, BOTH, mail=True, dry_run=True)
        assert not any(isinstance(item, EmailItem) for item in rows())
        imported(TWO, BOTH, mail=True)
        assert sorted(item.to[0] for item in rows() if isinstance(item, EmailItem)) == [
            "ada@a.example",
            "bo@b.example",
        ]


def test_who_started_it_acts(entity: None) -> None:
    imported(TWO, BOTH)
    events = [item for item in rows() if isinstance(item, AuditEventItem) and item.resource_kind == "contact"]
    assert {(item.actor_kind, item.actor_id) for item in events} == {("api_key", "key_1")}
    assert len(events) == 2


def test_what_staff_imports_is_what_the_billing_system_holds(entity: None) -> None:
    """A value that was changed here stands while the file repeats the old one, whoever started the import."""
    run(prepare(TWO.encode(), BOTH, by=STAFF))
    ada = contact("a1", "p1").contact
    assert (accounts.get_account("a1").account.upstream["name"], ada.upstream["first_name"]) == ("Acme", "Ada")
    contacts.patch_contact(STAFF, "a1", ada.contact_id, {"first_name": "Augusta"}, None, None)
    again = run(prepare(TWO.encode(), BOTH, by=STAFF))
    assert again.counts["accounts"] == again.counts["contacts"] == counts(unchanged=2)
    assert contact("a1", "p1").contact.first_name == "Augusta"


def test_rows_before_something_undecodable_are_imported(entity: None) -> None:
    content = (TWO + "a3,Ångström,,,,,\na4,Deco,,,,,\n").encode("cp1252")
    found = imported(content, BOTH)
    assert (found.status, [one.line for one in found.refusals]) == ("failed", [4])
    assert found.counts["accounts"] == found.counts["contacts"] == counts(created=2)
    assert found.reason is not None
    assert found.reason.startswith("Line 4 ")


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
    assert len(found.refusals) == rules.MAX_FINDINGS_SHOWN
    stored = lines(found.import_id, "refusals.jsonl")
    assert [one["line"] for one in stored] == list(range(2, 452, 2))
    assert stored[0] == {**vars(found.refusals[0]), "also": []}
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
    monkeypatch.setattr(rules, "MAX_ROWS", 1)
    found = imported(TWO, BOTH)
    assert (found.status, found.counts["rows"]["read"]) == ("failed", 1)


def test_calls_per_row(entity: None) -> None:
    """25 rows are read together; a new contact costs a Query more, and one that exists is read by its id."""
    content = HEAD + "".join(f"a{n},N{n},p{n},P,Q,p{n}@a.example,invoicing\n" for n in range(50))

    def calls(text: str, *kinds: dict[str, Any]) -> tuple[int, int]:
        import_id = prepare(text.encode(), mapping(*kinds))
        with counted() as made:
            run(import_id)
        return made.of("dynamodb.BatchGetItem", "dynamodb.Query"), made.of("dynamodb.TransactWriteItems")

    assert calls(content, ACCOUNTS) == (2, 50)
    assert calls(content, ACCOUNTS) == (2, 0)
    reads, writes = calls(content, CONTACTS)
    assert (reads <= 60, writes) == (True, 50)
    assert calls(content, CONTACTS) == (55, 0)
