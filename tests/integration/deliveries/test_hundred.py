"""A hundred deliveries of which one is poisoned: 99 are sent, one lies in the dead-letter queue (on the engine)."""

from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest

from chalicelib import storage
from chalicelib.config import settings
from chalicelib.deliveries import jobs as deliveries_jobs
from chalicelib.entities import service as entities
from chalicelib.functions.documents import make_documents
from chalicelib.functions.invoices import render_invoice
from chalicelib.functions.mail import deliver_bulk_mail
from chalicelib.mail import rules
from chalicelib.mail.sending import ses
from chalicelib.table.items import forget_connection
from chalicelib.tasks import jobs as task_jobs
from chalicelib.tasks import queue
from tests.engine import engine, engine_environment
from tests.integration.deliveries.world import LIVE, mails
from tests.integration.invoices.invoices import body, customer
from tests.integration.service import Service

__all__ = ["engine", "engine_environment"]

pytestmark = pytest.mark.engine

HOW_MANY = 100
POISONED = "i57"


@pytest.fixture
def handed(engine_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[list[ses.Envelope]]:
    """The mails that SES was handed, on fresh resources of the engine."""
    forget()
    taken: list[ses.Envelope] = []

    def send(envelope: ses.Envelope) -> rules.SendOutcome:
        taken.append(envelope)
        return rules.SendOutcome("accepted", message_id=f"m-{len(taken)}")

    monkeypatch.setattr(ses, "send", send)
    monkeypatch.setattr(ses, "fetch_limits", lambda: ses.Limits(a_second=1_000_000.0, a_day=None, sent=0))
    yield taken
    forget()


def forget() -> None:
    settings.cache_clear()
    forget_connection()
    queue.sqs_client.cache_clear()
    storage.s3_client.cache_clear()
    entities.clear_entity_cache()


def work_off(url: str, consumer: Callable[..., Any]) -> None:
    """Hand out the messages of a queue until it is empty, as Lambda does: what fails comes again, at once here."""
    sqs = boto3.client("sqs")
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "0"})
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
        records = [{"messageId": one["MessageId"], "body": one["Body"]} for one in messages]
        answer = consumer({"Records": records}, None)
        failed = {one["itemIdentifier"] for one in answer["batchItemFailures"]}
        for one in messages:
            if one["MessageId"] not in failed:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=one["ReceiptHandle"])


def work_all_off() -> None:
    of = settings()
    work_off(of.queue_urls["documents"], make_documents)
    work_off(of.queue_urls["deliveries"], deliveries_jobs.run_deliveries)
    work_off(of.queue_urls["bulk_mail"], deliver_bulk_mail)


def dead_letters(url: str) -> list[str]:
    """Return the bodies of the messages that a queue has given up."""
    sqs = boto3.client("sqs")
    policy = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"])["Attributes"]["RedrivePolicy"]
    name = policy.split('"deadLetterTargetArn"')[1].split('"')[1].rsplit(":", 1)[-1]
    dead = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    return [one["Body"] for one in sqs.receive_message(QueueUrl=dead, MaxNumberOfMessages=10).get("Messages", [])]


def test_ninety_nine_are_sent_and_the_poisoned_one_lies_in_the_dead_letter_queue(handed: list[ses.Envelope]) -> None:
    service = Service.start()
    service.entity(**LIVE)
    account = customer(service)
    service.contact(account, "Ada", "invoicing")
    work_all_off()
    handed.clear()
    for number in range(HOW_MANY):
        service.put(f"/invoices/i{number}", **body(f"I{number}"))
    of = settings()
    work_off(of.queue_urls["documents"], make_documents)
    s3 = boto3.client("s3")
    (poisoned,) = s3.list_objects_v2(Bucket=of.bucket_name, Prefix=f"documents/invoices/{POISONED}/")["Contents"]
    s3.delete_object(Bucket=of.bucket_name, Key=poisoned["Key"])
    work_all_off()

    names = [one.attachments[0].name for one in handed]
    assert sorted(names) == sorted(f"invoice-I{number}.pdf" for number in range(HOW_MANY) if f"i{number}" != POISONED)
    assert dead_letters(of.queue_urls["documents"]) == dead_letters(of.queue_urls["deliveries"]) == []
    (dead,) = dead_letters(of.queue_urls["bulk_mail"])
    (waiting,) = [one for one in mails() if one.status == "queued"]
    assert waiting.email_id in dead
    assert waiting.context["invoices"][0]["invoice_id"] == POISONED

    # The cause is fixed, and the sweeper retries it: its task is still in the table.
    assert "kept" in render_invoice({"invoice_id": POISONED, "confirm": True}, None)
    service.clock.move(minutes=3)
    task_jobs.sweep_duties({}, None)
    work_all_off()
    assert len(handed) == HOW_MANY
    assert handed[-1].attachments[0].name == f"invoice-I{POISONED.removeprefix('i')}.pdf"
    assert {one.status for one in mails()} == {"sent"}
