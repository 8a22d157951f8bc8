"""Sign-ins of people whose contact leaves meanwhile, and of owners, by the rules and contacts of the API (C4, A9)."""

from typing import Any

import pytest

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
