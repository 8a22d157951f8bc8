"""A crash or a lost response at every AWS call from issue to sent: one PDF, one outbox item, one mail (I2, I4)."""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from unittest.mock import patch

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ReadTimeoutError

from chalicelib.mail import jobs as mail_jobs
from tests import aws
from tests.aws_calls import Crash
from tests.integration.deliveries.world import World, delivery_rows, mails, stored, subject, tasks
from tests.integration.invoices.invoices import body

_REAL = BaseClient._make_api_call

ISSUING = (
    "dynamodb.GetItem",
    "dynamodb.BatchGetItem",
    "dynamodb.BatchGetItem",
    "dynamodb.TransactWriteItems",
    "sqs.SendMessageBatch",
    "sqs.SendMessageBatch",
)
MAKING = (
    "dynamodb.BatchGetItem",
    "s3.PutObject",
    "dynamodb.TransactWriteItems",
    "sqs.SendMessageBatch",
)
DELIVERING = (
    "dynamodb.GetItem",
    "dynamodb.BatchGetItem",
    "dynamodb.BatchGetItem",
    "dynamodb.BatchGetItem",
    "dynamodb.TransactWriteItems",
    "sqs.SendMessageBatch",
)
SENDING = (
    "dynamodb.GetItem",
    "dynamodb.BatchGetItem",
    "dynamodb.BatchGetItem",
    "s3.GetObject",
    "dynamodb.BatchGetItem",
    "dynamodb.UpdateItem",
    "dynamodb.TransactWriteItems",
    "sesv2.SendEmail",
    "dynamodb.TransactWriteItems",
)
CALLS = (*ISSUING, *MAKING, *DELIVERING, *SENDING)
SEND = CALLS.index("sesv2.SendEmail")
HOW = ("before", "after", "lost")


class Faults:
    """Counts the calls of the service, and strikes at one of them; the test's own calls do not count."""

    def __init__(self, number: int, how: str, only: str | None) -> None:
        self.number = number
        self.how = how
        self.only = only
        self.names: list[str] = []

    def call(self, of: BaseClient, operation: str, parameters: dict[str, Any]) -> Any:
        service = of.meta.service_model.service_name
        if of is aws.client(service) or (self.only and f"{service}.{operation}" != self.only):
            return _REAL(of, operation, parameters)
        place = len(self.names)
        self.names.append(f"{service}.{operation}")
        if place != self.number:
            return _REAL(of, operation, parameters)
        if self.how == "before":
            raise Crash
        # botocore changes what it is given, so a repetition needs parameters of its own.
        _REAL(of, operation, dict(parameters))
        if self.how == "after":
            raise Crash
        if operation == "SendEmail":
            # The SES client does not retry a request without a response.
            raise ReadTimeoutError(endpoint_url="https://email")
        return _REAL(of, operation, parameters)


@contextmanager
def faults(number: int, how: str, only: str | None = None) -> Iterator[Faults]:
    found = Faults(number, how, only)
    with patch.object(BaseClient, "_make_api_call", lambda *given: found.call(*given)):
        yield found


@pytest.fixture
def ready(world: World) -> World:
    """A customer with one invoicing contact, whose own mails are out of the way."""
    world.contact("Ada", "invoicing")
    world.work()
    world.taken.clear()
    world.service.clock.move(minutes=5)
    world.change_entity(name="Acme")
    return world


def issue(world: World) -> Any:
    return world.service.ask("PUT", "/invoices/i1", body("I1"), idempotency_key="issue-i1")


def run(world: World) -> None:
    """Issue the invoice and process the tasks that follow."""
    issue(world)
    assert world.work() == []


def report(world: World) -> None:
    """Publish the SES events of every accepted email."""
    for request in world.taken:
        (email_id,) = [one["Value"] for one in request["EmailTags"] if one["Name"] == "email_id"]
        told = {
            "eventType": "Send",
            "mail": {
                "timestamp": world.service.clock.now.isoformat(),
                "messageId": "m-1",
                "destination": ["ada@example.com"],
                "tags": {"email_id": [email_id]},
            },
            "send": {},
        }
        mail_jobs.record_mail_feedback({"Records": [{"Sns": {"Message": json.dumps(told)}}]}, None)


def test_the_calls_from_issue_to_sent(ready: World) -> None:
    with faults(-1, "before") as found:
        run(ready)
    assert tuple(found.names) == CALLS


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("number", [0, 1])
def test_a_crash_between_the_emails_of_a_delivery_sends_none_twice(ready: World, number: int, how: str) -> None:
    for name in ("Bob", "Cy"):
        ready.contact(name, "invoicing")
    ready.work()
    ready.taken.clear()
    issue(ready)
    for queue in ("documents", "deliveries"):
        ready.hand(queue, ready.messages(queue))
    messages = ready.messages("bulk-mail")
    assert len(messages) == 3
    with faults(number, how, "sesv2.SendEmail") as found, suppress(Crash):
        ready.hand("bulk-mail", messages)
    assert len(found.names) > number
    report(ready)
    # SQS hands the whole batch out again, and the sweeper what was lost.
    ready.hand("bulk-mail", messages)
    assert ready.pass_time(60, step=10) == []
    addressed = sorted(one["Destination"]["ToAddresses"][0] for one in ready.taken)
    assert addressed == ["ada@example.com", "bob@example.com", "cy@example.com"]
    (delivery,) = ready.deliveries()
    assert [one["status"] for one in delivery["recipients"]] == ["sent"] * 3


CASES = [(number, how, True) for number in range(len(CALLS)) for how in HOW]
CASES += [(number, how, False) for number in range(SEND, len(CALLS)) for how in HOW]


@pytest.mark.parametrize(
    ("number", "how", "heard"),
    CASES,
    ids=[f"{number}-{CALLS[number]}-{how}-{'heard' if heard else 'unheard'}" for number, how, heard in CASES],
)
def test_a_crash_leaves_one_pdf_one_outbox_item_and_one_mail(ready: World, number: int, how: str, heard: bool) -> None:
    with faults(number, how) as found, suppress(Crash):
        run(ready)
    assert len(found.names) > number
    taken_first = len(ready.taken)
    if heard:
        report(ready)
    # The billing system repeats what it got no answer to.
    answer = issue(ready)
    assert answer.status == 201, answer.text
    assert ready.work() == []
    # The queues have lost what was taken from them: the sweeper brings it again.
    assert ready.pass_time(60, step=10) == []

    (file,) = stored()
    pdf = ready.service.get("/invoices/i1")["pdf"]
    assert pdf["sha256"] in file
    (delivery,) = delivery_rows()
    (mail,) = mails()
    assert [one["email_id"] for one in delivery.recipients] == [mail.email_id]
    assert mail.status == "sent"
    assert tasks("document") == tasks("delivery") == tasks("bulk_mail") == []
    assert {subject(one) for one in ready.taken} == {"Invoice I1 from Acme"}
    assert len(ready.taken) == 1 if heard or not taken_first else 1 <= len(ready.taken) <= 2
