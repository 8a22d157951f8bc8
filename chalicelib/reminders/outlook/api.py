"""Reminders over HTTP: why an invoice was or was not reminded of, the plan, and what holds them up (R2, R6, R7)."""

from datetime import date, datetime
from typing import Any

from pydantic import Field

from chalicelib.api import Listing, Query, Reply, Request, Routes, View
from chalicelib.errors import InvalidInput
from chalicelib.field_types import VendorId
from chalicelib.reminders.outlook import history, plan
from chalicelib.reminders.outlook.history import ReminderHistory
from chalicelib.reminders.outlook.plan import AccountPlan, PlannedDigest
from chalicelib.reminders.policy.inputs import AutoPayFailureBody, PauseBody, PromiseBody
from chalicelib.reminders.policy.rules import PlannedStep
from chalicelib.reminders.replies import promises
from chalicelib.reminders.run import pauses
from chalicelib.reminders.run.pauses import PauseDetails

reminder_outlook_routes = Routes("reminders")


class PauseView(View):
    """A pause of reminders. It ends by itself."""

    until: date | None = Field(description="Its last day. Null: for good.")
    reason: str | None
    by: str
    since: datetime


class PausedView(View):
    """Whether reminders are paused here; what is around it may be paused too."""

    pause: PauseView | None = Field(description="The one that was set last here, though it may have ended.")


class StepView(View):
    """A step of a reminder policy, for one invoice."""

    step: str = Field(description="Its offset to the due date, and the number of its repetition: `+7`, `+30.2`.")
    tone: str
    template: str | None = Field(description="The reminder template of the issuing entity that it names.")
    on: date = Field(description="From when on it is due; or, where it is expected, when it would be sent.")


class CopyView(View):
    """One contact's copy of a reminder that names the invoice."""

    contact_id: str
    email_id: str | None
    status: str | None = Field(description="How the mail stands with them. Null: nothing was mailed.")


class TakenView(View):
    """A step that was taken, for the due date that the invoice had."""

    step: str
    due_date: date
    outcome: str = Field(
        description="`sent`; `shadow` (planned, not sent); `superseded` (by a newer step, or too old when the invoice "
        "was recorded); `skipped` by staff."
    )
    on: date
    at: datetime
    digest_id: str | None
    copies: list[CopyView]


class ReasonView(View):
    """Why the invoice was not reminded of, from one day to another."""

    code: str
    text: str
    since: date
    last_on: date


class WhyView(View):
    """Why the invoice is not reminded of now."""

    code: str
    text: str


class AutoPayFailureView(View):
    """That the automatic payment has failed."""

    failed_on: date
    reason: str | None


class InvoiceRemindersView(View):
    """The reminders of an invoice: what was done, why not, and what comes next."""

    invoice_id: str
    number: str
    account_id: str
    entity_id: str
    due_date: date | None
    today: date = Field(description="Where the account is.")
    mode: str = Field(description="What becomes of reminders to the account: `live`, `shadow` or `off`.")
    due_now: StepView | None = Field(description="The step that goes out with the next run.")
    run_that_waits: str | None = Field(
        description="The hour of the run that is over its limit: until an admin says yes, the step that is due waits."
    )
    why_not: WhyView | None = Field(description="Null when a step is due now.")
    looked_at_on: date | None = Field(description="When it is decided upon next. Null: after something has changed.")
    pause: PauseView | None
    promised_on: date | None
    auto_pay_failure: AutoPayFailureView | None
    taken: list[TakenView]
    reasons: list[ReasonView] = Field(description="Why it was not reminded of, the newest last.")
    steps_left: list[StepView]
    expected: list[StepView] = Field(description="What would be sent within 30 days if nothing happened meanwhile.")


class PlanContactView(View):
    """A contact who would get a copy."""

    contact_id: str
    name: str
    email: str


class PlanInvoiceView(View):
    """An invoice in a planned digest."""

    invoice_id: str
    number: str
    due_date: date
    balance: int = Field(description="In minor units of the currency.")
    step: str
    tone: str


class PlannedView(View):
    """A digest that would be sent on a day, if nothing happened meanwhile."""

    on: date
    currency: str
    tone: str
    outcome: str = Field(description="`mailed`, or `shadow` (planned, not sent).")
    total: int = Field(description="In minor units of the currency.")
    contacts: list[PlanContactView]
    invoices: list[PlanInvoiceView]


class AccountPlanView(View):
    """What an account would get from an issuing entity, by day."""

    account_id: str
    account_name: str
    entity_id: str
    digests: list[PlannedView]
    complete: bool = Field(description="False when the account has more invoices than a plan looks at.")


class PlanQuery(Query):
    """Which plan; of one account at once, else of all, page by page."""

    days: int = Field(default=plan.DEFAULT_PLAN_DAYS, ge=1, le=plan.MAX_PLAN_DAYS)
    entity_id: VendorId | None = None
    account_id: VendorId | None = None


