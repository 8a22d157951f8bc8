"""What callers send to sign in."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from chalicelib.field_types import Body, EmailAddress
from chalicelib.passwords.inputs import Password, UserName

_Secret = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Code = Annotated[str, StringConstraints(min_length=1, max_length=32)]


class SignInBody(Body):
    """An address that wants to sign in."""

    email: EmailAddress
    kind: Literal["portal_user", "staff"] = Field(
        default="portal_user", description="`staff` for the vendor's own people."
    )
    portal: Annotated[str, StringConstraints(max_length=64)] | None = Field(
        default=None, description="The token of a portal link. It chooses the brand of the mail and opens nothing."
    )


# A body is one of these sets of fields, and nothing else.
WAYS = (frozenset({"flow", "link"}), frozenset({"flow", "code"}), frozenset({"user_name", "password"}))


class SessionBody(Body):
    """What proves a person: the flow with the link, or with the code, of its mail; or a user name and its password."""

    flow: _Secret | None = Field(default=None, description="As `POST /v1/sign-in` returned it.")
    link: _Secret | None = Field(default=None, description="The last part of the link's address: `cl_…`.")
    code: Code | None = Field(default=None, description="As it stands in the mail; case and hyphen do not matter.")
    user_name: UserName | None = None
    password: Password | None = None

    @model_validator(mode="after")
    def _one_way(self) -> "SessionBody":
        if self.model_fields_set not in WAYS or any(getattr(self, name) is None for name in self.model_fields_set):
            ways = "; or ".join(" and ".join(sorted(way)) for way in WAYS)
            raise PydanticCustomError("bad_combination", f"Send one of these, and nothing else: {ways}.")
        return self
