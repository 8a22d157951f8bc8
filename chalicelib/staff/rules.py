"""Staff members: at least one of them is always an admin."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from chalicelib.entities.rules import Entity
from chalicelib.errors import Conflict
from chalicelib.field_marks import NotAudited, NotPersonal, OfStaff

ADMIN = "admin"
ROLES = ("admin", "agent", "viewer")
ACTING_ROLES = frozenset({ADMIN, "agent"})
"""Who can do something about what needs a person; viewers only read."""
ACTIVE = "active"
_MAX_RECIPIENTS_PER_MAIL = 45


@dataclass(frozen=True)
class StaffMember:
    """One of the vendor's people, known by the email address that sign-in links go to. Instants are UTC."""

    email: OfStaff[str]
    name: OfStaff[str]
    role: NotPersonal[str]
    created_at: NotAudited[datetime]
    status: NotAudited[NotPersonal[str]] = ACTIVE
    version: NotAudited[int] = 1


def group_mail_recipients(staff: Sequence[StaffMember], entity: Entity) -> list[tuple[str, ...]]:
    """Return the addresses of a notice to staff, mail by mail, as SES limits the recipients of one.

    Where there is no staff, the notice is sent to the issuing entity's own address.
    """
    emails = [member.email for member in staff] or [entity.support_email or entity.reply_to or entity.sender_email]
    return [
        tuple(emails[start : start + _MAX_RECIPIENTS_PER_MAIL])
        for start in range(0, len(emails), _MAX_RECIPIENTS_PER_MAIL)
    ]


def admins_after(admins: frozenset[str], email: str, role: str | None) -> frozenset[str]:
    """Return the admins after ``email`` gets ``role``, or leaves (None).

    Raises Conflict when none would be left: then nobody could add anyone.
    """
    after = admins | {email} if role == ADMIN else admins - {email}
    if not after:
        if admins:
            raise Conflict("last_admin", "This is the last admin. Make someone else an admin first.")
        raise Conflict("first_is_admin", "The first staff member is an admin. Choose the role admin.")
    return after
