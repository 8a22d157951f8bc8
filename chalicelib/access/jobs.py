"""The console function that makes the first API key."""

from typing import Any

from chalice.app import Blueprint

from chalicelib import clock, observability
from chalicelib.access import api_keys, rules
from chalicelib.errors import CounterfoilError, FieldError, InvalidInput
from chalicelib.observability import instrument_job
from chalicelib.permissions import SCOPES
from chalicelib.request_context import Actor, RequestContext

access_jobs = Blueprint(__name__)

_FIELDS = {"name", "scopes", "confirm"}


@access_jobs.lambda_function(name="create_api_key")
@instrument_job("create_api_key")
def create_api_key(event: dict[str, Any], lambda_context: Any) -> dict[str, Any]:
    """Make an API key: ``{"name": "…", "scopes": ["…"], "confirm": true}``.

    Without ``confirm`` it says what it would do. The key stands in the result, this once.
    """
    try:
        name, scopes = rules.check_api_key_fields(*_parse_event(event))
        asked = {"name": name, "scopes": list(scopes)}
        if event.get("confirm") is not True:
            return {"dry_run": True, "would_create": asked, "next": 'Add "confirm": true to make the key.'}
        context = RequestContext(
            actor=Actor("console", "create_api_key", "console"),
            now=clock.utc_now(),
            correlation_id=observability.new_correlation_id(),
        )
        key, token = api_keys.create(context, name, list(scopes))
        return {"key_id": key.key_id, **asked, "api_key": token}
    except CounterfoilError as refusal:
        return {
            "refused": {"code": refusal.code, "message": refusal.message},
            "errors": [{"field": fault.field, "message": fault.message} for fault in refusal.fields],
        }


def _parse_event(event: Any) -> tuple[str, list[str]]:
    """Return name and scopes. Raises Invalid naming every field that is missing, unknown or of another type."""
    given: dict[str, Any] = event if isinstance(event, dict) else {}
    name, scopes, confirm = given.get("name"), given.get("scopes"), given.get("confirm", False)
    faults = [
        FieldError(field, "unknown_field", "There is no such field. Remove it.")
        for field in sorted(set(given) - _FIELDS)
    ]
    if not isinstance(name, str):
        faults.append(FieldError("name", "wrong_type", "Send a name, as text."))
    if not isinstance(scopes, list) or not all(isinstance(scope, str) for scope in scopes):
        faults.append(FieldError("scopes", "wrong_type", f"Send a list of scopes. There are: {', '.join(SCOPES)}."))
    if not isinstance(confirm, bool):
        faults.append(FieldError("confirm", "wrong_type", "Send true or false."))
    if faults:
        raise InvalidInput("invalid", "The key cannot be made as asked.", fields=tuple(faults))
    return str(name), list(scopes or [])
