"""From an API Gateway event to a reply: who asks, may they, what do they send; then the view."""

import dataclasses
import json
import time
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from chalicelib import clock, observability
from chalicelib.access import rules as permissions
from chalicelib.access import service as access
from chalicelib.access.rules import NOBODY, Principal
from chalicelib.api import cors, paging, paths, preconditions, problems, strict_json, validation
from chalicelib.api.message import Event, Message, response
from chalicelib.api.models import Query
from chalicelib.api.paging import PageQuery
from chalicelib.api.problems import Malformed, MethodNotAllowed, Unhandled
from chalicelib.api.routes import WRITES, Reply, Request, Route, Routes, View
from chalicelib.call import Actor, Call, Idempotency
from chalicelib.config import settings
from chalicelib.errors import CounterfoilError, Forbidden, NotFound, Replayed, Unauthenticated, Unavailable

_SECURITY_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


_PAGE_PARAMETERS = frozenset(PageQuery.model_fields)


class _RepeatedPath(dict[str, str]):
    """The path of a repeated request; a parameter that it lacks is the id that the first request recorded."""

    def __init__(self, path: Mapping[str, str], resource_id: str) -> None:
        super().__init__(path)
        self._resource_id = resource_id

    def __missing__(self, name: str) -> str:
        return self._resource_id


class Handler:
    """Answers every request to a set of declared routes."""

    def __init__(self) -> None:
        """Begin without routes."""
        self.routes: dict[str, dict[str, Route]] = {}
        self._reads: dict[View, Route] = {}

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

    def answer(self, event: Event) -> dict[str, Any]:
        """Answer one event of API Gateway. Never raises: a fault of ours is logged and answered with 500."""
        message = Message(event)
        started = time.perf_counter()
        correlation_id = observability.correlation_id_from(message.headers.get("x-correlation-id"))
        observability.bind(correlation_id, method=message.method, route=message.template)
        try:
            status, headers, body = self._respond(message, correlation_id)
        except CounterfoilError as error:
            if isinstance(error, Unavailable):
                observability.logger.error("A dependency failed.", extra={"cause": repr(error.__cause__)})
            status, headers, body = _problem(error, correlation_id)
        except Exception:
            observability.logger.exception("A request failed.")
            status, headers, body = _problem(Unhandled(), correlation_id)
        headers = {**_SECURITY_HEADERS, "X-Correlation-Id": correlation_id, **_cors(message), **headers}
        if message.method == "HEAD":
            body = ""
        observability.logger.info(
            "request", extra={"status": status, "milliseconds": round((time.perf_counter() - started) * 1000)}
        )
        observability.flush_metrics()
        return response(status, headers, body)

    def _respond(self, message: Message, correlation_id: str) -> tuple[int, dict[str, str], str]:
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
        principal = _principal(route, message)
        request = _read(route, message, principal, correlation_id)
        try:
            reply = route.view(request)
        except Replayed as first:
            reply = self._again(route, request, first)
        return _rendered(route, request, reply)

    def _again(self, route: Route, request: Request[Any, Any], first: Replayed) -> Reply:
        """Rebuild the reply to a repeated Idempotency-Key from what its effect is about (DESIGN §5)."""
        if route.replay is None or route.returns.get(first.status) is None:
            return Reply(status=first.status)
        reading = self._reads.get(route.replay)
        again: Request[Any, Any] = Request(
            call=dataclasses.replace(request.call, idempotency=None),
            principal=request.principal,
            path=_RepeatedPath(request.path, first.resource_id),
            body=None,
            query=reading.query() if reading and reading.query else None,
        )
        return dataclasses.replace(route.replay(again), status=first.status)


def allowed_methods(methods: dict[str, Route]) -> list[str]:
    """Return the methods that a path answers, HEAD and OPTIONS included."""
    return sorted({*methods, "OPTIONS", *(("HEAD",) if "GET" in methods else ())})


def _principal(route: Route, message: Message) -> Principal:
    """Return who calls and may call this route. Raises Unauthenticated, NotFound (A12), Forbidden."""
    if route.may is None:
        return NOBODY
    scheme, _, token = message.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise Unauthenticated
    now = _now()
    named = paths.well_formed(message.path_parameters, route.parameters)
    caller = access.authenticate(token.strip(), now, named)
    observability.logger.thread_safe_append_keys(principal=caller.session_id or caller.id)
    asked = paths.read(message.path_parameters, route.parameters) if caller.session_id else {}
    principal = access.authorise(caller, asked, now)
    if not permissions.permits(principal, route.may):
        raise Forbidden("forbidden", _why_not(principal, route.may))
    return principal


