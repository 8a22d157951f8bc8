"""Reminder policies over HTTP, and what makes going live safe (R1, R2, R9)."""

from datetime import date, datetime
from typing import Any

from pydantic import Field

from chalicelib.api import Listing, Query, Reply, Request, Routes, View
from chalicelib.field_types import VendorId
from chalicelib.reminders.outlook import preview
from chalicelib.reminders.outlook.preview import AccountComparison
from chalicelib.reminders.policy import policies
from chalicelib.reminders.policy.inputs import (
    AccountPolicyBody,
    EntityPolicyBody,
    PaymentsAsOfBody,
    PolicyPreviewBody,
    ReleaseBody,
    StepsBody,
)
from chalicelib.reminders.policy.policies import PolicyDetails
from chalicelib.reminders.run import going_live, payments_as_of, staged_release
from chalicelib.reminders.run.going_live import ReminderRun

reminder_policy_routes = Routes("reminder policies")


class PolicyStepView(View):
    """A step: so many days after the due date, before it if negative."""

    offset: int
    tone: str
    template: str | None


class QuietSpellView(View):
    """Days on which nobody is reminded, both ends included."""

    first: date
    last: date
    reason: str | None


class EffectivePolicyView(View):
    """A reminder policy, whole."""

    steps: list[PolicyStepView]
    repeat_every_days: int | None
    repeat_at_most: int
    send_at: str
    business_days_only: bool
    closing_days: list[date]
    quiet_spells: list[QuietSpellView]
    minimum_gap_days: int
    promise_limit_days: int
    run_limit: int
    payments_limit_days: int


class PolicyView(View):
    """What an entity, account or bill group has of its own, and what comes of it with what stands above it."""

    own: dict[str, Any] = Field(description="Only what is set here; all else comes from above, or is the default.")
    effective: EffectivePolicyView
    version: int = Field(description="0 while nothing was ever set here.")


class ChangedStepView(View):
    """A step of an invoice that would come on another day, in another tone, newly, or not any more."""

    invoice_id: str
    number: str
    step: str
    on_before: date | None = Field(description="Null: it would not be sent as things are.")
    on_after: date | None = Field(description="Null: it would not be sent any more.")
    tone_before: str | None
    tone_after: str | None


class ComparedView(View):
    """The reminders of an account, by the policy as it is and as it would be."""

    account_id: str
    account_name: str
    reminders_before: int
    reminders_after: int
    changes: list[ChangedStepView]
    complete: bool = Field(description="False when the account has more open invoices than were looked at.")


class RunView(View):
    """A run that was or is larger than its limit."""

    entity_id: str
    run_hour: str = Field(description="The hour (UTC) in which it began to wait.")
    started: datetime
    accounts: int = Field(description="How many are due.")
    limit: int
    status: str = Field(description="`waiting`; `approved`; `lapsed` when it came within the limit by itself.")
    decided_by: str | None
    decided_at: datetime | None


class RunsQuery(Query):
    """Which runs."""

    entity_id: VendorId | None = None


class ReleaseView(View):
    """How the release of invoices from before the start stands."""

    entity_id: str
    accounts_a_day: int = Field(description="0 when it was stopped, or none was begun yet.")
    released: int = Field(description="Accounts in all.")
    released_today: int = Field(description="On the day `on`.")
    on: date | None = Field(description="The last day on which accounts were looked for. Null: none was yet.")
    finished: bool = Field(description="Whether nobody is left who has to be released.")


class PaymentsAsOfView(View):
    """Up to when payments of an entity are known."""

    entity_id: str
    as_of: datetime | None = Field(description="Null: it is not reported, and holds nothing up.")


def _policy_reply(found: PolicyDetails) -> Reply:
    effective = EffectivePolicyView.model_validate(found.effective, from_attributes=True)
    return Reply(PolicyView(own=found.own, effective=effective, version=found.version), version=found.version)


def _compared(one: AccountComparison) -> ComparedView:
    return ComparedView(**{**vars(one), "changes": [ChangedStepView(**vars(change)) for change in one.changes]})


def _run(run: ReminderRun) -> RunView:
    return RunView(**vars(run))


