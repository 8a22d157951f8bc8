"""Erasing a person for good (C4, GDPR article 17)."""

import json
import re
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.client import BaseClient
from chalice.test import Client

from app import app
from chalicelib.config import settings
from chalicelib.contacts import deletion, erasure, jobs
from chalicelib.contacts.rules import Contact
from chalicelib.field_marks import DataSubject, OfContact, fields_marked
from chalicelib.mail.feedback import ses_events
from chalicelib.mail.sending import deliver as mailer
from chalicelib.table.items import EmailItem, Item, TaskItem
from chalicelib.tasks import service as tasks
from tests.aws import BUCKET, TABLE, client
from tests.integration.service import Service, code, rows

BOTH = ["invoicing", "accounts_payable"]
PERSON = {
    "last_name": "Quixote",
    "email": "zoe.first@example.com",
    "cell": "+49301234567",
    "company": "Windmills",
    "address": {"line1": "Calle Secreta 1", "city": "Toboso"},
    "job_title": "Knight",
    "external_id": "ext-4711",
}
TRACES = ("Zoe", "Quixote", "zoe.first", "zoe.second", "zoe.third", "301234567", "Windmills", "Secreta", "Toboso")
TRACES += ("Knight", "ext-4711")


class Crash(BaseException):
    """The process died here."""


@pytest.fixture
def account(service: Service) -> str:
    return service.account()


@pytest.fixture
def person(service: Service, account: str) -> Any:
    """Somebody with a history: two earlier addresses, mails sent and waiting, bill groups, reports of SES."""
    zoe = service.contact(account, "Zoe", "invoicing", **PERSON)
    send_mails(service)
    path = address(account, zoe)
    service.patch(path, email="zoe.second@example.com", roles=BOTH)
    service.patch(path, email="zoe.third@example.com")
    service.bill_group("b1", account, billing_contact_id=zoe["contact_id"], invoicing_contact_ids=[zoe["contact_id"]])
    service.bill_group("b2", account, shipping_contact_id=zoe["contact_id"])
    (sent,) = [one for one in emails() if one.status == "sent"]
    report = {
        "eventType": "Delivery",
        "mail": {"timestamp": "2026-01-31T09:00:00Z", "messageId": "m", "tags": {"email_id": [sent.email_id]}},
        "delivery": {"recipients": ["zoe.first@example.com"], "smtpResponse": "250 for <zoe.first@example.com>"},
    }
    ses_events.record_notification(json.dumps(report))
    assert traces()
    return service.get(path)


def address(account: str, contact: Any) -> str:
    return f"{account}/contacts/{contact['contact_id']}"


def emails() -> list[EmailItem]:
    return [Item.from_raw_data(row) for row in rows() if row["cls"]["S"] == "email"]


def send_mails(service: Service) -> None:
    """Send all waiting emails."""
    client("sesv2").create_email_identity(EmailIdentity="billing@acme.example")
    for row in rows():
        if row["cls"]["S"] == "duty":
            item = Item.from_raw_data(row)
            assert isinstance(item, TaskItem)
            mailer.deliver_email(tasks.TaskMessage(item.kind, item.subject, item.key, item.correlation_id))


def _pattern(trace: str) -> str:
    """A short name may stand within a random token, where it is nobody's."""
    return rf"(?<![\w-]){trace}(?![\w-])" if len(trace) < 4 else re.escape(trace)


def traces() -> dict[str, list[str]]:
    """Return the places of everything about the person."""
    found: dict[str, list[str]] = {}
    for row in rows():
        text = json.dumps({name: value for name, value in row.items() if "B" not in value}, ensure_ascii=False)
        for trace in TRACES:
            if re.search(_pattern(trace), text, re.IGNORECASE):
                found.setdefault(trace, []).append(f"{row['PK']['S']} {row['SK']['S']}")
    return found


def request(service: Service, account: str, contact: Any, **headers: str) -> str:
    asked = service.ask("POST", f"{address(account, contact)}/erase", {"confirm": True}, **headers)
    assert (asked.status, asked.json["status"]) == (202, "requested")
    return str(asked.json["erasure_id"])


