"""The pages of user names and passwords: sign in, and set one's own password with the current one or a mailed link."""

from typing import Any

from chalicelib.errors import Conflict, CounterfoilError, Forbidden, InvalidInput, LimitReached
from chalicelib.passwords import own_password
from chalicelib.passwords.inputs import Password, PasswordBody, UserName
from chalicelib.portal.browser_cookie import build_browser_cookie, find_known_browser
from chalicelib.sign_in.inputs import SessionBody
from chalicelib.web import Cookie, Form, Page, PageRequest, Pages, Redirect
from chalicelib.web.cookies import SESSION_COOKIES

passwords_pages = Pages()

_STATUS = {LimitReached: 429, InvalidInput: 422, Conflict: 409, Forbidden: 403}
_MAX_USER_NAME_LENGTH = 64


class PasswordSignInForm(Form):
    """A user name and its password."""

    api_body = SessionBody

    user_name: UserName
    password: Password


class PasswordForm(Form):
    """The current password, temporary or not, and the new one."""

    api_body = PasswordBody

    user_name: UserName
    current_password: Password
    password: Password


class PasswordByLinkForm(Form):
    """The new password; the link proves the person."""

    api_body = PasswordBody

    password: Password


def _form_page(request: PageRequest, template: str, refused: CounterfoilError | None = None, **more: Any) -> Page:
    """Return a page with a form; ``refused`` is the error of its submission."""
    context = {
        "fault": refused.code if refused else None,
        "faulty": frozenset(field.field for field in refused.fields) if refused else frozenset(),
        "typed": request.typed.get("user_name", "")[:_MAX_USER_NAME_LENGTH],
        **more,
    }
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
        form = request.parse_form(PasswordSignInForm)
        opened = own_password.open_password_session(
            request.context,
            form.user_name,
            form.password,
            request.client,
            source_ip=request.source_ip,
            browser=find_known_browser(request),
        )
    except CounterfoilError as refused:
        if refused.code == "password_must_be_set":
            return Redirect("/portal/password")
        return _form_page(request, "sign_in", refused)
    seconds = int((opened.ends_at - request.context.now).total_seconds())
    session = Cookie(SESSION_COOKIES["portal"], opened.token, seconds)
    return Redirect("/portal", (session, build_browser_cookie(request, opened.email)))


@passwords_pages.get("/portal/password", public=True)
def show_set_password(request: PageRequest) -> Page:
    """Ask for the current password, temporary or not, and for the new one."""
    return _form_page(request, "set", by_link=False, done=False)


@passwords_pages.post("/portal/password", public=True)
def submit_set_password(request: PageRequest) -> Page:
    """Set one's own password."""
    try:
        form = request.parse_form(PasswordForm)
        own_password.change_password(
            request.context,
            form.user_name,
            form.current_password,
            form.password,
            source_ip=request.source_ip,
            browser=find_known_browser(request),
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
        form = request.parse_form(PasswordByLinkForm)
        own_password.reset_password(request.context, request.path["secret"], form.password)
    except CounterfoilError as refused:
        return _form_page(request, "set", refused, by_link=True, done=False)
    return _form_page(request, "set", by_link=True, done=True)