def _pause(found: PauseDetails | None) -> PauseView | None:
    return PauseView(**{**vars(found), "since": datetime.fromisoformat(found.since)}) if found else None


def _step(step: PlannedStep, on: date | None = None) -> StepView:
    return StepView(step=step.name, tone=step.tone, template=step.template, on=on or step.on)


def _history_view(found: ReminderHistory) -> InvoiceRemindersView:
    invoice, decision, failure = found.invoice, found.decision, found.auto_pay_failure
    return InvoiceRemindersView(
        invoice_id=invoice.invoice_id,
        number=invoice.number,
        account_id=invoice.account_id,
        entity_id=invoice.entity_id,
        due_date=invoice.due_date,
        today=found.today,
        mode=found.mode,
        due_now=_step(decision.step) if decision.step else None,
        run_that_waits=found.run_that_waits,
        why_not=WhyView(code=decision.reason.code, text=decision.reason.text) if decision.reason else None,
        looked_at_on=found.looked_at_on,
        pause=_pause(found.pause),
        promised_on=invoice.promise.on if invoice.promise else None,
        auto_pay_failure=(
            AutoPayFailureView(failed_on=date.fromisoformat(failure["failed_on"]), reason=failure["reason"])
            if failure
            else None
        ),
        taken=[
            TakenView(**{**vars(one), "copies": [CopyView(**vars(told)) for told in one.copies]}) for one in found.taken
        ],
        reasons=[ReasonView(**vars(one)) for one in found.reasons],
        steps_left=[_step(one) for one in found.left],
        expected=[_step(one.step, one.on) for one in found.expected],
    )


def _planned_view(one: PlannedDigest) -> PlannedView:
    return PlannedView(
        on=one.on,
        currency=one.currency,
        tone=one.tone,
        outcome="shadow" if one.shadow else "mailed",
        total=one.total,
        contacts=[PlanContactView(contact_id=who.contact_id, name=who.name, email=who.email) for who in one.contacts],
        invoices=[PlanInvoiceView(**vars(invoice)) for invoice in one.invoices],
    )


def _account(one: AccountPlan) -> AccountPlanView:
    return AccountPlanView(
        account_id=one.account_id,
        account_name=one.account_name,
        entity_id=one.entity_id,
        digests=[_planned_view(digest) for digest in one.digests],
        complete=one.complete,
    )


@reminder_outlook_routes.get(
    "/v1/invoices/{invoice_id}/reminders", may="reminders.read", returns={200: InvoiceRemindersView}
)
def get_reminders(request: Request[Any, Any]) -> Reply:
    """Read why an invoice was or was not reminded of, and what comes next."""
    return _history_reply(request)


def _history_reply(request: Request[Any, Any]) -> Reply:
    return Reply(_history_view(history.get_reminder_history(request.path["invoice_id"], request.context.now)))


@reminder_outlook_routes.post(
    "/v1/invoices/{invoice_id}/reminder-skip",
    may="reminders.write",
    returns={200: InvoiceRemindersView},
    raises=("no_step_left",),
    replay=get_reminders,
)
def skip_step(request: Request[None, None]) -> Reply:
    """Skip the step of an invoice that would be taken next. What it supersedes is not sent in its place."""
    pauses.skip_next_step(request.context, request.path["invoice_id"])
    return _history_reply(request)


@reminder_outlook_routes.put(
    "/v1/invoices/{invoice_id}/promise",
    may="reminders.write",
    body=PromiseBody,
    returns={204: None},
    raises=("invoice_not_open",),
)
def promise_payment(request: Request[PromiseBody, None]) -> Reply:
    """Note that an invoice is promised to be paid by a day. Reminders of it go on the day after."""
    by = request.body.by or request.context.actor.name
    promises.record_promises(request.context, [request.path["invoice_id"]], request.body.on, by)
    return Reply(status=204)


@reminder_outlook_routes.delete("/v1/invoices/{invoice_id}/promise", may="reminders.write", returns={204: None})
def take_promise_back(request: Request[None, None]) -> Reply:
    """Take a promise back, as when the customer says that they will not keep it."""
    promises.withdraw_promise(request.context, request.path["invoice_id"])
    return Reply(status=204)


@reminder_outlook_routes.put(
    "/v1/invoices/{invoice_id}/auto-pay-failure",
    may="reminders.write",
    body=AutoPayFailureBody,
    returns={204: None},
    raises=("nothing_open",),
)
def note_auto_pay_failure(request: Request[AutoPayFailureBody, None]) -> Reply:
    """Note that the automatic payment of an invoice has failed: it is reminded of from now on."""
    body = request.body
    pauses.record_auto_pay_failure(request.context, request.path["invoice_id"], body.failed_on, body.reason)
    return Reply(status=204)


@reminder_outlook_routes.delete(
    "/v1/invoices/{invoice_id}/auto-pay-failure", may="reminders.write", returns={204: None}
)
def take_auto_pay_failure_back(request: Request[None, None]) -> Reply:
    """Note that the automatic payment of an invoice is tried again: it is not reminded of meanwhile."""
    pauses.withdraw_auto_pay_failure(request.context, request.path["invoice_id"])
    return Reply(status=204)


