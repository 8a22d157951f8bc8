"""Runs that wait, the release of old invoices, and up to when payments are known, over HTTP (R2, R9)."""

from datetime import date, datetime
from typing import Any

from pydantic import Field

from chalicelib.api import Listing, Query, Reply, Request, Routes, View
from chalicelib.field_types import VendorId
from chalicelib.reminders.run import going_live, payments_as_of, staged_release
from chalicelib.reminders.run.going_live import ReminderRun
from chalicelib.reminders.run.inputs import PaymentsAsOfBody, ReleaseBody

reminder_run_routes = Routes("reminder policies")


class RunView(View):
    """A run that needs or needed approval."""

    entity_id: str
    run_hour: str = Field(description="The hour (UTC) since which it waits.")
    started: datetime
    accounts: int = Field(description="Accounts due.")
    limit: int
    status: str = Field(description="`waiting`; `approved`; `lapsed` when it came within the limit by itself.")
    decided_by: str | None
    decided_at: datetime | None


class RunsQuery(Query):
    """Which runs."""

    entity_id: VendorId | None = None


class ReleaseView(View):
    """The status of the release of invoices from before the entity went live."""

    entity_id: str
    accounts_a_day: int = Field(description="0 when it is stopped or has not started.")
    released: int = Field(description="Accounts in all.")
    released_today: int = Field(description="On the day `on`.")
    on: date | None = Field(description="The last day on which accounts were looked for. Null: none was yet.")
    finished: bool = Field(description="Whether all accounts are released.")


class PaymentsAsOfView(View):
    """Up to when the payments of an entity are recorded."""

    entity_id: str
    as_of: datetime | None = Field(description="Null: not reported. Reminders do not wait for it.")


def _run_view(run: ReminderRun) -> RunView:
    return RunView(**vars(run))


@reminder_run_routes.get("/v1/reminder-policies/{entity_id}/release", may="reminders.read", returns={200: ReleaseView})
def get_release(request: Request[Any, Any]) -> Reply:
    """Read the status of the release of an entity's invoices from before it went live."""
    return Reply(ReleaseView(**vars(staged_release.get_release_progress(request.path["entity_id"]))))


@reminder_run_routes.post(
    "/v1/reminder-policies/{entity_id}/release",
    may="reminders.release",
    body=ReleaseBody,
    returns={200: ReleaseView},
    raises=("reminders_not_live",),
    replay=get_release,
)
def release(request: Request[ReleaseBody, None]) -> Reply:
    """Release invoices dated before `live_from`, a number of accounts per day. Each starts with the mildest step."""
    found = staged_release.set_release_rate(request.context, request.path["entity_id"], request.body.accounts_a_day)
    return Reply(ReleaseView(**vars(found)))


@reminder_run_routes.get(
    "/v1/reminder-runs", may="reminders.read", query=RunsQuery, returns={200: Listing[RunView]}, paged=True
)
def list_runs(request: Request[None, RunsQuery]) -> Reply:
    """List the runs that need or needed approval because they were above their limit, newest first."""
    found, after = going_live.list_reminder_runs(request.query.entity_id, request.page.after, request.page.limit)
    return Reply(Listing(items=[_run_view(one) for one in found]), after=after)


@reminder_run_routes.get("/v1/reminder-runs/{entity_id}/{run_hour}", may="reminders.read", returns={200: RunView})
def get_run(request: Request[Any, Any]) -> Reply:
    """Read a run that needs or needed approval."""
    return Reply(_run_view(going_live.get_reminder_run(request.path["entity_id"], request.path["run_hour"])))


@reminder_run_routes.post(
    "/v1/reminder-runs/{entity_id}/{run_hour}/approve",
    may="reminders.release",
    returns={200: RunView},
    raises=("run_not_waiting",),
    replay=get_run,
)
def approve_run(request: Request[None, None]) -> Reply:
    """Approve a run. The next hourly run sends it.

    The approval is valid for 24 hours, and as long as the run does not grow by more than its limit.
    """
    return Reply(
        _run_view(going_live.approve_reminder_run(request.context, request.path["entity_id"], request.path["run_hour"]))
    )


@reminder_run_routes.get(
    "/v1/entities/{entity_id}/payments-as-of", may="payments.read", returns={200: PaymentsAsOfView}
)
def get_payments_as_of(request: Request[Any, Any]) -> Reply:
    """Read up to when the payments of an issuing entity are recorded."""
    return Reply(PaymentsAsOfView(**vars(payments_as_of.read_payments_as_of(request.path["entity_id"]))))


@reminder_run_routes.put(
    "/v1/entities/{entity_id}/payments-as-of",
    may="payments.write",
    body=PaymentsAsOfBody,
    returns={200: PaymentsAsOfView},
    replay=get_payments_as_of,
)
def put_payments_as_of(request: Request[PaymentsAsOfBody, None]) -> Reply:
    """Report up to when payments are recorded here.

    Once reported, reminders wait when it is older than the policy's `payments_limit_days`. An instant earlier than the
    last one changes nothing.
    """
    found = payments_as_of.report_payments_as_of(request.context, request.path["entity_id"], request.body.as_of)
    return Reply(PaymentsAsOfView(**vars(found)))
