"""The queue functions of contacts: erasures, and the check after an address fails."""

from typing import Any

from chalice.app import Blueprint, SQSEvent

from chalicelib import clock
from chalicelib.contacts import erasure, reachability
from chalicelib.observability import instrument_job
from chalicelib.request_context import Actor, RequestContext
from chalicelib.tasks import consumer
from chalicelib.tasks.kinds import CheckRoleCoverage, RunErasure
from chalicelib.tasks.queue import TaskMessage
from chalicelib.tasks.service import complete_task

contacts_jobs = Blueprint(__name__)


@contacts_jobs.on_sqs_message(
    queue_arn="arn:aws:sqs:us-east-1:000000000000:erasures", batch_size=1, name="run_erasures"
)
@instrument_job("run_erasures")
def run_erasures(event: SQSEvent) -> dict[str, Any]:
    """Run the requested erasures."""
    return consumer.consume_task_messages(event, _run_erasure)


def _run_erasure(message: TaskMessage[RunErasure]) -> None:
    context = RequestContext(Actor("system", "erasures", "Erasures"), clock.utc_now(), message.correlation_id)
    erasure.run_erasure(context, message.task.erasure_id)
    complete_task(message.key)


@contacts_jobs.on_sqs_message(
    queue_arn="arn:aws:sqs:us-east-1:000000000000:coverage", batch_size=10, name="check_coverage"
)
@instrument_job("check_coverage")
def check_coverage(event: SQSEvent) -> dict[str, Any]:
    """Check whether roles are reachable after an address has failed, or works again."""
    return consumer.consume_task_messages(event, _check_coverage)


def _check_coverage(message: TaskMessage[CheckRoleCoverage]) -> None:
    context = RequestContext(Actor("system", "coverage", "Role coverage"), clock.utc_now(), message.correlation_id)
    reachability.check_role_coverage(context, message.task.email)
    complete_task(message.key)
