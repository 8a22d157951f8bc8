from typing import Any

import pytest

from chalicelib.errors import Conflict
from chalicelib.functions.staff import create_staff_member
from chalicelib.staff import service as members
from chalicelib.table import keys, store
from chalicelib.table.items import StaffItem
from tests.integration.people import open_for, staff
from tests.integration.service import Service, code, faults, rows

EVENT = {"email": "Kim@Vendor.example", "name": "Kim", "role": "admin"}


@pytest.fixture
def admin(service: Service) -> str:
    """The token of an admin, the first of the staff."""
    return staff(service, "kim@vendor.example", "admin")


def test_staff_are_made_read_changed_and_removed(service: Service, admin: str) -> None:
    made = service.ask("POST", "/staff", {"email": "Bo@VENDOR.example", "name": "Bo", "role": "agent"}, admin)
    assert (made.status, made.json["email"], made.json["role"]) == (201, "bo@vendor.example", "agent")
    assert service.ask("GET", "/staff/Bo%40vendor.example", token=admin).json == made.json
    changed = service.ask("PATCH", "/staff/bo@vendor.example", {"role": "viewer"}, admin, if_match="1")
    assert (changed.status, changed.json["role"], changed.json["version"]) == (200, "viewer", 2)
    assert code(service.ask("PATCH", "/staff/bo@vendor.example", {"role": "agent"}, admin, if_match="1")) == (
        409,
        "stale_version",
    )
    listed = service.ask("GET", "/staff", token=admin).json["items"]
    assert [one["email"] for one in listed] == ["bo@vendor.example", "kim@vendor.example"]
    assert service.ask("DELETE", "/staff/bo@vendor.example", token=admin).status == 204
    assert code(service.ask("GET", "/staff/bo@vendor.example", token=admin)) == (404, "not_found")


def test_an_email_address_is_one_staff_member(service: Service, admin: str) -> None:
    again = {"email": "KIM@vendor.example", "name": "Other", "role": "viewer"}
    assert code(service.ask("POST", "/staff", again, admin)) == (409, "staff_exists")
    assert faults(service.ask("POST", "/staff", {"email": "x", "name": " ", "role": "root"}, admin)) == [
        ("email", "bad_email"),
        ("name", "blank"),
        ("role", "unknown_value"),
    ]


def test_the_last_admin_stays(service: Service, admin: str) -> None:
    for method, body in (("PATCH", {"role": "agent"}), ("DELETE", None)):
        refused = service.ask(method, "/staff/kim@vendor.example", body, admin, if_match="1")
        assert code(refused) == (409, "last_admin")
    staff(service, "bo@vendor.example", "admin")
    assert service.ask("DELETE", "/staff/kim@vendor.example", token=admin).status == 204


def test_a_role_holds_from_the_next_request_on(service: Service, admin: str) -> None:
    bo = staff(service, "bo@vendor.example", "agent")
    assert service.ask("PUT", "/accounts/a1", {"entity_id": "acme", "name": "C", "currency": "EUR"}, bo).status == 201
    new = {"email": "x@v.example", "name": "X", "role": "viewer"}
    assert code(service.ask("POST", "/staff", new, bo)) == (403, "forbidden")
    service.ask("PATCH", "/staff/bo@vendor.example", {"role": "viewer"}, admin, if_match="1")
    assert code(service.ask("PUT", "/accounts/a1", {"name": "D"}, bo)) == (403, "forbidden")
    assert service.ask("GET", "/accounts/a1", token=bo).status == 200
    service.ask("PATCH", "/staff/bo@vendor.example", {"role": "admin"}, admin, if_match="2")
    assert service.ask("PUT", "/accounts/a1", {"name": "D"}, bo).status == 200
    assert service.ask("POST", "/staff", new, bo).status == 201


def test_who_is_no_longer_active_is_out_and_found_by_nobody(service: Service, admin: str) -> None:
    bo = staff(service, "bo@vendor.example", "agent")
    assert service.ask("GET", "/me", token=bo).status == 200
    row = store.get_item(StaffItem, keys.staff("bo@vendor.example"))
    assert row is not None
    row.status = "inactive"
    store.replace_item(row)
    assert code(service.ask("GET", "/me", token=bo)) == (401, "unauthenticated")
    assert members.find_staff_member("bo@vendor.example") is None
    assert code(service.ask("GET", "/staff/bo@vendor.example", token=admin)) == (404, "not_found")


