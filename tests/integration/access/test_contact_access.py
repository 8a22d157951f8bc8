"""Contacts' own access, the account's owner, and what ends with a contact (A9, C4)."""

from typing import Any

import pytest

from chalicelib.contacts import erasure
from tests.integration import people
from tests.integration.api.gateway import Answer
from tests.integration.service import Service, code, faults, rows

ANN, BEE = "ann@example.com", "bee@example.com"


@pytest.fixture
def account(service: Service) -> str:
    account = service.account()
    for group in ("b1", "b2"):
        service.bill_group(group, account)
    service.bill_group("foreign", service.account("a2"))
    return account


def groups(*ids: str, **fields: Any) -> Any:
    return {"bill_groups": dict.fromkeys(ids, fields)}


def address(account: str, contact: Any) -> str:
    return f"{account}/contacts/{contact['contact_id']}"


def signed_in(service: Service, email: str, *ids: str) -> str:
    return people.open_for(service, "portal_user", email, [(group, "a1") for group in ids or ("b1", "b2")])


def enters(service: Service, token: str, group: str = "b1") -> bool:
    answer = service.ask("GET", f"/bill-groups/{group}/summary", token=token)
    assert answer.status in (200, 404)
    return answer.status == 200


def rule(service: Service, value: str, group: str = "b1") -> Any:
    answer = service.ask("POST", f"/bill-groups/{group}/access-rules", {"value": value})
    assert answer.status == 201, answer.text
    return answer.json


def own(service: Service, account: str, contact: Any) -> str:
    """Make the contact the owner, and return the token of a session of theirs."""
    service.put(f"{account}/owner", contact_id=contact["contact_id"])
    return signed_in(service, contact["email"])


def test_access_is_given_while_adding_changed_and_taken(service: Service, account: str) -> None:
    ann = service.contact(account, "Ann", access=groups("b1", permissions=["profile", "emails"]))
    assert ann["access"] == {"b1": {"permissions": ["profile", "emails"], "starts_at": "2026-01-31T09:00:00Z"}}
    assert ann["roles"] == []
    token = signed_in(service, ANN)
    assert (enters(service, token), enters(service, token, "b2")) == (True, False)
    service.clock.move(minutes=5)
    changed = service.patch(address(account, ann), access=groups("b1", "b2"))["access"]
    assert (changed["b1"]["starts_at"], changed["b2"]["starts_at"]) == ("2026-01-31T09:00:00Z", "2026-01-31T09:05:00Z")
    assert len(changed["b2"]["permissions"]) == 8
    # What was given after the sign-in counts from the next one on.
    assert not enters(service, token, "b2")
    token = signed_in(service, ANN)
    assert enters(service, token, "b2")
    given = service.put(f"{address(account, ann)}/access", **groups("b2"))
    assert list(given["bill_groups"]) == ["b2"]
    assert (enters(service, token), enters(service, token, "b2")) == (False, True)
    assert service.ask("DELETE", f"{address(account, ann)}/access").status == 204
    assert not enters(service, token, "b2")
    assert service.get(address(account, ann))["access"] == {}
    fields = [change["field"] for event in service.all_of(f"{account}/audit-events") for change in event["changes"]]
    assert fields.count("access") == 4


def test_a_session_from_before_does_not_come_alive_again(service: Service, account: str) -> None:
    ann = service.contact(account, "Ann", access=groups("b1"))
    token = signed_in(service, ANN)
    assert enters(service, token)
    service.clock.move(minutes=1)
    assert service.ask("DELETE", address(account, ann)).status == 204
    service.clock.move(minutes=1)
    assert service.ask("POST", f"{address(account, ann)}/restore").status == 200
    service.put(f"{address(account, ann)}/access", **groups("b1"))
    assert not enters(service, token)
    assert enters(service, signed_in(service, ANN))


def test_what_cannot_be_given_is_refused(service: Service, account: str) -> None:
    ann = service.contact(account, "Ann")
    path, before = f"{address(account, ann)}/access", rows()
    assert faults(service.ask("PUT", path, groups("foreign"))) == [("access.foreign", "unknown_bill_group")]
    assert faults(service.ask("PUT", path, groups("none"))) == [("access.none", "unknown_bill_group")]
    assert faults(service.ask("PUT", path, groups("b1", permissions=["access"]))) == [("access.b1", "owners_alone")]
    unknown = service.ask("PUT", path, groups("b1", permissions=["everything"]))
    assert faults(unknown) == [("bill_groups.b1.permissions.0", "unknown_value")]
    assert rows() == before
    assert service.ask("PUT", path, groups("b1", permissions=["profile"])).status == 200


