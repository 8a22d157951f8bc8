"""How queue functions work through a batch of messages: each for itself, failures reported one by one."""

from collections.abc import Callable
from typing import Any

from chalice.app import SQSEvent

from chalicelib.observability import bind_log_context, correlation_id_from, logger, metrics
from chalicelib.tasks.queue import TaskMessage

_MIN_SECONDS_PER_MESSAGE = 25
"""What one message may take at worst; none is begun with less time left."""


def consume_task_messages(event: SQSEvent, work: Callable[[TaskMessage], None]) -> dict[str, Any]:
    """Call ``work`` with each message of ``event``, and return which have failed, as SQS wants to be told.

    A message that fails comes again and ends in the dead-letter queue; its duty stays in the table.
    """
    failed: list[str] = []
    for record in event.to_dict()["Records"]:
        identifier = record["messageId"]
        try:
            if remaining_seconds(event.context) < _MIN_SECONDS_PER_MESSAGE:
                failed.append(identifier)
                continue
            message = TaskMessage.parse(record["body"])
            bind_log_context(correlation_id_from(message.correlation_id), duty=message.duty, subject_id=message.subject)
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
