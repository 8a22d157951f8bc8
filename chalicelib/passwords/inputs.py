"""What callers send about user names and passwords."""

from typing import Annotated

from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from chalicelib.field_types import Body

Password = Annotated[str, StringConstraints(min_length=1, max_length=512)]
UserName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64)]
_Token = Annotated[str, StringConstraints(min_length=1, max_length=100)]

_TEMPORARY = Field(
    default=None,
    description="Staff only: a temporary password that they pass on themselves. Without it, one is generated "
    "and emailed.",
)


class CredentialsBody(Body):
    """A user name for a contact."""

    user_name: UserName = Field(
        description="3 to 64 letters, digits and `. _ + -`; unique, whatever the case.", examples=["ann.example"]
    )
    temporary_password: Password | None = _TEMPORARY


class TemporaryPasswordBody(Body):
    """How a contact gets a temporary password."""

    temporary_password: Password | None = _TEMPORARY


class PasswordResetBody(Body):
    """Whose password is to be reset."""

    user_name: UserName


# A body is one of these sets of fields, and nothing else.
_WAYS = (frozenset({"user_name", "current_password", "password"}), frozenset({"reset", "password"}))


class PasswordBody(Body):
    """A new password, and proof that the caller may set it."""

    password: Password = Field(description="The new one: 12 to 128 characters of any kind, not easy to guess.")
    user_name: UserName | None = None
    current_password: Password | None = Field(default=None, description="The current or temporary password.")
    reset: _Token | None = Field(default=None, description="The last part of the emailed link: `cp_…`.")

    @model_validator(mode="after")
    def _one_way(self) -> "PasswordBody":
        if self.model_fields_set not in _WAYS or any(getattr(self, name) is None for name in self.model_fields_set):
            raise PydanticCustomError(
                "bad_combination", "Send user_name, current_password and password; or reset and password."
            )
        return self
