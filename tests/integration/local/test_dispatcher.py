"""The dispatcher gives functions the events that Lambda would give, and deletes only what was dealt with."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from infra.local import dispatcher
from infra.local.running import Function

_ARN = "arn:aws:sqs:us-east-1:000000000000:urgent"
_MESSAGES = [
    {"MessageId": f"m{number}", "ReceiptHandle": f"r{number}", "Body": json.dumps({"n": number})} for number in range(3)
]


class Queue:
    """Remembers which receipts were deleted."""

    def __init__(self) -> None:
        self.deleted: list[str] = []

    def delete_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, str]]) -> None:  # noqa: N803
        self.deleted += [entry["ReceiptHandle"] for entry in Entries]


def _handle(answer: Any) -> Queue:
    queue = Queue()

    def handler(event: Any, context: Any) -> Any:
        assert context.get_remaining_time_in_millis() > 0
        if isinstance(answer, Exception):
            raise answer
        return answer

    function = Function("deliver", handler, seconds=60, batch_size=10, is_console=False)
    dispatcher.handle_batch(queue, "url", function, _MESSAGES, dispatcher.queue_event(_MESSAGES, _ARN))
    return queue


@pytest.mark.parametrize("answer", [None, {}, {"batchItemFailures": []}, {"batchItemFailures": None}])
def test_a_batch_without_failures_is_deleted(answer: Any) -> None:
    assert _handle(answer).deleted == ["r0", "r1", "r2"]


def test_failed_messages_stay() -> None:
    assert _handle({"batchItemFailures": [{"itemIdentifier": "m1"}]}).deleted == ["r0", "r2"]


@pytest.mark.parametrize(
    "answer",
    [
        RuntimeError("crash"),
        {"batchItemFailures": [{"itemIdentifier": ""}]},
        {"batchItemFailures": [{"itemIdentifier": "unknown"}]},
        {"batchItemFailures": [{"id": "m1"}]},
        {"batchItemFailures": 1},
    ],
)
def test_everything_stays_when_the_answer_is_no_answer(answer: Any) -> None:
    assert _handle(answer).deleted == []


def test_queue_event_has_the_shape_that_lambda_gives() -> None:
    record = dispatcher.queue_event(_MESSAGES, _ARN)["Records"][0]
    assert record["eventSource"] == "aws:sqs"
    assert record["eventSourceARN"] == _ARN
    assert record["awsRegion"] == "us-east-1"
    assert (record["messageId"], record["receiptHandle"], record["body"]) == ("m0", "r0", '{"n": 0}')


def test_topic_event_has_the_shape_that_lambda_gives() -> None:
    notification = {"TopicArn": "arn:topic", "Message": "told", "MessageId": "1"}
    event = dispatcher.topic_event({"Body": json.dumps(notification)})
    assert event["Records"][0]["EventSource"] == "aws:sns"
    assert event["Records"][0]["Sns"]["Message"] == "told"


def test_a_schedule_fires_at_once_then_by_the_clock_and_once_after_a_jump() -> None:
    schedule = dispatcher.Schedule(60)
    start = datetime(2013, 2, 1, 9, tzinfo=UTC)
    assert schedule.is_due(start)
    assert not schedule.is_due(start + timedelta(seconds=59))
    assert schedule.is_due(start + timedelta(seconds=60))
    month_later = start + timedelta(days=30)
    assert schedule.is_due(month_later)
    assert not schedule.is_due(month_later + timedelta(seconds=1))


def test_a_schedule_is_not_silenced_by_a_clock_that_is_set_back() -> None:
    schedule = dispatcher.Schedule(60)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    assert schedule.is_due(start)
    assert schedule.is_due(start - timedelta(days=4000))
    assert not schedule.is_due(start - timedelta(days=4000) + timedelta(seconds=30))
