"""How queue functions process a batch of messages: one by one, with partial batch failures."""

from collections.abc import Callable
from typing import Any

from chalice.app import SQSEvent

from chalicelib.observability import bind_log_context, correlation_id_from, logger, metrics
from chalicelib.tasks.queue import TaskMessage

_MIN_SECONDS_PER_MESSAGE = 25
"""What one message may take at worst; none is started with less time left."""


def consume_task_messages(event: SQSEvent, work: Callable[[TaskMessage[Any]], None]) -> dict[str, Any]:
    """Call ``work`` with each message of ``event``, and return the batch item failures.

    SQS delivers a failed message again and moves it to the dead-letter queue in the end; its task stays in the table.
    """
    failed: list[str] = []
    for record in event.to_dict()["Records"]:
        identifier = record["messageId"]
        try:
            if remaining_seconds(event.context) < _MIN_SECONDS_PER_MESSAGE:
                failed.append(identifier)
                continue
            message: TaskMessage[Any] = TaskMessage.parse(record["body"])
            bind_log_context(correlation_id_from(message.correlation_id), duty=message.kind, subject_id=message.subject)
            work(message)
        except Exception as error:
            failed.append(identifier)
            logger.exception("A message could not be worked off.", extra={"exception_name": type(error).__name__})
            metrics.add_metric(name="MessagesFailed", unit="Count", value=1)
    return {"batchItemFailures": [{"itemIdentifier": identifier} for identifier in failed]}


def remaining_seconds(context: Any) -> float:
    """Return how long the function that was called with ``context`` may go on."""
    # The local service and tests have no clock that runs out.
    remaining = getattr(context, "get_remaining_time_in_millis", None)
    return remaining() / 1000 if callable(remaining) else float("inf")
