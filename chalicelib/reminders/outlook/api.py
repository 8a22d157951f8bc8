"""Reminders over HTTP: why an invoice was or was not reminded of, the plan, and what holds them up (R2, R6, R7)."""

from datetime import date, datetime
from typing import Any

from pydantic import Field

from chalicelib.api import Listing, Query, Reply, Request, Routes, View
from chalicelib.errors import InvalidInput
from chalicelib.field_types import VendorId
from chalicelib.reminders.outlook import invoice_history, plan, policy_comparison
from chalicelib.reminders.outlook.inputs import PolicyPreviewBody
from chalicelib.reminders.outlook.invoice_history import ReminderHistory
from chalicelib.reminders.outlook.plan import AccountPlan, PlannedDigest
from chalicelib.reminders.outlook.policy_comparison import AccountComparison
from chalicelib.reminders.pauses.api import PauseView, pause_view
from chalicelib.reminders.policy.rules import PlannedStep
from chalicelib.reminders.run.skip_step import skip_next_step

reminder_outlook_routes = Routes("reminders")
policy_comparison_routes = Routes("reminder policies")


class StepView(View):
    """A step of a reminder policy, for one invoice."""

    step: str = Field(description="Its offset to the due date, and the number of its repetition: `+7`, `+30.2`.")
    tone: str
    template: str | None = Field(description="The reminder template of the issuing entity that it names.")
    on: date = Field(description="When it is due, or when it would be sent.")


class CopyView(View):
    """One contact's copy of a reminder that names the invoice."""

    contact_id: str
    email_id: str | None
    status: str | None = Field(
        description="How the email stands with them; `withheld`: it was not sent, or without the invoice. Null: "
        "there is none."
    )


class TakenView(View):
    """A completed step, for the due date that the invoice had."""

    step: str
    due_date: date
    outcome: str = Field(
        description="`sent`; `withheld` (nobody was told, as it was paid, disputed, paused or without a contact at "
        "the last look; it can come again); `shadow` (planned, not sent); `superseded` (by a newer step, too old when "
        "the invoice was recorded, or put into the policy before the newest step taken); `skipped` by staff."
    )
    on: date
    at: datetime
    digest_id: str | None
    copies: list[CopyView]


class ReasonView(View):
    """Why the invoice was not reminded, from one day to another."""

    code: str
    text: str
    since: date
    last_on: date


class WhyView(View):
    """Why the invoice is not reminded now."""

    code: str
    text: str


class AutoPayFailureView(View):
    """The failed automatic payment."""

    failed_on: date
    reason: str | None


class AmountAskedView(View):
    """What a reminder would ask for now, in minor units of the currency."""

    balance: int = Field(description="What is open.")
    disputed: int = Field(description="What of it is disputed, and not asked for.")
    credit: int = Field(description="What of it the account's unallocated credit covers: the earliest due first.")
    asked: int = Field(description="What is left.")


class InvoiceRemindersView(View):
    """The reminders of an invoice: what was done, why not, and what comes next."""

    invoice_id: str
    number: str
    account_id: str
    entity_id: str
    due_date: date | None
    amount: AmountAskedView
    today: date = Field(description="Where the account is.")
    mode: str = Field(description="Mode of reminders to the account: `live`, `shadow` or `off`.")
    due_now: StepView | None = Field(description="The step that goes out with the next run.")
    run_that_waits: str | None = Field(
        description="The hour of the run that is above its limit. The step waits until an admin approves the run."
    )
    why_not: WhyView | None = Field(description="Null when a step is due now.")
    looked_at_on: date | None = Field(description="When it is next checked. Null: after a change.")
    pause: PauseView | None
    promised_on: date | None
    auto_pay_failure: AutoPayFailureView | None
    taken: list[TakenView]
    reasons: list[ReasonView] = Field(description="Why it was not reminded, newest last.")
    steps_left: list[StepView]
    expected: list[StepView] = Field(description="What would be sent within 30 days if nothing changes.")


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
    balance: int = Field(description="What is open, in minor units of the currency.")
    disputed: int = Field(description="What of it is disputed, and not asked for.")
    credit: int = Field(description="What of it the account's unallocated credit covers.")
    asked: int = Field(description="What is left; the total is the sum of it.")
    step: str
    tone: str


