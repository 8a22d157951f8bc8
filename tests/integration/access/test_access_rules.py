"""Access rules over HTTP (A1, A2, A7)."""

from typing import Any

import pytest

from chalicelib.access import access_rules
from chalicelib.entities.service import clear_entity_cache
from chalicelib.table import keys, store
from tests.integration import people
from tests.integration.service import Service, code, faults, rows

RULES = "/bill-groups/b1/access-rules"


@pytest.fixture
def account(service: Service) -> str:
    account = service.account()
    service.bill_group("b1", account)
    service.bill_group("b2", account)
    return account


def add(service: Service, value: str, path: str = RULES, **fields: Any) -> Any:
    answer = service.ask("POST", path, {"value": value, **fields})
    assert answer.status == 201, answer.text
    return answer.json


def pointers() -> list[tuple[str, str]]:
    return [(row["PK"]["S"], row["SK"]["S"]) for row in rows() if row["PK"]["S"].startswith(("RULEA", "RULED"))]


def may_enter(service: Service, email: str, group: str = "b1", account: str = "a1") -> bool:
    token = people.open_for(service, "portal_user", email, [(group, account)])
    return service.ask("GET", f"/bill-groups/{group}/summary", token=token).status == 200


def test_an_address_enters_at_once_and_no_longer_once_its_rule_is_gone(service: Service, account: str) -> None:
    made = add(service, " Ann@Example.COM ")
    assert (made["kind"], made["value"], "access" in made["permissions"]) == ("email", "ann@example.com", False)
    assert made["starts_at"] == "2026-01-31T09:00:00Z"
    assert pointers() == [("RULEADDRESS#ann@example.com", "b1")]
    # The session itself would reach both.
    token = people.open_for(service, "portal_user", "ann@example.com", [("b1", "a1"), ("b2", "a1")])
    assert service.ask("GET", "/bill-groups/b1", token=token).status == 200
    assert code(service.ask("GET", "/bill-groups/b2", token=token)) == (404, "not_found")
    assert service.ask("DELETE", f"{RULES}/{made['rule_id']}").status == 204
    assert service.ask("GET", "/bill-groups/b1", token=token).status == 404
    assert (service.all_of(RULES), pointers()) == ([], [])
    assert code(service.ask("DELETE", f"{RULES}/{made['rule_id']}")) == (404, "not_found")


def test_an_address_admits_nobody_else_of_its_domain(service: Service, account: str) -> None:
    add(service, "ann@example.com")
    for stranger in ("bob@example.com", "an@example.com", "annn@example.com", "ann@sub.example.com", "ann@example.co"):
        assert not may_enter(service, stranger)
    assert may_enter(service, "ann@example.com")


def test_a_domain_admits_exactly_its_addresses(service: Service, account: str) -> None:
    add(service, "example.com", permissions=["profile"])
    assert may_enter(service, "anybody@example.com")
    for stranger in ("a@sub.example.com", "a@xexample.com", "a@example.com.evil.example", "a@example.co"):
        assert not may_enter(service, stranger)


def test_permissions_are_those_that_were_given(service: Service, account: str) -> None:
    add(service, "ann@example.com", permissions=["emails"])
    token = people.open_for(service, "portal_user", "ann@example.com", [("b1", "a1")])
    assert service.ask("GET", "/accounts/a1/emails", token=token).status == 200
    assert code(service.ask("GET", "/bill-groups/b1", token=token)) == (403, "forbidden")


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("a@x.example,b@x.example", "one_at_a_time"),
        ("gmail.com", "free_provider"),
        ("co.uk", "public_suffix"),
        ("*.example.com", "wildcard"),
        ("nothing", "bad_domain"),
    ],
)
def test_what_is_no_rule_is_refused_and_nothing_written(service: Service, account: str, value: str, fault: str) -> None:
    before = rows()
    answer = service.ask("POST", RULES, {"value": value})
    assert faults(answer) == [("value", fault)]
    if fault == "one_at_a_time":
        assert answer.json["errors"][0]["message"] == "Add one address at a time."
    assert rows() == before


@pytest.mark.parametrize(
    ("permissions", "fault"),
    [
        (["access"], ("permissions", "owners_alone")),
        (["profile", "root"], ("permissions.1", "unknown_value")),
        ([], ("permissions", "too_few")),
    ],
)
def test_permissions_that_no_rule_gives(
    service: Service, account: str, permissions: list[str], fault: tuple[str, str]
) -> None:
    before = rows()
    assert faults(service.ask("POST", RULES, {"value": "x@x.example", "permissions": permissions})) == [fault]
    assert rows() == before
    add(service, "x@x.example", permissions=["profile"])