def test_access_goes_with_the_address(service: Service, account: str) -> None:
    ann = service.contact(account, "Ann", access=groups("b1"))
    rule(service, ANN, "b2")
    rule(service, "example.com")
    old = signed_in(service, ANN)
    assert enters(service, old)
    assert enters(service, old, "b2")
    changed = service.patch(address(account, ann), email="new@other.example")
    assert changed["access"] == {}
    assert not enters(service, old)
    assert not enters(service, old, "b2")
    assert not enters(service, signed_in(service, "new@other.example"))
    service.patch(address(account, ann), email="newer@other.example", access=groups("b1"))
    assert enters(service, signed_in(service, "newer@other.example"))


def test_deleted_ends_everything_and_restoring_brings_no_access_back(service: Service, account: str) -> None:
    ann = service.contact(account, "Ann", access=groups("b1", "b2"))
    rule(service, ANN)
    rule(service, "example.com", "b2")
    foreign = rule(service, ANN, "foreign")
    tokens = [signed_in(service, ANN), people.open_for(service, "portal_user", ANN, [("foreign", "a2")])]
    assert enters(service, tokens[0])
    assert service.ask("DELETE", address(account, ann)).status == 204
    assert not enters(service, tokens[0])
    assert not enters(service, tokens[0], "b2")
    assert enters(service, tokens[1], "foreign"), "at another account nothing changes"
    assert service.all_of("/bill-groups/b1/access-rules") == []
    domain, denial = service.all_of("/bill-groups/b2/access-rules")
    assert (domain["kind"], denial["kind"], denial["value"]) == ("domain", "denial", ANN)
    assert enters(service, signed_in(service, BEE), "b2")
    restored = service.ask("POST", f"{address(account, ann)}/restore").json
    assert restored["access"] == {}
    assert not enters(service, signed_in(service, ANN), "b2")
    refused = service.ask("PUT", f"{address(account, ann)}/access", groups("b2"))
    assert (code(refused), refused.json["details"]["rule_id"]) == ((409, "address_denied"), denial["rule_id"])
    service.put(f"{address(account, ann)}/access", **groups("b1"))
    assert service.ask("DELETE", f"/bill-groups/b2/access-rules/{denial['rule_id']}").status == 204
    assert enters(service, signed_in(service, ANN), "b2")
    assert [one["rule_id"] for one in service.all_of("/bill-groups/foreign/access-rules")] == [foreign["rule_id"]]


def test_more_bill_groups_than_fit_one_transaction(service: Service, account: str) -> None:
    many = [f"m{number:02}" for number in range(30)]
    for group in many:
        service.bill_group(group, account)
        rule(service, ANN if group < "m15" else "example.com", group)
    ann = service.contact(account, "Ann", access=groups(*many))
    assert service.ask("DELETE", address(account, ann)).status == 204
    token = signed_in(service, ANN, *many)
    assert not any(enters(service, token, group) for group in many)


def test_erased_is_named_nowhere_and_stays_out(service: Service, account: str) -> None:
    ann = service.contact(account, "Ann", access=groups("b1"))
    rule(service, "example.com", "b2")
    signed_in(service, ANN)
    service.ask("DELETE", address(account, ann))
    asked = service.ask("POST", f"{address(account, ann)}/erase", {"confirm": True})
    erasure.run_erasure(service.context, asked.json["erasure_id"])
    left = [row for row in rows() if ANN in repr(row) and row["cls"]["S"] not in ("audit_event", "idempotency")]
    assert left == []
    assert service.all_of("/bill-groups/b2/access-rules")[1]["value"] is None
    assert not enters(service, signed_in(service, ANN), "b2")


def test_the_owner_has_all_permissions_and_gives_and_takes_access(service: Service, account: str) -> None:
    ann, bee = service.contact(account, "Ann"), service.contact(account, "Bee")
    token = own(service, account, ann)
    summary = service.ask("GET", "/bill-groups/b1/summary", token=token).json
    assert "access" in summary["permissions"]
    given = service.ask("PUT", f"{address(account, bee)}/access", groups("b1", permissions=["profile"]), token)
    assert (given.status, list(given.json["bill_groups"])) == (200, ["b1"])
    other = signed_in(service, BEE)
    assert enters(service, other)
    refused = service.ask("PUT", f"{address(account, ann)}/access", groups("b2"), other)
    assert code(refused) == (403, "forbidden")
    assert service.ask("DELETE", f"{address(account, bee)}/access", token=token).status == 204
    assert not enters(service, other)