def messages() -> list[str]:
    """Take the messages from the queue of erasures."""
    url = client("sqs").get_queue_url(QueueName="erasures")["QueueUrl"]
    found = client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    for message in found:
        client("sqs").delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return [message["Body"] for message in found]


def run(bodies: list[str] | None = None) -> None:
    """Let the queue's function work its messages off, as Lambda does."""
    bodies = messages() if bodies is None else bodies
    assert bodies
    with Client(app) as chalice:
        event = chalice.events.generate_sqs_event(bodies, queue_name="erasures")
        event["Records"] = [{**record, "messageId": str(n)} for n, record in enumerate(event["Records"])]
    # The test client would give it three seconds to live, in which it rightly begins nothing.
    assert jobs.run_erasures(event, None) == {"batchItemFailures": []}


def check_erased(service: Service, account: str, person: Any, erasure_id: str) -> None:
    assert code(service.ask("GET", address(account, person))) == (404, "not_found")
    assert traces() == {}
    assert service.get(f"/erasures/{erasure_id}") == {"erasure_id": erasure_id, "status": "finished"}
    for bill_group_id in ("b1", "b2"):
        group = service.get(f"/bill-groups/{bill_group_id}")
        assert group["billing_contact_id"] is None
        assert group["shipping_contact_id"] is None
    coverage = service.get(account)["role_coverage"]
    assert [coverage[role]["contact_ids"] for role in BOTH] == [[], []]
    assert not [row for row in rows() if row["PK"]["S"].startswith("WORK#erase")]
    for row in rows():
        assert not row["SK"]["S"].startswith(("ADDRESS#", "EXTERNAL#"))
        assert row["SK"]["S"] != "CONTENT"
    events = service.all_of(f"{account}/audit-events")
    actions = [event["action"] for event in events if event["resource_id"] == person["contact_id"]]
    assert {"contact.created", "contact.changed", "contact.erasure_requested", "contact.erased"} <= set(actions)


def test_nothing_that_names_the_person_is_left(service: Service, account: str, person: Any) -> None:
    assert person["billing_for"] == ["b1"]
    erasure_id = request(service, account, person)
    assert service.get(address(account, person))["status"] == "active"
    run()
    check_erased(service, account, person, erasure_id)


SAMPLES: dict[str, Any] = {
    "email": "sample-email@example.com",
    "cell": "+49309999999",
    "address": {"line1": "sample-address"},
}


@pytest.mark.parametrize("kind", ["person", "mailbox"])
def test_every_field_about_a_contact_is_erased_wherever_it_is_stored(service: Service, account: str, kind: str) -> None:
    """A field that is added to the contact and marked is tried here at once."""
    names = {"person": {"first_name", "last_name"}, "mailbox": {"display_name"}}
    others = set().union(*(fields for one, fields in names.items() if one != kind))
    # What the billing system last brought is a copy of the other fields; an email keeps the language it was written in.
    marked = fields_marked(Contact, DataSubject.CONTACT) - others - {"upstream", "locale"}
    sent = {name: SAMPLES.get(name, f"sample-{name}") for name in marked}
    made = service.ask("POST", f"{account}/contacts", {"kind": kind, **sent, "roles": ["invoicing"]})
    assert made.status == 201, made.text
    contact = made.json
    send_mails(service)
    values = [value["line1"] if isinstance(value, dict) else value for value in sent.values()]
    before = json.dumps(rows(), default=str)
    assert [value for value in values if value not in before] == []
    request(service, account, contact)
    run()
    after = json.dumps(rows(), default=str)
    assert [value for value in values if value in after] == []