@reminder_policy_routes.get(
    "/v1/reminder-policies/{entity_id}", may="reminders.read", returns={200: PolicyView}, tagged=True
)
def get_entity_policy(request: Request[Any, Any]) -> Reply:
    """Read the reminder policy of an issuing entity."""
    return _policy_reply(policies.get_reminder_policy(policies.ENTITY, request.path["entity_id"]))


@reminder_policy_routes.put(
    "/v1/reminder-policies/{entity_id}",
    may="reminder_policies.write",
    body=EntityPolicyBody,
    returns={200: PolicyView},
    raises=("stale_version",),
    tagged=True,
    versioned=True,
    replay=get_entity_policy,
)
def put_entity_policy(request: Request[EntityPolicyBody, None]) -> Reply:
    """Change the reminder policy of an issuing entity. What is planned already is planned anew."""
    return _put_policy(policies.ENTITY, request.path["entity_id"], request)


def _put_policy(kind: str, owner_id: str, request: Request[Any, None]) -> Reply:
    return _policy_reply(
        policies.put_reminder_policy(request.context, kind, owner_id, request.body.given(), request.if_match)
    )


@reminder_policy_routes.post(
    "/v1/reminder-policies/{entity_id}/preview",
    may="reminder_policies.preview",
    body=PolicyPreviewBody,
    returns={200: Listing[ComparedView]},
    paged=True,
    repeatable=False,
)
def preview_entity_policy(request: Request[PolicyPreviewBody, None]) -> Reply:
    """See what would change in the days to come if this were put to the policy. Nothing is changed.

    Of the named accounts, else of all, page by page; accounts of which nothing is open are left out.
    """
    given = {name: value for name, value in request.body.given().items() if name not in ("account_ids", "days")}
    found, after = preview.preview_policy_change(
        request.path["entity_id"],
        given,
        request.context.now,
        request.body.days,
        request.body.account_ids,
        request.page.after,
        request.page.limit,
    )
    return Reply(Listing(items=[_compared(one) for one in found]), after=after)


@reminder_policy_routes.get(
    "/v1/accounts/{account_id}/reminder-policy", may="reminders.read", returns={200: PolicyView}, tagged=True
)
def get_account_policy(request: Request[Any, Any]) -> Reply:
    """Read what an account has of its own of a reminder policy, and what comes of it with its entity's."""
    return _policy_reply(policies.get_reminder_policy(policies.ACCOUNT, request.path["account_id"]))


@reminder_policy_routes.put(
    "/v1/accounts/{account_id}/reminder-policy",
    may="reminder_policies.write",
    body=AccountPolicyBody,
    returns={200: PolicyView},
    raises=("stale_version",),
    tagged=True,
    versioned=True,
    replay=get_account_policy,
)
def put_account_policy(request: Request[AccountPolicyBody, None]) -> Reply:
    """Let an account have parts of a reminder policy of its own; null takes a part from above again."""
    return _put_policy(policies.ACCOUNT, request.path["account_id"], request)


@reminder_policy_routes.delete(
    "/v1/accounts/{account_id}/reminder-policy", may="reminder_policies.write", returns={204: None}
)
def delete_account_policy(request: Request[None, None]) -> Reply:
    """Let an account have nothing of its own of a reminder policy any more."""
    policies.remove_reminder_policy(request.context, policies.ACCOUNT, request.path["account_id"])
    return Reply(status=204)


@reminder_policy_routes.get(
    "/v1/bill-groups/{bill_group_id}/reminder-policy", may="reminders.read", returns={200: PolicyView}, tagged=True
)
def get_bill_group_policy(request: Request[Any, Any]) -> Reply:
    """Read what a bill group has of its own of a reminder policy, and what comes of it with what stands above."""
    return _policy_reply(policies.get_reminder_policy(policies.BILL_GROUP, request.path["bill_group_id"]))


@reminder_policy_routes.put(
    "/v1/bill-groups/{bill_group_id}/reminder-policy",
    may="reminder_policies.write",
    body=StepsBody,
    returns={200: PolicyView},
    raises=("stale_version",),
    tagged=True,
    versioned=True,
    replay=get_bill_group_policy,
)
def put_bill_group_policy(request: Request[StepsBody, None]) -> Reply:
    """Let a bill group have steps of its own; null takes a part from above again."""
    return _put_policy(policies.BILL_GROUP, request.path["bill_group_id"], request)


