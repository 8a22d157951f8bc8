"""Create-contact killed at every AWS call, repeated, and its mail followed to SES: never half, never two (I4)."""

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from chalice.test import Client
from moto.core import DEFAULT_ACCOUNT_ID
from moto.ses.models import ses_backends

from app import app
from chalicelib import clock
from chalicelib.access import api_keys as access
from chalicelib.access import rules as access_rules
from chalicelib.accounts import service as accounts
from chalicelib.config import settings
from chalicelib.entities import service as entities
from chalicelib.functions.mail import deliver_bulk_mail
from chalicelib.request_context import Actor, RequestContext
from chalicelib.table.items import ContactAddressItem, ContactItem, EmailItem, Item, TaskItem
from chalicelib.tasks import jobs as task_jobs
from tests.aws import REGION, aws
from tests.aws_calls import Crash, failing

__all__ = ["aws"]

NOW = datetime(2026, 1, 15, 9, tzinfo=UTC)
BODY = {"first_name": "Ada", "last_name": "Byron", "email": "ada@example.com", "roles": ["invoicing"]}
# One read of the key, one to note its use, one of the entity, one of the rest, one transaction, one message.
CALLS = 6
KEY = {"Idempotency-Key": "create-ada"}
HOW = ("before", "after", "lost")


@pytest.fixture
def token(aws: None) -> str:
    clock.set_clock_source(lambda: NOW)
    entities.clear_entity_cache()
    boto3.client("ses", region_name=REGION).verify_email_identity(EmailAddress="billing@acme.example")
    context = RequestContext(Actor("console", "test", "test"), NOW, "test-correlation")
    entity = {
        "name": "ACME",
        "colour": "#0b5fff",
        "sender_email": "billing@acme.example",
        "locale": "en",
        "time_zone": "UTC",
    }
    entities.put_entity(context, "acme", entity)
    accounts.put_account(context, "a1", {"name": "Customer", "entity_id": "acme", "currency": "EUR"})
    entities.clear_entity_cache()
    _, token = access.create(context, "billing", list(access_rules.SCOPES))
    return token


def post(token: str, **further: str) -> Any:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", **further}
    with Client(app) as client:
        return client.http.post("/v1/accounts/a1/contacts", headers=headers, body=json.dumps(BODY).encode())


def rows(kind: type[Item]) -> list[Any]:
    return [item for item in Item.scan() if isinstance(item, kind)]


def deliver_everything() -> None:
    """Do what the queues and the sweeper do, for half an hour, by the handlers that Lambda calls."""
    sqs, queue = boto3.client("sqs"), settings().queue_urls["bulk_mail"]
    for minutes in range(0, 30, 3):
        clock.set_clock_source(lambda minutes=minutes: NOW + timedelta(minutes=minutes))  # type: ignore[misc]
        task_jobs.sweep_duties({}, None)
        while found := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
            records = [{"messageId": one["MessageId"], "body": one["Body"]} for one in found]
            assert deliver_bulk_mail({"Records": records}, None) == {"batchItemFailures": []}
            for one in found:
                sqs.delete_message(QueueUrl=queue, ReceiptHandle=one["ReceiptHandle"])


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("number", range(CALLS))
def test_a_crash_leaves_neither_half_nor_two(token: str, number: int, how: str) -> None:
    with failing(number, how) as names, suppress(Crash):
        post(token, **KEY)
    answer = post(token, **KEY)
    assert answer.status_code == 201, (names, answer.body)
    (contact,) = rows(ContactItem)
    assert answer.json_body["contact_id"] == contact.contact_id
    assert accounts.get_account("a1").holders.invoicing == {contact.contact_id}
    assert [row.contact_id for row in rows(ContactAddressItem)] == [contact.contact_id]
    (email,) = rows(EmailItem)
    assert email.to == ["ada@example.com"]
    deliver_everything()
    (email,) = rows(EmailItem)
    assert email.status == "sent"
    assert len(ses_backends[DEFAULT_ACCOUNT_ID][REGION].sent_messages) == 1
    assert rows(TaskItem) == []


@pytest.mark.parametrize("number", range(CALLS))
def test_a_lost_response_needs_no_idempotency_key(token: str, number: int) -> None:
    """The client's repetition meets its own write; the audit event tells that it is its own."""
    with failing(number, "lost"):
        assert post(token).status_code == 201
    assert len(rows(ContactItem)) == len(rows(EmailItem)) == 1


def test_the_cases_cover_every_call(token: str) -> None:
    with failing(-1, "before") as names:
        assert post(token, **KEY).status_code == 201
    assert len(names) == CALLS
    assert "dynamodb.TransactWriteItems" in names
    assert "sqs.SendMessageBatch" in names or "sqs.SendMessage" in names
