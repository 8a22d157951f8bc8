"""The queues of reminders and of their plans, and the hourly run, which is also a console function."""

import json
from collections.abc import Callable
from datetime import UTC
from typing import Any

from chalice.app import Blueprint, SQSEvent

from chalicelib import clock
from chalicelib.config import settings
from chalicelib.errors import CounterfoilError, InvalidInput
from chalicelib.observability import instrument_job, new_correlation_id
from chalicelib.reminders.run import dispatch, dry_run, planning, process_account, replanning, staged_release
from chalicelib.reminders.run.dispatch import DueAccount
from chalicelib.reminders.run.inputs import ConsoleRunBody
from chalicelib.reminders.run.scope import check_scope_exists
from chalicelib.request_context import Actor, RequestContext
from chalicelib.tasks import consumer
from chalicelib.tasks.kinds import PlanInvoices, ReleaseOldInvoices, RemindAccount, ReplanInvoices, Task
from chalicelib.tasks.queue import TaskMessage
from chalicelib.validation import parse_body

reminders_jobs = Blueprint(__name__)

# The ARNs are placeholders: the deployment puts the queues of infra/resources.yaml in their place.
_QUEUE = "arn:aws:sqs:us-east-1:000000000000:"
_SECONDS_FOR_ROUND = 30
"""What a round of one account's run may take: five hundred invoices are read, decided upon and written."""
_SECONDS_IN_RESERVE = 20


@reminders_jobs.on_sqs_message(queue_arn=_QUEUE + "planning", batch_size=10, name="update_reminder_plans")
@instrument_job("update_reminder_plans")
def update_reminder_plans(event: SQSEvent) -> dict[str, Any]:
    """Plan anew when invoices are looked at next; for all of an entity, account or bill group, part by part."""
    return consumer.consume_task_messages(event, handle_plan_message)


def handle_plan_message(message: TaskMessage[Any]) -> None:
    """Plan some invoices, have all invoices of an owner planned, or continue a release."""
    handle: dict[type[Task], Callable[[TaskMessage[Any]], None]] = {
        PlanInvoices: planning.handle_planning_task,
        ReplanInvoices: replanning.handle_replanning_task,
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


@reminders_jobs.lambda_function(name="send_due_reminders")
@instrument_job("send_due_reminders")
def send_due_reminders(event: dict[str, Any], lambda_context: Any) -> dict[str, Any]:
    """Send what is due, as every hour: ``{"confirm": true}``.

    Without ``confirm`` it says what would be sent, to whom, and what not and why, and sends nothing. ``"as_of": "…"``
    moves the clock of a dry run; in the service of ``make run``, with ``confirm``, also that of a real one.
    ``"entity_id"`` and ``"account_id"`` narrow either.
    """
    try:
        asked = parse_body(ConsoleRunBody, json.dumps(event).encode())
        if asked.confirm and asked.as_of is not None and not settings().is_local:
            raise InvalidInput.field(
                "as_of", "not_with_confirm", "Only a dry run can be of another time. Leave it out."
            )
        check_scope_exists(asked.entity_id, asked.account_id)
        context = RequestContext(
            Actor("console", "send_due_reminders", "console"),
            (asked.as_of or clock.utc_now()).astimezone(UTC),
            new_correlation_id(),
        )

        def seconds_left() -> float:
            return consumer.remaining_seconds(lambda_context)

        def chosen(one: DueAccount) -> bool:
            return asked.entity_id in (None, one.entity_id) and asked.account_id in (None, one.account_id)

        wanted = None if asked.entity_id is asked.account_id is None else chosen
        if not asked.confirm:
            told = dry_run.dry_run_reminders(context, lambda: seconds_left() > _SECONDS_IN_RESERVE, wanted)
            return {"dry_run": True, **told, "next": 'Add "confirm": true to send it.'}
        if asked.as_of is not None:
            return {"sent": vars(dispatch.remind_in_process(context, wanted))}
        return {"sent": vars(dispatch.enqueue_due_accounts(context, seconds_left, wanted))}
    except CounterfoilError as refusal:
        return _refusal_output(refusal)


def _refusal_output(refusal: CounterfoilError) -> dict[str, Any]:
    return {
        "refused": {"code": refusal.code, "message": refusal.message},
        "errors": [{"field": fault.field, "message": fault.message} for fault in refusal.fields],
    }
