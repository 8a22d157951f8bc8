"""The steps that every request takes, whatever it asks for.

Bind the log context, find the endpoint, authenticate, authorise, call, and turn every error into a response; then
write the access log line and the metrics. A surface only says what differs between JSON and HTML: how it finds an
endpoint and its token, and how it renders. No endpoint can be called around the check of its permission.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol

from chalicelib import clock, observability
from chalicelib.access.service import authenticate_token, authorise
from chalicelib.api.problems import InternalError
from chalicelib.errors import CounterfoilError, Forbidden, NotFound, Unauthenticated, Unavailable
from chalicelib.http.request import GatewayEvent, HttpRequest, Response
from chalicelib.permissions import NOBODY, OPERATION_REQUIREMENTS, Principal, is_permitted


@dataclass(frozen=True)
class Endpoint:
    """What answers a request, and all that decides whether it is called.

    ``may`` is an operation of the permission table; None: anybody may call. ``ids`` are the path parameters that have
    their shape, ``has_all_ids`` tells whether all have. ``kinds`` are the kinds of principals whose sessions count
    here; None: all.
    """

    call: Callable[[Principal], Response]
    may: str | None = None
    token: str = ""
    ids: Mapping[str, str] = field(default_factory=dict)
    has_all_ids: bool = True
    kinds: frozenset[str] | None = None


class Surface(Protocol):
    """JSON or HTML over HTTP."""

    @property
    def access_log_message(self) -> str:
        """Return the message of the surface's line in the access log."""

    def find_endpoint(self, request: HttpRequest) -> Endpoint:
        """Return what answers a request. Raises NotFound, MethodNotAllowed and what the request itself violates."""

    def render_error(self, request: HttpRequest, error: CounterfoilError) -> Response:
        """Return the response to an error."""


def answer(surface: Surface, event: GatewayEvent) -> dict[str, Any]:
    """Answer one event of API Gateway. An unexpected error is logged and answered with 500, never raised."""
    started = time.perf_counter()
    request = HttpRequest(event, _now_in_milliseconds())
    # The template and not the path: a link in a mail is a secret.
    observability.bind_log_context(request.correlation_id, method=request.method, route=request.template)
    try:
        endpoint = surface.find_endpoint(request)
        response = endpoint.call(_authorise_caller(endpoint, request.now))
    except CounterfoilError as error:
        if isinstance(error, Unavailable):
            observability.logger.error("A dependency failed.", extra={"cause": repr(error.__cause__)})
        response = surface.render_error(request, error)
    except Exception:
        observability.logger.exception("A request failed.")
        response = surface.render_error(request, InternalError())
    milliseconds = round((time.perf_counter() - started) * 1000)
    observability.logger.info(
        surface.access_log_message, extra={"status": response.status, "milliseconds": milliseconds}
    )
    observability.flush_metrics()
    headers = {"X-Correlation-Id": request.correlation_id, **response.headers}
    body = "" if request.method == "HEAD" else response.body
    return replace(response, headers=headers, body=body).to_gateway()


def _now_in_milliseconds() -> datetime:
    now = clock.utc_now()
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def _authorise_caller(endpoint: Endpoint, now: datetime) -> Principal:
    """Return who calls and may do so; a public endpoint may be called by anybody.

    Raises Unauthenticated, NotFound (A12), Forbidden.
    """
    try:
        principal = _authenticate_caller(endpoint, now)
    except Unauthenticated:
        if endpoint.may is None:
            return NOBODY
        raise
    if endpoint.may is not None and not is_permitted(principal, endpoint.may):
        raise Forbidden("forbidden", _refusal_message(principal, endpoint.may))
    return principal


def _authenticate_caller(endpoint: Endpoint, now: datetime) -> Principal:
    if not endpoint.token:
        raise Unauthenticated
    caller = authenticate_token(endpoint.token, now, endpoint.ids)
    if endpoint.kinds is not None and caller.kind not in endpoint.kinds:
        raise Unauthenticated
    observability.logger.thread_safe_append_keys(principal=caller.session_id or caller.id)
    if caller.session_id and not endpoint.has_all_ids:
        raise NotFound
    return authorise(caller, endpoint.ids, now)


def _refusal_message(principal: Principal, operation: str) -> str:
    needs = OPERATION_REQUIREMENTS.get(operation)
    if needs is None:
        return "No one can do this."
    if principal.kind == "api_key":
        return (
            f"This key lacks the scope {needs.scope}. Use a key that has it."
            if needs.scope
            else "API keys cannot do this."
        )
    if principal.kind == "staff":
        return f"This needs the role {needs.staff}. Ask an admin." if needs.staff else "Staff cannot do this."
    if principal.kind == "preview":
        return "A preview is read-only."
    return (
        f"You do not have the permission {needs.portal}. Ask the account's owner for it."
        if needs.portal
        else "This is not part of the portal."
    )
