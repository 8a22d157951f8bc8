"""C4: contacts that leave and come back."""

from typing import Any

import pytest

from chalicelib.table import store
from tests.integration.service import Service, code, faults, rows

BOTH = ["invoicing", "accounts_payable"]


@pytest.fixture
def account(service: Service) -> str:
    return service.account()


def address(account: str, contact: Any) -> str:
    return f"{account}/contacts/{contact['contact_id']}"


def holders(service: Service, account: str) -> dict[str, list[str]]:
    return {role: found["contact_ids"] for role, found in service.get(account)["role_coverage"].items()}


def test_deleted_is_inactive_at_once_and_keeps_its_details(service: Service, account: str) -> None:
    ann = service.contact(account, "Ann", "invoicing", job_title="CFO", external_id="x")
    service.clock.move(minutes=1)
    assert service.ask("DELETE", address(account, ann)).status == 204
    found = service.get(address(account, ann))
    assert (found["status"], found["roles"], found["former_roles"]) == ("inactive", [], ["invoicing"])
    assert (found["job_title"], found["external_id"], found["deleted_at"]) == ("CFO", "x", "2026-01-31T09:01:00Z")
    assert holders(service, account)["invoicing"] == []
    assert service.contact(account, "Ann")["contact_id"] != ann["contact_id"]


def test_deleting_again_changes_nothing(service: Service, account: str) -> None:
    ann = service.contact(account, "Ann")
    service.ask("DELETE", address(account, ann), if_match="1")
    before = rows()
    assert service.ask("DELETE", address(account, ann)).status == 204
    assert service.ask("DELETE", address(account, ann), if_match="1").status == 204
    assert rows() == before


def test_a_stale_version_is_refused(service: Service, account: str) -> None:
    ann = service.contact(account, "Ann")
    service.patch(address(account, ann), first_name="Anna")
    before = rows()
    assert code(service.ask("DELETE", address(account, ann), if_match="1")) == (409, "stale_version")
    assert rows() == before


def test_the_last_holder_needs_a_successor_who_takes_the_roles(service: Service, account: str) -> None:
    ann, bee = service.contact(account, "Ann", *BOTH), service.contact(account, "Bee", "invoicing")
    before = rows()
    refused = service.ask("DELETE", address(account, ann))
    assert (code(refused), refused.json["details"]["role"]) == ((409, "role_needs_holder"), "accounts_payable")
    assert rows() == before
    assert service.ask("DELETE", f"{address(account, ann)}?successor={bee['contact_id']}").status == 204
    assert holders(service, account) == {role: [bee["contact_id"]] for role in BOTH}
    assert service.get(address(account, bee))["roles"] == BOTH


def test_who_saw_a_successor_before_is_out_of_date(service: Service, account: str) -> None:
    ann, bee = service.contact(account, "Ann", "accounts_payable"), service.contact(account, "Bee", "invoicing")
    service.contact(account, "Cid", "accounts_payable")
    service.ask("DELETE", f"{address(account, ann)}?successor={bee['contact_id']}")
    stale = service.ask("PATCH", address(account, bee), {"roles": ["invoicing"]}, if_match=str(bee["version"]))
    assert code(stale) == (409, "stale_version")
    assert service.get(address(account, bee))["roles"] == BOTH


def test_a_successor_takes_the_place_in_a_full_role(service: Service, account: str) -> None:
    five = [service.contact(account, f"P{number}", "invoicing") for number in range(5)]
    new = service.contact(account, "New")
    assert service.ask("DELETE", f"{address(account, five[0])}?successor={new['contact_id']}").status == 204
    expected = sorted([new["contact_id"], *(one["contact_id"] for one in five[1:])])
    assert holders(service, account)["invoicing"] == expected


def test_a_successor_is_another_active_contact_of_the_account(service: Service, account: str) -> None:
    ann, gone = service.contact(account, "Ann"), service.contact(account, "Gone")
    foreign = service.contact(service.account("a2"), "Foreign")
    service.ask("DELETE", address(account, gone))
    before = rows()
    for successor in (ann["contact_id"], gone["contact_id"], foreign["contact_id"], "con_01JABCDEFGHJKMNPQRSTVWXYZ0"):
        refused = service.ask("DELETE", f"{address(account, ann)}?successor={successor}")
        assert faults(refused) == [("successor", "unknown_contact")]
    assert rows() == before


def test_bill_groups_need_a_successor_who_takes_their_places(service: Service, account: str) -> None:
    ann, bee = service.contact(account, "Ann"), service.contact(account, "Bee")
    service.bill_group("b1", account, billing_contact_id=ann["contact_id"], shipping_contact_id=bee["contact_id"])
    service.bill_group("b2", account, shipping_contact_id=ann["contact_id"])
    before = rows()
    refused = service.ask("DELETE", address(account, ann))
    assert (code(refused), faults(refused)) == ((409, "successor_needed"), [("successor", "required")])
    assert refused.json["details"] == {"billing_for": ["b1"], "shipping_for": ["b2"]}
    assert rows() == before
    assert service.ask("DELETE", f"{address(account, ann)}?successor={bee['contact_id']}").status == 204
    first, second = service.get("/bill-groups/b1"), service.get("/bill-groups/b2")
    assert first["billing_contact_id"] == first["shipping_contact_id"] == bee["contact_id"]
    assert (second["billing_contact_id"], second["shipping_contact_id"]) == (None, bee["contact_id"])
    now = service.get(address(account, bee))
    assert (now["billing_for"], now["shipping_for"]) == (["b1"], ["b1", "b2"])
    left = service.get(address(account, ann))
    assert (left["billing_for"], left["shipping_for"]) == ([], [])


