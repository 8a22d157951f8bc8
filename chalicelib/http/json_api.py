"""JSON over HTTP: the API by bearer token, with idempotent replay, ETags, CORS and problem+json."""

import dataclasses
import json
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from pydantic import BaseModel

from chalicelib.api import paging, paths, preconditions, problems, strict_json, validation
from chalicelib.api.models import Query
from chalicelib.api.paging import PageQuery
from chalicelib.api.problems import MalformedRequest, MethodNotAllowed
from chalicelib.api.routes import WRITE_METHODS, Reply, Request, Route, Routes, RouteView
from chalicelib.config import settings
from chalicelib.errors import CounterfoilError, IdempotentReplay, NotFound
from chalicelib.http import cors
from chalicelib.http.pipeline import Endpoint
from chalicelib.http.request import HttpRequest, Response
from chalicelib.permissions import Principal
from chalicelib.request_context import Idempotency
from chalicelib.validation import parse_body

_SECURITY_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
_PAGE_PARAMETERS = frozenset(PageQuery.model_fields)


class _ReplayedPath(dict[str, str]):
    """The path of a repeated request; a parameter that it lacks is the id that the first request recorded."""

    def __init__(self, path: Mapping[str, str], resource_id: str) -> None:
        super().__init__(path)
        self._resource_id = resource_id

    def __missing__(self, name: str) -> str:
        return self._resource_id


class JsonApi:
    """The surface that serves declared routes."""

    access_log_message = "request"

    def __init__(self) -> None:
        """Start without routes."""
        self.routes: dict[str, dict[str, Route]] = {}
        self._reads: dict[RouteView, Route] = {}

    def add(self, groups: Iterable[Routes]) -> None:
        """Add the routes of capabilities. Raises ValueError when two claim the same method of a path."""
        for route in (route for group in groups for route in group.declared):
            methods = self.routes.setdefault(route.path, {})
            if route.method in methods:
                raise ValueError(f"{route.method} {route.path} is declared twice.")
            methods[route.method] = route
            if route.method == "GET":
                self._reads[route.view] = route

    def all_routes(self) -> list[Route]:
        """Return every route, in the order of declaration."""
        return [route for methods in self.routes.values() for route in methods.values()]

    def find_endpoint(self, request: HttpRequest) -> Endpoint:
        """Return the route that answers. Raises NotFound, MethodNotAllowed, MalformedRequest."""
        methods = self.routes.get(request.template)
        if methods is None:
            raise NotFound("There is nothing at this address. All addresses are listed in /v1/openapi.json.")
        allowed = ", ".join(allowed_methods(methods))
        if request.method == "OPTIONS":
            return Endpoint(partial(_render_preflight, request, allowed))
        route = methods.get("GET" if request.method == "HEAD" else request.method)
        if route is None:
            raise MethodNotAllowed(request.method, allowed)
        request.check_headers()
        call = partial(self._call_route, route, request)
        if route.may is None:
            return Endpoint(call)
        ids = paths.decode_valid_parameters(request.path_parameters, route.parameters)
        return Endpoint(call, route.may, _bearer_token(request), ids=ids, has_all_ids=len(ids) == len(route.parameters))

    def render_error(self, request: HttpRequest, error: CounterfoilError) -> Response:
        """Return the problem that answers an error."""
        problem = problems.build_problem(error, request.correlation_id)
        headers = {"Content-Type": problems.PROBLEM_CONTENT_TYPE, **problems.headers_of_error(error)}
        return _respond(request, problem["status"], headers, _compact_json(problem))

    def _call_route(self, route: Route, message: HttpRequest, principal: Principal) -> Response:
        request = _build_request(route, message, principal)
        try:
            reply = route.view(request)
        except IdempotentReplay as first:
            reply = self._replay_reply(route, request, first)
        return _respond(message, reply.status, *_render_reply(route, request, reply))

    def _replay_reply(self, route: Route, request: Request[Any, Any], first: IdempotentReplay) -> Reply:
        """Rebuild the reply to a repeated Idempotency-Key from what its effect is about (DESIGN §5)."""
        if route.replay is None or route.returns.get(first.status) is None:
            return Reply(status=first.status)
        reading = self._reads.get(route.replay)
        again: Request[Any, Any] = Request(
            context=dataclasses.replace(request.context, idempotency=None),
            principal=request.principal,
            path=_ReplayedPath(request.path, first.resource_id),
            body=None,
            query=reading.query() if reading and reading.query else None,
        )
        return dataclasses.replace(route.replay(again), status=first.status)


