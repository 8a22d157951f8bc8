"""Staff over HTTP."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from chalicelib.api import Listing, Reply, Request, Routes, View
from chalicelib.staff import rules, service
from chalicelib.staff.inputs import NewStaffBody, StaffBody
from chalicelib.staff.rules import StaffMember

staff_routes = Routes("staff")


class StaffView(View):
    """One of the vendor's people."""

    email: str = Field(description="Names the staff member; sign-in links go here.")
    name: str
    role: Literal[rules.ROLES]  # type: ignore[valid-type]
    created_at: datetime
    version: int


@staff_routes.get("/v1/staff", may="staff.read", returns={200: Listing[StaffView]}, paged=True)
def list_staff(request: Request[None, None]) -> Reply:
    """List the staff by email address."""
    found, after = service.list_staff(request.page.limit, request.page.after)
    return Reply(Listing(items=[_view(member) for member in found]), after=after)


@staff_routes.get("/v1/staff/{staff_email}", may="staff.read", returns={200: StaffView}, tagged=True)
def get_staff_member(request: Request[None, None]) -> Reply:
    """Read one staff member."""
    return _reply(service.require_staff_member(request.path["staff_email"].lower()))


@staff_routes.post(
    "/v1/staff",
    may="staff.write",
    body=NewStaffBody,
    returns={201: StaffView},
    raises=("staff_exists", "first_is_admin"),
    replay=get_staff_member,
    tagged=True,
)
def create_staff_member(request: Request[NewStaffBody, None]) -> Reply:
    """Add a staff member, who can then sign in with an emailed link."""
    asked = request.body
    return _reply(service.add_staff_member(request.context, asked.email, asked.name, asked.role), 201)


@staff_routes.patch(
    "/v1/staff/{staff_email}",
    may="staff.write",
    body=StaffBody,
    returns={200: StaffView},
    raises=("last_admin",),
    replay=get_staff_member,
    tagged=True,
)
def change_staff_member(request: Request[StaffBody, None]) -> Reply:
    """Change name or role. A new role applies from the next request."""
    email = request.path["staff_email"].lower()
    return _reply(service.update_staff_member(request.context, email, request.body.given(), request.if_match))


@staff_routes.delete("/v1/staff/{staff_email}", may="staff.write", returns={204: None}, raises=("last_admin",))
def remove_staff_member(request: Request[None, None]) -> Reply:
    """Remove a staff member and end their sessions immediately."""
    service.delete_staff_member(request.context, request.path["staff_email"].lower())
    return Reply(status=204)


def _reply(member: StaffMember, status: int = 200) -> Reply:
    return Reply(_view(member), status=status, version=member.version)


def _view(member: StaffMember) -> StaffView:
    return StaffView(
        email=member.email,
        name=member.name,
        role=member.role,
        created_at=member.created_at,
        version=member.version,
    )