def test_the_owner_cannot_lock_themselves_out_nor_be_ousted(service: Service, account: str) -> None:
    ann = service.contact(account, "Ann")
    bee = service.contact(account, "Bee", access=groups("b1"))
    token, other = own(service, account, ann), signed_in(service, BEE)
    ask = service.ask
    version = {"if_match": str(service.get(address(account, ann))["version"])}
    for answer, expected in (
        (ask("DELETE", f"{address(account, ann)}/access", token=token), "own_access"),
        (ask("PATCH", address(account, ann), {"email": "x@y.example"}, token, **version), "own_address"),
        (ask("PATCH", address(account, ann), {"email": "x@y.example"}, other, **version), "owner_is_protected"),
        (ask("DELETE", f"{address(account, ann)}?successor={bee['contact_id']}", token=other), "owner_is_protected"),
        (ask("PUT", f"{account}/owner", {"contact_id": None}, token), "owner_needed"),
        (ask("PUT", f"{account}/owner", {"contact_id": bee["contact_id"]}, other), "forbidden"),
    ):
        assert code(answer) == (403, expected)
    assert code(ask("DELETE", address(account, ann), token=token)) == (409, "owner_needs_successor")
    assert enters(service, token)


def test_the_owner_alone_hands_the_ownership_over(service: Service, account: str) -> None:
    """Nobody else has the permission as a rule; it alone is not enough."""
    ann, bee = service.contact(account, "Ann"), service.contact(account, "Bee")
    token = own(service, account, ann)
    for other in (BEE, "olga@example.com"):
        asking = people.portal(service, other, ["access"])
        refused = service.ask("PUT", f"{account}/owner", {"contact_id": bee["contact_id"]}, asking)
        assert code(refused) == (403, "owners_alone")
    assert service.ask("PUT", f"{account}/owner", {"contact_id": bee["contact_id"]}, token).status == 200


def test_ownership_is_handed_over_at_once(service: Service, account: str) -> None:
    ann, bee = service.contact(account, "Ann"), service.contact(account, "Bee")
    token, other = own(service, account, ann), signed_in(service, BEE)
    answer = service.ask("PUT", f"{account}/owner", {"contact_id": bee["contact_id"]}, token)
    assert answer.json == {"contact_id": bee["contact_id"]}
    assert (enters(service, token), enters(service, other)) == (False, True)
    assert service.get(account)["owner_contact_id"] == bee["contact_id"]


def test_the_owners_successor_becomes_the_owner(service: Service, account: str) -> None:
    ann, bee = service.contact(account, "Ann"), service.contact(account, "Bee")
    token = own(service, account, ann)
    assert service.ask("DELETE", f"{address(account, ann)}?successor={bee['contact_id']}", token=token).status == 204
    assert service.get(f"{account}/owner") == {"contact_id": bee["contact_id"]}
    assert enters(service, signed_in(service, BEE))
    service.ask("POST", f"{address(account, ann)}/restore")
    assert not enters(service, signed_in(service, ANN))


def test_only_an_active_contact_of_the_account_can_own_it(service: Service, account: str) -> None:
    gone, foreign = service.contact(account, "Gone"), service.contact("/accounts/a2", "Foreign")
    service.ask("DELETE", address(account, gone))
    for contact in (gone, foreign):
        refused = service.ask("PUT", f"{account}/owner", {"contact_id": contact["contact_id"]})
        assert faults(refused) == [("contact_id", "unknown_contact")]


def test_who_may_change_contacts_gives_no_access(service: Service, account: str) -> None:
    bee = service.contact(account, "Bee")
    rule(service, ANN)
    token = signed_in(service, ANN)
    body = {"first_name": "Cy", "last_name": "Test", "email": "cy@example.com"}

    def refused(answer: Answer) -> bool:
        return code(answer) == (403, "access_not_yours")

    assert refused(service.ask("POST", f"{account}/contacts", {**body, "access": groups("b1")}, token))
    assert refused(service.ask("PATCH", address(account, bee), {"access": groups("b1")}, token, if_match="1"))
    assert service.ask("POST", f"{account}/contacts", body, token).status == 201


def test_a_portal_users_change_of_somebody_elses_email_takes_the_access_and_gives_none(
    service: Service, account: str
) -> None:
    bee = service.contact(account, "Bee", access=groups("b1"))
    rule(service, ANN)
    token = signed_in(service, ANN)
    answer = service.ask("PATCH", address(account, bee), {"email": "mine@evil.example"}, token, if_match="1")
    assert (answer.status, answer.json["access"]) == (200, {})
    assert not enters(service, signed_in(service, "mine@evil.example"))
    assert not enters(service, signed_in(service, BEE))
