"""Contacts over HTTP: C1 to C5."""

from typing import Any

import pytest

from tests.aws_calls import counted
from tests.integration.service import Service, code, faults, rows

BOTH = ["invoicing", "accounts_payable"]


@pytest.fixture
def account(service: Service) -> str:
    return service.account()


def holders(service: Service, account: str) -> dict[str, list[str]]:
    return {role: found["contact_ids"] for role, found in service.get(account)["role_coverage"].items()}


def address(account: str, contact: Any) -> str:
    return f"{account}/contacts/{contact['contact_id']}"


class TestCreate:
    def test_a_person(self, service: Service, account: str) -> None:
        body = {
            "first_name": "Zoë",
            "last_name": "Ó Briain",
            "email": "Zoe@Example.com",
            "cell": "+49 30 1234567",
            "company": "Acme",
            "address": {"city": "Köln", "country": "de"},
            "job_title": "CFO",
            "locale": "de",
            "external_id": "x-1",
            "roles": BOTH,
        }
        made = service.ask("POST", f"{account}/contacts", body)
        assert (made.status, made.headers["etag"]) == (201, '"1"')
        found = service.get(address(account, made.json))
        assert {**found, "others": []} == made.json
        assert (found["email"], found["cell"], found["kind"]) == ("zoe@example.com", "+49301234567", "person")
        assert (found["address"]["city"], found["address"]["country"]) == ("Köln", "DE")
        assert (found["roles"], found["status"], found["version"]) == (BOTH, "active", 1)
        assert found["created_at"] == found["updated_at"] == "2026-01-31T09:00:00Z"
        assert holders(service, account) == {role: [found["contact_id"]] for role in BOTH}

    def test_a_mailbox(self, service: Service, account: str) -> None:
        body = {"kind": "mailbox", "display_name": "Accounts", "email": "ap@example.com"}
        made = service.ask("POST", f"{account}/contacts", body)
        assert (made.status, made.json["display_name"], made.json["first_name"]) == (201, "Accounts", None)

    def test_what_is_needed_is_named(self, service: Service, account: str) -> None:
        before = rows()
        path = f"{account}/contacts"
        assert faults(service.ask("POST", path, {})) == [("email", "required")]
        only_email = {"email": "a@example.com"}
        assert faults(service.ask("POST", path, only_email)) == [("first_name", "required"), ("last_name", "required")]
        mailbox = {**only_email, "kind": "mailbox", "first_name": "A"}
        assert faults(service.ask("POST", path, mailbox)) == [
            ("display_name", "required"),
            ("first_name", "not_allowed"),
        ]
        assert code(service.ask("POST", "/accounts/none/contacts", only_email)) == (404, "not_found")
        assert rows() == before

    def test_the_entity_may_need_a_cell(self, service: Service, account: str) -> None:
        service.put("/entities/acme", contact_cell_required=True)
        body = {"first_name": "A", "last_name": "B", "email": "a@example.com"}
        assert faults(service.ask("POST", f"{account}/contacts", body)) == [("cell", "required")]
        service.contact(account, "Ann", cell="+49301234567")

    def test_an_email_that_an_active_contact_has(self, service: Service, account: str) -> None:
        ann = service.contact(account, "Ann")
        before = rows()
        body = {"first_name": "A", "last_name": "B", "email": "ANN@example.com"}
        taken = service.ask("POST", f"{account}/contacts", body)
        assert (code(taken), faults(taken)) == ((409, "email_taken"), [("email", "taken")])
        assert taken.json["details"] == {"contact_id": ann["contact_id"]}
        assert rows() == before
        assert service.contact(service.account("a2"), "Ann")["contact_id"] != ann["contact_id"]

    def test_an_external_id_is_unique_in_the_account_active_or_not(self, service: Service, account: str) -> None:
        ann = service.contact(account, "Ann", external_id="x")
        body = {"first_name": "B", "last_name": "B", "email": "b@example.com", "external_id": "x"}
        for _ in range(2):
            taken = service.ask("POST", f"{account}/contacts", body)
            assert (code(taken), faults(taken)) == ((409, "external_id_taken"), [("external_id", "taken")])
            service.ask("DELETE", address(account, ann))
        service.contact(service.account("a2"), "Bee", external_id="x")
        service.contact(account, "Cid", external_id="None")
        service.contact(account, "Dan")

    def test_a_sixth_holder_is_refused(self, service: Service, account: str) -> None:
        five = [service.contact(account, f"P{number}", "invoicing")["contact_id"] for number in range(5)]
        before = rows()
        body = {"first_name": "A", "last_name": "B", "email": "a@example.com", "roles": BOTH}
        refused = service.ask("POST", f"{account}/contacts", body)
        assert (code(refused), faults(refused)) == ((409, "role_is_full"), [("roles", "role_is_full")])
        assert refused.json["details"] == {"role": "invoicing", "holders": sorted(five)}
        assert rows() == before
        assert service.contact(account, "Ann", "accounts_payable")["roles"] == ["accounts_payable"]


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_listed_by_status_in_the_order_of_adding(service: Service, account: str, limit: int) -> None:
    made = []
    for name in ("Dan", "Ann", "Cid", "Bee"):
        made.append(service.contact(account, name))
        service.clock.move(seconds=1)
    service.ask("DELETE", address(account, made[1]))

    def names(status: str) -> list[str]:
        return [one["first_name"] for one in service.all_of(f"{account}/contacts{status}", limit)]

    assert names("") == names("?status=active") == ["Dan", "Cid", "Bee"]
    assert names("?status=inactive") == ["Ann"]
    assert names("?status=all") == ["Dan", "Ann", "Cid", "Bee"]
    assert faults(service.ask("GET", f"{account}/contacts?status=gone")) == [("status", "unknown_value")]
    assert code(service.ask("GET", "/accounts/none/contacts")) == (404, "not_found")


