"""Sign-ins of people whose contact leaves meanwhile, and of owners, by the rules and contacts of the API (C4, A9)."""

from typing import Any

import pytest

from chalicelib.table import keys, store
from chalicelib.table.items import DomainAccessItem
from tests.integration.api.gateway import send
from tests.integration.service import Service
from tests.integration.sign_in.people import Inbox
from tests.integration.sign_in.test_sign_in import ask, redeem

EVE = "eve@company.example"


def rule(service: Service, value: str) -> Any:
    return service.ask("POST", "/bill-groups/b1/access-rules", {"value": value}).json


def token_of(flow: str, link: str) -> str:
    answer = redeem(flow, link=link)
    assert answer.status == 201, answer.text
    return str(answer.json["token"])


@pytest.mark.parametrize("way", ["own access", "email rule", "domain rule", "owner"])
def test_a_link_from_before_opens_nothing_once_the_contact_is_gone(portal: Service, inbox: Inbox, way: str) -> None:
    access = {"access": {"bill_groups": {"b1": {}}}} if way == "own access" else {}
    eve = portal.contact("/accounts/a1", "Eve", email=EVE, **access)
    path = f"/accounts/a1/contacts/{eve['contact_id']}"
    successor = ""
    if way == "owner":
        portal.put("/accounts/a1/owner", contact_id=eve["contact_id"])
        successor = f"?successor={portal.contact('/accounts/a1', 'Fay')['contact_id']}"
    elif way != "own access":
        rule(portal, EVE if way == "email rule" else "company.example")
    used = ask(EVE)
    token = token_of(used, inbox.newest().link)
    assert send("GET", "/v1/bill-groups/b1", token=token).status == 200
    portal.clock.move(minutes=2)
    pending = ask(EVE)
    mail = inbox.newest()
    assert portal.ask("DELETE", path + successor).status == 204
    assert send("GET", "/v1/bill-groups/b1", token=token).status == 404
    # The link itself is fresh and unused: what it opens holds nothing.
    later = token_of(pending, mail.link)
    assert send("GET", "/v1/bill-groups/b1", token=later).status == 404
    assert send("GET", "/v1/me", token=later).status == 401
    portal.ask("POST", f"{path}/restore")
    assert send("GET", "/v1/bill-groups/b1", token=token).status == 404


def test_a_denial_is_not_dodged_by_a_tag(portal: Service, inbox: Inbox) -> None:
    rule(portal, "company.example")
    eve = portal.contact("/accounts/a1", "Eve", email=EVE)
    tagged = token_of(ask("eve+first@company.example"), inbox.newest().link)
    assert send("GET", "/v1/bill-groups/b1", token=tagged).status == 200
    assert portal.ask("DELETE", f"/accounts/a1/contacts/{eve['contact_id']}").status == 204
    assert send("GET", "/v1/bill-groups/b1", token=tagged).status == 404
    portal.clock.move(minutes=2)
    for other in (EVE, "eve+x@company.example"):
        ask(other)
        assert inbox.fetch() == []
    ask("steve@company.example")
    assert inbox.newest().to == "steve@company.example"
    refused = portal.ask("POST", "/bill-groups/b1/access-rules", {"value": "eve+y@company.example"})
    assert refused.status == 409
    back = portal.ask(
        "POST",
        "/accounts/a1/contacts",
        {"first_name": "E", "last_name": "E", "email": "eve+z@company.example", "access": {"bill_groups": {"b1": {}}}},
    )
    assert (back.status, back.json["code"]) == (409, "address_denied")


def test_a_contact_that_gets_a_tag_is_not_shut_out(portal: Service, inbox: Inbox) -> None:
    rule(portal, "company.example")
    eve = portal.contact("/accounts/a1", "Eve", email=EVE)
    path = f"/accounts/a1/contacts/{eve['contact_id']}"
    portal.patch(path, email="eve+bills@company.example")
    token = token_of(ask("eve+bills@company.example"), inbox.newest().link)
    assert send("GET", "/v1/bill-groups/b1", token=token).status == 200


def test_a_restored_row_denies_the_exact_address_and_its_tags(portal: Service, inbox: Inbox) -> None:
    """Rows from before hold the address as it was."""
    rule(portal, "company.example")
    row = store.get_item(DomainAccessItem, keys.domain_access("b1", "company.example"))
    assert row is not None
    row.denied = {"eve+old@company.example": {"rule_id": "rul_old"}}
    store.replace_item(row)
    for other in (EVE, "eve+old@company.example", "eve+new@company.example"):
        ask(other)
        assert inbox.fetch() == []
