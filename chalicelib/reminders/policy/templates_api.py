"""Reminder templates over HTTP: an issuing entity's own words for steps of its reminders (R1)."""

from typing import Any

from pydantic import Field

from chalicelib.api import Listing, Reply, Request, Routes, View
from chalicelib.reminders.policy import templates
from chalicelib.reminders.policy.template_inputs import ReminderTemplateBody
from chalicelib.reminders.policy.templates import ReminderTemplate

reminder_template_routes = Routes("reminder templates")


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


def _view(found: ReminderTemplate) -> ReminderTemplateView:
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
    return Reply(Listing(items=[_view(one) for one in found]), after=after)


@reminder_template_routes.get(
    "/v1/reminder-templates/{entity_id}/{template_id}",
    may="reminders.read",
    returns={200: ReminderTemplateView},
    tagged=True,
)
def get_template(request: Request[Any, Any]) -> Reply:
    """Read a reminder template."""
    found = templates.get_reminder_template(request.path["entity_id"], request.path["template_id"])
    return Reply(_view(found), version=found.version)


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
    """Make a reminder template or replace its texts.

    Steps of reminder policies name it. A mail takes the text for its reader's language, and says what the product says
    in the step's tone where there is none. Mails that are about to be sent say the new words.
    """
    written = templates.put_reminder_template(
        request.context,
        request.path["entity_id"],
        request.path["template_id"],
        request.body.model_dump()["texts"],
        request.if_match,
    )
    found = written.template
    return Reply(_view(found), status=201 if written.created else 200, version=found.version)


@reminder_template_routes.delete(
    "/v1/reminder-templates/{entity_id}/{template_id}", may="reminder_policies.write", returns={204: None}
)
def delete_template(request: Request[None, None]) -> Reply:
    """Delete a reminder template.

    Steps may still name it: their reminders then say what the product says in the step's tone.
    """
    templates.delete_reminder_template(request.context, request.path["entity_id"], request.path["template_id"])
    return Reply(status=204)
