"""The pages of signing in: ask, check your mail, confirm, choose a bill group, sign out (A3, A4, A8)."""

from typing import Any

from pydantic import ValidationError

from chalicelib.errors import Conflict, Invalid, LimitReached, NotFound
from chalicelib.sign_in import rules, service
from chalicelib.sign_in.inputs import SignInBody
from chalicelib.sign_in.service import Opened
from chalicelib.web import Cookie, Page, PageRequest, Pages, Redirect
from chalicelib.web.cookies import FLOW, SESSIONS

pages = Pages()

_SEPARATOR = "."


def _flows(request: PageRequest) -> list[str]:
    return [flow for flow in request.cookies.get(FLOW, "").split(_SEPARATOR) if rules.SECRET.fullmatch(flow)]


def _ask_page(request: PageRequest, kind: str, *, portal: str | None = None, **more: Any) -> Page:
    """Return the page that asks for an address; ``more``: status, and what went wrong."""
    bill_group_id = service.portal_of(portal) if portal else None
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
    return Page("sign_in/ask.html", context, status, service.brand_of(bill_group_id, request.call.now))


def _ask(request: PageRequest, kind: str, portal: str | None = None) -> Page | Redirect:
    """Ask for the mail that a form asks for, and lead to where its code is typed."""
    typed, target = request.form.get("email", ""), request.form.get("next")
    try:
        email = SignInBody(email=typed).email
    except ValidationError:
        return _ask_page(request, kind, portal=portal, status=422, fault="email", typed=typed[:320], target=target)
    try:
        flow = service.ask(
            request.call, email, source_ip=request.source_ip, kind=kind, portal=portal, target=target
        )  # fmt: skip
    except LimitReached as limit:
        minutes = -(-limit.retry_after // 60)
        return _ask_page(
            request, kind, portal=portal, status=429, fault="limit", typed=typed, target=target, minutes=minutes
        )
    # A newer mail leaves the links of older ones valid, in this browser too.
    held = [flow, *_flows(request)][: rules.FLOWS_HELD]
    cookie = Cookie(FLOW, _SEPARATOR.join(held), int(rules.FLOW_LIFETIME.total_seconds()))
    return Redirect(f"/{rules.AREAS[kind]}/check", (cookie,))


def _check_page(request: PageRequest, kind: str, **more: Any) -> Page | Redirect:
    asked = service.newest(_flows(request), request.call.now)
    if asked is None:
        return Redirect(f"/{rules.AREAS[kind]}/sign-in")
    status = more.pop("status", 200)
    context = {"email": asked.email, "fault": None, "tries_left": 0, **more}
    return Page("sign_in/check.html", context, status, service.brand_of(asked.bill_group_id, request.call.now))


def _typed_code(request: PageRequest, kind: str) -> Page | Redirect:
    try:
        opened = service.by_code(request.call, _flows(request), request.form.get("code", "")[:40], request.client)
    except Invalid as wrong:
        return _check_page(request, kind, status=422, fault="wrong_code", tries_left=wrong.details["tries_left"])
    except Conflict as refused:
        return _over(request, kind, refused.code)
    return _enter(request, opened)


def _confirm_page(request: PageRequest, kind: str) -> Page | Redirect:
    """Show a button and nothing else: whatever looks at links before people do redeems nothing (A4)."""
    if not rules.SECRET.fullmatch(request.path["secret"]):
        raise NotFound
    if not _flows(request):
        return _over(request, kind, service.OPENED_ELSEWHERE, status=200)
    asked = service.newest(_flows(request), request.call.now)
    brand = service.brand_of(asked.bill_group_id if asked else None, request.call.now)
    return Page("sign_in/confirm.html", {"email": asked.email if asked else None}, brand=brand)


def _confirm(request: PageRequest, kind: str) -> Page | Redirect:
    try:
        opened = service.by_link(request.call, _flows(request), request.path["secret"], request.client)
    except Conflict as refused:
        return _over(request, kind, refused.code)
    return _enter(request, opened)


def _over(request: PageRequest, kind: str, code: str, status: int = 409) -> Page:
    asked = service.newest(_flows(request), request.call.now)
    brand = service.brand_of(asked.bill_group_id if asked else None, request.call.now)
    return Page("sign_in/over.html", {"code": code, "waits_for_code": asked is not None}, status, brand)


def _enter(request: PageRequest, opened: Opened) -> Redirect:
    area = rules.AREAS[opened.kind]
    seconds = int((opened.ends_at - request.call.now).total_seconds())
    return Redirect(opened.target or f"/{area}", (Cookie(SESSIONS[area], opened.token, seconds), Cookie(FLOW)))


def _declare(kind: str) -> None:
    """Declare the pages that both areas have."""
    area = rules.AREAS[kind]
    pages.get(f"/{area}/sign-in", public=True)(lambda request: _ask_page(request, kind))
    pages.post(f"/{area}/sign-in", public=True)(lambda request: _ask(request, kind))
    pages.get(f"/{area}/check", public=True)(lambda request: _check_page(request, kind))
    pages.post(f"/{area}/check", public=True)(lambda request: _typed_code(request, kind))
    pages.get(f"/{area}/sign-in/{{secret}}", public=True)(lambda request: _confirm_page(request, kind))
    pages.post(f"/{area}/sign-in/{{secret}}", public=True)(lambda request: _confirm(request, kind))
    pages.get(f"/{area}/signed-out", public=True)(lambda request: _signed_out(request, kind))
    pages.post(f"/{area}/sign-out", public=True)(lambda request: _sign_out(request, kind))


for _kind in rules.KINDS:
    _declare(_kind)


@pages.get("/portal", public=True)
def show_portal(request: PageRequest) -> Page | Redirect:
    """Lead to the one bill group, let somebody choose among several, or ask who it is."""
    if not request.principal.grants:
        return _ask_page(request, rules.PORTAL_USER)
    choices = service.choices(request.principal)
    if len(choices) == 1:
        return Redirect(f"/portal/b/{choices[0].bill_group_id}")
    return Page("sign_in/choose.html", {"choices": choices}, brand=service.brand_of(None, request.call.now))


@pages.get("/portal/l/{portal}", public=True)
def show_portal_link(request: PageRequest) -> Page | Redirect:
    """Show the sign-in of a bill group, branded; somebody who is signed in to it is led there."""
    portal = request.path["portal"]
    if request.principal.grants:
        bill_group_id = service.portal_of(portal)
        if bill_group_id in request.principal.grants:
            return Redirect(f"/portal/b/{bill_group_id}")
    return _ask_page(request, rules.PORTAL_USER, portal=portal)


@pages.post("/portal/l/{portal}", public=True)
def ask_by_portal_link(request: PageRequest) -> Page | Redirect:
    """Ask for a mail from a portal link."""
    return _ask(request, rules.PORTAL_USER, request.path["portal"])


@pages.get("/admin", may="me.read")
def show_admin(request: PageRequest) -> Page:
    """Tell staff that they are signed in, and as whom."""
    return Page("sign_in/staff.html", brand=service.brand_of(None, request.call.now))


def _sign_out(request: PageRequest, kind: str) -> Redirect:
    area = rules.AREAS[kind]
    if request.principal.session_id is not None:
        service.sign_out(request.call, request.principal)
    return Redirect(f"/{area}/signed-out", (Cookie(SESSIONS[area]), Cookie(FLOW)))


def _signed_out(request: PageRequest, kind: str) -> Page:
    return Page("sign_in/signed_out.html", brand=service.brand_of(None, request.call.now))
