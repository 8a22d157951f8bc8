"""The pages of user names and passwords: sign in, and set one's own password with the current one or a mailed link."""

from typing import Any

from chalicelib.errors import Conflict, CounterfoilError, Forbidden, InvalidInput, LimitReached
from chalicelib.passwords import own_password
from chalicelib.web import Cookie, Page, PageRequest, Pages, Redirect
from chalicelib.web.cookies import SESSION_COOKIES

passwords_pages = Pages()

_STATUS = {LimitReached: 429, InvalidInput: 422, Conflict: 409, Forbidden: 403}
_LONGEST_FIELD = 512


def _field(request: PageRequest, name: str) -> str:
    return request.form.get(name, "")[:_LONGEST_FIELD]


def _form_page(request: PageRequest, template: str, refused: CounterfoilError | None = None, **more: Any) -> Page:
    """Return a page with a form; ``refused`` is the error of its submission."""
    context = {"fault": refused.code if refused else None, "typed": _field(request, "user_name")[:64], **more}
    status = _STATUS.get(type(refused), 403) if refused else 200
    return Page(
        f"portal/passwords/{template}.html", context, status, own_password.find_sole_brand_entity(request.context.now)
    )


@passwords_pages.get("/portal/password-sign-in", public=True)
def show_sign_in(request: PageRequest) -> Page:
    """Ask for user name and password."""
    return _form_page(request, "sign_in")


@passwords_pages.post("/portal/password-sign-in", public=True)
def submit_sign_in(request: PageRequest) -> Page | Redirect:
    """Open a session; a temporary password redirects to where one's own is set."""
    try:
        opened = own_password.open_password_session(
            request.context, _field(request, "user_name"), _field(request, "password"), request.client
        )
    except CounterfoilError as refused:
        if refused.code == "password_must_be_set":
            return Redirect("/portal/password")
        return _form_page(request, "sign_in", refused)
    seconds = int((opened.ends_at - request.context.now).total_seconds())
    return Redirect("/portal", (Cookie(SESSION_COOKIES["portal"], opened.token, seconds),))


@passwords_pages.get("/portal/password", public=True)
def show_set_password(request: PageRequest) -> Page:
    """Ask for the current password, temporary or not, and for the new one."""
    return _form_page(request, "set", by_link=False, done=False)


@passwords_pages.post("/portal/password", public=True)
def submit_set_password(request: PageRequest) -> Page:
    """Set one's own password."""
    try:
        own_password.change_password(
            request.context, _field(request, "user_name"), _field(request, "current"), _field(request, "password")
        )
    except CounterfoilError as refused:
        return _form_page(request, "set", refused, by_link=False, done=False)
    return _form_page(request, "set", by_link=False, done=True)


@passwords_pages.get("/portal/password/{secret}", public=True)
def show_password_reset(request: PageRequest) -> Page:
    """Ask for the new password; opening the link does not use it up."""
    return _form_page(request, "set", by_link=True, done=False)


@passwords_pages.post("/portal/password/{secret}", public=True)
def submit_password_reset(request: PageRequest) -> Page:
    """Set one's own password by a mailed link."""
    try:
        own_password.reset_password(request.context, request.path["secret"], _field(request, "password"))
    except CounterfoilError as refused:
        return _form_page(request, "set", refused, by_link=True, done=False)
    return _form_page(request, "set", by_link=True, done=True)
