"""Console functions of staff."""

from chalice.app import Blueprint

from chalicelib.functions.console_function import ConfirmedInput, Invocation, Output, console_function
from chalicelib.staff import service
from chalicelib.staff.inputs import NewStaffBody

staff_functions = Blueprint(__name__)


class CreateStaffMemberInput(NewStaffBody, ConfirmedInput):
    """The staff member to create."""


def _describe(request: CreateStaffMemberInput) -> Output:
    return {"email": request.email, "name": request.name, "role": request.role}


def _preview_staff_member(request: CreateStaffMemberInput, invocation: Invocation) -> Output:
    service.check_new_staff_member(request.email, request.role)
    return {"would_create": _describe(request)}


@console_function(
    staff_functions, CreateStaffMemberInput, dry_run=_preview_staff_member, confirm_to="make the staff member"
)
def create_staff_member(request: CreateStaffMemberInput, invocation: Invocation) -> Output:
    """Create a staff member: ``{"email": "…", "name": "…", "role": "admin", "confirm": true}``.

    The staff member signs in by a link to the email address.
    """
    service.add_staff_member(invocation.context, request.email, request.name, request.role)
    return {"created": _describe(request)}
