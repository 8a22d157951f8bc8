"""Staff members: at least one of them is always an admin."""

from dataclasses import dataclass
from datetime import datetime

from chalicelib.errors import Conflict
from chalicelib.field_marks import NotAudited, NotPersonal, OfStaff

ADMIN = "admin"
ROLES = ("admin", "agent", "viewer")
ACTIVE = "active"


@dataclass(frozen=True)
class StaffMember:
    """One of the vendor's people, known by the email address that sign-in links go to. Instants are UTC."""

    email: OfStaff[str]
    name: OfStaff[str]
    role: NotPersonal[str]
    created_at: NotAudited[datetime]
    status: NotAudited[NotPersonal[str]] = ACTIVE
    version: NotAudited[int] = 1


def admins_after(admins: frozenset[str], email: str, role: str | None) -> frozenset[str]:
    """Return the admins after ``email`` gets ``role``, or leaves (None).

    Raises Conflict when none would be left: then nobody could add anyone.
    """
    after = admins | {email} if role == ADMIN else admins - {email}
    if not after:
        if admins:
            raise Conflict("last_admin", "This is the last admin. Make somebody else an admin first.")
        raise Conflict("first_is_admin", "The first staff member is an admin. Choose the role admin.")
    return after