def allowed_methods(methods: dict[str, Route]) -> list[str]:
    """Return the methods that a path answers, HEAD and OPTIONS included."""
    return sorted({*methods, "OPTIONS", *(("HEAD",) if "GET" in methods else ())})


def _build_request(route: Route, message: HttpRequest, principal: Principal) -> Request[Any, Any]:
    path = paths.decode_parameters(message.path_parameters, route.parameters)
    if_match = None
    if route.versioned:
        if_match = preconditions.parse_if_match(message.headers.get("if-match"), required=route.method == "PATCH")
    key = None
    if route.repeatable:
        key = preconditions.parse_idempotency_key(message.headers.get("idempotency-key"))
    query, page = _parse_query(route, message, path, principal)
    body, content = _parse_body(route, message)
    idempotency = None
    if key is not None:
        body_hash = preconditions.hash_request(route.method, route.path, path, message.query, content)
        idempotency = Idempotency(principal.identity, key, body_hash)
    return Request(
        context=message.context(principal, idempotency),
        principal=principal,
        path=path,
        body=body,
        query=query,
        page=page,
        if_match=if_match,
        source_ip=message.source_ip,
        client=message.client,
    )


def _parse_query(
    route: Route, message: HttpRequest, path: dict[str, str], principal: Principal
) -> tuple[Any, paging.Pagination]:
    known = _PAGE_PARAMETERS if route.paged else frozenset()
    query = validation.parse_query(route.query or Query, message.query, known)
    if not route.paged:
        return query, paging.Pagination()
    asked = validation.parse_query(PageQuery, {name: values for name, values in message.query.items() if name in known})
    if asked.cursor is None:
        return query, paging.Pagination(limit=asked.limit)
    return query, paging.Pagination(
        asked.limit, paging.verify_cursor(asked.cursor, _cursor_binding(route, path, query, principal))
    )


def _cursor_binding(route: Route, path: Any, query: BaseModel, principal: Principal) -> tuple[str, ...]:
    return (
        route.path,
        json.dumps(dict(path), sort_keys=True),
        query.model_dump_json(),
        principal.identity,
    )


def _parse_body(route: Route, message: HttpRequest) -> tuple[Any, Any]:
    """Return the validated body, and its content as plain values for the idempotency hash."""
    raw = message.raw_body
    if route.method not in WRITE_METHODS:
        return None, None
    if route.body is None or (route.body_optional and not raw):
        if raw.strip() not in (b"", b"{}"):
            raise MalformedRequest("body_not_expected", "This does not take a body. Send none.")
        return None, None
    strict_json.check_content_type(message.headers.get("content-type"))
    content = strict_json.parse_strict_json(raw, route.body_limit)
    return parse_body(route.body, raw), content


def _render_reply(route: Route, request: Request[Any, Any], reply: Reply) -> tuple[dict[str, str], str]:
    headers = dict(reply.headers)
    if reply.version is not None:
        headers["ETag"] = preconditions.etag_of(reply.version)
    body = reply.body
    if body is None:
        return headers, ""
    content = body.model_dump(mode="json") if isinstance(body, BaseModel) else dict(body)
    if reply.after is not None:
        binding = _cursor_binding(route, request.path, request.query, request.principal)
        content["next_cursor"] = paging.sign_cursor(reply.after, binding)
    headers["Content-Type"] = "application/json"
    return headers, _compact_json(content)


def _render_preflight(message: HttpRequest, allowed: str, principal: Principal) -> Response:
    headers = cors.preflight_headers(message.headers.get("origin"), settings().allowed_origins, allowed)
    return _respond(message, 204, headers)


def _respond(message: HttpRequest, status: int, headers: Mapping[str, str], body: str = "") -> Response:
    return Response(status, {**_SECURITY_HEADERS, **_cors_headers(message), **headers}, body)


def _compact_json(content: Any) -> str:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))


def _bearer_token(message: HttpRequest) -> str:
    """Return the bearer token, empty when there is none."""
    scheme, _, token = message.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _cors_headers(message: HttpRequest) -> dict[str, str]:
    try:
        allowed = settings().allowed_origins
    except Exception:
        # An incomplete environment is reported by the request itself; its answer only lacks the origin.
        allowed = ()
    return cors.cors_headers(message.headers.get("origin"), allowed)
