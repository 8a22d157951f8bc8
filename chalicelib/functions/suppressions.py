"""Console functions of suppressed addresses."""

from chalice.app import Blueprint
from pydantic import Field

from chalicelib.field_types import EmailAddress
from chalicelib.functions.console_function import ConfirmedInput, Invocation, Output, console_function
from chalicelib.mail.feedback import suppressions
from chalicelib.mail.feedback.suppressions import Suppression

suppression_functions = Blueprint(__name__)


class ClearSuppressionInput(ConfirmedInput):
    """The address that is to get mail again."""

    email: EmailAddress = Field(examples=["ana@customer.example"])


def _describe(suppression: Suppression) -> Output:
    return {**vars(suppression), "since": suppression.since.isoformat()}


def _preview_clearing(request: ClearSuppressionInput, invocation: Invocation) -> Output:
    return {"would_clear": _describe(suppressions.get_suppression(request.email))}


@console_function(suppression_functions, ClearSuppressionInput, dry_run=_preview_clearing, confirm_to="clear it")
def clear_suppression(request: ClearSuppressionInput, invocation: Invocation) -> Output:
    """Let an address get mail again: ``{"email": "…", "confirm": true}``. The dry run says why it gets none."""
    return {"cleared": _describe(suppressions.clear(invocation.context, request.email))}
