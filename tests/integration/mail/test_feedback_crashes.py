"""A crash or a lost response at every AWS call of recording an event: recorded once, however often SNS repeats it."""

from contextlib import suppress
from typing import Any

import pytest

from chalicelib.mail import service
from chalicelib.mail.feedback import health, suppressions
from tests.aws_calls import Crash, failing
from tests.integration.mail.conftest import Provider, Time, enqueue, report, tasks, work

ANA = "ana@acme.example"
BOUNCE = {"bounce": {"bounceType": "Permanent", "bouncedRecipients": [{"emailAddress": ANA}]}}
DELIVERY = {"delivery": {"recipients": [ANA]}}
CALLS = {
    "Send": ["dynamodb.GetItem", "dynamodb.PutItem"],
    "Delivery": ["dynamodb.GetItem", "dynamodb.TransactWriteItems"],
    "Bounce": ["dynamodb.GetItem", "dynamodb.BatchGetItem", "dynamodb.TransactWriteItems", "sqs.SendMessageBatch"],
}
PARTS: dict[str, dict[str, Any]] = {"Send": {}, "Delivery": DELIVERY, "Bounce": BOUNCE}
COUNTS = {
    "Send": health.MailCounts(mails=1, sent=1),
    "Delivery": health.MailCounts(mails=1, sent=1, delivered=1),
    "Bounce": health.MailCounts(mails=1, sent=1, bounced=1),
}


@pytest.mark.parametrize("how", ["before", "after", "lost"])
@pytest.mark.parametrize(
    ("kind", "number"),
    [(kind, number) for kind, calls in CALLS.items() for number in range(len(calls))],
    ids=lambda value: str(value),
)
def test_a_report_is_recorded_once_whatever_fails(
    provider: Provider, time: Time, kind: str, number: int, how: str
) -> None:
    email_id = enqueue(to=(ANA,))
    work()
    with failing(number, how) as names, suppress(Crash):
        report(email_id, kind, time.now, **PARTS[kind])
    assert names[: number + 1] == CALLS[kind][: number + 1]
    # SNS calls the function again when it has died.
    report(email_id, kind, time.now, **PARTS[kind])

    assert len(service.get_email("acme", email_id)[0].events) == 1
    today = time.now.date()
    assert health.sum_counts(health.read_daily_counts("nordlicht", today, today, time.now)) == COUNTS[kind]
    expected = [ANA] if kind == "Bounce" else []
    assert [one.email for one in suppressions.list_suppressions(None, 9)[0]] == expected
    assert [one.subject for one in tasks("coverage")] == expected