class PlannedView(View):
    """A digest that would be sent on a day if nothing changes."""

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
        amount=AmountAskedView(**vars(found.amount), asked=found.amount.asked),
        today=found.today,
        mode=found.mode,
        due_now=_step(decision.step) if decision.step else None,
        run_that_waits=found.run_that_waits,
        why_not=WhyView(code=decision.reason.code, text=decision.reason.text) if decision.reason else None,
        looked_at_on=found.looked_at_on,
        pause=pause_view(found.pause),
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
    """Get why an invoice was or was not reminded, and what comes next."""
    return _history_reply(request)


def _history_reply(request: Request[Any, Any]) -> Reply:
    return Reply(_history_view(invoice_history.get_reminder_history(request.path["invoice_id"], request.context.now)))


@reminder_outlook_routes.post(
    "/v1/invoices/{invoice_id}/reminder-skip",
    may="reminders.write",
    returns={200: InvoiceRemindersView},
    raises=("no_step_left",),
    replay=get_reminders,
)
def skip_step(request: Request[None, None]) -> Reply:
    """Skip the next step of an invoice. Steps that it supersedes are not sent in its place."""
    skip_next_step(request.context, request.path["invoice_id"])
    return _history_reply(request)


@reminder_outlook_routes.get(
    "/v1/reminders/plan", may="reminders.read", query=PlanQuery, returns={200: Listing[AccountPlanView]}, paged=True
)
def get_plan(request: Request[None, PlanQuery]) -> Reply:
    """Get the reminders that each account would receive in the coming days if nothing changes.

    Accounts are sorted by when they are next checked. Each is listed once per entity, with all its digests by day.
    """
    asked, now = request.query, request.context.now
    if asked.account_id is not None:
        if request.page.after is not None:
            raise InvalidInput.field(
                "cursor", "not_together", "The plan of one account has one page. Leave out the cursor."
            )
        of_account = plan.plan_account(asked.account_id, now, asked.days, asked.entity_id, request.page.limit)
        return Reply(Listing(items=[_account(one) for one in of_account]))
    found, after = plan.plan_all_accounts(now, asked.days, request.page.after, request.page.limit, asked.entity_id)
    return Reply(Listing(items=[_account(one) for one in found]), after=after)


class ChangedStepView(View):
    """A step of an invoice that would move to another day, change its tone, be added or be removed."""

    invoice_id: str
    number: str
    step: str
    on_before: date | None = Field(description="Null: it is not sent with the current policy.")
    on_after: date | None = Field(description="Null: it would no longer be sent.")
    tone_before: str | None
    tone_after: str | None
    superseded: bool = Field(
        description="True: the step will not be sent, because it does not lie after the newest step taken."
    )


class ComparedView(View):
    """The reminders of an account, by the policy as it is and as it would be."""

    account_id: str
    account_name: str
    reminders_before: int
    reminders_after: int
    changes: list[ChangedStepView]
    complete: bool = Field(description="False when the account has more open invoices than were looked at.")


def _comparison_view(one: AccountComparison) -> ComparedView:
    return ComparedView(**{**vars(one), "changes": [ChangedStepView(**vars(change)) for change in one.changes]})


@policy_comparison_routes.post(
    "/v1/reminder-policies/{entity_id}/preview",
    may="reminder_policies.preview",
    body=PolicyPreviewBody,
    returns={200: Listing[ComparedView]},
    paged=True,
    repeatable=False,
)
def preview_entity_policy(request: Request[PolicyPreviewBody, None]) -> Reply:
    """Preview the effect of a policy change on the coming days. Nothing is changed.

    For the named accounts, otherwise for all, page by page. Accounts without open invoices are left out.
    """
    given = {name: value for name, value in request.body.given().items() if name not in ("account_ids", "days")}
    found, after = policy_comparison.compare_policies(
        request.path["entity_id"],
        given,
        request.context.now,
        request.body.days,
        request.body.account_ids,
        request.page.after,
        request.page.limit,
    )
    return Reply(Listing(items=[_comparison_view(one) for one in found]), after=after)
