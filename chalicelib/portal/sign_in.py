"""The pages of signing in: ask, check your mail, confirm, choose a bill group, sign out (A3, A4, A8).

Staff sign in by the same pages, at addresses of their own (``console/sign_in.py``).
"""

from typing import Any

from chalicelib.errors import Conflict, InvalidInput, LimitReached, NotFound
from chalicelib.field_types import EmailAddress
from chalicelib.portal.browser_cookie import build_browser_cookie, find_known_browser
from chalicelib.sign_in import rules, service
from chalicelib.sign_in.inputs import Code, SessionBody, SignInBody
from chalicelib.sign_in.service import OpenedSession
from chalicelib.web import Cookie, Form, Page, PageRequest, Pages, Redirect
from chalicelib.web.cookies import FLOW_COOKIE, SESSION_COOKIES

_SEPARATOR = "."


class AddressForm(Form):
    """The address that asks for a sign-in mail."""

    api_body = SignInBody

    email: EmailAddress


class CodeForm(Form):
    """The code of the mail."""

    api_body = SessionBody

    code: Code


def _flow_secrets(request: PageRequest) -> list[str]:
    return [
        flow for flow in request.cookies.get(FLOW_COOKIE, "").split(_SEPARATOR) if rules.SECRET_PATTERN.fullmatch(flow)
    ]


def _ask_page(request: PageRequest, kind: str, *, portal: str | None = None, **more: Any) -> Page:
    """Return the page that asks for an address. ``more``: status, and what went wrong."""
    bill_group_id = service.find_portal_bill_group(portal) if portal else None
    target = rules.safe_target(more.pop("target", request.query.get("next")), kind)
    status = more.pop("status", 200)
    context = {
        "kind": kind,
        "action": f"/{rules.AREAS[kind]}/sign-in" if portal is None else f"/portal/l/{portal}",
        "target": target,
        "unknown_portal": portal is not None and bill_group_id is None,
        "fault": None,
        "typed": "",
        "minutes": 0,
        **more,
    }
    return Page(
        "portal/sign_in/ask.html", context, status, service.find_brand_entity(bill_group_id, request.context.now)
    )


