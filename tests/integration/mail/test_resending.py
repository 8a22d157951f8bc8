"""Sending a mail of the history once more (I5)."""

from datetime import timedelta

import pytest

from chalicelib.access import api_keys as access
from chalicelib.access import rules
from chalicelib.mail.erasure import erase_emails
from chalicelib.mail.feedback import suppressions
from chalicelib.mail.reports import PERMANENT_BOUNCE
from chalicelib.table import keys, store
from chalicelib.table.items import BillGroupItem, ContactAddressItem, SuppressionItem
from tests.integration.api.gateway import Answer, send
from tests.integration.mail.conftest import CONTEXT, Provider, Time, context, email, enqueue, received, tasks, work
from tests.integration.people import portal
from tests.integration.service import Clock, Service, code

ANA, BOB, EVE = "ana@acme.example", "bob@acme.example", "eve@acme.example"


@pytest.fixture
def token(provider: Provider) -> str:
    for address in (ANA, BOB):
        register(address)
    return access.create(context(), "billing", list(rules.SCOPES))[1]


def register(address: str) -> None:
    key = keys.contact_address("acme", address)
    store.create_item(ContactAddressItem(key.pk, key.sk, contact_id="con_1"))


def suppress(address: str) -> None:
    key = keys.suppression(address)
    store.create_item(SuppressionItem(key.pk, key.sk, email=address, reason=PERMANENT_BOUNCE, since=context().now))


def resend(token: str, email_id: str, account_id: str = "acme", **headers: str) -> Answer:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return send("POST", f"/v1/accounts/{account_id}/emails/{email_id}/resend", token=token, headers=sent)


def test_a_mail_is_sent_again_as_a_new_one(token: str, provider: Provider, time: Time) -> None:
    first = enqueue(to=(ANA,), cc=(BOB,), bill_group_id="hq", lifetime=timedelta(days=3))
    work()
    time.passes(days=10)
    answer = resend(token, first)
    assert answer.status == 202, answer.text
    new = answer.json
    assert (new["status"], new["resent_from"], new["to"], new["cc"]) == ("queued", first, [ANA], [BOB])
    assert new["email_id"] != first
    work()
    again = email(new["email_id"])
    assert (again.status, again.kind, again.context) == ("sent", "contact_added", CONTEXT)
    assert (again.bill_group_id, again.not_after) == ("hq", time.now + timedelta(days=3))
    assert [one["Destination"] for one in provider.taken] == [{"ToAddresses": [ANA], "CcAddresses": [BOB]}] * 2
    assert tasks() == []
    event = send("GET", "/v1/accounts/acme/audit-events", token=token).json["items"][0]
    assert (event["action"], event["resource_id"]) == ("email.sent_again", first)


def test_a_repeated_request_sends_once(token: str, provider: Provider) -> None:
    first = enqueue(to=(ANA,))
    work()
    answers = [resend(token, first, Idempotency_Key="once").json for _ in range(2)]
    assert answers[0] == answers[1]
    work()
    assert len(provider.taken) == 2


def test_it_goes_to_contacts_only_and_to_no_suppressed_address(token: str, provider: Provider) -> None:
    first = enqueue(to=(ANA, EVE), cc=(BOB,))
    work()
    suppress(ANA)
    answer = resend(token, first).json
    assert (answer["to"], answer["cc"]) == ([BOB], [])

    suppress(BOB)
    refused = resend(token, first)
    assert code(refused) == (409, "address_suppressed")
    assert refused.json["details"] == {"addresses": [ANA, BOB]}
    suppressions.clear(context(), BOB)
    stranger = enqueue(to=(EVE,))
    work()
    assert code(resend(token, stranger)) == (409, "nobody_left")


def test_what_cannot_be_sent_again_is_refused(token: str, provider: Provider, time: Time) -> None:
    secret, waiting = enqueue(security=True), enqueue()
    assert code(resend(token, secret)) == (409, "never_sent_again")
    assert code(resend(token, waiting)) == (409, "email_under_way")
    work()
    assert code(resend(token, secret)) == (409, "never_sent_again")
    erase_emails("acme", "con_9", ANA, time.now)
    assert code(resend(token, waiting)) == (409, "email_erased")
    assert resend(token, "eml_01JAAAAAAAAAAAAAAAAAAAAAAA").status == 404
    assert resend(token, waiting, account_id="other").status == 404


def test_a_mail_is_sent_again_five_times_a_day_whichever_copy_is_named(
    token: str, provider: Provider, time: Time
) -> None:
    named = enqueue(to=(ANA,))
    for number in range(5):
        work()
        time.passes(hours=1)
        answer = resend(token, named)
        assert answer.status == 202, number
        named = answer.json["email_id"]
    work()
    refused = resend(token, named)
    assert code(refused) == (429, "resent_too_often")
    assert refused.headers["retry-after"] == str(20 * 3600)
    time.passes(hours=20)
    assert resend(token, named).status == 202
    assert len(received_mails()) == 1


def received_mails() -> list[object]:
    from chalicelib.config import settings

    return list(received(settings().queue_urls["bulk_mail"]))


def test_portal_users_send_again_what_they_may_see(token: str, provider: Provider, time: Time) -> None:
    for bill_group_id in ("hq", "lab"):
        key = keys.bill_group(bill_group_id)
        names = {"account_id": "acme", "entity_id": "nordlicht", "name": bill_group_id}
        store.create_item(BillGroupItem(key.pk, key.sk, bill_group_id=bill_group_id, **names))
    service = Service(token, Clock())
    service.clock.now = time.now
    own, other, about = enqueue(bill_group_id="hq"), enqueue(bill_group_id="lab"), enqueue()
    work()
    seeing = portal(service, ANA, ["emails"], ("hq", "acme"))
    assert resend(seeing, own).status == 202
    assert resend(seeing, other).status == 404
    assert resend(seeing, about).status == 404, "mails about contacts are for who may see these"
    blind = portal(service, BOB, ["invoices"], ("hq", "acme"))
    assert resend(blind, own).status == 403


def test_the_scope_is_needed(token: str) -> None:
    _, weak = access.create(context(), "weak", ["emails:read"])
    first = enqueue()
    work()
    assert resend(weak, first).status == 403
