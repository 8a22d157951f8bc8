"""Addresses that another program reads as somebody else's are refused wherever one comes in."""

from typing import Any

import pytest

from tests.integration import people
from tests.integration.api.gateway import send
from tests.integration.service import Service

AMBIGUOUS = (
    "=?utf-8?q?alice=40evil.com?=@corp.example",
    "alice%evil.com@corp.example",
    "evil.com!alice@corp.example",
)
ENTRIES: list[tuple[str, str, str, dict[str, Any]]] = [
    ("POST", "/accounts/a1/contacts", "email", {"first_name": "A", "last_name": "B"}),
    ("POST", "/bill-groups/b1/access-rules", "value", {}),
    ("PUT", "/entities/acme", "sender_email", {}),
    ("PUT", "/entities/acme", "reply_to", {}),
    ("PUT", "/entities/acme", "support_email", {}),
    ("POST", "/sign-in", "email", {}),
    ("POST", "/staff", "email", {"name": "Kim", "role": "agent"}),
]


@pytest.mark.parametrize("email", AMBIGUOUS)
def test_no_entry_takes_an_address_that_may_be_read_differently(service: Service, email: str) -> None:
    service.bill_group("b1", service.account())
    admin = people.staff(service, "admin@vendor.example", "admin")
    for method, path, field, body in ENTRIES:
        token = admin if path == "/staff" else None
        answer = service.ask(method, path, {**body, field: email}, token=token)
        assert answer.status == 422, (path, field, answer.text)
        (fault,) = answer.json["errors"]
        assert fault["field"] == field
        assert fault["code"] in ("ambiguous_email", "wildcard")
    listed = send("GET", f"/v1/accounts?email={email.replace('%', '%25').replace('?', '%3F')}", token=service.token)
    assert listed.status == 422
