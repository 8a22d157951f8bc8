"""Preview: staff see what a chosen grant would, and change nothing (A10)."""

from typing import Any

import pytest

from app import app
from chalicelib.api.routes import WRITE_METHODS, Route
from chalicelib.permissions import DEFAULT_PERMISSIONS, OPERATION_REQUIREMENTS, PORTAL_PERMISSIONS
from chalicelib.table import keys, store
from tests.integration.api.test_routes import IDS
from tests.integration.people import admit, staff
from tests.integration.service import Service, code, faults, rows

GUARDED_WRITES = [route for route in app.json_api.all_routes() if route.method in WRITE_METHODS and not route.public]
RULE = "rul_01JABCDEFGHJKMNPQRSTVWXYZ0"


@pytest.fixture
def kim(service: Service) -> str:
    """The token of a staff member, at a deployment with a bill group."""
    service.bill_group("b1", service.account())
    return staff(service, "kim@vendor.example", "admin")


def opened(service: Service, token: str, **body: Any) -> Any:
    answer = service.ask("POST", "/bill-groups/b1/preview", body, token)
    assert answer.status == 201, answer.text
    return answer.json


def seen(service: Service, token: str) -> list[str]:
    (group,) = service.ask("GET", "/me", token=token).json["bill_groups"]
    return sorted(group["permissions"])


def test_without_a_choice_it_shows_what_a_new_rule_would(service: Service, kim: str) -> None:
    preview = opened(service, kim)
    assert seen(service, preview["token"]) == sorted(DEFAULT_PERMISSIONS)
    told = service.ask("GET", "/me", token=preview["token"]).json
    assert (told["kind"], told["email"]) == ("preview", "kim@vendor.example")


def test_it_shows_what_a_rule_or_a_contact_may(service: Service, kim: str) -> None:
    admit("ann@example.com", "b1", "a1", ["profile", "pay"], RULE)
    ann = service.contact("/accounts/a1", "Ann")
    bob = service.contact("/accounts/a1", "Bob")
    assert seen(service, opened(service, kim, rule_id=RULE)["token"]) == ["pay", "profile"]
    assert seen(service, opened(service, kim, contact_id=ann["contact_id"])["token"]) == ["pay", "profile"]
    refused = service.ask("POST", "/bill-groups/b1/preview", {"contact_id": bob["contact_id"]}, kim)
    assert code(refused) == (409, "no_access")
    for unknown in ({"rule_id": "rul_x"}, {"contact_id": "con_x"}):
        assert service.ask("POST", "/bill-groups/b1/preview", unknown, kim).status == 404


def test_it_shows_just_the_permissions_that_were_chosen(service: Service, kim: str) -> None:
    token = opened(service, kim, permissions=["profile"])["token"]
    assert service.ask("GET", "/bill-groups/b1", token=token).status == 200
    assert service.ask("GET", "/accounts/a1/contacts", token=token).status == 403
    assert service.ask("GET", "/bill-groups/b2", token=token).status == 404
    assert faults(service.ask("POST", "/bill-groups/b1/preview", {"permissions": ["root"]}, kim))


@pytest.mark.parametrize("route", GUARDED_WRITES, ids=lambda route: f"{route.method} {route.path}")
def test_nothing_can_be_written(service: Service, kim: str, route: Route) -> None:
    token = opened(service, kim, permissions=list(PORTAL_PERMISSIONS))["token"]
    ids = {**IDS, "account_id": "a1", "bill_group_id": "b1"}
    before = rows()
    answer = service.ask(route.method, route.path.removeprefix("/v1").format(**ids), {}, token, if_match="1")
    assert answer.status in {403, 404}, answer.text
    assert rows() == before
    assert not OPERATION_REQUIREMENTS[route.may or ""].reads


def test_it_lasts_half_an_hour_and_as_long_as_its_staff(service: Service, kim: str) -> None:
    token = opened(service, kim)["token"]
    service.clock.move(minutes=29)
    assert service.ask("GET", "/me", token=token).status == 200
    service.clock.move(minutes=1)
    assert service.ask("GET", "/me", token=token).status == 401
    bo = staff(service, "bo@vendor.example", "viewer")
    token = opened(service, bo)["token"]
    service.ask("DELETE", "/staff/bo@vendor.example", token=staff(service, "al@vendor.example", "admin"))
    assert service.ask("GET", "/me", token=token).status == 401


def test_only_staff_preview_and_it_is_reported(service: Service, kim: str) -> None:
    opened(service, kim)
    assert service.ask("POST", "/bill-groups/b1/preview", {}).status == 403
    events = store.query_items(keys.account_audit_event("a1", "").pk, "AUDIT#", limit=50).items
    (event,) = [event for event in events if event.resource_kind == "session"]
    assert (event.actor_kind, event.actor_id, event.bill_group_id) == ("staff", "kim@vendor.example", "b1")
    assert {change["field"] for change in event.changes} >= {"preview"}
