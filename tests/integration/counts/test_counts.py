"""The cost of each operation: AWS calls and capacity units, counted on the real-process engine.

This test counts the table in docs/architecture.md. After an intended change, write it again with ``UPDATE_COUNTS=1``.
"""

import base64
import json
import os
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from chalice.test import Client

from app import app
from chalicelib import clock
from chalicelib.access import api_keys as access
from chalicelib.access import rules as access_rules
from chalicelib.config import settings
from chalicelib.entities import service as entities
from chalicelib.functions.mail import deliver_bulk_mail
from chalicelib.mail import jobs as mail_jobs
from chalicelib.mail.sending import pacing
from chalicelib.request_context import Actor, RequestContext
from chalicelib.sessions.service import open_session
from chalicelib.table import keys, store
from chalicelib.table.items import ContactAddressItem, EmailItem
from chalicelib.tasks import jobs as task_jobs
from tests.aws import forget
from tests.aws_calls import Calls, counted
from tests.engine import engine, engine_environment
from tests.integration.counts.deliveries import count_deliveries
from tests.integration.counts.reminders import count_holding, count_reminders
from tests.integration.counts.replies import count_replies
from tests.integration.counts.statements import count_preferences_and_statements
from tests.unit.logos.images import flat, written

__all__ = ["engine", "engine_environment"]

pytestmark = pytest.mark.engine

PAGE = Path(__file__).parents[3] / "docs" / "architecture.md"
BEGIN, END = "<!-- counts: begin -->", "<!-- counts: end -->"
NOW = datetime(2026, 1, 15, 9, tzinfo=UTC)
ENTITY = {
    "name": "ACME",
    "colour": "#0b5fff",
    "sender_email": "billing@acme.example",
    "locale": "en",
    "time_zone": "UTC",
}


