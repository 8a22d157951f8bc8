"""What callers send to sign in."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from chalicelib.field_types import Body, EmailAddress
from chalicelib.passwords.inputs import Password, UserName

_Secret = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Code = Annotated[str, StringConstraints(min_length=1, max_length=32)]


class SignInBody(Body):
    """A sign-in request."""

    email: EmailAddress
    kind: Literal["portal_user", "staff"] = Field(
        default="portal_user", description="`staff` for the vendor's own people."
    )
    portal: Annotated[str, StringConstraints(max_length=64)] | None = Field(
        default=None, description="The token of a portal link. It selects the brand of the email and gives no access."
    )


# A body is one of these sets of fields, and nothing else.
WAYS = (frozenset({"flow", "link"}), frozenset({"flow", "code"}), frozenset({"user_name", "password"}))


class SessionBody(Body):
    """Proof of identity: the flow with the link or code from its email, or a user name and password."""

    flow: _Secret | None = Field(default=None, description="From `POST /v1/sign-in`.")
    link: _Secret | None = Field(default=None, description="The last part of the emailed link: `cl_…`.")
    code: Code | None = Field(default=None, description="As in the email. Case and hyphen do not matter.")
    user_name: UserName | None = None
    password: Password | None = None

    @model_validator(mode="after")
    def _one_way(self) -> "SessionBody":
        if self.model_fields_set not in WAYS or any(getattr(self, name) is None for name in self.model_fields_set):
            ways = "; or ".join(" and ".join(sorted(way)) for way in WAYS)
            raise PydanticCustomError("bad_combination", f"Send one of these, and nothing else: {ways}.")
        return self
