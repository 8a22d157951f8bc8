"""A vendor with live invoice mail, its customer, and the queues processed by the handlers that Lambda calls."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import boto3

from chalicelib.config import settings
from chalicelib.contacts import jobs as contacts_jobs
from chalicelib.deliveries import jobs as deliveries_jobs
from chalicelib.entities import service as entities
from chalicelib.functions.documents import make_documents
from chalicelib.functions.mail import deliver_bulk_mail
from chalicelib.mail import jobs as mail_jobs
from chalicelib.mail.sending import ses
from chalicelib.table import keys, store
from chalicelib.table.items import DeliveryItem, EmailItem, Item, SuppressionItem, TaskItem
from chalicelib.tasks import jobs as task_jobs
from tests.aws import BUCKET, client
from tests.integration.invoices.invoices import body, customer
from tests.integration.service import Service

DONE: dict[str, Any] = {"batchItemFailures": []}
LIVE = {"invoice_mail": {"mode": "live"}, "live_from": "2026-01-01"}


@dataclass
class World:
    """The test's view of the service, and the emails handed to SES."""

    service: Service
    taken: list[dict[str, Any]] = field(default_factory=list)
    ada: str = ""

    @classmethod
    def start(cls) -> "World":
        entities.clear_entity_cache()
        boto3.client("sesv2").create_email_identity(EmailIdentity="billing@acme.example")
        made = cls(Service.start())
        made.service.entity(**LIVE)
        customer(made.service)
        entities.clear_entity_cache()
        ses.client().meta.events.register("provide-client-params.sesv2.SendEmail", made._note)
        return made

    def end(self) -> None:
        ses.client().meta.events.unregister("provide-client-params.sesv2.SendEmail", self._note)
        entities.clear_entity_cache()

    def _note(self, params: dict[str, Any], **_: Any) -> None:
        self.taken.append(params)

    def change_entity(self, **fields: Any) -> None:
        self.service.put("/entities/acme", **fields)
        entities.clear_entity_cache()

    def contact(self, name: str, *roles: str, **fields: Any) -> str:
        """Add a contact of the account and return its id."""
        # Ids of one millisecond have no order.
        self.service.clock.move(milliseconds=1)
        made: str = self.service.contact("/accounts/a1", name, *roles, **fields)["contact_id"]
        return made

    def issue(self, invoice_id: str = "i1", **fields: Any) -> Any:
        """Issue an invoice whose number is its id."""
        number = fields.pop("number", invoice_id.upper())
        return self.service.put(f"/invoices/{invoice_id}", **body(number, **fields))

    def suppress(self, address: str) -> None:
        """Let no mail go to an address, as after a bounce for good."""
        key = keys.suppression(address)
        store.create_item(SuppressionItem(key.pk, key.sk, email=address, reason="bounce", since=self.service.clock.now))

    def erase(self) -> None:
        """Run the requested erasures."""
        assert contacts_jobs.run_erasures({"Records": received(settings().queue_urls["erasures"])}, None) == DONE

    def messages(self, queue: str) -> list[dict[str, Any]]:
        """Take all messages out of a queue."""
        return received(self._queues()[queue][0])

    def hand(self, queue: str, messages: list[dict[str, Any]]) -> list[str]:
        """Hand messages to the consumer of a queue, ten at once; return those that have failed."""
        failed: list[str] = []
        for start in range(0, len(messages), 10):
            answer = self._queues()[queue][1]({"Records": messages[start : start + 10]}, None)
            bad = {one["itemIdentifier"] for one in answer["batchItemFailures"]}
            failed += [one["body"] for one in messages if one["messageId"] in bad]
        return failed

    @staticmethod
    def _queues() -> dict[str, tuple[str, Callable[..., Any]]]:
        of = settings()
        return {
            "documents": (of.queue_urls["documents"], make_documents),
            "deliveries": (of.queue_urls["deliveries"], deliveries_jobs.run_deliveries),
            "bulk-mail": (of.queue_urls["bulk_mail"], deliver_bulk_mail),
        }

    def work(self, *, most: int = 50) -> list[str]:
        """Work off all queues until they are empty, and return the messages that have failed."""
        failed: list[str] = []
        for _ in range(most):
            found = False
            for queue in self._queues():
                messages = self.messages(queue)
                found = found or bool(messages)
                failed += self.hand(queue, messages)
            if not found:
                return failed
        raise AssertionError("The queues do not become empty.")

    def pass_time(self, minutes: int, step: int = 3) -> list[str]:
        """Let time pass as the sweeper and the queues see it; return the messages that have failed."""
        failed = []
        for _ in range(0, minutes, step):
            self.service.clock.move(minutes=step)
            task_jobs.sweep_duties({}, None)
            failed += self.work()
        return failed

    def deliveries(self, invoice_id: str = "i1") -> list[Any]:
        found: list[Any] = self.service.get(f"/invoices/{invoice_id}/deliveries")["items"]
        return found

    @property
    def invoice_mails(self) -> list[dict[str, Any]]:
        """What SES was asked to send of invoices."""
        return [one for one in self.taken if {"Name": "kind", "Value": "invoice"} in one["EmailTags"]]


def received(url: str) -> list[dict[str, Any]]:
    """Take all messages out of a queue, as records of Lambda's event."""
    sqs = client("sqs")
    records: list[dict[str, Any]] = []
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
        for one in messages:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=one["ReceiptHandle"])
            records.append({"messageId": one["MessageId"], "body": one["Body"], "eventSource": "aws:sqs"})
    return records


def rows(kind: type[Item]) -> list[Any]:
    return [item for item in Item.scan() if isinstance(item, kind)]


def mails() -> list[Any]:
    return [item for item in rows(EmailItem) if item.kind == "invoice"]


def tasks(kind: str) -> list[Any]:
    return [item for item in rows(TaskItem) if item.kind == kind]


def delivery_rows() -> list[Any]:
    return rows(DeliveryItem)


def stored() -> dict[str, bytes]:
    """Return every file of the bucket."""
    s3 = client("s3")
    listed = s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])
    return {one["Key"]: s3.get_object(Bucket=BUCKET, Key=one["Key"])["Body"].read() for one in listed}


def subject(request: dict[str, Any]) -> str:
    found: str = request["Content"]["Simple"]["Subject"]["Data"]
    return found


def text_of(request: dict[str, Any]) -> str:
    found: str = request["Content"]["Simple"]["Body"]["Text"]["Data"]
    return found


def record_feedback(
    email_id: str, kind: str, part: str, listed: str, recipients: list[dict[str, str]], destination: list[str]
) -> None:
    """Record a notification of SES about an email."""
    told = {
        "eventType": kind,
        "mail": {
            "timestamp": "2026-01-31T10:00:00Z",
            "messageId": "m-1",
            "destination": destination,
            "tags": {"email_id": [email_id]},
        },
        part: {listed: recipients, "timestamp": "2026-01-31T10:00:00Z"},
    }
    mail_jobs.record_mail_feedback({"Records": [{"Sns": {"Message": json.dumps(told)}}]}, None)


def attached(request: dict[str, Any]) -> dict[str, bytes]:
    """Return the attachments of a mail by their names."""
    return {one["FileName"]: one["RawContent"] for one in request["Content"]["Simple"].get("Attachments", [])}
