"""Reminder policies and reminder templates over HTTP (R1)."""

from datetime import date
from typing import Any

from pydantic import Field

from chalicelib.api import Listing, Reply, Request, Routes, View
from chalicelib.reminders.policy import service, templates
from chalicelib.reminders.policy.inputs import AccountPolicyBody, EntityPolicyBody, ReminderTemplateBody, StepsBody
from chalicelib.reminders.policy.service import PolicyDetails
from chalicelib.reminders.policy.templates import ReminderTemplate

reminder_policy_routes = Routes("reminder policies")
reminder_template_routes = Routes("reminder templates")


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
    """The own settings of an entity, account or bill group, and the resulting policy."""

    own: dict[str, Any] = Field(description="Only what is set here. The rest is inherited or default.")
    effective: EffectivePolicyView
    version: int = Field(description="0 until something is set here.")


def _policy_reply(found: PolicyDetails) -> Reply:
    effective = EffectivePolicyView.model_validate(found.effective, from_attributes=True)
    return Reply(PolicyView(own=found.own, effective=effective, version=found.version), version=found.version)


@reminder_policy_routes.get(
    "/v1/reminder-policies/{entity_id}", may="reminders.read", returns={200: PolicyView}, tagged=True
)
def get_entity_policy(request: Request[Any, Any]) -> Reply:
    """Read the reminder policy of an issuing entity."""
    return _policy_reply(service.get_reminder_policy(service.ENTITY, request.path["entity_id"]))


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
    """Change the reminder policy of an issuing entity. Planned reminders are updated."""
    return _put_policy(service.ENTITY, request.path["entity_id"], request)


def _put_policy(kind: str, owner_id: str, request: Request[Any, None]) -> Reply:
    return _policy_reply(
        service.put_reminder_policy(request.context, kind, owner_id, request.body.given(), request.if_match)
    )


@reminder_policy_routes.get(
    "/v1/accounts/{account_id}/reminder-policy", may="reminders.read", returns={200: PolicyView}, tagged=True
)
def get_account_policy(request: Request[Any, Any]) -> Reply:
    """Read an account's own reminder policy settings, and the resulting policy."""
    return _policy_reply(service.get_reminder_policy(service.ACCOUNT, request.path["account_id"]))


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
    """Override parts of the reminder policy for an account. Null restores the inherited value."""
    return _put_policy(service.ACCOUNT, request.path["account_id"], request)


@reminder_policy_routes.delete(
    "/v1/accounts/{account_id}/reminder-policy", may="reminder_policies.write", returns={204: None}
)
def delete_account_policy(request: Request[None, None]) -> Reply:
    """Remove an account's reminder policy overrides."""
    service.remove_reminder_policy(request.context, service.ACCOUNT, request.path["account_id"])
    return Reply(status=204)


@reminder_policy_routes.get(
    "/v1/bill-groups/{bill_group_id}/reminder-policy", may="reminders.read", returns={200: PolicyView}, tagged=True
)
def get_bill_group_policy(request: Request[Any, Any]) -> Reply:
    """Read a bill group's own reminder policy settings, and the resulting policy."""
    return _policy_reply(service.get_reminder_policy(service.BILL_GROUP, request.path["bill_group_id"]))


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
    """Override reminder steps for a bill group. Null restores the inherited value."""
    return _put_policy(service.BILL_GROUP, request.path["bill_group_id"], request)


@reminder_policy_routes.delete(
    "/v1/bill-groups/{bill_group_id}/reminder-policy", may="reminder_policies.write", returns={204: None}
)
def delete_bill_group_policy(request: Request[None, None]) -> Reply:
    """Remove a bill group's reminder policy overrides."""
    service.remove_reminder_policy(request.context, service.BILL_GROUP, request.path["bill_group_id"])
    return Reply(status=204)


class TemplateTextView(View):
    """What a reminder says in one language."""

    subject: str
    opening: str


class ReminderTemplateView(View):
    """An issuing entity's own words for steps of its reminders."""

    entity_id: str
    template_id: str
    texts: dict[str, TemplateTextView] = Field(description="By language (BCP 47).")
    version: int


def _template_view(found: ReminderTemplate) -> ReminderTemplateView:
    return ReminderTemplateView.model_validate(found, from_attributes=True)


@reminder_template_routes.get(
    "/v1/reminder-templates/{entity_id}",
    may="reminders.read",
    returns={200: Listing[ReminderTemplateView]},
    paged=True,
)
def list_templates(request: Request[None, None]) -> Reply:
    """List the reminder templates of an issuing entity in order of their ids."""
    found, after = templates.list_reminder_templates(request.path["entity_id"], request.page.after, request.page.limit)
    return Reply(Listing(items=[_template_view(one) for one in found]), after=after)


@reminder_template_routes.get(
    "/v1/reminder-templates/{entity_id}/{template_id}",
    may="reminders.read",
    returns={200: ReminderTemplateView},
    tagged=True,
)
def get_template(request: Request[Any, Any]) -> Reply:
    """Read a reminder template."""
    found = templates.get_reminder_template(request.path["entity_id"], request.path["template_id"])
    return Reply(_template_view(found), version=found.version)


@reminder_template_routes.put(
    "/v1/reminder-templates/{entity_id}/{template_id}",
    may="reminder_policies.write",
    body=ReminderTemplateBody,
    returns={200: ReminderTemplateView, 201: ReminderTemplateView},
    raises=("stale_version",),
    tagged=True,
    versioned=True,
    replay=get_template,
)
def put_template(request: Request[ReminderTemplateBody, None]) -> Reply:
    """Create a reminder template or replace its texts.

    Steps of reminder policies refer to it. An email uses the text in its reader's language, or the standard text for
    the step's tone if there is none. Emails that are waiting to be sent use the new text.
    """
    written = templates.put_reminder_template(
        request.context,
        request.path["entity_id"],
        request.path["template_id"],
        request.body.model_dump()["texts"],
        request.if_match,
    )
    found = written.template
    return Reply(_template_view(found), status=201 if written.created else 200, version=found.version)


@reminder_template_routes.delete(
    "/v1/reminder-templates/{entity_id}/{template_id}", may="reminder_policies.write", returns={204: None}
)
def delete_template(request: Request[None, None]) -> Reply:
    """Delete a reminder template.

    Steps may still refer to it. Their reminders then use the standard text for the step's tone.
    """
    templates.delete_reminder_template(request.context, request.path["entity_id"], request.path["template_id"])
    return Reply(status=204)
