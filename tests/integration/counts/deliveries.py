"""What it costs to make an invoice's PDF, to deliver it to a contact, and to send it again."""

import json
from collections.abc import Callable
from typing import Any

import boto3

from chalicelib import clock
from chalicelib.config import settings
from chalicelib.deliveries import jobs as deliveries_jobs
from chalicelib.entities import service as entities
from chalicelib.functions.documents import make_documents
from chalicelib.functions.mail import deliver_bulk_mail
from tests.aws_calls import Calls, counted

LINE = {"description": "Telephony", "net_amount": 10000}
INVOICE = {"bill_group_id": "b3", "issue_date": "2026-01-15", "currency": "EUR", "lines": [LINE], "total": 10000}
CONTACT = {"first_name": "Di", "last_name": "Doe", "email": "di@example.com", "roles": ["invoicing"]}


def count_deliveries(found: dict[str, Calls], service: Callable[..., Any], count: Callable[..., Any]) -> None:
    """Count a delivery to one contact, from the task to render the PDF to the email handed to SES."""
    service("PUT", "/v1/entities/acme", {"invoice_mail": {"mode": "live"}, "live_from": "2026-01-01"})
    terms = {"payment_terms": {"kind": "net", "days": 30}}
    service("PUT", "/v1/accounts/a3", {"name": "Third", "entity_id": "acme", "currency": "EUR", **terms})
    service("PUT", "/v1/bill-groups/b3", {"account_id": "a3", "entity_id": "acme", "name": "HQ"})
    service("POST", "/v1/accounts/a3/contacts", CONTACT)
    service("PUT", "/v1/invoices/d1", {**INVOICE, "number": "d1"})
    # The issuing entity is remembered for 30 seconds.
    entities.clear_entity_cache()
    entities.get_cached_entity("acme", clock.utc_now())
    of = settings()
    found["render an invoice's PDF"] = process_message(of.queue_urls["documents"], "d1", make_documents)
    made = process_message(of.queue_urls["deliveries"], "d1", deliveries_jobs.run_deliveries)
    found["deliver an invoice to one contact"] = made
    email_id = service("GET", "/v1/invoices/d1/deliveries")["items"][0]["recipients"][0]["email_id"]
    sent = process_message(of.queue_urls["bulk_mail"], email_id, deliver_bulk_mail)
    found["send its email with the PDF, alone in its batch"] = sent
    count("read an invoice's deliveries", "GET", "/v1/invoices/d1/deliveries")
    count("send an invoice again, to all its contacts", "POST", "/v1/invoices/d1/send")


def process_message(url: str, subject: str, consumer: Callable[..., Any]) -> Calls:
    """Count what the consumer of a queue does with the message about ``subject``; it must do well."""
    sqs = boto3.client("sqs")
    records = []
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
        records += [{"messageId": one["MessageId"], "body": one["Body"]} for one in messages]
    (record,) = [one for one in records if json.loads(one["body"])["subject"] == subject]
    with counted() as calls:
        assert consumer({"Records": [record]}, None) == {"batchItemFailures": []}
    return calls
