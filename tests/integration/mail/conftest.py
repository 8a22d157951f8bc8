"""A deployment with an issuing entity and an account, and SES as the client sees it."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest

from chalicelib import clock
from chalicelib.accounts.rules import Account
from chalicelib.config import settings
from chalicelib.entities.rules import Entity
from chalicelib.functions.mail import deliver_bulk_mail
from chalicelib.mail import jobs, outbox
from chalicelib.mail.outbox import Mail
from chalicelib.request_context import Actor, RequestContext
from chalicelib.table import keys, store
from chalicelib.table.items import AccountItem, EmailItem, EntityItem
from chalicelib.tasks import jobs as task_jobs
from chalicelib.tasks.kinds import TASK_KINDS
from tests.aws import aws

__all__ = ["aws"]

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
ENTITY = Entity(
    "nordlicht",
    "Nordlicht",
    "#0b5fff",
    "billing@nordlicht.example",
    "en",
    "Europe/Berlin",
    sender_name="Nordlicht Büro",
)
ACCOUNT = Account("acme", "nordlicht", "Acme & Co", "EUR")
CONTEXT = {"account_name": "Acme & Co", "contact_name": "Ana", "roles": ["invoicing"]}


@dataclass
class Time:
    """The clock of a test."""

    now: datetime = START

    def passes(self, **delta: float) -> None:
        self.now += timedelta(**delta)


@dataclass
class Provider:
    """What SES was asked, and whether it reports what it took."""

    taken: list[dict[str, Any]] = field(default_factory=list)

    def sent(self, email_id: str) -> int:
        return len([one for one in self.taken if one["EmailTags"][0]["Value"] == email_id])


@pytest.fixture
def time(aws: None) -> Iterator[Time]:
    moving = Time()
    clock.set_clock_source(lambda: moving.now)
    yield moving
    clock.set_clock_source(None)


@pytest.fixture
def deployment(time: Time) -> None:
    """The entity, the account, and a verified sender."""
    boto3.client("sesv2").create_email_identity(EmailIdentity="billing@nordlicht.example")
    store.create_item(store.to_item(EntityItem, keys.entity("nordlicht"), ENTITY))
    store.create_item(store.to_item(AccountItem, keys.account("acme"), ACCOUNT))


@pytest.fixture
def provider(deployment: None) -> Provider:
    from chalicelib.mail.sending import ses

    found = Provider()

    def note(params: dict[str, Any], **_: Any) -> None:
        found.taken.append(params)

    ses.client().meta.events.register("provide-client-params.sesv2.SendEmail", note)
    return found


def context() -> RequestContext:
    return RequestContext(Actor("system", "test", "test"), clock.utc_now(), "correlation-1")


def enqueue(**changes: Any) -> str:
    """Put a mail into the outbox as a use case does, and return its id."""
    mail = Mail(
        **{
            "kind": "contact_added",
            "entity_id": "nordlicht",
            "account_id": "acme",
            "to": ("ana@acme.example",),
            "locale": "en",
            "lifetime": timedelta(days=1),
            "context": CONTEXT,
            **changes,
        }
    )
    of = context()
    transaction = store.Transaction(of)
    email_id = outbox.enqueue_mail(transaction, of, mail)
    transaction.commit()
    assert email_id is not None
    return email_id


def email(email_id: str) -> EmailItem:
    item = store.get_item(EmailItem, keys.email(email_id))
    assert item is not None
    return item


def tasks(kind: str = "bulk_mail") -> list[Any]:
    found: list[Any] = []
    for shard in range(TASK_KINDS[kind].shards):
        found += store.query_items(keys.task_partition(kind, shard), limit=1000).items
    return found


def received(queue_url: str) -> list[dict[str, Any]]:
    """Take all messages out of a queue, as records of Lambda's event."""
    records = []
    while True:
        answer = boto3.client("sqs").receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10)
        messages = answer.get("Messages", [])
        if not messages:
            return records
        for one in messages:
            boto3.client("sqs").delete_message(QueueUrl=queue_url, ReceiptHandle=one["ReceiptHandle"])
            records.append({"messageId": one["MessageId"], "body": one["Body"], "eventSource": "aws:sqs"})


def work(consumer: Callable[..., Any] = deliver_bulk_mail, queue_url: str | None = None) -> list[str]:
    """Run the consumer on its queue once, in batches of ten; return the failed messages."""
    failed: list[str] = []
    records = received(queue_url or settings().queue_urls["bulk_mail"])
    for start in range(0, len(records), 10):
        answer = consumer({"Records": records[start : start + 10]}, None)
        failed += [one["itemIdentifier"] for one in answer["batchItemFailures"]]
    return failed


def sweep() -> dict[str, int]:
    swept: dict[str, int] = task_jobs.sweep_duties({}, None)
    return swept


def report(
    email_id: str,
    kind: str,
    at: datetime | None = None,
    destination: tuple[str, ...] = ("ana@acme.example",),
    **parts: Any,
) -> dict[str, int]:
    """Let SES report about a mail, as SNS hands it to the function, without a subject."""
    body = {
        "eventType": kind,
        "mail": {
            "timestamp": (at or clock.utc_now()).isoformat(),
            "messageId": "m-1",
            "destination": list(destination),
            "tags": {"email_id": [email_id]},
        },
        **parts,
    }
    noted: dict[str, int] = jobs.record_mail_feedback({"Records": [{"Sns": {"Message": json.dumps(body)}}]}, None)
    return noted
