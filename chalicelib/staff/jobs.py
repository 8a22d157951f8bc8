"""The console function that makes the first staff member."""

import json
from typing import Any

from chalice.app import Blueprint

from chalicelib import clock
from chalicelib.errors import CounterfoilError
from chalicelib.observability import instrument_job, new_correlation_id
from chalicelib.request_context import Actor, RequestContext
from chalicelib.staff import service
from chalicelib.staff.inputs import ConsoleStaffBody
from chalicelib.validation import parse_body

staff_jobs = Blueprint(__name__)


@staff_jobs.lambda_function(name="create_staff_member")
@instrument_job("create_staff_member")
def create_staff_member(event: dict[str, Any], lambda_context: Any) -> dict[str, Any]:
    """Make a staff member: ``{"email": "…", "name": "…", "role": "admin", "confirm": true}``.

    Without ``confirm`` it says what it would do. Whoever is made signs in by a link to the email address.
    """
    try:
        asked = parse_body(ConsoleStaffBody, json.dumps(event).encode())
        shown = {"email": asked.email, "name": asked.name, "role": asked.role}
        if not asked.confirm:
            service.check_new_staff_member(asked.email, asked.role)
            return {"dry_run": True, "would_create": shown, "next": 'Add "confirm": true to make the staff member.'}
        context = RequestContext(
            Actor("console", "create_staff_member", "console"), clock.utc_now(), new_correlation_id()
        )
        service.add_staff_member(context, asked.email, asked.name, asked.role)
        return {"created": shown}
    except CounterfoilError as refusal:
        return {
            "refused": {"code": refusal.code, "message": refusal.message},
            "errors": [{"field": fault.field, "message": fault.message} for fault in refusal.fields],
        }