@reminder_outlook_routes.get(
    "/v1/reminders/plan", may="reminders.read", query=PlanQuery, returns={200: Listing[AccountPlanView]}, paged=True
)
def get_plan(request: Request[None, PlanQuery]) -> Reply:
    """Read what each account would get in the days to come, if nothing happened meanwhile.

    Accounts come by when they are next looked at; each is told once for an entity, with all its digests by day.
    """
    asked, now = request.query, request.context.now
    if asked.account_id is not None:
        if request.page.after is not None:
            raise InvalidInput.field(
                "cursor", "not_together", "The plan of one account has one page. Leave the cursor out."
            )
        of_account = plan.plan_account(asked.account_id, now, asked.days, asked.entity_id, request.page.limit)
        return Reply(Listing(items=[_account(one) for one in of_account]))
    found, after = plan.plan_all_accounts(now, asked.days, request.page.after, request.page.limit, asked.entity_id)
    return Reply(Listing(items=[_account(one) for one in found]), after=after)


def _read_pause(level: str, request: Request[Any, Any]) -> Reply:
    return Reply(PausedView(pause=_pause(pauses.get_pause(level, request.path[f"{level}_id"]))))


def _put_pause(level: str, request: Request[PauseBody, None]) -> Reply:
    body = request.body
    set_now = pauses.pause_reminders(request.context, level, request.path[f"{level}_id"], body.until, body.reason)
    return Reply(PausedView(pause=_pause(set_now)))


def _end_pause(level: str, request: Request[None, None]) -> Reply:
    pauses.resume_reminders(request.context, level, request.path[f"{level}_id"])
    return Reply(status=204)


@reminder_outlook_routes.get(
    "/v1/invoices/{invoice_id}/reminder-pause", may="reminders.read", returns={200: PausedView}
)
def get_invoice_pause(request: Request[Any, Any]) -> Reply:
    """Read whether reminders of an invoice are paused."""
    return _read_pause(pauses.INVOICE, request)


@reminder_outlook_routes.put(
    "/v1/invoices/{invoice_id}/reminder-pause",
    may="reminders.write",
    body=PauseBody,
    returns={200: PausedView},
    replay=get_invoice_pause,
)
def pause_invoice(request: Request[PauseBody, None]) -> Reply:
    """Pause the reminders of an invoice until the end of a day, or for good."""
    return _put_pause(pauses.INVOICE, request)


@reminder_outlook_routes.delete("/v1/invoices/{invoice_id}/reminder-pause", may="reminders.write", returns={204: None})
def resume_invoice(request: Request[None, None]) -> Reply:
    """End the pause of an invoice's reminders."""
    return _end_pause(pauses.INVOICE, request)


@reminder_outlook_routes.get(
    "/v1/bill-groups/{bill_group_id}/reminder-pause", may="reminders.read", returns={200: PausedView}
)
def get_bill_group_pause(request: Request[Any, Any]) -> Reply:
    """Read whether reminders of a bill group are paused."""
    return _read_pause(pauses.BILL_GROUP, request)


@reminder_outlook_routes.put(
    "/v1/bill-groups/{bill_group_id}/reminder-pause",
    may="reminders.write",
    body=PauseBody,
    returns={200: PausedView},
    replay=get_bill_group_pause,
)
def pause_bill_group(request: Request[PauseBody, None]) -> Reply:
    """Pause the reminders of all invoices of a bill group until the end of a day, or for good."""
    return _put_pause(pauses.BILL_GROUP, request)


@reminder_outlook_routes.delete(
    "/v1/bill-groups/{bill_group_id}/reminder-pause", may="reminders.write", returns={204: None}
)
def resume_bill_group(request: Request[None, None]) -> Reply:
    """End the pause of a bill group's reminders."""
    return _end_pause(pauses.BILL_GROUP, request)


@reminder_outlook_routes.get(
    "/v1/accounts/{account_id}/reminder-pause", may="reminders.read", returns={200: PausedView}
)
def get_account_pause(request: Request[Any, Any]) -> Reply:
    """Read whether reminders of an account are paused."""
    return _read_pause(pauses.ACCOUNT, request)


@reminder_outlook_routes.put(
    "/v1/accounts/{account_id}/reminder-pause",
    may="reminders.write",
    body=PauseBody,
    returns={200: PausedView},
    replay=get_account_pause,
)
def pause_account(request: Request[PauseBody, None]) -> Reply:
    """Pause all reminders of an account until the end of a day, or for good."""
    return _put_pause(pauses.ACCOUNT, request)


@reminder_outlook_routes.delete("/v1/accounts/{account_id}/reminder-pause", may="reminders.write", returns={204: None})
def resume_account(request: Request[None, None]) -> Reply:
    """End the pause of an account's reminders."""
    return _end_pause(pauses.ACCOUNT, request)
