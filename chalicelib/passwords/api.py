"""User names and passwords over HTTP (A6). What holds a password takes no Idempotency-Key, whose record hashes it."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from chalicelib.api import Reply, Request, Routes, View
from chalicelib.passwords import own_password, service
from chalicelib.passwords.inputs import CredentialsBody, PasswordBody, PasswordResetBody, TemporaryPasswordBody
from chalicelib.passwords.rules import Credentials

passwords_routes = Routes("passwords")

_CONTACT_PATH = "/v1/accounts/{account_id}/contacts/{contact_id}"


class CredentialsView(View):
    """A contact's user name. No answer ever holds a password."""

    user_name: str
    state: Literal["set", "temporary", "waiting", "lapsed"] = Field(
        description="`set`: the contact has set a password. `temporary`: they have a temporary one. "
        "`waiting`: the email with it is about to be sent. `lapsed`: it was not used within 24 "
        "hours."
    )
    temporary_until: datetime | None
    changed_at: datetime | None


class AskedView(View):
    """The response to every reset request, the same for any user name."""

    asked: Literal[True] = True


@passwords_routes.get(f"{_CONTACT_PATH}/credentials", may="credentials.read", returns={200: CredentialsView})
def get_credentials(request: Request[None, None]) -> Reply:
    """Read a contact's user name and the state of its password."""
    return _reply(service.get_credentials(request.context, request.path["account_id"], request.path["contact_id"]))


@passwords_routes.put(
    f"{_CONTACT_PATH}/credentials",
    may="credentials.write",
    body=CredentialsBody,
    returns={200: CredentialsView, 201: CredentialsView},
    raises=("user_name_taken", "has_user_name", "contact_inactive"),
    repeatable=False,
)
def put_credentials(request: Request[CredentialsBody, None]) -> Reply:
    """Give a contact a user name, and email a temporary password. Repeating the same user name changes nothing."""
    found, created = service.enable_credentials(
        request.context,
        request.path["account_id"],
        request.path["contact_id"],
        request.body.user_name,
        request.body.temporary_password,
    )
    return _reply(found, 201 if created else 200)


@passwords_routes.delete(
    f"{_CONTACT_PATH}/credentials",
    may="credentials.write",
    returns={204: None},
    raises=("contact_inactive",),
    repeatable=False,
)
def delete_credentials(request: Request[None, None]) -> Reply:
    """Remove a contact's user name and password."""
    service.disable_credentials(request.context, request.path["account_id"], request.path["contact_id"])
    return Reply(status=204)


@passwords_routes.post(
    f"{_CONTACT_PATH}/password-reset",
    may="credentials.write",
    body=TemporaryPasswordBody,
    returns={200: CredentialsView},
    raises=("no_user_name", "contact_inactive"),
    repeatable=False,
)
def reset_contact_password(request: Request[TemporaryPasswordBody, None]) -> Reply:
    """Replace a contact's password with a temporary one, generated and emailed, or chosen by staff."""
    found = service.issue_temporary_password(
        request.context, request.path["account_id"], request.path["contact_id"], request.body.temporary_password
    )
    return _reply(found)


@passwords_routes.post(
    "/v1/passwords",
    public=True,
    body=PasswordBody,
    returns={204: None},
    raises=("reset_expired", "too_many_tries"),
    repeatable=False,
)
def set_password(request: Request[PasswordBody, None]) -> Reply:
    """Set your password, using the current one, a temporary one, or an emailed link. All sessions end."""
    body = request.body
    if body.reset is not None:
        own_password.reset_password(request.context, body.reset, body.password)
    else:
        own_password.change_password(
            request.context,
            body.user_name or "",
            body.current_password or "",
            body.password,
            source_ip=request.source_ip,
        )
    return Reply(status=204)


@passwords_routes.post(
    "/v1/password-resets",
    public=True,
    body=PasswordResetBody,
    returns={202: AskedView},
    raises=("too_many_resets",),
    repeatable=False,
)
def ask_for_password_reset(request: Request[PasswordResetBody, None]) -> Reply:
    """Request an email with a link to reset the password. The reply is the same whether or not one is sent."""
    own_password.request_password_reset(request.context, request.body.user_name, source_ip=request.source_ip)
    return Reply(AskedView(), status=202)


def _reply(found: Credentials, status: int = 200) -> Reply:
    return Reply(CredentialsView(**vars(found)), status=status)