class TestPatch:
    def test_details_and_roles(self, service: Service, account: str) -> None:
        ann = service.contact(account, "Ann", "invoicing", job_title="CFO", locale="de")
        service.clock.move(minutes=1)
        changed = service.patch(
            address(account, ann), last_name="Other", job_title=None, roles=["accounts_payable"], external_id="x"
        )
        expected = {"last_name": "Other", "job_title": None, "roles": ["accounts_payable"], "external_id": "x"}
        told = {"version": 2, "updated_at": "2026-01-31T09:01:00Z"}
        differences = {"last_name": "Test", "job_title": "CFO"}
        assert changed == {**ann, **expected, **told, "differences": differences}
        assert holders(service, account) == {"invoicing": [], "accounts_payable": [ann["contact_id"]]}

    def test_null_takes_the_roles_away(self, service: Service, account: str) -> None:
        ann = service.contact(account, "Ann", "invoicing")
        assert service.patch(address(account, ann), first_name="Anna")["roles"] == ["invoicing"]
        assert service.patch(address(account, ann), roles=None)["roles"] == []
        assert holders(service, account)["invoicing"] == []

    def test_a_person_becomes_a_mailbox(self, service: Service, account: str) -> None:
        ann = service.contact(account, "Ann")
        refused = service.ask("PATCH", address(account, ann), {"kind": "mailbox", "display_name": "AP"}, if_match="1")
        assert faults(refused) == [("first_name", "not_allowed"), ("last_name", "not_allowed")]
        body = {"kind": "mailbox", "display_name": "AP", "first_name": None, "last_name": None}
        assert service.patch(address(account, ann), **body)["kind"] == "mailbox"
        back = {"kind": None, "display_name": None, "first_name": "Ann", "last_name": "Bee"}
        assert service.patch(address(account, ann), **back)["kind"] == "person"

    def test_the_same_again_writes_nothing(self, service: Service, account: str) -> None:
        ann = service.contact(account, "Ann", *BOTH)
        before = rows()
        body = {"first_name": "Ann", "email": "ann@EXAMPLE.com", "roles": BOTH[::-1], "cell": None}
        with counted() as calls:
            same = service.ask("PATCH", address(account, ann), body, if_match="1")
        assert (same.status, same.headers["etag"], calls.writes) == (200, '"1"', 0)
        assert rows() == before

    def test_versions(self, service: Service, account: str) -> None:
        ann = service.contact(account, "Ann")
        service.patch(address(account, ann), first_name="Anna")
        before = rows()
        assert code(service.ask("PATCH", address(account, ann), {"first_name": "x"})) == (428, "if_match_required")
        stale = service.ask("PATCH", address(account, ann), {"first_name": "x"}, if_match="1")
        assert (code(stale), stale.json["details"]) == ((409, "stale_version"), {"current_version": 2})
        assert rows() == before

    def test_a_sixth_and_the_last(self, service: Service, account: str) -> None:
        first = service.contact(account, "P0", *BOTH)
        for number in range(1, 5):
            service.contact(account, f"P{number}", "invoicing")
        ann = service.contact(account, "Ann")
        before = rows()
        full = service.ask("PATCH", address(account, ann), {"roles": ["invoicing"]}, if_match="1")
        assert (code(full), faults(full)) == ((409, "role_is_full"), [("roles", "role_is_full")])
        last = service.ask("PATCH", address(account, first), {"roles": ["invoicing"]}, if_match="1")
        assert (code(last), faults(last)) == ((409, "role_needs_holder"), [("roles", "role_needs_holder")])
        assert rows() == before
        service.patch(address(account, ann), roles=["accounts_payable"])
        assert service.patch(address(account, first), roles=["invoicing"])["roles"] == ["invoicing"]

    def test_an_email_is_taken_and_given_back(self, service: Service, account: str) -> None:
        ann, bee = service.contact(account, "Ann"), service.contact(account, "Bee")
        before = rows()
        taken = service.ask("PATCH", address(account, ann), {"email": "bee@example.com"}, if_match="1")
        assert (code(taken), taken.json["details"]) == ((409, "email_taken"), {"contact_id": bee["contact_id"]})
        assert rows() == before
        service.patch(address(account, ann), email="new@example.com")
        assert service.patch(address(account, bee), email="ann@example.com")["email"] == "ann@example.com"
        assert code(service.ask("PATCH", address(account, bee), {"email": "new@example.com"}, if_match="2")) == (
            409,
            "email_taken",
        )
        assert faults(service.ask("PATCH", address(account, bee), {"email": None}, if_match="2")) == [
            ("email", "required")
        ]

    def test_an_external_id_is_taken_and_given_back(self, service: Service, account: str) -> None:
        ann, bee = service.contact(account, "Ann", external_id="x"), service.contact(account, "Bee", external_id="y")
        taken = service.ask("PATCH", address(account, bee), {"external_id": "x"}, if_match="1")
        assert (code(taken), faults(taken)) == ((409, "external_id_taken"), [("external_id", "taken")])
        service.patch(address(account, ann), external_id=None)
        assert service.patch(address(account, bee), external_id="x")["external_id"] == "x"
        assert service.patch(address(account, ann), external_id="y")["external_id"] == "y"

    def test_an_inactive_contact_is_restored_first(self, service: Service, account: str) -> None:
        ann = service.contact(account, "Ann")
        service.ask("DELETE", address(account, ann))
        before = rows()
        refused = service.ask("PATCH", address(account, ann), {"first_name": "x"}, if_match="2")
        assert code(refused) == (409, "contact_is_inactive")
        assert rows() == before


