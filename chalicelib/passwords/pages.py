"""The pages of user names and passwords: sign in, set one's own password, by a temporary one or a mailed link."""

from typing import Any

from chalicelib.errors import Conflict, CounterfoilError, Forbidden, Invalid, LimitReached
from chalicelib.passwords import holding
from chalicelib.web import Cookie, Page, PageRequest, Pages, Redirect
from chalicelib.web.cookies import SESSIONS

pages = Pages()

_STATUS = {LimitReached: 429, Invalid: 422, Conflict: 409, Forbidden: 403}
_LONGEST_FIELD = 512


def _field(request: PageRequest, name: str) -> str:
    return request.form.get(name, "")[:_LONGEST_FIELD]


def _shown(request: PageRequest, template: str, refused: CounterfoilError | None = None, **more: Any) -> Page:
    """Return a page with a form; ``refused`` is what became of it when it was sent."""
    context = {"fault": refused.code if refused else None, "typed": _field(request, "user_name")[:64], **more}
    status = _STATUS.get(type(refused), 403) if refused else 200
    return Page(f"passwords/{template}.html", context, status, holding.brand(request.call.now))


@pages.get("/portal/password-sign-in", public=True)
def show_sign_in(request: PageRequest) -> Page:
    """Ask for user name and password."""
    return _shown(request, "sign_in")


@pages.post("/portal/password-sign-in", public=True)
def sign_in(request: PageRequest) -> Page | Redirect:
    """Open a session; with a temporary password, lead to where one's own is set."""
    try:
        opened = holding.sign_in(
            request.call, _field(request, "user_name"), _field(request, "password"), request.client
        )
    except CounterfoilError as refused:
        if refused.code == "password_must_be_set":
            return Redirect("/portal/password")
        return _shown(request, "sign_in", refused)
    seconds = int((opened.ends_at - request.call.now).total_seconds())
    return Redirect("/portal", (Cookie(SESSIONS["portal"], opened.token, seconds),))


@pages.get("/portal/password", public=True)
def show_set(request: PageRequest) -> Page:
    """Ask for the password that holds, temporary or not, and for the new one."""
    return _shown(request, "set", by_link=False, done=False)


@pages.post("/portal/password", public=True)
def set_own(request: PageRequest) -> Page:
    """Set one's own password."""
    try:
        holding.change_password(
            request.call, _field(request, "user_name"), _field(request, "current"), _field(request, "password")
        )
    except CounterfoilError as refused:
        return _shown(request, "set", refused, by_link=False, done=False)
    return _shown(request, "set", by_link=False, done=True)


@pages.get("/portal/password/{secret}", public=True)
def show_reset(request: PageRequest) -> Page:
    """Ask for the new password; looking at the link spends nothing."""
    return _shown(request, "set", by_link=True, done=False)


@pages.post("/portal/password/{secret}", public=True)
def reset(request: PageRequest) -> Page:
    """Set one's own password by a mailed link."""
    try:
        holding.reset_password(request.call, request.path["secret"], _field(request, "password"))
    except CounterfoilError as refused:
        return _shown(request, "set", refused, by_link=True, done=False)
    return _shown(request, "set", by_link=True, done=True)
