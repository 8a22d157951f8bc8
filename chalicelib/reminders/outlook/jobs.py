"""Console functions that read why an invoice was or was not reminded of, and what is to be sent (R7)."""

import json
from datetime import UTC
from typing import Any

from chalice.app import Blueprint

from chalicelib import clock
from chalicelib.errors import CounterfoilError
from chalicelib.observability import instrument_job
from chalicelib.reminders.outlook import console_output, invoice_history
from chalicelib.reminders.outlook.inputs import ConsoleExplainBody, ConsolePlanBody
from chalicelib.reminders.run.scope import check_scope_exists
from chalicelib.tasks import consumer
from chalicelib.validation import parse_body

reminder_outlook_jobs = Blueprint(__name__)

_SECONDS_IN_RESERVE = 20


@reminder_outlook_jobs.lambda_function(name="explain_reminders")
@instrument_job("explain_reminders")
def explain_reminders(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Tell why an invoice was or was not reminded of, and what comes next: ``{"invoice": "…"}``. It changes nothing."""
    try:
        asked = parse_body(ConsoleExplainBody, json.dumps(event).encode())
        return console_output.reminder_history_output(
            invoice_history.get_reminder_history(asked.invoice, clock.utc_now())
        )
    except CounterfoilError as refusal:
        return _refusal_output(refusal)


@reminder_outlook_jobs.lambda_function(name="plan_reminders")
@instrument_job("plan_reminders")
def plan_reminders(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Tell what would be sent in the days to come: ``{"days": 30}``. It changes nothing.

    ``"as_of": "…"`` moves the clock; ``"account_id"`` and ``"entity_id"`` narrow it. Where there was no time or room
    for all, ``go_on_with`` says how to ask for the rest.
    """
    try:
        asked = parse_body(ConsolePlanBody, json.dumps(event).encode())
        check_scope_exists(asked.entity_id, asked.account_id)
        now = (asked.as_of or clock.utc_now()).astimezone(UTC)
        return console_output.reminder_plan_output(
            asked, now, lambda: consumer.remaining_seconds(context) > _SECONDS_IN_RESERVE
        )
    except CounterfoilError as refusal:
        return _refusal_output(refusal)


def _refusal_output(refusal: CounterfoilError) -> dict[str, Any]:
    return {
        "refused": {"code": refusal.code, "message": refusal.message},
        "errors": [{"field": fault.field, "message": fault.message} for fault in refusal.fields],
    }