class TestManyBillGroups:
    COUNT = 70

    @pytest.fixture
    def pair(self, service: Service, account: str) -> tuple[Any, Any]:
        ann, bee = service.contact(account, "Ann", *BOTH), service.contact(account, "Bee")
        for number in range(self.COUNT):
            service.bill_group(f"b{number:02}", account, billing_contact_id=ann["contact_id"])
        return service.get(address(account, ann)), bee

    def check(self, service: Service, account: str, ann: Any, bee: Any) -> None:
        names = [f"b{number:02}" for number in range(self.COUNT)]
        assert service.get(address(account, bee))["billing_for"] == names
        gone = service.get(address(account, ann))
        assert (gone["status"], gone["billing_for"]) == ("inactive", [])
        groups = service.all_of(f"{account}/bill-groups")
        assert {one["billing_contact_id"] for one in groups} == {bee["contact_id"]}
        events = service.all_of(f"{account}/audit-events")
        assert sum(one["action"] == "bill_group.changed" for one in events) == self.COUNT
        assert sum(one["action"] == "contact.deleted" for one in events) == 1

    def test_all_are_handed_over(self, service: Service, account: str, pair: tuple[Any, Any]) -> None:
        ann, bee = pair
        path = f"{address(account, ann)}?successor={bee['contact_id']}"
        assert service.ask("DELETE", path, if_match=str(ann["version"])).status == 204
        self.check(service, account, ann, bee)

    @pytest.mark.parametrize("step", [3])
    def test_a_conflict_between_the_steps_is_not_the_callers(
        self, service: Service, account: str, pair: tuple[Any, Any], step: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ann, bee = pair
        commit, seen = store.Transaction.commit, []

        def conflict_once(transaction: store.Transaction) -> None:
            seen.append(transaction)
            if len(seen) == step:
                raise store.WriteConflict
            commit(transaction)

        monkeypatch.setattr(store.Transaction, "commit", conflict_once)
        path = f"{address(account, ann)}?successor={bee['contact_id']}"
        assert service.ask("DELETE", path, if_match=str(ann["version"])).status == 204
        monkeypatch.undo()
        self.check(service, account, ann, bee)


class TestRestore:
    def test_details_come_back_and_those_roles_that_fit(self, service: Service, account: str) -> None:
        first = service.contact(account, "First", *BOTH)
        ann = service.contact(account, "Ann", *BOTH, job_title="CFO", external_id="x")
        service.ask("DELETE", address(account, ann))
        for number in range(4):
            service.contact(account, f"P{number}", "invoicing")
        restored = service.ask("POST", f"{address(account, ann)}/restore")
        assert restored.status == 200
        assert (restored.json["status"], restored.json["roles"]) == ("active", ["accounts_payable"])
        assert (restored.json["job_title"], restored.json["external_id"]) == ("CFO", "x")
        assert (restored.json["former_roles"], restored.json["deleted_at"]) == ([], None)
        held = holders(service, account)["accounts_payable"]
        assert held == sorted([first["contact_id"], ann["contact_id"]])
        body = {"first_name": "A", "last_name": "B", "email": "ann@example.com"}
        assert code(service.ask("POST", f"{account}/contacts", body)) == (409, "email_taken")

    def test_bill_groups_do_not_come_back(self, service: Service, account: str) -> None:
        ann, bee = service.contact(account, "Ann"), service.contact(account, "Bee")
        service.bill_group("b1", account, billing_contact_id=ann["contact_id"])
        service.ask("DELETE", f"{address(account, ann)}?successor={bee['contact_id']}")
        assert service.ask("POST", f"{address(account, ann)}/restore").json["billing_for"] == []

    def test_an_email_that_is_in_use_by_now(self, service: Service, account: str) -> None:
        ann = service.contact(account, "Ann")
        service.ask("DELETE", address(account, ann))
        new = service.contact(account, "Ann")
        before = rows()
        refused = service.ask("POST", f"{address(account, ann)}/restore")
        assert (code(refused), refused.json["details"]) == ((409, "email_taken"), {"contact_id": new["contact_id"]})
        assert rows() == before

    def test_restoring_an_active_contact_changes_nothing(self, service: Service, account: str) -> None:
        ann = service.contact(account, "Ann", "invoicing")
        before = rows()
        assert service.ask("POST", f"{address(account, ann)}/restore").json["roles"] == ["invoicing"]
        assert rows() == before