@reminder_policy_routes.delete(
    "/v1/bill-groups/{bill_group_id}/reminder-policy", may="reminder_policies.write", returns={204: None}
)
def delete_bill_group_policy(request: Request[None, None]) -> Reply:
    """Let a bill group have nothing of its own of a reminder policy any more."""
    policies.remove_reminder_policy(request.context, policies.BILL_GROUP, request.path["bill_group_id"])
    return Reply(status=204)


@reminder_policy_routes.get(
    "/v1/reminder-policies/{entity_id}/release", may="reminders.read", returns={200: ReleaseView}
)
def get_release(request: Request[Any, Any]) -> Reply:
    """Read how the release of an entity's invoices from before the start stands."""
    return Reply(ReleaseView(**vars(staged_release.get_release_progress(request.path["entity_id"]))))


@reminder_policy_routes.post(
    "/v1/reminder-policies/{entity_id}/release",
    may="reminders.release",
    body=ReleaseBody,
    returns={200: ReleaseView},
    raises=("reminders_not_live",),
    replay=get_release,
)
def release(request: Request[ReleaseBody, None]) -> Reply:
    """Release invoices dated before `live_from`, so many accounts a day; each begins with the mildest step."""
    found = staged_release.set_release_rate(request.context, request.path["entity_id"], request.body.accounts_a_day)
    return Reply(ReleaseView(**vars(found)))


@reminder_policy_routes.get(
    "/v1/reminder-runs", may="reminders.read", query=RunsQuery, returns={200: Listing[RunView]}, paged=True
)
def list_runs(request: Request[None, RunsQuery]) -> Reply:
    """List the runs that wait, or have waited, because they were larger than their limit; the newest first."""
    found, after = going_live.list_reminder_runs(request.query.entity_id, request.page.after, request.page.limit)
    return Reply(Listing(items=[_run(one) for one in found]), after=after)


@reminder_policy_routes.get("/v1/reminder-runs/{entity_id}/{run_hour}", may="reminders.read", returns={200: RunView})
def get_run(request: Request[Any, Any]) -> Reply:
    """Read a run that waits, or has waited."""
    return Reply(_run(going_live.get_reminder_run(request.path["entity_id"], request.path["run_hour"])))


@reminder_policy_routes.post(
    "/v1/reminder-runs/{entity_id}/{run_hour}/approve",
    may="reminders.release",
    returns={200: RunView},
    raises=("run_not_waiting",),
    replay=get_run,
)
def approve_run(request: Request[None, None]) -> Reply:
    """Let a run go that waits; the next hourly run sends it.

    The yes holds for 24 hours, and as long as the run does not grow by more than its limit.
    """
    return Reply(
        _run(going_live.approve_reminder_run(request.context, request.path["entity_id"], request.path["run_hour"]))
    )


@reminder_policy_routes.get(
    "/v1/entities/{entity_id}/payments-as-of", may="payments.read", returns={200: PaymentsAsOfView}
)
def get_payments_as_of(request: Request[Any, Any]) -> Reply:
    """Read up to when payments of an issuing entity are known."""
    return Reply(PaymentsAsOfView(**vars(payments_as_of.read_payments_as_of(request.path["entity_id"]))))


@reminder_policy_routes.put(
    "/v1/entities/{entity_id}/payments-as-of",
    may="payments.write",
    body=PaymentsAsOfBody,
    returns={200: PaymentsAsOfView},
    replay=get_payments_as_of,
)
def put_payments_as_of(request: Request[PaymentsAsOfBody, None]) -> Reply:
    """Report up to when payments are recorded here.

    Once that is reported, reminders wait when it is older than the policy's `payments_limit_days`. An earlier instant
    than is known changes nothing.
    """
    found = payments_as_of.report_payments_as_of(request.context, request.path["entity_id"], request.body.as_of)
    return Reply(PaymentsAsOfView(**vars(found)))
