"""The queue function of imports."""

from typing import Any

from chalice.app import Blueprint, SQSEvent

from chalicelib.imports.run.process import run_import
from chalicelib.observability import instrument_job
from chalicelib.tasks import consumer
from chalicelib.tasks.kinds import RunImport
from chalicelib.tasks.queue import TaskMessage

imports_jobs = Blueprint(__name__)

_SECONDS_IN_RESERVE = 120
"""Time reserved to hand over an import; storing the findings of a dry run takes a while."""


@imports_jobs.on_sqs_message(queue_arn="arn:aws:sqs:us-east-1:000000000000:imports", batch_size=1, name="run_imports")
@instrument_job("run_imports")
def run_imports(event: SQSEvent) -> dict[str, Any]:
    """Process an import that was started or handed over."""
    remaining = getattr(event.context, "get_remaining_time_in_millis", None)

    def time_is_left() -> bool:
        return not callable(remaining) or remaining() / 1000 > _SECONDS_IN_RESERVE

    def work(message: TaskMessage[RunImport]) -> None:
        run_import(message.task.import_id, message.key, time_is_left)

    return consumer.consume_task_messages(event, work)
