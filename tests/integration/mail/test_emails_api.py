"""The history of an account's mails over HTTP."""

import pytest

from chalicelib.access import api_keys as access
from chalicelib.access import rules
from chalicelib.table import keys, store
from chalicelib.table.items import AccountItem
from tests.integration.api.gateway import send
from tests.integration.mail.conftest import ACCOUNT, Provider, Time, context, enqueue, report, work


@pytest.fixture
def token(deployment: None) -> str:
    return access.create(context(), "billing", list(rules.SCOPES))[1]


def test_the_newest_mail_stands_first_and_pages_join_without_a_gap(token: str, provider: Provider, time: Time) -> None:
    emails = []
    for _ in range(5):
        emails.append(enqueue())
        time.passes(seconds=1)
    enqueue(account_id="another")
    seen: list[str] = []
    cursor = ""
    while True:
        answer = send("GET", f"/v1/accounts/acme/emails?limit=2{cursor}", token=token)
        assert answer.status == 200
        seen += [one["email_id"] for one in answer.json["items"]]
        if not answer.json["next_cursor"]:
            break
        cursor = f"&cursor={answer.json['next_cursor']}"
    assert seen == emails[::-1]


def test_a_mail_shows_its_status_its_events_and_what_it_said(token: str, provider: Provider, time: Time) -> None:
    email_id = enqueue()
    queued = send("GET", f"/v1/accounts/acme/emails/{email_id}", token=token).json
    assert (queued["status"], queued["subject"], queued["content"], queued["events"]) == ("queued", None, None, [])
    work()
    report(email_id, "Delivery", delivery={"recipients": ["ana@acme.example"]})
    found = send("GET", f"/v1/accounts/acme/emails/{email_id}", token=token).json
    assert found["status"] == "delivered"
    assert found["to"] == ["ana@acme.example"]
    assert found["subject"] == "You are now a billing contact for Acme & Co"
    assert found["events"] == [
        {"at": "2026-03-02T09:00:00Z", "kind": "delivery", "detail": "", "recipients": ["ana@acme.example"]}
    ]
    assert "Acme & Co" in found["content"]["text"]
    assert "Acme &amp; Co" in found["content"]["html"]


def test_a_security_mail_does_not_show_what_it_said(token: str, provider: Provider) -> None:
    email_id = enqueue(security=True)
    work()
    found = send("GET", f"/v1/accounts/acme/emails/{email_id}", token=token).json
    assert (found["status"], found["content"]) == ("sent", None)


def test_a_mail_of_another_account_is_not_here(token: str) -> None:
    other = store.to_item(AccountItem, keys.account("other"), ACCOUNT)
    other.account_id = "other"
    store.create_item(other)
    email_id = enqueue()
    assert send("GET", f"/v1/accounts/acme/emails/{email_id}", token=token).status == 200
    assert send("GET", f"/v1/accounts/other/emails/{email_id}", token=token).status == 404
    assert send("GET", "/v1/accounts/other/emails", token=token).json["items"] == []
    assert send("GET", "/v1/accounts/nobody/emails", token=token).status == 404
    assert send("GET", f"/v1/accounts/acme/emails/{email_id}").status == 401


def test_the_scope_is_needed(deployment: None) -> None:
    _, weak = access.create(context(), "weak", ["accounts:read"])
    assert send("GET", "/v1/accounts/acme/emails", token=weak).status == 403