def test_who_is_removed_is_out_at_once(service: Service, admin: str) -> None:
    """In the very moment of the session's opening: that its sessions are over says nothing of this one."""
    bo = staff(service, "bo@vendor.example", "agent")
    assert service.ask("DELETE", "/staff/bo@vendor.example", token=admin).status == 204
    assert code(service.ask("GET", "/me", token=bo)) == (401, "unauthenticated")


def test_who_is_removed_is_out_and_and_old_sessions_do_not_come_back(service: Service, admin: str) -> None:
    bo = staff(service, "bo@vendor.example", "agent")
    service.clock.move(minutes=1)
    assert service.ask("DELETE", "/staff/bo@vendor.example", token=admin).status == 204
    assert service.ask("GET", "/me", token=bo).status == 401
    again = staff(service, "bo@vendor.example", "agent")
    assert service.ask("GET", "/me", token=bo).status == 401
    assert service.ask("GET", "/me", token=again).status == 200


def test_every_change_is_reported(service: Service, admin: str) -> None:
    service.ask("POST", "/staff", {"email": "bo@vendor.example", "name": "Bo", "role": "agent"}, admin)
    service.ask("PATCH", "/staff/bo@vendor.example", {"role": "viewer"}, admin, if_match="1")
    service.ask("DELETE", "/staff/bo@vendor.example", token=admin)
    told = store.query_items(keys.deployment_audit_event("").pk, limit=100).items
    about = [event for event in told if event.resource_id == "bo@vendor.example"]
    assert {event.action for event in about} == {"staff.created", "staff.changed", "staff.removed"}
    assert {event.actor_id for event in about} == {"kim@vendor.example"}
    (changed,) = [event for event in about if event.action == "staff.changed"]
    assert changed.changes == [{"field": "role", "before": "agent", "after": "viewer"}]


def test_an_unchanged_change_writes_nothing(service: Service, admin: str) -> None:
    service.ask("GET", "/me", token=admin)
    before = rows()
    assert service.ask("PATCH", "/staff/kim@vendor.example", {"role": "admin"}, admin, if_match="1").status == 200
    assert rows() == before


def test_the_first_staff_member_comes_from_the_console(service: Service) -> None:
    before = rows()
    shown = create_staff_member(EVENT, None)
    assert (shown["dry_run"], shown["would_create"]["email"]) == (True, "kim@vendor.example")
    assert create_staff_member({**EVENT, "role": "agent"}, None)["refused"]["code"] == "first_is_admin"
    assert rows() == before
    made = create_staff_member({**EVENT, "confirm": True}, None)
    assert made == {"ok": True, "created": {"email": "kim@vendor.example", "name": "Kim", "role": "admin"}}
    again = create_staff_member({**EVENT, "confirm": True}, None)
    assert again["refused"]["code"] == "staff_exists"
    assert create_staff_member(EVENT, None)["refused"]["code"] == "staff_exists"
    assert service.ask("GET", "/me", token=open_for(service, "staff", "kim@vendor.example")).status == 200


@pytest.mark.parametrize(
    ("event", "fields"),
    [
        ({}, ["email", "name", "role"]),
        ([], [""]),
        ({**EVENT, "confirm": "yes"}, ["confirm"]),
        ({**EVENT, "admin": True}, ["admin"]),
        ({**EVENT, "role": "root"}, ["role"]),
    ],
)
def test_the_console_function_is_strict(service: Service, event: Any, fields: list[str]) -> None:
    before = rows()
    told = create_staff_member(event, None)
    assert [fault["field"] for fault in told["errors"]] == fields
    assert rows() == before


def test_find_knows_active_staff_only(service: Service) -> None:
    assert members.find_staff_member("kim@vendor.example") is None
    with pytest.raises(Conflict):
        members.add_staff_member(service.context, "kim@vendor.example", "Kim", "agent")
    members.add_staff_member(service.context, "kim@vendor.example", "Kim", "admin")
    found = members.find_staff_member("kim@vendor.example")
    assert found is not None
    assert found.role == "admin"


def test_an_admin_gives_keys_any_scope_and_others_none(service: Service, admin: str) -> None:
    made = service.ask("POST", "/api-keys", {"name": "erp", "scopes": ["contacts:erase", "keys:write"]}, admin)
    assert (made.status, made.json["scopes"]) == (201, ["contacts:erase", "keys:write"])
    bo = staff(service, "bo@vendor.example", "agent")
    asked = {"name": "x", "scopes": ["accounts:read"]}
    assert code(service.ask("POST", "/api-keys", asked, bo)) == (403, "forbidden")
    assert code(service.ask("GET", "/api-keys", token=bo)) == (403, "forbidden")
    assert service.ask("POST", "/api-keys", asked, admin).status == 201
