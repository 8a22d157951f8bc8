"""Preview: staff see what a chosen grant would, and change nothing (A10)."""

from typing import Any

import pytest

from app import app
from chalicelib.api.routes import WRITE_METHODS, Route
from chalicelib.permissions import DEFAULT_PERMISSIONS, OPERATION_REQUIREMENTS, PORTAL_PERMISSIONS
from chalicelib.table import keys, store
from tests.integration.api.test_routes import IDS
from tests.integration.invoices.invoices import body
from tests.integration.people import admit, portal, staff
from tests.integration.service import Service, code, faults, rows

GUARDED_WRITES = [route for route in app.json_api.all_routes() if route.method in WRITE_METHODS and not route.public]
RULE = "rul_01JABCDEFGHJKMNPQRSTVWXYZ0"
NAMES = {
    "staff_email": "kim@vendor.example",
    "suppressed_email": "nobody@customer.example",
    "run_hour": "2026-01-31T09",
}
"""What a path names in a form of its own."""


@pytest.fixture
def kim(service: Service) -> str:
    """The token of a staff member, at a deployment with two bill groups."""
    account = service.account()
    for group in ("b1", "b2"):
        service.bill_group(group, account)
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
        assert code(service.ask("POST", "/bill-groups/b1/preview", unknown, kim)) == (404, "not_found")


def test_a_rule_or_contact_of_elsewhere_is_unknown(service: Service, kim: str) -> None:
    service.bill_group("b3", service.account("a2"))
    admit("ann@example.com", "b1", "a1", ["profile"], RULE)
    ann = service.contact("/accounts/a1", "Ann")
    opened(service, kim, rule_id=RULE)
    opened(service, kim, contact_id=ann["contact_id"])
    for elsewhere in ({"rule_id": RULE}, {"contact_id": ann["contact_id"]}):
        assert code(service.ask("POST", "/bill-groups/b3/preview", elsewhere, kim)) == (404, "not_found")


def test_it_shows_just_the_permissions_that_were_chosen(service: Service, kim: str) -> None:
    token = opened(service, kim, permissions=["profile"])["token"]
    assert service.ask("GET", "/bill-groups/b1", token=token).status == 200
    assert code(service.ask("GET", "/accounts/a1/contacts", token=token)) == (403, "forbidden")
    assert code(service.ask("GET", "/bill-groups/b2", token=token)) == (404, "not_found")
    unknown = service.ask("POST", "/bill-groups/b1/preview", {"permissions": ["root"]}, kim)
    assert faults(unknown) == [("permissions.0", "unknown_value")]


@pytest.mark.parametrize("route", GUARDED_WRITES, ids=lambda route: f"{route.method} {route.path}")
def test_nothing_can_be_written(service: Service, kim: str, route: Route) -> None:
    token = opened(service, kim, permissions=list(PORTAL_PERMISSIONS))["token"]
    service.put("/invoices/i1", **body("I1", bill_group_id="b1"))
    ids = {**IDS, **NAMES, "account_id": "a1", "bill_group_id": "b1", "invoice_id": "i1"}
    before = rows()
    answer = service.ask(route.method, route.path.removeprefix("/v1").format(**ids), {}, token, if_match="1")
    # All that it names is within reach: it is refused for being a write.
    assert code(answer) == (403, "forbidden")
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
    everything = portal(service, "ann@example.com", PORTAL_PERMISSIONS)
    for token in (service.token, everything, opened(service, kim, permissions=list(PORTAL_PERMISSIONS))["token"]):
        assert code(service.ask("POST", "/bill-groups/b1/preview", {}, token)) == (403, "forbidden")
    events = store.query_items(keys.account_audit_event("a1", "").pk, "AUDIT#", limit=50).items
    event = next(event for event in events if event.resource_kind == "session" and event.actor_kind == "staff")
    assert (event.actor_kind, event.actor_id, event.bill_group_id) == ("staff", "kim@vendor.example", "b1")
    assert {change["field"] for change in event.changes} >= {"preview"}