class Service:
    """The service through its API, with a key whose use was recorded within the hour."""

    def __init__(self) -> None:
        context = RequestContext(Actor("console", "test", "test"), NOW, "counts-0001")
        _, self.token = access.create(context, "billing", list(access_rules.SCOPES))

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        headers = {
            "Authorization": f"Bearer {self.token}",
            "Content-Type": "application/json",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        raw = b"" if body is None else json.dumps(body).encode()
        with Client(app) as client:
            answer = client.http.request(method, path, headers=headers, body=raw)
        assert answer.status_code < 300, answer.body
        return answer.json_body if answer.body else None


def measure() -> dict[str, Calls]:
    """Do each operation once and return what it cost."""
    found: dict[str, Calls] = {}
    service = Service()

    def count(name: str, *request: Any, **headers: str) -> Any:
        with counted() as calls:
            answer = service(*request, **headers)
        found[name] = calls
        return answer

    service("GET", "/v1/me")
    count("authorise a request", "GET", "/v1/me")
    count("create an issuing entity", "PUT", "/v1/entities/acme", ENTITY)
    logo = {"image": base64.b64encode(written(flat(), "PNG")).decode()}
    count("set its logo", "PUT", "/v1/entities/acme/logo", logo)
    account = {"name": "Northern Light Trading", "entity_id": "acme", "currency": "EUR"}
    count("create an account (name of three words)", "PUT", "/v1/accounts/a1", account)
    count("repeat an account without changes", "PUT", "/v1/accounts/a1", account)
    count("change an account", "PUT", "/v1/accounts/a1", {"country": "DE"})
    entities.get_cached_entity("acme", NOW)
    contacts = "/v1/accounts/a1/contacts"
    ada = {"first_name": "Ada", "last_name": "Byron", "email": "ada@example.com", "roles": ["invoicing"]}
    made = count("add a contact, with its email", "POST", contacts, ada, Idempotency_Key="k1")
    count("repeat it with its idempotency key", "POST", contacts, ada, Idempotency_Key="k1")
    bob = {**ada, "email": "bob@example.com", "roles": ["invoicing", "accounts_payable"]}
    other = service("POST", contacts, bob)
    path = f"{contacts}/{made['contact_id']}"
    count("change a contact's job title", "PATCH", path, {"job_title": "Head"}, If_Match='"1"')
    count("change a contact's roles, with its email", "PATCH", path, {"roles": []}, If_Match='"2"')
    count("change a contact's email", "PATCH", path, {"email": "a@example.com"}, If_Match='"3"')
    count("read a contact", "GET", path)
    count("list the contacts of an account", "GET", contacts)
    count("delete a contact, with its email", "DELETE", path)
    count("restore a contact, with its email", "POST", f"{path}/restore")
    group = {"name": "HQ", "account_id": "a1", "entity_id": "acme", "billing_contact_id": other["contact_id"]}
    count("create a bill group with a billing contact", "PUT", "/v1/bill-groups/b1", group)
    count("change a bill group's PO number", "PATCH", "/v1/bill-groups/b1", {"po_number": "7"}, If_Match='"1"')
    subscription = {"name": "Phone", "status": "active"}
    count("create a subscription", "PUT", "/v1/bill-groups/b1/subscriptions/s1", subscription)
    count("list a bill group's subscriptions", "GET", "/v1/bill-groups/b1/subscriptions")
    rules = "/v1/bill-groups/b1/access-rules"
    count("add an access rule", "POST", rules, {"value": "cy@example.com"})
    count("list a bill group's access rules", "GET", rules)
    access = {"bill_groups": {"b1": {}}}
    count("give a contact access", "PUT", f"{contacts}/{other['contact_id']}/access", access)
    keyed, service.token = service.token, _portal_session("cy@example.com")
    count("open a portal's summary, the first time in an hour", "GET", "/v1/bill-groups/b1/summary")
    count("open it again", "GET", "/v1/bill-groups/b1/summary")
    service.token = keyed
    count("read an account with its role coverage", "GET", "/v1/accounts/a1")
    count("search accounts by name", "GET", "/v1/accounts?q=north")
    count("search accounts by a contact's email", "GET", "/v1/accounts?email=bob@example.com")
    count("list an account's audit events", "GET", "/v1/accounts/a1/audit-events")
    _count_invoices(service, count)
    _count_payments(service, count)
    _count_mails(found, count)
    count_deliveries(found, service, count)
    count_preferences_and_statements(found, service, count)
    page = count_reminders(found, service)
    count_holding(found, count)
    count_replies(found, service, page)
    with counted() as found["sweep when nothing is overdue"]:
        task_jobs.sweep_duties({}, None)
    return found


def _count_invoices(service: Service, count: Callable[..., Any]) -> None:
    line = {"description": "Telephony", "net_amount": 10000, "taxes": [{"name": "VAT", "rate": "20"}]}
    invoice = {"bill_group_id": "b1", "number": "n1", "issue_date": "2026-01-15", "currency": "GBP", "po_number": "7"}
    invoice |= {"due_date": "2026-02-15", "lines": [line], "total": 12000}
    count("issue an invoice of one line", "PUT", "/v1/invoices/n1", invoice)
    count("repeat an invoice without changes", "PUT", "/v1/invoices/n1", invoice)
    count("change an invoice's due date", "PATCH", "/v1/invoices/n1", {"due_date": "2026-03-01"}, If_Match='"1"')
    count("dispute an invoice", "PUT", "/v1/invoices/n1/dispute", {"reason": "amount"})
    count("resolve the dispute", "DELETE", "/v1/invoices/n1/dispute")
    count("read an invoice", "GET", "/v1/invoices/n1")
    keyed, service.token = service.token, _portal_session("cy@example.com")
    count("read an invoice in the portal", "GET", "/v1/invoices/n1")
    service.token = keyed
    count("list a bill group's invoices", "GET", "/v1/bill-groups/b1/invoices")
    count("find an invoice by its number", "GET", "/v1/invoices?number=N1&entity=acme")
    count("list an entity's overdue invoices", "GET", "/v1/invoices?overdue_days=1&entity=acme")
    count("void an invoice", "POST", "/v1/invoices/n1/void")


def _count_payments(service: Service, count: Callable[..., Any]) -> None:
    line = {"description": "Telephony", "net_amount": 10000}
    invoice = {"bill_group_id": "b1", "issue_date": "2026-01-15", "currency": "EUR", "lines": [line], "total": 10000}
    for number in ("i1", "i2"):
        service("PUT", f"/v1/invoices/{number}", {**invoice, "number": number})
    service("PUT", "/v1/invoices/c1", {**invoice, "number": "c1", "kind": "credit_note"})
    payments = "/v1/accounts/a1/payments"
    allocations = [{"invoice_id": number, "amount": 4000} for number in ("i1", "i2")]
    payment = {"amount": 9000, "currency": "EUR", "received_on": "2026-01-15", "allocations": allocations}
    count("record a payment of two invoices", "PUT", f"{payments}/p1", payment)
    count("repeat it without changes", "PUT", f"{payments}/p1", payment)
    part = [{"invoice_id": "i1", "amount": 1000}]
    count("allocate more of a payment", "POST", f"{payments}/p1/allocations", {"allocations": part})
    count("apply a credit note to an invoice", "POST", "/v1/invoices/c1/applications", {"applications": part})
    count("list the settlements of an invoice", "GET", "/v1/invoices/i1/payments")
    count("list an account's payments", "GET", payments)
    count("read a statement of three open items", "GET", "/v1/accounts/a1/statement")
    count("reverse a payment of two invoices", "POST", f"{payments}/p1/reversal", {"reason": "Returned."})


def _portal_session(email: str) -> str:
    context = RequestContext(Actor("console", "test", "test"), NOW, "counts-0001")
    transaction = store.Transaction(context)
    _, token = open_session(
        transaction, context, kind="portal_user", email=email, bill_groups=[("b1", "a1")], origin="link"
    )
    transaction.commit()
    return token


def _count_mails(found: dict[str, Calls], count: Callable[..., Any]) -> None:
    """Count what a mail to one contact costs, from the outbox to the last that SES reports, and once more."""
    boto3.client("sesv2").create_email_identity(EmailIdentity=ENTITY["sender_email"])
    # SES's limits are asked once a minute by each process.
    pacing.BulkPacer(1).wait_for_slot(1)
    queue = settings().queue_urls["bulk_mail"]
    (message, *_) = boto3.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=1)["Messages"]
    email_id = json.loads(message["Body"])["subject"]
    item = store.get_item(EmailItem, keys.email(email_id))
    assert item is not None
    address = keys.contact_address("a1", item.to[0])
    if store.get_item(ContactAddressItem, address) is None:
        store.create_item(ContactAddressItem(address.pk, address.sk, contact_id="con_1"))
    records = [{"messageId": message["MessageId"], "body": message["Body"]}]
    clock.set_clock_source(lambda: NOW + timedelta(seconds=1))
    with counted() as found["send an email, alone in its batch"]:
        assert deliver_bulk_mail({"Records": records}, None) == {"batchItemFailures": []}
    clock.set_clock_source(lambda: NOW)
    sent = store.get_item(EmailItem, keys.email(email_id))
    assert sent is not None
    assert sent.status == "sent"
    told = [{"emailAddress": item.to[0]}]
    for name, kind, about in (
        ("record that SES accepted it", "Send", {"send": {}}),
        ("record its delivery", "Delivery", {"delivery": {"recipients": [item.to[0]]}}),
        ("record a complaint, and suppress the address", "Complaint", {"complaint": {"complainedRecipients": told}}),
    ):
        mail = {"timestamp": NOW.isoformat(), "messageId": "m", "tags": {"email_id": [email_id]}}
        event = {"Records": [{"Sns": {"Message": json.dumps({"eventType": kind, "mail": mail, **about})}}]}
        with counted() as found[name]:
            mail_jobs.record_mail_feedback(event, None)
    count("clear the suppression", "DELETE", f"/v1/suppressions/{item.to[0]}")
    count("send the email again", "POST", f"/v1/accounts/a1/emails/{email_id}/resend")
    count("list an account's emails", "GET", "/v1/accounts/a1/emails")
    count("read an email", "GET", f"/v1/accounts/a1/emails/{email_id}")
    count("read an entity's mail health of 30 days", "GET", "/v1/mail-health?entity_id=acme")


