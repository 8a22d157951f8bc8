"""From an API Gateway event to a page: who asks, may they, what do they send; then the view."""

import re
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from chalicelib import clock, observability
from chalicelib.access.service import authenticate_token, authorise
from chalicelib.api.message import GatewayEvent, HttpRequest
from chalicelib.api.problems import MethodNotAllowed, headers_of_error, status_of_error
from chalicelib.config import settings
from chalicelib.errors import CounterfoilError, Forbidden, NotFound, Unauthenticated
from chalicelib.permissions import NOBODY, PORTAL_KINDS, Principal, is_permitted
from chalicelib.request_context import Actor, RequestContext
from chalicelib.web import cookies, forms, rendering, static, texts
from chalicelib.web.pages import Cookie, Page, PageRequest, PageRoute, Pages, Redirect

PAGE_METHODS = ["GET", "HEAD", "POST"]
AREA_DEPTHS = {"portal": 4, "admin": 4}
"""How many further parts the addresses of each area may have; Chalice needs to know them beforehand."""

_KINDS_BY_AREA = {"portal": PORTAL_KINDS, "admin": frozenset({"staff"})}
_PAGE_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
    "Content-Type": "text/html; charset=utf-8",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_PARAMETER = re.compile(r"{([a-z]+)}")


class PageHandler:
    """Answers every request for a page or a style sheet."""

    def __init__(self) -> None:
        """Begin without pages."""
        self._declared: list[PageRoute] = []
        steps = [f"{{{letter}}}" for letter in "abcdefgh"]
        self.templates = ["/static/{a}"] + [
            "/".join([f"/{area}", *steps[:depth]]) for area, most in AREA_DEPTHS.items() for depth in range(most + 1)
        ]

    def add(self, pages: Pages) -> None:
        """Add the pages of a capability."""
        self._declared += pages.declared

    def answer(self, event: GatewayEvent) -> dict[str, Any]:
        """Answer one event of API Gateway. Never raises: a fault of ours is logged and shown as a page."""
        message = HttpRequest(event)
        started = time.perf_counter()
        correlation_id = observability.correlation_id_from(message.headers.get("x-correlation-id"))
        # The template and not the path: a sign-in link is a secret.
        observability.bind_log_context(correlation_id, method=message.method, route=message.template)
        status, headers, body, set_cookies = self._render_response(message, correlation_id)
        observability.logger.info(
            "page", extra={"status": status, "milliseconds": round((time.perf_counter() - started) * 1000)}
        )
        observability.flush_metrics()
        return {
            "statusCode": status,
            "headers": {**headers, "X-Correlation-Id": correlation_id},
            "multiValueHeaders": {"Set-Cookie": [cookies.format_set_cookie(cookie) for cookie in set_cookies]}
            if set_cookies
            else {},
            "body": "" if message.method == "HEAD" else body,
        }

    def _render_response(
        self, message: HttpRequest, correlation_id: str
    ) -> tuple[int, dict[str, str], str, tuple[Cookie, ...]]:
        path = _requested_path(message)
        area = path.split("/")[1]
        wanted = texts.parse_accept_language(message.headers.get("accept-language"))
        try:
            if area == "static":
                return _style_sheet_response(path.removeprefix("/static/"))
            request, result = self._dispatch(message, path, area, wanted, correlation_id)
            if isinstance(result, Redirect):
                location = rendering.page_address(result.path)
                return 303, {**_PAGE_HEADERS, "Location": location}, "", result.cookies
            html, language = rendering.render_page(
                result.template,
                result.context,
                wanted=wanted,
                brand=result.brand,
                principal=request.principal,
                area=area,
            )
            return result.status, {**_PAGE_HEADERS, "Content-Language": language}, html, result.cookies
        except CounterfoilError as error:
            return _error_page_response(
                status_of_error(error), headers_of_error(error), error.code, wanted, area, correlation_id
            )
        except Exception:
            observability.logger.exception("A page failed.")
            return _error_page_response(500, {}, "internal_error", wanted, area, correlation_id)

    def _dispatch(
        self, message: HttpRequest, path: str, area: str, wanted: tuple[str, ...], correlation_id: str
    ) -> tuple[PageRequest, Page | Redirect]:
        method = "GET" if message.method == "HEAD" else message.method
        found = [(page, match) for page in self._declared if (match := page.match(path)) is not None]
        if not found:
            raise NotFound
        of_method = [(page, match) for page, match in found if page.method == method]
        if not of_method:
            raise MethodNotAllowed(message.method, ", ".join(sorted({page.method for page, _ in found})))
        page, parameters = of_method[0]
        form: dict[str, str] = {}
        if method == "POST" and not page.from_anywhere:
            forms.check_form_origin(message.headers, settings().public_url)
            form = forms.parse_form(message.raw_body)
        now = clock.utc_now()
        now = now.replace(microsecond=now.microsecond // 1000 * 1000)
        held = cookies.parse_cookies(message.headers.get("cookie"))
        request = PageRequest(
            context=RequestContext(Actor("nobody", "", ""), now, correlation_id),
            principal=NOBODY,
            path=parameters,
            query={name: values[-1] for name, values in message.query.items()},
            form=form,
            cookies=held,
            languages=wanted,
            source_ip=message.source_ip,
            client=message.headers.get("user-agent"),
        )
        try:
            principal = _authorise_visitor(page, held, parameters, request)
        except Unauthenticated:
            gone = tuple(Cookie(name) for name in (cookies.SESSION_COOKIES[area],) if name in held)
            way_back = f"?next={quote(path, safe='/')}" if method == "GET" else ""
            return request, Redirect(f"/{area}/sign-in{way_back}", gone)
        actor = Actor(principal.kind, principal.id, principal.name)
        request = replace(request, principal=principal, context=replace(request.context, actor=actor))
        return request, page.view(request)


def _authorise_visitor(
    page: PageRoute, held: Mapping[str, str], parameters: Mapping[str, str], request: PageRequest
) -> Principal:
    """Return who asks. A public page is told too, but anybody may see it.

    Raises Unauthenticated, NotFound (A12), Forbidden.
    """
    token = held.get(cookies.SESSION_COOKIES[page.area], "")
    try:
        if not token:
            raise Unauthenticated
        caller = authenticate_token(token, request.context.now, parameters)
        if caller.kind not in _KINDS_BY_AREA[page.area]:
            raise Unauthenticated
        principal = authorise(caller, parameters, request.context.now)
    except Unauthenticated:
        if page.may is None:
            return NOBODY
        raise
    if page.may is not None and not is_permitted(principal, page.may):
        raise Forbidden("forbidden", "Your access does not cover this page.")
    return principal


def _requested_path(message: HttpRequest) -> str:
    """Return the path that was asked for, as it was sent, without the stage."""
    return _PARAMETER.sub(lambda match: message.path_parameters.get(match.group(1), ""), message.template)


def _style_sheet_response(name: str) -> tuple[int, dict[str, str], str, tuple[Cookie, ...]]:
    content = static.find_style_sheet(name)
    if content is None:
        raise NotFound
    headers = {
        "Cache-Control": "public, max-age=31536000, immutable",
        "Content-Type": "text/css; charset=utf-8",
        "X-Content-Type-Options": "nosniff",
    }
    return 200, headers, content, ()


def _error_page_response(
    status: int, headers: Mapping[str, str], code: str, wanted: tuple[str, ...], area: str, correlation_id: str
) -> tuple[int, dict[str, str], str, tuple[Cookie, ...]]:
    html, language = rendering.render_page(
        "error.html",
        {"status": status, "code": code, "correlation_id": correlation_id},
        wanted=wanted,
        brand=None,
        principal=NOBODY,
        area=area if area in AREA_DEPTHS else "portal",
    )
    kept = {name: value for name, value in headers.items() if name != "WWW-Authenticate"}
    return status, {**_PAGE_HEADERS, **kept, "Content-Language": language}, html, ()
