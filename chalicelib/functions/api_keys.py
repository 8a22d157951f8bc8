"""Console functions of API keys."""

from chalice.app import Blueprint
from pydantic import Field

from chalicelib.access import api_keys, rules
from chalicelib.functions.console_function import ConfirmedInput, Invocation, Output, console_function
from chalicelib.permissions import SCOPES

api_key_functions = Blueprint(__name__)


class CreateApiKeyInput(ConfirmedInput):
    """The API key to create."""

    name: str
    scopes: list[str] = Field(description=f"Any of: {', '.join(SCOPES)}.")


def _preview_api_key(request: CreateApiKeyInput, invocation: Invocation) -> Output:
    name, scopes = rules.check_api_key_fields(request.name, request.scopes)
    return {"would_create": {"name": name, "scopes": list(scopes)}}


@console_function(api_key_functions, CreateApiKeyInput, dry_run=_preview_api_key, confirm_to="make the key")
def create_api_key(request: CreateApiKeyInput, invocation: Invocation) -> Output:
    """Create an API key: ``{"name": "…", "scopes": ["…"], "confirm": true}``. The answer alone shows the key."""
    key, token = api_keys.create(invocation.context, request.name, request.scopes)
    return {"key_id": key.key_id, "name": key.name, "scopes": list(key.scopes), "api_key": token}
