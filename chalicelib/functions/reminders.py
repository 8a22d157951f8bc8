"""Console functions of reminders: the hourly run, the history of an invoice, and the plan."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from chalice.app import Blueprint
from pydantic import Field

from chalicelib.config import settings
from chalicelib.errors import InvalidInput
from chalicelib.field_types import Body, Instant, VendorId
from chalicelib.functions.console_function import ConfirmedInput, Invocation, Output, console_function
from chalicelib.reminders.outlook import console_output, invoice_history, plan
from chalicelib.reminders.run import dispatch, dry_run
from chalicelib.reminders.run.dispatch import DueAccount, check_scope_exists
from chalicelib.request_context import RequestContext

reminder_functions = Blueprint(__name__)

_SECONDS_IN_RESERVE = 20


class SendDueRemindersInput(ConfirmedInput):
    """Of which time, issuing entity and account the run is; all of now by default."""

    as_of: Instant | None = None
    entity_id: VendorId | None = None
    account_id: VendorId | None = None


def _preview_run(request: SendDueRemindersInput, invocation: Invocation) -> Output:
    check_scope_exists(request.entity_id, request.account_id)
    context = _at(invocation.context, request.as_of)
    return dry_run.dry_run_reminders(context, _time_is_left(invocation), _chosen_accounts(request))


@console_function(reminder_functions, SendDueRemindersInput, dry_run=_preview_run, confirm_to="send it")
def send_due_reminders(request: SendDueRemindersInput, invocation: Invocation) -> Output:
    """Send what is due, as every hour: ``{"confirm": true}``.

    The dry run says what would be sent, to whom, and what not and why. ``"as_of": "…"`` moves its clock; in the
    service of ``make run``, also that of a real run. ``"entity_id"`` and ``"account_id"`` limit either.
    """
    if request.as_of is not None and not settings().is_local:
        raise InvalidInput.field("as_of", "not_with_confirm", "Only a dry run can be of another time. Leave it out.")
    check_scope_exists(request.entity_id, request.account_id)
    context, chosen = _at(invocation.context, request.as_of), _chosen_accounts(request)
    if request.as_of is not None:
        return {"sent": vars(dispatch.remind_in_process(context, chosen))}
    return {"sent": vars(dispatch.enqueue_due_accounts(context, invocation.seconds_left, chosen))}


def _chosen_accounts(request: SendDueRemindersInput) -> Callable[[DueAccount], bool] | None:
    if request.entity_id is request.account_id is None:
        return None

    def is_chosen(one: DueAccount) -> bool:
        return request.entity_id in (None, one.entity_id) and request.account_id in (None, one.account_id)

    return is_chosen


class ExplainRemindersInput(Body):
    """The invoice in question."""

    invoice: VendorId


@console_function(reminder_functions, ExplainRemindersInput)
def explain_reminders(request: ExplainRemindersInput, invocation: Invocation) -> Output:
    """Explain why an invoice was or was not reminded of, and what comes next: ``{"invoice": "…"}``."""
    return console_output.reminder_history_output(
        invoice_history.get_reminder_history(request.invoice, invocation.context.now)
    )


class PlanRemindersInput(Body):
    """The plan to show."""

    as_of: Instant | None = None
    days: int = Field(default=plan.DEFAULT_PLAN_DAYS, ge=1, le=plan.MAX_PLAN_DAYS)
    entity_id: VendorId | None = None
    account_id: VendorId | None = None
    go_on_with: list[int | str | None] | None = None


@console_function(reminder_functions, PlanRemindersInput)
def plan_reminders(request: PlanRemindersInput, invocation: Invocation) -> Output:
    """Show what would be sent in the days to come: ``{"days": 30}``.

    ``"as_of": "…"`` moves the clock; ``"account_id"`` and ``"entity_id"`` limit it. Where there was no time or room
    for all, ``go_on_with`` says how to ask for the rest.
    """
    check_scope_exists(request.entity_id, request.account_id)
    return console_output.reminder_plan_output(
        _at(invocation.context, request.as_of).now,
        request.days,
        _time_is_left(invocation),
        entity_id=request.entity_id,
        account_id=request.account_id,
        position=request.go_on_with,
    )


def _at(context: RequestContext, as_of: datetime | None) -> RequestContext:
    return context if as_of is None else replace(context, now=as_of.astimezone(UTC))


def _time_is_left(invocation: Invocation) -> Callable[[], bool]:
    return lambda: invocation.seconds_left() > _SECONDS_IN_RESERVE
