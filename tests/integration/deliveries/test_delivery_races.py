"""Several consumers at once, on the local engine, whose conditional writes are atomic."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier
from typing import Any

import boto3
import pytest

from chalicelib.config import settings
from chalicelib.deliveries import service as deliveries
from chalicelib.functions.documents import make_documents
from chalicelib.invoices.pdf import render
from chalicelib.mail.sending import ses
from chalicelib.table.items import BundleItem
from chalicelib.tasks.queue import TaskMessage
from tests.engine import engine, engine_environment
from tests.integration.deliveries.test_hundred import handed
from tests.integration.deliveries.world import LIVE, delivery_rows, mails, rows, tasks
from tests.integration.invoices.invoices import body, customer
from tests.integration.service import Service

__all__ = ["engine", "engine_environment", "handed"]

pytestmark = pytest.mark.engine

THREADS = 8
TOGETHER = {"delivery_style": {"grouping": "together", "pdf_only": False, "size_limit_kib": None}}


@pytest.fixture
def service(handed: list[ses.Envelope]) -> Service:
    made = Service.start()
    made.entity(**LIVE)
    made.contact(customer(made), "Ada", "invoicing")
    return made


def messages(url: str) -> list[dict[str, Any]]:
    sqs = boto3.client("sqs")
    found: list[dict[str, Any]] = []
    while taken := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
        found += [{"messageId": one["MessageId"], "body": one["Body"]} for one in taken]
    return found


def at_once(*actions: Callable[[], object]) -> None:
    """Run the actions at the same moment, each in a thread of its own; none may fail."""
    barrier = Barrier(len(actions))

    def run(action: Callable[[], object]) -> None:
        barrier.wait()
        action()

    with ThreadPoolExecutor(len(actions)) as pool:
        list(pool.map(run, actions))


def test_eight_consumers_of_one_invoice_make_one_pdf_and_one_mail(service: Service) -> None:
    service.put("/invoices/i1", **body("I1"))
    (document,) = messages(settings().queue_urls["documents"])
    at_once(*[partial(render.create_invoice_pdf, TaskMessage.parse(document["body"]))] * THREADS)
    found = messages(settings().queue_urls["deliveries"])
    assert len(found) == 1
    at_once(*[partial(deliveries.process_delivery_task, TaskMessage.parse(found[0]["body"]))] * THREADS)
    assert len(delivery_rows()) == len(mails()) == 1
    assert tasks("document") == tasks("delivery") == []
    bucket = boto3.client("s3").list_objects_v2(Bucket=settings().bucket_name, Prefix="documents/")["Contents"]
    assert len(bucket) == 1


def test_eight_invoices_at_once_are_all_in_the_bundle(service: Service) -> None:
    contact = service.get("/accounts/a1/contacts")["items"][0]["contact_id"]
    assert service.ask("PUT", f"/accounts/a1/contacts/{contact}/preferences", TOGETHER).status == 200
    for number in range(THREADS):
        service.put(f"/invoices/i{number}", **body(f"I{number}"))
    make_documents({"Records": messages(settings().queue_urls["documents"])}, None)
    found = messages(settings().queue_urls["deliveries"])
    at_once(*[partial(deliveries.process_delivery_task, TaskMessage.parse(one["body"])) for one in found])
    (bundle,) = rows(BundleItem)
    assert sorted(one["invoice_id"] for one in bundle.invoices) == [f"i{number}" for number in range(THREADS)]
    (task,) = tasks("delivery")
    service.clock.move(minutes=31)
    message = TaskMessage("delivery", task.subject, task.key, "race")
    at_once(*[partial(deliveries.process_delivery_task, message)] * THREADS)
    assert rows(BundleItem) == tasks("delivery") == []
    (mail,) = mails()
    assert len(mail.context["invoices"]) == THREADS
    assert {row.outcome for row in delivery_rows()} == {"mailed"}