class TestSamePerson:
    """C6, as far as it is built: the other records are listed, not changed."""

    def test_the_others_are_notified(self, service: Service, account: str) -> None:
        second, third = service.account("a2"), service.account("a3")
        ann, two, three = (service.contact(one, "Ann") for one in (account, second, third))
        service.contact(second, "Bee")
        service.ask("DELETE", address(third, three))
        others = [{"account_id": "a2", "contact_id": two["contact_id"]}]
        assert service.get(f"{address(account, ann)}/shared-records")["items"] == others
        assert service.patch(address(account, ann), first_name="Anna")["others"] == others
        assert service.patch(address(account, ann), job_title="CFO")["others"] == []
        assert service.patch(address(account, ann), email="anna@example.com")["others"] == others
        assert service.get(f"{address(account, ann)}/shared-records")["items"] == []
        assert service.get(address(second, two)) == {name: two[name] for name in two if name != "others"}


def test_a_child_under_another_parent_is_404_and_nothing_is_written(service: Service, account: str) -> None:
    ann = service.contact(account, "Ann", *BOTH)
    other = address(service.account("a2"), ann)
    own = service.contact("/accounts/a2", "Own")
    before = rows()
    answers = [
        service.ask("GET", other),
        service.ask("PATCH", other, {"first_name": "x"}, if_match="1"),
        service.ask("DELETE", other),
        service.ask("POST", f"{other}/restore"),
        service.ask("POST", f"{other}/erase", {"confirm": True}),
        service.ask("GET", f"{other}/shared-records"),
    ]
    assert [code(answer) for answer in answers] == [(404, "not_found")] * len(answers)
    foreign = service.ask("DELETE", f"/accounts/a2/contacts/{own['contact_id']}?successor={ann['contact_id']}")
    assert faults(foreign) == [("successor", "unknown_contact")]
    assert rows() == before
