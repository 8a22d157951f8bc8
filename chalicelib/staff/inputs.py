"""What is sent to make or change a staff member."""

from typing import Literal

from pydantic import Field

from chalicelib.field_types import Body, EmailAddress, SingleLineText
from chalicelib.staff import rules

Role = Literal[rules.ROLES]  # type: ignore[valid-type]


class NewStaffBody(Body):
    """A staff member to be made."""

    email: EmailAddress = Field(description="Sign-in links go here.", examples=["kim@vendor.example"])
    name: SingleLineText = Field(examples=["Kim Example"])
    role: Role = Field(description="`viewer` reads, `agent` also works on accounts, `admin` also manages the rest.")


class StaffBody(Body):
    """What changes of a staff member; the email address stays."""

    name: SingleLineText | None = None
    role: Role | None = None