def _submit_address(request: PageRequest, kind: str, portal: str | None = None) -> Page | Redirect:
    """Request the sign-in mail, and redirect to where its code is typed."""
    entered, target = request.typed.get("email", ""), request.typed.get("next")
    try:
        email = request.parse_form(AddressForm).email
    except InvalidInput:
        return _ask_page(request, kind, portal=portal, status=422, fault="email", typed=entered[:320], target=target)
    try:
        flow = service.request_sign_in(
            request.context,
            email,
            source_ip=request.source_ip,
            kind=kind,
            portal=portal,
            target=target,
            browser=find_known_browser(request),
        )  # fmt: skip
    except LimitReached as limit:
        minutes = -(-limit.retry_after // 60)
        return _ask_page(
            request, kind, portal=portal, status=429, fault="limit", typed=entered, target=target, minutes=minutes
        )
    # A newer mail leaves the links of older ones valid, in this browser too.
    held = [flow, *_flow_secrets(request)][: rules.MAX_FLOWS]
    cookie = Cookie(FLOW_COOKIE, _SEPARATOR.join(held), int(rules.FLOW_LIFETIME.total_seconds()))
    return Redirect(f"/{rules.AREAS[kind]}/check", (cookie,))


def _check_page(request: PageRequest, kind: str, **more: Any) -> Page | Redirect:
    asked = service.find_pending_sign_in(_flow_secrets(request), request.context.now)
    if asked is None:
        return Redirect(f"/{rules.AREAS[kind]}/sign-in")
    status = more.pop("status", 200)
    context = {"email": asked.email, "fault": None, "tries_left": 0, **more}
    return Page(
        "portal/sign_in/check.html",
        context,
        status,
        service.find_brand_entity(asked.bill_group_id, request.context.now),
    )


def _submit_code(request: PageRequest, kind: str) -> Page | Redirect:
    try:
        code = request.parse_form(CodeForm).code
    except InvalidInput:
        return _check_page(request, kind, status=422, fault="no_code")
    try:
        opened = service.redeem_code(request.context, _flow_secrets(request), code, request.client)
    except InvalidInput as wrong:
        return _check_page(request, kind, status=422, fault="wrong_code", tries_left=wrong.details["tries_left"])
    except Conflict as refused:
        return _ended_page(request, kind, refused.code)
    return _redirect_signed_in(request, opened)


def _confirm_page(request: PageRequest, kind: str) -> Page | Redirect:
    """Show a button only: a mail scanner that opens the link redeems nothing (A4)."""
    if not rules.SECRET_PATTERN.fullmatch(request.path["secret"]):
        raise NotFound
    if not _flow_secrets(request):
        return _ended_page(request, kind, service.OPENED_ELSEWHERE, status=200)
    asked = service.find_pending_sign_in(_flow_secrets(request), request.context.now)
    brand = service.find_brand_entity(asked.bill_group_id if asked else None, request.context.now)
    return Page("portal/sign_in/confirm.html", {"email": asked.email if asked else None}, brand=brand)


def _submit_link(request: PageRequest, kind: str) -> Page | Redirect:
    try:
        opened = service.redeem_link(request.context, _flow_secrets(request), request.path["secret"], request.client)
    except Conflict as refused:
        return _ended_page(request, kind, refused.code)
    return _redirect_signed_in(request, opened)


def _ended_page(request: PageRequest, kind: str, code: str, status: int = 409) -> Page:
    asked = service.find_pending_sign_in(_flow_secrets(request), request.context.now)
    brand = service.find_brand_entity(asked.bill_group_id if asked else None, request.context.now)
    return Page("portal/sign_in/over.html", {"code": code, "waits_for_code": asked is not None}, status, brand)


def _redirect_signed_in(request: PageRequest, opened: OpenedSession) -> Redirect:
    area = rules.AREAS[opened.kind]
    seconds = int((opened.ends_at - request.context.now).total_seconds())
    session = Cookie(SESSION_COOKIES[area], opened.token, seconds)
    return Redirect(
        opened.target or f"/{area}", (session, Cookie(FLOW_COOKIE), build_browser_cookie(request, opened.email))
    )


def _sign_out(request: PageRequest, kind: str) -> Redirect:
    area = rules.AREAS[kind]
    if request.principal.session_id is not None:
        service.sign_out(request.context, request.principal)
    return Redirect(f"/{area}/signed-out", (Cookie(SESSION_COOKIES[area]), Cookie(FLOW_COOKIE)))


def _signed_out_page(request: PageRequest) -> Page:
    return Page("portal/sign_in/signed_out.html", brand=service.find_brand_entity(None, request.context.now))


def declare_sign_in_pages(pages: Pages, kind: str) -> None:
    """Declare the pages by which principals of a kind sign in and out, in the area of that kind."""
    area = rules.AREAS[kind]
    pages.get(f"/{area}/sign-in", public=True)(lambda request: _ask_page(request, kind))
    pages.post(f"/{area}/sign-in", public=True)(lambda request: _submit_address(request, kind))
    pages.get(f"/{area}/check", public=True)(lambda request: _check_page(request, kind))
    pages.post(f"/{area}/check", public=True)(lambda request: _submit_code(request, kind))
    pages.get(f"/{area}/sign-in/{{secret}}", public=True)(lambda request: _confirm_page(request, kind))
    pages.post(f"/{area}/sign-in/{{secret}}", public=True)(lambda request: _submit_link(request, kind))
    pages.get(f"/{area}/signed-out", public=True)(_signed_out_page)
    pages.post(f"/{area}/sign-out", public=True)(lambda request: _sign_out(request, kind))


portal_sign_in_pages = Pages()
declare_sign_in_pages(portal_sign_in_pages, rules.PORTAL_USER)


@portal_sign_in_pages.get("/portal", public=True)
def show_portal(request: PageRequest) -> Page | Redirect:
    """Redirect to the only bill group, offer a choice of several, or ask for an address."""
    if not request.principal.grants:
        return _ask_page(request, rules.PORTAL_USER)
    choices = service.list_bill_group_choices(request.principal)
    if len(choices) == 1:
        return Redirect(f"/portal/b/{choices[0].bill_group_id}")
    return Page(
        "portal/sign_in/choose.html", {"choices": choices}, brand=service.find_brand_entity(None, request.context.now)
    )


@portal_sign_in_pages.get("/portal/l/{portal}", public=True)
def show_portal_link(request: PageRequest) -> Page | Redirect:
    """Show the branded sign-in of a bill group; somebody who is signed in to it is redirected there."""
    portal = request.path["portal"]
    if request.principal.grants:
        bill_group_id = service.find_portal_bill_group(portal)
        if bill_group_id in request.principal.grants:
            return Redirect(f"/portal/b/{bill_group_id}")
    return _ask_page(request, rules.PORTAL_USER, portal=portal)


@portal_sign_in_pages.post("/portal/l/{portal}", public=True)
def submit_portal_link(request: PageRequest) -> Page | Redirect:
    """Request the sign-in mail from a portal link."""
    return _submit_address(request, rules.PORTAL_USER, request.path["portal"])