def table(found: dict[str, Calls]) -> str:
    """Return the counts as they stand in the documentation."""
    lines = ["| operation | reads | writes | others | capacity units |", "|---|---|---|---|---|"]
    for name, calls in found.items():
        others = Counter(call for call in calls.names if not call.startswith("dynamodb."))
        told = ", ".join(f"{number} {call}" for call, number in sorted(others.items())) or "–"
        lines.append(f"| {name} | {calls.reads} | {calls.writes} | {told} | {calls.units:g} |")
    return "\n".join(lines)


def test_the_documented_counts_are_true(engine_environment: dict[str, str]) -> None:
    forget()
    clock.set_clock_source(lambda: NOW)
    entities.clear_entity_cache()
    counts = measure()
    found = table(counts)
    # The round trips that the design must reach.
    assert counts["authorise a request"].reads <= 2
    added = counts["add a contact, with its email"]
    assert (added.reads - 1, added.writes) == (1, 1), "besides the read of the key: 1 read and 1 transaction"
    assert counts["open it again"].reads <= 4
    mail = counts["send an email, alone in its batch"]
    assert (mail.reads, mail.writes) == (2, 3), "the email; entity and suppressions; its turn, the claim, the outcome"
    issued = counts["issue an invoice of one line"]
    assert (issued.reads - 1, issued.writes) == (2, 1), "besides the read of the key: 2 reads and 1 transaction"
    assert counts["read an invoice in the portal"].reads == 3, "2 to authorise, with the head of the invoice; 1 to read"
    page = PAGE.read_text()
    before, rest = page.split(BEGIN)
    documented, after = rest.split(END)
    if os.environ.get("UPDATE_COUNTS"):
        PAGE.write_text(f"{before}{BEGIN}\n{found}\n{END}{after}")
    else:
        assert documented.strip() == found
    clock.set_clock_source(None)
