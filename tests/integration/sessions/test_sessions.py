"""Sessions over time: idle, ended, listed, ended by their person; access that is taken away (A8)."""

from typing import Any

import pytest

from chalicelib.table import keys, store
from chalicelib.table.items import IdentityItem
from tests.aws_calls import counted
from tests.integration.people import expel, open_for, portal, staff
from tests.integration.service import Service, code, rows

ANN = "ann@example.com"


@pytest.fixture
def ann(service: Service) -> str:
    """The token of a portal user of the bill group b1."""
    service.bill_group("b1", service.account())
    return portal(service, ANN, ["profile", "contacts"])


def status(service: Service, token: str, path: str = "/me") -> int:
    return service.ask("GET", path, token=token).status


def test_a_session_ends_when_it_is_not_used_for_an_hour(service: Service, ann: str) -> None:
    for _ in range(5):
        service.clock.move(minutes=59)
        assert status(service, ann) == 200
    service.clock.move(minutes=60)
    assert status(service, ann) == 401


@pytest.mark.parametrize(("kind", "minutes"), [("portal_user", 12 * 60), ("staff", 8 * 60)])
def test_a_session_ends_however_much_it_is_used(service: Service, ann: str, kind: str, minutes: int) -> None:
    token = ann if kind == "portal_user" else staff(service, "kim@vendor.example", "admin")
    for _ in range(minutes // 30 - 1):
        service.clock.move(minutes=30)
        assert status(service, token) == 200
    service.clock.move(minutes=29, seconds=59)
    assert status(service, token) == 200
    service.clock.move(seconds=1)
    assert status(service, token) == 401


def test_access_that_is_removed_ends_with_the_next_request(service: Service, ann: str) -> None:
    assert status(service, ann, "/bill-groups/b1") == 200
    expel(ANN, "b1")
    assert status(service, ann, "/bill-groups/b1") == 404
    assert status(service, ann) == 401


def test_a_session_reaches_no_further_than_it_was_opened_for(service: Service, ann: str) -> None:
    service.bill_group("b2", service.account("a2"))
    assert status(service, ann, "/bill-groups/b2") == 404
    assert status(service, ann, "/accounts/a2") == 404
    later = portal(service, ANN, ["profile"], ("b2", "a2"))
    assert status(service, ann, "/bill-groups/b2") == 404
    assert status(service, later, "/bill-groups/b2") == 200
    assert status(service, later, "/bill-groups/b1") == 404


def test_authorising_is_two_reads(service: Service, ann: str) -> None:
    kim = staff(service, "kim@vendor.example", "viewer")
    for token in (ann, kim):
        with counted() as calls:
            assert status(service, token, "/sessions/current") == 200
        # The third is what the route itself reads.
        assert (calls.reads, calls.writes) == (3, 0)


def test_one_s_own_sessions_are_listed_and_ended(service: Service, ann: str) -> None:
    service.clock.move(seconds=1)
    other = open_for(service, "portal_user", ANN, [("b1", "a1")], origin="code")
    stranger = portal(service, "bob@example.com", ["profile"])
    listed = service.ask("GET", "/sessions", token=ann).json["items"]
    assert [(one["origin"], one["current"], one["client"]) for one in listed] == [
        ("code", False, "Test 1.0"),
        ("link", True, "Test 1.0"),
    ]
    address = f"/sessions/{listed[0]['session_id']}"
    assert service.ask("DELETE", address, token=stranger).status == 404
    assert status(service, other) == 200
    assert service.ask("DELETE", address, token=ann).status == 204
    assert status(service, other) == 401
    assert service.ask("DELETE", address, token=ann).status == 404
    assert service.ask("DELETE", "/sessions/current", token=ann).status == 204
    assert status(service, ann) == 401
    assert status(service, stranger) == 200


def test_sessions_that_are_over_are_not_listed(service: Service, ann: str) -> None:
    service.clock.move(minutes=61)
    again = open_for(service, "portal_user", ANN, [("b1", "a1")])
    assert len(service.ask("GET", "/sessions", token=again).json["items"]) == 1


def test_sessions_that_their_person_ended_are_not_listed(service: Service, ann: str) -> None:
    service.clock.move(minutes=1)
    key = keys.identity(ANN)
    store.create_item(IdentityItem(key.pk, key.sk, sessions_not_before=service.clock.now))
    again = open_for(service, "portal_user", ANN, [("b1", "a1")])
    (listed,) = service.ask("GET", "/sessions", token=again).json["items"]
    assert listed["current"]
    assert code(service.ask("GET", "/me", token=ann)) == (401, "unauthenticated")


def test_a_session_whose_hours_are_over_is_not_listed_however_much_it_was_used(service: Service, ann: str) -> None:
    for _ in range(12 * 60 // 45 - 1):
        service.clock.move(minutes=45)
        assert status(service, ann) == 200
    again = open_for(service, "portal_user", ANN, [("b1", "a1")])
    service.clock.move(minutes=44)
    assert status(service, ann) == 200
    service.clock.move(minutes=1)
    (listed,) = service.ask("GET", "/sessions", token=again).json["items"]
    assert listed["current"]


def test_a_session_of_a_password_sees_none_that_reach_further(service: Service, ann: str) -> None:
    service.bill_group("b2", service.account("a2"))
    wide = portal(service, ANN, ["profile"], ("b1", "a1"), ("b2", "a2"))
    narrow = open_for(service, "portal_user", ANN, [("b1", "a1")], origin="password")
    assert len(service.ask("GET", "/sessions", token=narrow).json["items"]) == 2
    everything = service.ask("GET", "/sessions", token=wide).json["items"]
    assert len(everything) == 3
    (own,) = [one for one in everything if one["current"]]
    assert service.ask("DELETE", f"/sessions/{own['session_id']}", token=narrow).status == 404


def test_staff_and_portal_do_not_see_each_other(service: Service, ann: str) -> None:
    both = staff(service, ANN, "admin")
    assert [one["kind"] for one in service.ask("GET", "/sessions", token=both).json["items"]] == ["staff"]
    assert [one["kind"] for one in service.ask("GET", "/sessions", token=ann).json["items"]] == ["portal_user"]


def test_opening_and_ending_are_reported_where_they_belong(service: Service, ann: str) -> None:
    service.ask("DELETE", "/sessions/current", token=ann)
    told = store.query_items(keys.account_audit_event("a1", "").pk, "AUDIT#", limit=50).items
    found = [(event.action, event.actor_kind, event.actor_id) for event in told if event.resource_kind == "session"]
    assert sorted(found) == [("session.ended", "portal_user", ANN), ("session.opened", "portal_user", ANN)]


def test_no_token_is_stored(service: Service, ann: str, capfd: pytest.CaptureFixture[str]) -> None:
    wrong = ann[:-1] + ("a" if ann[-1] != "a" else "b")
    answers = [service.ask("GET", "/me", token=ann).text, service.ask("GET", "/me", token=wrong).text]
    seen = capfd.readouterr()
    for token in (ann, ann[3:], wrong):
        assert token not in str(rows()) + seen.out + seen.err + "".join(answers)


def test_an_api_key_has_no_session(service: Service) -> None:
    assert code(service.ask("GET", "/sessions")) == (403, "forbidden")


def me(service: Service, token: str) -> Any:
    return service.ask("GET", "/me", token=token).json


def test_everybody_is_shown_who_they_are(service: Service, ann: str) -> None:
    told = me(service, ann)
    assert (told["kind"], told["email"], told["role"], told["scopes"]) == ("portal_user", ANN, None, [])
    assert told["accounts"] == [{"account_id": "a1", "name": "Customer"}]
    assert told["bill_groups"] == [
        {
            "bill_group_id": "b1",
            "account_id": "a1",
            "entity_id": "acme",
            "name": "Group",
            "permissions": ["profile", "contacts"],
            "read_only": False,
        }
    ]
    assert "contacts.write" in told["operations"]
    assert "accounts.write" not in told["operations"]
    kim = me(service, staff(service, "kim@vendor.example", "agent"))
    assert (kim["kind"], kim["name"], kim["role"], kim["bill_groups"]) == ("staff", "Kim", "agent", [])
    key = service.get("/me")
    assert (key["kind"], key["email"], key["session_id"]) == ("api_key", None, None)
    assert code(service.ask("GET", "/me", token="cs_" + "a" * 43)) == (401, "unauthenticated")
