"""Invoke the functions behind queues, the mail topic and schedules.

Each source has a process of its own, which makes one call at a time with the event that Lambda would pass.
"""

import json
import signal
import time
import traceback
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import boto3

from chalicelib import clock
from infra.local.processes import say
from infra.local.running import Function

Message = dict[str, Any]

_WAIT_SECONDS = 1
_PAUSE_AFTER_FAILURE_SECONDS = 1.0
_LOOK_AT_CLOCK_SECONDS = 0.2
_LARGEST_BATCH = 10


class Ending:
    """Whether SIGTERM has asked the process to end.

    A process ends between two calls, and not while it polls the queue: the queue would deliver the next messages to
    nobody and hide them for minutes.
    """

    def __init__(self) -> None:
        """Install handlers for SIGTERM and SIGINT."""
        self.asked = False
        signal.signal(signal.SIGTERM, self._ask)
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def _ask(self, *_: object) -> None:
        self.asked = True


def queue_event(messages: list[Message], queue_arn: str) -> dict[str, Any]:
    """Return the Lambda event for messages received from a queue."""
    return {
        "Records": [
            {
                "messageId": message["MessageId"],
                "receiptHandle": message["ReceiptHandle"],
                "body": message["Body"],
                "attributes": message.get("Attributes", {}),
                "messageAttributes": message.get("MessageAttributes", {}),
                "md5OfBody": message.get("MD5OfBody", ""),
                "eventSource": "aws:sqs",
                "eventSourceARN": queue_arn,
                "awsRegion": queue_arn.split(":")[3],
            }
            for message in messages
        ]
    }


def topic_event(message: Message) -> dict[str, Any]:
    """Return the Lambda event for a notification, which arrived here through a queue."""
    notification = json.loads(message["Body"])
    return {
        "Records": [
            {
                "EventSource": "aws:sns",
                "EventVersion": "1.0",
                "EventSubscriptionArn": notification["TopicArn"],
                "Sns": {"MessageAttributes": {}, **notification},
            }
        ]
    }


def failed(result: Any, messages: list[Message]) -> set[str]:
    """Return the ids of the messages that Lambda would leave in the queue for this result.

    An invalid result fails the whole batch, as in Lambda.
    """
    every = {message["MessageId"] for message in messages}
    if not isinstance(result, dict) or not result.get("batchItemFailures"):
        return set()
    try:
        named = {failure["itemIdentifier"] for failure in result["batchItemFailures"]}
    except (KeyError, TypeError):
        return every
    return named if named <= every else every


def call(function: Function, event: dict[str, Any]) -> tuple[bool, Any]:
    """Call a function and log what it raises. Returns whether it completed, and its result."""
    began = time.monotonic()
    try:
        result = function.invoke(event)
    except Exception as error:
        traceback.print_exc()
        say(f"{function.name} failed: {type(error).__name__}: {error} (see the logs)")
        return False, None
    count = len(event.get("Records", [])) or ""
    if count:
        say(f"{function.name} {count} in {(time.monotonic() - began) * 1000:.0f} ms")
    return True, result


def serve_queue(function: Function, queue_url: str, queue_arn: str) -> None:
    """Pass messages of a queue to a function until the process is asked to end. Failed ones stay in the queue."""
    size = min(function.batch_size, _LARGEST_BATCH)
    _serve(function, queue_url, size, lambda messages: queue_event(messages, queue_arn))


def serve_topic(function: Function, queue_url: str) -> None:
    """Call a function with each notification of a topic, which arrives in a queue of its own."""
    _serve(function, queue_url, 1, lambda messages: topic_event(messages[0]))


def handle_batch(sqs: Any, queue_url: str, function: Function, messages: list[Message], event: Message) -> None:
    """Call the function with these messages, and delete those that succeeded."""
    ended, result = call(function, event)
    left = failed(result, messages) if ended else {message["MessageId"] for message in messages}
    done = [message for message in messages if message["MessageId"] not in left]
    if left:
        say(f"{function.name}: {len(left)} of {len(messages)} stay in the queue")
    if done:
        entries = [
            {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]} for number, message in enumerate(done)
        ]
        sqs.delete_message_batch(QueueUrl=queue_url, Entries=entries)


def _serve(
    function: Function, queue_url: str, size: int, make_event: Callable[[list[Message]], dict[str, Any]]
) -> None:
    ending = Ending()
    sqs: Any = boto3.client("sqs")
    while not ending.asked:
        try:
            messages = sqs.receive_message(
                QueueUrl=queue_url,
                MaxNumberOfMessages=size,
                WaitTimeSeconds=_WAIT_SECONDS,
                AttributeNames=["All"],
                MessageAttributeNames=["All"],
            ).get("Messages", [])
            if messages:
                handle_batch(sqs, queue_url, function, messages, make_event(messages))
        except Exception:
            traceback.print_exc()
            time.sleep(_PAUSE_AFTER_FAILURE_SECONDS)


class Schedule:
    """The next time at which a function is due, by the clock of the service."""

    def __init__(self, seconds: int) -> None:
        """Start as due now."""
        self._every = timedelta(seconds=seconds)
        self._next: datetime | None = None

    def is_due(self, now: datetime) -> bool:
        """Tell whether to run now; if so, the next time counts from now.

        A clock that jumped ahead makes it due once, and one that was set back does not silence it.
        """
        if self._next is None or now >= self._next or self._next - now > self._every:
            self._next = now + self._every
            return True
        return False


def serve_schedule(function: Function, seconds: int, text: str) -> None:
    """Call a function every ``seconds`` of the service's clock until the process is asked to end."""
    ending = Ending()
    schedule = Schedule(seconds)
    while not ending.asked:
        if schedule.is_due(clock.utc_now()):
            call(function, json.loads(text))
        time.sleep(_LOOK_AT_CLOCK_SECONDS)
