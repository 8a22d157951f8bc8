"""The queues of reminders and of their plans, and the hourly run, which is a console function as well."""

import json
from datetime import UTC
from typing import Any

from chalice.app import Blueprint, SQSEvent

from chalicelib import clock
from chalicelib.call import Actor, Call
from chalicelib.config import settings
from chalicelib.duties import consumer
from chalicelib.duties.queue import Message
from chalicelib.errors import CounterfoilError, Invalid
from chalicelib.observability import job, new_correlation_id
from chalicelib.reminders import dry_run, due, history, narrowing, planning, releasing, replanning, running, telling
from chalicelib.reminders.due import DueAccount
from chalicelib.reminders.inputs import ConsoleExplainBody, ConsolePlanBody, ConsoleRunBody
from chalicelib.validation import body_from

jobs = Blueprint(__name__)

# The ARNs are placeholders: the deployment puts the queues of infra/resources.yaml in their place.
_QUEUE = "arn:aws:sqs:us-east-1:000000000000:"
_SECONDS_FOR_ROUND = 30
"""What a round of one account's run may take: five hundred invoices are read, decided upon and written."""
_SECONDS_IN_RESERVE = 20


@jobs.on_sqs_message(queue_arn=_QUEUE + "planning", batch_size=10, name="update_reminder_plans")
@job("update_reminder_plans")
def update_reminder_plans(event: SQSEvent) -> dict[str, Any]:
    """Plan anew when invoices are looked at next; for all of an entity, account or bill group, part by part."""
    return consumer.consume(event, plan)


def plan(message: Message) -> None:
    """Plan invoices anew, have those of an owner planned anew, or go on with a release, as a message says."""
    if message.duty == "planning":
        planning.run(message)
    elif message.subject.startswith(f"{releasing.RELEASE} "):
        releasing.run(message)
    else:
        replanning.run(message)


@jobs.on_sqs_message(queue_arn=_QUEUE + "reminders", batch_size=5, name="remind_accounts")
@job("remind_accounts")
def remind_accounts(event: SQSEvent) -> dict[str, Any]:
    """Remind accounts of what is due."""

    def time_is_left() -> bool:
        return consumer.seconds_left(event.context) > _SECONDS_FOR_ROUND

    def work(message: Message) -> None:
        running.run(message, time_is_left)

    return consumer.consume(event, work)


@jobs.lambda_function(name="send_due_reminders")
@job("send_due_reminders")
def send_due_reminders(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Send what is due, as every hour: ``{"confirm": true}``.

    Without ``confirm`` it says what would be sent, to whom, and what not and why, and sends nothing. ``"as_of": "…"``
    moves the clock of a dry run; in the service of ``make run``, with ``confirm``, also that of a real one.
    ``"entity_id"`` and ``"account_id"`` narrow either.
    """
    try:
        asked = body_from(ConsoleRunBody, json.dumps(event).encode())
        if asked.confirm and asked.as_of is not None and not settings().is_local:
            raise Invalid.field("as_of", "not_with_confirm", "Only a dry run can be of another time. Leave it out.")
        narrowing.check(asked.entity_id, asked.account_id)
        call = Call(
            Actor("console", "send_due_reminders", "console"),
            (asked.as_of or clock.now()).astimezone(UTC),
            new_correlation_id(),
        )

        def seconds_left() -> float:
            return consumer.seconds_left(context)

        def chosen(one: DueAccount) -> bool:
            return asked.entity_id in (None, one.entity_id) and asked.account_id in (None, one.account_id)

        wanted = None if asked.entity_id is asked.account_id is None else chosen
        if not asked.confirm:
            told = dry_run.rehearse(call, lambda: seconds_left() > _SECONDS_IN_RESERVE, wanted)
            return {"dry_run": True, **told, "next": 'Add "confirm": true to send it.'}
        if asked.as_of is not None:
            return {"sent": vars(due.remind_here(call, wanted))}
        return {"sent": vars(due.send(call, seconds_left, wanted))}
    except CounterfoilError as refusal:
        return _refused(refusal)


@jobs.lambda_function(name="explain_reminders")
@job("explain_reminders")
def explain_reminders(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Tell why an invoice was or was not reminded of, and what comes next: ``{"invoice": "…"}``. It changes nothing."""
    try:
        asked = body_from(ConsoleExplainBody, json.dumps(event).encode())
        return telling.explained(history.history(asked.invoice, clock.now()))
    except CounterfoilError as refusal:
        return _refused(refusal)


@jobs.lambda_function(name="plan_reminders")
@job("plan_reminders")
def plan_reminders(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Tell what would be sent in the days to come: ``{"days": 30}``. It changes nothing.

    ``"as_of": "…"`` moves the clock; ``"account_id"`` and ``"entity_id"`` narrow it. Where there was no time or room
    for all, ``go_on_with`` says how to ask for the rest.
    """
    try:
        asked = body_from(ConsolePlanBody, json.dumps(event).encode())
        narrowing.check(asked.entity_id, asked.account_id)
        now = (asked.as_of or clock.now()).astimezone(UTC)
        return telling.planned(asked, now, lambda: consumer.seconds_left(context) > _SECONDS_IN_RESERVE)
    except CounterfoilError as refusal:
        return _refused(refusal)


def _refused(refusal: CounterfoilError) -> dict[str, Any]:
    return {
        "refused": {"code": refusal.code, "message": refusal.message},
        "errors": [{"field": fault.field, "message": fault.message} for fault in refusal.fields],
    }
