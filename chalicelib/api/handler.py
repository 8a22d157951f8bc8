"""From an API Gateway event to a reply: who asks, may they, what do they send; then the view."""

import dataclasses
import json
import time
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from chalicelib import clock, observability
from chalicelib.access.service import authenticate_token, authorise
from chalicelib.api import cors, paging, paths, preconditions, problems, strict_json, validation
from chalicelib.api.message import GatewayEvent, HttpRequest, gateway_response
from chalicelib.api.models import Query
from chalicelib.api.paging import PageQuery
from chalicelib.api.problems import InternalError, MalformedRequest, MethodNotAllowed
from chalicelib.api.routes import WRITE_METHODS, Reply, Request, Route, Routes, RouteView
from chalicelib.config import settings
from chalicelib.errors import CounterfoilError, Forbidden, IdempotentReplay, NotFound, Unauthenticated, Unavailable
from chalicelib.permissions import NOBODY, OPERATION_REQUIREMENTS, Principal, is_permitted
from chalicelib.request_context import Actor, Idempotency, RequestContext
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


class ApiHandler:
    """Answers every request to a set of declared routes."""

    def __init__(self) -> None:
        """Begin without routes."""
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

    def answer(self, event: GatewayEvent) -> dict[str, Any]:
        """Answer one event of API Gateway. Never raises: a fault of ours is logged and answered with 500."""
        message = HttpRequest(event)
        started = time.perf_counter()
        correlation_id = observability.correlation_id_from(message.headers.get("x-correlation-id"))
        observability.bind_log_context(correlation_id, method=message.method, route=message.template)
        try:
            status, headers, body = self._respond(message, correlation_id)
        except CounterfoilError as error:
            if isinstance(error, Unavailable):
                observability.logger.error("A dependency failed.", extra={"cause": repr(error.__cause__)})
            status, headers, body = _render_problem(error, correlation_id)
        except Exception:
            observability.logger.exception("A request failed.")
            status, headers, body = _render_problem(InternalError(), correlation_id)
        headers = {**_SECURITY_HEADERS, "X-Correlation-Id": correlation_id, **_cors_headers(message), **headers}
        if message.method == "HEAD":
            body = ""
        observability.logger.info(
            "request", extra={"status": status, "milliseconds": round((time.perf_counter() - started) * 1000)}
        )
        observability.flush_metrics()
        return gateway_response(status, headers, body)

    def _respond(self, message: HttpRequest, correlation_id: str) -> tuple[int, dict[str, str], str]:
        methods = self.routes.get(message.template)
        if methods is None:
            raise NotFound("There is no such address. The addresses are listed in /v1/openapi.json.")
        allowed = ", ".join(allowed_methods(methods))
        if message.method == "OPTIONS":
            preflight = cors.preflight_headers(message.headers.get("origin"), settings().allowed_origins, allowed)
            return 204, preflight, ""
        route = methods.get("GET" if message.method == "HEAD" else message.method)
        if route is None:
            raise MethodNotAllowed(message.method, allowed)
        message.check_headers()
        principal = _authorise_request(route, message)
        request = _build_request(route, message, principal, correlation_id)
        try:
            reply = route.view(request)
        except IdempotentReplay as first:
            reply = self._replay_reply(route, request, first)
        return _render_reply(route, request, reply)

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


def _authorise_request(route: Route, message: HttpRequest) -> Principal:
    """Return who calls and may call this route. Raises Unauthenticated, NotFound (A12), Forbidden."""
    if route.may is None:
        return NOBODY
    scheme, _, token = message.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise Unauthenticated
    now = _now_in_milliseconds()
    named = paths.decode_valid_parameters(message.path_parameters, route.parameters)
    caller = authenticate_token(token.strip(), now, named)
    observability.logger.thread_safe_append_keys(principal=caller.session_id or caller.id)
    asked = paths.decode_parameters(message.path_parameters, route.parameters) if caller.session_id else {}
    principal = authorise(caller, asked, now)
    if not is_permitted(principal, route.may):
        raise Forbidden("forbidden", _refusal_message(principal, route.may))
    return principal


def _refusal_message(principal: Principal, operation: str) -> str:
    needs = OPERATION_REQUIREMENTS.get(operation)
    if needs is None:
        return "Nobody may do this."
    if principal.kind == "api_key":
        return (
            f"This key lacks the scope {needs.scope}. Use a key that has it." if needs.scope else "No key may do this."
        )
    if principal.kind == "staff":
        return f"This needs the role {needs.staff}. Ask an admin." if needs.staff else "Staff cannot do this."
    if principal.kind == "preview":
        return "A preview only reads, and only what it shows."
    return (
        f"You lack the permission {needs.portal}. Ask the account's owner for it."
        if needs.portal
        else "This is not part of the portal."
    )


def _now_in_milliseconds() -> datetime:
    """Return the present to the millisecond, as the table keeps it: a repeated answer must equal the first."""
    now = clock.utc_now()
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def _build_request(route: Route, message: HttpRequest, principal: Principal, correlation_id: str) -> Request[Any, Any]:
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
    context = RequestContext(
        actor=Actor(principal.kind, principal.id, principal.name),
        now=_now_in_milliseconds(),
        correlation_id=correlation_id,
        idempotency=idempotency,
    )
    return Request(
        context=context,
        principal=principal,
        path=path,
        body=body,
        query=query,
        page=page,
        if_match=if_match,
        source_ip=message.source_ip,
        client=message.headers.get("user-agent"),
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
            raise MalformedRequest("body_not_expected", "This takes no body. Send none.")
        return None, None
    strict_json.check_content_type(message.headers.get("content-type"))
    content = strict_json.parse_strict_json(raw, route.body_limit)
    return parse_body(route.body, raw), content


def _render_reply(route: Route, request: Request[Any, Any], reply: Reply) -> tuple[int, dict[str, str], str]:
    headers = dict(reply.headers)
    if reply.version is not None:
        headers["ETag"] = preconditions.etag_of(reply.version)
    body = reply.body
    if body is None:
        return reply.status, headers, ""
    content = body.model_dump(mode="json") if isinstance(body, BaseModel) else dict(body)
    if reply.after is not None:
        binding = _cursor_binding(route, request.path, request.query, request.principal)
        content["next_cursor"] = paging.sign_cursor(reply.after, binding)
    headers["Content-Type"] = "application/json"
    return reply.status, headers, json.dumps(content, ensure_ascii=False, separators=(",", ":"))


def _render_problem(error: CounterfoilError, correlation_id: str) -> tuple[int, dict[str, str], str]:
    problem = problems.build_problem(error, correlation_id)
    headers = {"Content-Type": problems.PROBLEM_CONTENT_TYPE, **problems.headers_of_error(error)}
    return problem["status"], headers, json.dumps(problem, ensure_ascii=False, separators=(",", ":"))


def _cors_headers(message: HttpRequest) -> dict[str, str]:
    try:
        allowed = settings().allowed_origins
    except Exception:
        # An incomplete environment is reported by the request itself; its answer only lacks the origin.
        allowed = ()
    return cors.cors_headers(message.headers.get("origin"), allowed)