def test_overlaps_are_refused_and_name_the_rule_in_the_way(service: Service, account: str) -> None:
    ann = add(service, "ann@example.com")
    again = service.ask("POST", RULES, {"value": "ANN@example.com"})
    assert (code(again), again.json["details"]["rule_id"]) == ((409, "access_rule_exists"), ann["rule_id"])
    over = service.ask("POST", RULES, {"value": "example.com"})
    assert (code(over), over.json["details"]["value"]) == ((409, "domain_over_emails"), "ann@example.com")
    domain = add(service, "example.com", replace_emails=True)
    assert pointers() == [("RULEDOMAIN#example.com", "b1")]
    under = service.ask("POST", RULES, {"value": "bob@example.com"})
    assert (code(under), under.json["details"]["rule_id"]) == ((409, "email_under_domain"), domain["rule_id"])
    assert code(service.ask("POST", RULES, {"value": "example.com"})) == (409, "access_rule_exists")
    add(service, "ann@example.com", "/bill-groups/b2/access-rules")
    add(service, "bob@sub.example.com")
    assert [rule["value"] for rule in service.all_of(RULES, limit=1)] == ["example.com", "bob@sub.example.com"]


def test_a_domain_replaces_200_addresses_with_all_their_pointers(service: Service, account: str) -> None:
    key = keys.domain_access("b1", "example.com")
    for number in range(200):
        people.admit(f"p{number:03}@example.com", "b1", "a1", ["profile"], f"rul_{number}")
    row = store.batch_get_items([key])[key]
    access = access_rules.domain_access_from_item("example.com", row)
    for pointer in access_rules._pointer_keys("b1", access):
        store.create_item(access_rules.AccessPointerItem(pointer.pk, pointer.sk, bill_group_id="b1", account_id="a1"))
    assert code(service.ask("POST", RULES, {"value": "one@example.com"})) == (409, "too_many_addresses")
    assert len(service.all_of(RULES, limit=7)) == 200
    add(service, "example.com", replace_emails=True)
    assert pointers() == [("RULEDOMAIN#example.com", "b1")]
    assert len(service.all_of(RULES)) == 1


def test_what_is_given_begins_after_the_entitys_delay(service: Service, account: str) -> None:
    service.put("/entities/acme", access_delay_hours=24)
    clear_entity_cache()
    assert add(service, "ann@example.com")["starts_at"] == "2026-02-01T09:00:00Z"
    service.clock.move(hours=23, minutes=59)
    assert not may_enter(service, "ann@example.com")
    service.clock.move(minutes=1)
    assert may_enter(service, "ann@example.com")


def test_who_entered_and_when_is_reported(service: Service, account: str) -> None:
    made = add(service, "example.com")
    assert (made["last_used_at"], made["entries"]) == (None, [])
    assert may_enter(service, "ann@example.com")
    service.clock.move(minutes=30)
    assert may_enter(service, "bob@example.com")
    before = service.all_of(RULES)
    assert may_enter(service, "ann@example.com")
    assert service.all_of(RULES) == before
    (rule,) = before
    assert (rule["last_used_by"], rule["last_used_at"]) == ("bob@example.com", "2026-01-31T09:30:00Z")
    assert [entry["email"] for entry in rule["entries"]] == ["bob@example.com", "ann@example.com"]


def test_each_change_is_audited_with_its_bill_group(service: Service, account: str) -> None:
    made = add(service, "ann@example.com")
    add(service, "example.com", replace_emails=True)
    events = [event for event in service.all_of(f"{account}/audit-events") if "access_rule" in event["action"]]
    # Both were made in the same millisecond, within which ids have no order.
    first, added = sorted(events, key=lambda event: event["resource_id"] != made["rule_id"])
    assert (first["action"], first["bill_group_id"], first["resource_id"]) == (
        "access_rule.added", "b1", made["rule_id"],
    )  # fmt: skip
    assert {"field": "replaced", "before": ["ann@example.com"], "after": None} in added["changes"]


def test_a_bill_group_that_is_not_there_is_404(service: Service, account: str) -> None:
    for method, body in (("GET", None), ("POST", {"value": "a@example.com"})):
        assert code(service.ask(method, "/bill-groups/none/access-rules", body)) == (404, "not_found")