def test_a_field_that_is_new_is_redacted_in_the_audit(monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclass(frozen=True)
    class ContactWithDepartment(Contact):
        department: OfContact[str | None] = None

    monkeypatch.setattr(erasure, "Contact", ContactWithDepartment)
    changes = [{"field": "department", "before": None, "after": "Sales"}, {"field": "kind", "before": 1, "after": 2}]
    assert erasure.redact_changes(changes) == [{"field": "department", "before": None, "after": None}, changes[1]]


def test_it_must_be_confirmed_and_is_of_somebody_here(service: Service, account: str, person: Any) -> None:
    before = rows()
    assert service.ask("POST", f"{address(account, person)}/erase", {"confirm": False}).status == 422
    assert service.ask("POST", f"{address(account, person)}/erase", {}).status == 422
    assert code(service.ask("GET", "/erasures/era_01JABCDEFGHJKMNPQRSTVWXYZ0")) == (404, "not_found")
    assert rows() == before
    assert ledger() == []


def ledger() -> list[dict[str, Any]]:
    listed = client("s3").list_objects_v2(Bucket=BUCKET, Prefix="erasures/").get("Contents", [])
    return [json.loads(client("s3").get_object(Bucket=BUCKET, Key=one["Key"])["Body"].read()) for one in listed]


def test_the_ledger_holds_ids_only(service: Service, account: str, person: Any) -> None:
    erasure_id = request(service, account, person)
    ids = {"erasure_id": erasure_id, "account_id": "a1", "contact_id": person["contact_id"]}
    assert ledger() == [ids]


def test_without_the_ledger_nothing_begins(
    service: Service, account: str, person: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = rows()
    monkeypatch.setenv("BUCKET_NAME", "nowhere")
    settings.cache_clear()
    asked = service.ask("POST", f"{address(account, person)}/erase", {"confirm": True})
    assert code(asked) == (503, "unavailable")
    assert rows() == before


def test_a_repeated_request_is_one_erasure(service: Service, account: str, person: Any) -> None:
    first = request(service, account, person, idempotency_key="k")
    assert request(service, account, person, idempotency_key="k") == first
    assert len(ledger()) == 1
    run()
    again = service.ask("POST", f"{address(account, person)}/erase", {"confirm": True}, idempotency_key="k")
    assert (again.status, again.json["erasure_id"]) == (202, first)
    assert code(service.ask("POST", f"{address(account, person)}/erase", {"confirm": True})) == (404, "not_found")


def test_running_again_changes_nothing(service: Service, account: str, person: Any) -> None:
    request(service, account, person)
    bodies = messages()
    run(bodies)
    before = rows()
    run(bodies)
    assert rows() == before


def test_two_requests_for_the_same_contact(service: Service, account: str, person: Any) -> None:
    first, second = request(service, account, person), request(service, account, person)
    run()
    check_erased(service, account, person, first)
    assert service.get(f"/erasures/{second}")["status"] == "finished"


def test_a_deleted_contact_is_erased_too(service: Service, account: str, person: Any) -> None:
    bee = service.contact(account, "Bee")
    service.ask("DELETE", f"{address(account, person)}?successor={bee['contact_id']}")
    request(service, account, person)
    run()
    assert traces() == {}
    assert service.get(address(account, bee))["roles"] == BOTH
    assert service.get("/bill-groups/b1")["billing_contact_id"] == bee["contact_id"]


def test_others_keep_their_mails_and_history(service: Service, account: str, person: Any) -> None:
    bee = service.contact(account, "Bee", "invoicing")
    service.patch(address(account, bee), job_title="Baker")
    request(service, account, person)
    run()
    text = json.dumps(service.all_of(f"{account}/audit-events"))
    assert "bee@example.com" in text
    assert "Baker" in text
    (mail,) = [one for one in emails() if one.contact_id == bee["contact_id"]]
    assert (mail.to, mail.status, bool(mail.context)) == (["bee@example.com"], "queued", True)


def test_waiting_mails_are_not_sent_and_sent_ones_stay_as_facts(service: Service, account: str, person: Any) -> None:
    before = {one.email_id: one.status for one in emails()}
    request(service, account, person)
    run()
    after = {one.email_id: (one.status, one.reason, one.to, one.kind) for one in emails()}
    assert set(after) == set(before)
    for email_id, status in before.items():
        kept = ("failed", "erased") if status == "queued" else (status, None)
        assert after[email_id][:2] == kept
        assert after[email_id][2] == []
    assert {"queued", "delivered"} <= set(before.values())
    send_mails(service)
    assert {one.email_id: one.status for one in emails()} == {one: told[0] for one, told in after.items()}


@pytest.mark.parametrize("how", ["before", "after"])
def test_killed_at_every_write_and_resumed(
    service: Service, account: str, person: Any, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = BaseClient._make_api_call
    erasure_id = request(service, account, person)
    bodies = messages()
    allowed, died = 0, True
    while died:
        count = 0

        def call(one: BaseClient, operation: str, parameters: dict[str, Any], allowed: int = allowed) -> Any:
            nonlocal count
            if operation not in ("PutItem", "DeleteItem", "TransactWriteItems"):
                return real(one, operation, parameters)
            count += 1
            if count > allowed and how == "before":
                raise Crash
            answer = real(one, operation, parameters)
            if count > allowed:
                raise Crash
            return answer

        died = False
        with monkeypatch.context() as patch:
            patch.setattr(BaseClient, "_make_api_call", call)
            try:
                run(bodies)
            except Crash:
                died = True
        # Each life gets one write further than the one before, so every place is died at.
        allowed += 1
        assert allowed < 60
    check_erased(service, account, person, erasure_id)


def test_somebody_who_is_restored_half_way_is_erased_all_the_same(
    service: Service, account: str, person: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    erasure_id = request(service, account, person)
    erase_emails = erasure.erase_emails

    def restored_in_between(*arguments: Any) -> None:
        monkeypatch.setattr(erasure, "erase_emails", erase_emails)
        erase_emails(*arguments)
        deletion.restore_contact(service.context, "a1", person["contact_id"])

    monkeypatch.setattr(erasure, "erase_emails", restored_in_between)
    run()
    check_erased(service, account, person, erasure_id)


def test_more_bill_groups_than_fit_a_transaction(service: Service, account: str, person: Any) -> None:
    for number in range(35):
        service.bill_group(f"c{number:02}", account, shipping_contact_id=person["contact_id"])
    erasure_id = request(service, account, person)
    run()
    check_erased(service, account, person, erasure_id)
    groups = service.all_of(f"{account}/bill-groups")
    assert {one["shipping_contact_id"] for one in groups} == {None}


def test_a_role_left_empty_is_an_alarm(
    service: Service, account: str, person: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[dict[str, Any]] = []
    monkeypatch.setattr(erasure.logger, "error", lambda message, extra: told.append(extra))
    request(service, account, person)
    run()
    assert told == [{"account_id": "a1", "role": role} for role in sorted(BOTH)]
    # The latch stays: a role that is held again cannot become empty.
    bee = service.contact(account, "Bee", *BOTH)
    assert code(service.ask("DELETE", address(account, bee))) == (409, "role_needs_holder")


class TestRestoredTable:
    """The table is put back as it was before the erasure; the ledger stands outside it."""

    @pytest.fixture
    def restored(self, service: Service, account: str, person: Any) -> str:
        before = rows()
        erasure_id = request(service, account, person)
        run()
        for row in rows():
            client("dynamodb").delete_item(TableName=TABLE, Key={"PK": row["PK"], "SK": row["SK"]})
        for row in before:
            client("dynamodb").put_item(TableName=TABLE, Item=row)
        assert traces()
        return erasure_id

    def invoke(self, event: Any) -> Any:
        with Client(app) as chalice:
            return chalice.lambda_.invoke("replay_erasures", event).payload

    def test_a_dry_run_tells_and_writes_nothing(self, restored: str) -> None:
        before = rows()
        assert self.invoke({})["would_begin"] == [restored]
        assert "refused" in self.invoke({"confirm": "yes"})
        assert "refused" in self.invoke({"confirmed": True})
        assert rows() == before

    def test_it_is_erased_again(self, service: Service, account: str, person: Any, restored: str) -> None:
        assert self.invoke({"confirm": True}) == {"ok": True, "begun": [restored]}
        run()
        check_erased(service, account, person, restored)
        assert self.invoke({"confirm": True}) == {"ok": True, "begun": []}


def test_an_event_is_no_older_than_its_write(service: Service, account: str, person: Any) -> None:
    """Else the feed of changes, which waits 30 seconds, would miss it."""
    erasure_id = request(service, account, person)
    context = service.context
    service.clock.move(minutes=2)
    erasure.run_erasure(context, erasure_id)
    (event,) = [one for one in service.all_of(f"{account}/audit-events") if one["action"] == "contact.erased"]
    assert event["at"] == "2026-01-31T09:02:00Z"
