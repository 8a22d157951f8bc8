"""The queue functions of reminders and of their plans."""

from collections.abc import Callable
from typing import Any

from chalice.app import Blueprint, SQSEvent

from chalicelib.observability import instrument_job
from chalicelib.reminders.run import planning, planning_fan_out, process_account, staged_release, withheld_steps
from chalicelib.tasks import consumer
from chalicelib.tasks.kinds import (
    PlanInvoices,
    RecordWithheldReminders,
    ReleaseOldInvoices,
    RemindAccount,
    ReplanInvoices,
    Task,
)
from chalicelib.tasks.queue import TaskMessage

reminders_jobs = Blueprint(__name__)

# The ARNs are placeholders: the deployment puts the queues of infra/resources.yaml in their place.
_QUEUE = "arn:aws:sqs:us-east-1:000000000000:"
_SECONDS_FOR_ROUND = 30
"""What a round of one account's run may take: five hundred invoices are read, decided and written."""


@reminders_jobs.on_sqs_message(queue_arn=_QUEUE + "planning", batch_size=10, name="update_reminder_plans")
@instrument_job("update_reminder_plans")
def update_reminder_plans(event: SQSEvent) -> dict[str, Any]:
    """Plan anew when invoices are looked at next; for all of an entity, account or bill group, part by part."""
    return consumer.consume_task_messages(event, handle_plan_message)


def handle_plan_message(message: TaskMessage[Any]) -> None:
    """Plan some invoices, record that their reminder was withheld, plan all of an owner, or continue a release."""
    handle: dict[type[Task], Callable[[TaskMessage[Any]], None]] = {
        PlanInvoices: planning.handle_planning_task,
        RecordWithheldReminders: withheld_steps.handle_withheld_task,
        ReplanInvoices: planning_fan_out.handle_replanning_task,
        ReleaseOldInvoices: staged_release.handle_release_task,
    }
    handle[type(message.task)](message)


@reminders_jobs.on_sqs_message(queue_arn=_QUEUE + "reminders", batch_size=5, name="remind_accounts")
@instrument_job("remind_accounts")
def remind_accounts(event: SQSEvent) -> dict[str, Any]:
    """Remind accounts of what is due."""

    def time_is_left() -> bool:
        return consumer.remaining_seconds(event.context) > _SECONDS_FOR_ROUND

    def work(message: TaskMessage[RemindAccount]) -> None:
        process_account.handle_account_run(message, time_is_left)

    return consumer.consume_task_messages(event, work)
