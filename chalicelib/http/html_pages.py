"""HTML over HTTP: pages by cookie, with an origin check of forms, a redirect to the sign-in, and an error page."""

import re
from collections.abc import Iterable, Mapping
from functools import partial
from urllib.parse import quote

from chalicelib.api.problems import MethodNotAllowed, headers_of_error, status_of_error
from chalicelib.config import settings
from chalicelib.errors import CounterfoilError, NotFound, Unauthenticated
from chalicelib.http.pipeline import Endpoint
from chalicelib.http.request import HttpRequest, Response
from chalicelib.permissions import NOBODY, PORTAL_KINDS, Principal
from chalicelib.web import cookies, forms, rendering, static, texts
from chalicelib.web.pages import Cookie, PageRequest, PageRoute, Pages, Redirect

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


class HtmlPages:
    """The surface that serves declared pages and static files."""

    access_log_message = "page"

    def __init__(self) -> None:
        """Start without pages."""
        self.declared: list[PageRoute] = []
        steps = [f"{{{letter}}}" for letter in "abcdefgh"]
        self.templates = ["/", *static.FIXED_PATHS, "/static/{a}"] + [
            "/".join([f"/{area}", *steps[:depth]]) for area, most in AREA_DEPTHS.items() for depth in range(most + 1)
        ]

    def add(self, groups: Iterable[Pages]) -> None:
        """Add pages of the portal or the console."""
        for group in groups:
            self.declared += group.declared

    def find_endpoint(self, request: HttpRequest) -> Endpoint:
        """Return the page that answers. Raises NotFound, MethodNotAllowed; Forbidden or MalformedRequest for a form."""
        path = _requested_path(request)
        if path in static.FIXED_PATHS or _area(path) == "static":
            return _static_file_endpoint(path)
        method = "GET" if request.method == "HEAD" else request.method
        found = [(page, match) for page in self.declared if (match := page.match(path)) is not None]
        if not found:
            raise NotFound
        of_method = [(page, match) for page, match in found if page.method == method]
        if not of_method:
            raise MethodNotAllowed(request.method, ", ".join(sorted({page.method for page, _ in found})))
        page, parameters = of_method[0]
        form: dict[str, str] = {}
        if method == "POST" and not page.from_anywhere:
            forms.check_form_origin(request.headers, settings().public_url)
            form = forms.parse_form(request.raw_body)
        return Endpoint(
            partial(_call_page, page, request, parameters, form),
            page.may,
            _cookies(request).get(cookies.SESSION_COOKIES[page.area], ""),
            ids=parameters,
            kinds=_KINDS_BY_AREA[page.area],
        )

    def find_pattern(self, path: str) -> str | None:
        """Return the declared address of the page at ``path``, without what stands in its place holders."""
        return next((page.pattern for page in self.declared if page.match(path) is not None), None)

    def render_error(self, request: HttpRequest, error: CounterfoilError) -> Response:
        """Return the error page; somebody who is not signed in is redirected to the sign-in and back."""
        path = _requested_path(request)
        area = _area(path)
        if isinstance(error, Unauthenticated) and area in AREA_DEPTHS:
            session_cookie = cookies.SESSION_COOKIES[area]
            ended = (Cookie(session_cookie),) if session_cookie in _cookies(request) else ()
            way_back = "" if request.method == "POST" else f"?next={quote(path, safe='/')}"
            return _render_redirect(Redirect(f"/{area}/sign-in{way_back}", ended))
        status = status_of_error(error)
        html, language = rendering.render_page(
            "web/error.html",
            {"status": status, "code": error.code, "correlation_id": request.correlation_id},
            wanted=_languages(request),
            brand=None,
            principal=NOBODY,
            area=area if area in AREA_DEPTHS else "portal",
        )
        return Response(status, {**_PAGE_HEADERS, **headers_of_error(error), "Content-Language": language}, html)


def _call_page(
    page: PageRoute, message: HttpRequest, parameters: Mapping[str, str], form: Mapping[str, str], principal: Principal
) -> Response:
    request = PageRequest(
        context=message.context(principal),
        principal=principal,
        path=parameters,
        query={name: values[-1] for name, values in message.query.items()},
        typed=form,
        cookies=_cookies(message),
        languages=_languages(message),
        source_ip=message.source_ip,
        client=message.client,
    )
    result = page.view(request)
    if isinstance(result, Redirect):
        return _render_redirect(result)
    html, language = rendering.render_page(
        result.template,
        result.context,
        wanted=request.languages,
        brand=result.brand,
        principal=principal,
        area=page.area,
    )
    return Response(
        result.status, {**_PAGE_HEADERS, "Content-Language": language}, html, _format_cookies(result.cookies)
    )


def _render_redirect(redirect: Redirect) -> Response:
    location = rendering.page_address(redirect.path)
    return Response(303, {**_PAGE_HEADERS, "Location": location}, cookies=_format_cookies(redirect.cookies))


def _static_file_endpoint(path: str) -> Endpoint:
    found = static.find_static_file(path)
    if found is None:
        raise NotFound
    headers = {
        "Cache-Control": found.cache_control,
        "Content-Type": found.content_type,
        "X-Content-Type-Options": "nosniff",
    }
    return Endpoint(lambda principal: Response(200, headers, found.content))


def _requested_path(request: HttpRequest) -> str:
    """Return the path that was requested, as it was sent, without the stage."""
    return _PARAMETER.sub(lambda match: request.path_parameters.get(match.group(1), ""), request.template)


def _area(path: str) -> str:
    return path.split("/")[1]


def _cookies(request: HttpRequest) -> dict[str, str]:
    return cookies.parse_cookies(request.headers.get("cookie"))


def _languages(request: HttpRequest) -> tuple[str, ...]:
    return texts.parse_accept_language(request.headers.get("accept-language"))


def _format_cookies(changed: Iterable[Cookie]) -> tuple[str, ...]:
    return tuple(cookies.format_set_cookie(cookie) for cookie in changed)