def _why_not(principal: Principal, operation: str) -> str:
    needs = permissions.PERMISSIONS.get(operation)
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


def _now() -> datetime:
    """Return the present to the millisecond, as the table keeps it: a repeated answer must equal the first."""
    now = clock.now()
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def _read(route: Route, message: Message, principal: Principal, correlation_id: str) -> Request[Any, Any]:
    path = paths.read(message.path_parameters, route.parameters)
    if_match = None
    if route.versioned:
        if_match = preconditions.if_match(message.headers.get("if-match"), required=route.method == "PATCH")
    key = None
    if route.repeatable:
        key = preconditions.idempotency_key(message.headers.get("idempotency-key"))
    query, page = _query(route, message, path, principal)
    body, content = _body(route, message)
    idempotency = None
    if key is not None:
        body_hash = preconditions.hash_of_request(route.method, route.path, path, message.query, content)
        idempotency = Idempotency(principal.identity, key, body_hash)
    call = Call(
        actor=Actor(principal.kind, principal.id, principal.name),
        now=_now(),
        correlation_id=correlation_id,
        idempotency=idempotency,
    )
    return Request(
        call=call,
        principal=principal,
        path=path,
        body=body,
        query=query,
        page=page,
        if_match=if_match,
        source_ip=message.source_ip,
        client=message.headers.get("user-agent"),
    )


def _query(route: Route, message: Message, path: dict[str, str], principal: Principal) -> tuple[Any, paging.Page]:
    known = _PAGE_PARAMETERS if route.paged else frozenset()
    query = validation.query_from(route.query or Query, message.query, known)
    if not route.paged:
        return query, paging.Page()
    asked = validation.query_from(PageQuery, {name: values for name, values in message.query.items() if name in known})
    if asked.cursor is None:
        return query, paging.Page(limit=asked.limit)
    return query, paging.Page(asked.limit, paging.verify(asked.cursor, _binding(route, path, query, principal)))


def _binding(route: Route, path: Any, query: BaseModel, principal: Principal) -> tuple[str, ...]:
    return (
        route.path,
        json.dumps(dict(path), sort_keys=True),
        query.model_dump_json(),
        principal.identity,
    )


def _body(route: Route, message: Message) -> tuple[Any, Any]:
    """Return the validated body, and its content as plain values for the idempotency hash."""
    raw = message.raw_body
    if route.method not in WRITES:
        return None, None
    if route.body is None or (route.body_optional and not raw):
        if raw.strip() not in (b"", b"{}"):
            raise Malformed("body_not_expected", "This takes no body. Send none.")
        return None, None
    strict_json.check_content_type(message.headers.get("content-type"))
    content = strict_json.parse(raw, route.body_limit)
    return validation.body_from(route.body, raw), content


def _rendered(route: Route, request: Request[Any, Any], reply: Reply) -> tuple[int, dict[str, str], str]:
    headers = dict(reply.headers)
    if reply.version is not None:
        headers["ETag"] = preconditions.etag_of(reply.version)
    body = reply.body
    if body is None:
        return reply.status, headers, ""
    content = body.model_dump(mode="json") if isinstance(body, BaseModel) else dict(body)
    if reply.after is not None:
        binding = _binding(route, request.path, request.query, request.principal)
        content["next_cursor"] = paging.sign(reply.after, binding)
    headers["Content-Type"] = "application/json"
    return reply.status, headers, json.dumps(content, ensure_ascii=False, separators=(",", ":"))


def _problem(error: CounterfoilError, correlation_id: str) -> tuple[int, dict[str, str], str]:
    problem = problems.problem_of(error, correlation_id)
    headers = {"Content-Type": problems.CONTENT_TYPE, **problems.headers_of(error)}
    return problem["status"], headers, json.dumps(problem, ensure_ascii=False, separators=(",", ":"))


def _cors(message: Message) -> dict[str, str]:
    try:
        allowed = settings().allowed_origins
    except Exception:
        # An incomplete environment is reported by the request itself; its answer only lacks the origin.
        allowed = ()
    return cors.headers_for(message.headers.get("origin"), allowed)
