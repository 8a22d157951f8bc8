"""The HTTP request as API Gateway passes it, and the response in the form that it expects."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from chalicelib import observability
from chalicelib.api.problems import MalformedRequest
from chalicelib.permissions import Principal
from chalicelib.request_context import Actor, Idempotency, RequestContext

GatewayEvent = dict[str, Any]

_SINGLE_VALUE_HEADERS = (
    "authorization", "content-type", "idempotency-key", "if-match", "x-correlation-id",
)  # fmt: skip


@dataclass(frozen=True)
class HttpRequest:
    """An incoming request, not yet parsed. A part that the event lacks is empty here.

    ``now`` (UTC) is the only instant of the request, to the millisecond as the table stores it: the reply to a
    repeated request must equal the first one.
    """

    event: GatewayEvent
    now: datetime

    @cached_property
    def correlation_id(self) -> str:
        """Return the correlation id that the caller sent, or a new one."""
        return observability.correlation_id_from(self.headers.get("x-correlation-id"))

    @property
    def method(self) -> str:
        """Return the method."""
        return str(self._gateway_context.get("httpMethod", ""))

    @property
    def template(self) -> str:
        """Return the path template that the gateway found."""
        return str(self._gateway_context.get("resourcePath", ""))

    @cached_property
    def headers(self) -> Mapping[str, str]:
        """Return the headers, their names in lower case."""
        return {name.lower(): value for name, value in (self.event.get("headers") or {}).items()}

    @property
    def source_ip(self) -> str:
        """Return the address that the gateway saw; forwarding headers are not trusted."""
        return str((self._gateway_context.get("identity") or {}).get("sourceIp") or "")

    @property
    def client(self) -> str | None:
        """Return the user agent."""
        return self.headers.get("user-agent")

    @property
    def path_parameters(self) -> dict[str, str]:
        """Return the path parameters as they were sent, still encoded."""
        return self.event.get("pathParameters") or {}

    @property
    def query(self) -> dict[str, list[str]]:
        """Return every value of every query parameter."""
        return self.event.get("multiValueQueryStringParameters") or {}

    @property
    def raw_body(self) -> bytes:
        """Return the body as bytes, empty when there is none."""
        body = self.event.get("body") or b""
        if self.event.get("isBase64Encoded"):
            return base64.b64decode(body)
        # A lone surrogate in the event must become a body that is not UTF-8, not a fault of ours.
        return body.encode("utf-8", "surrogatepass") if isinstance(body, str) else bytes(body)

    def check_headers(self) -> None:
        """Raise MalformedRequest when a header that must be single was sent several times."""
        for name, values in (self.event.get("multiValueHeaders") or {}).items():
            if name.lower() in _SINGLE_VALUE_HEADERS and len(values) > 1:
                raise MalformedRequest("repeated_header", f"The header {name} was sent more than once. Send it once.")

    def context(self, principal: Principal, idempotency: Idempotency | None = None) -> RequestContext:
        """Return the circumstances of the use case that ``principal`` calls."""
        actor = Actor(principal.kind, principal.id, principal.name)
        return RequestContext(actor, self.now, self.correlation_id, idempotency)

    @property
    def _gateway_context(self) -> Mapping[str, Any]:
        return self.event.get("requestContext") or {}


@dataclass(frozen=True)
class Response:
    """A response. ``cookies`` are the values of its ``Set-Cookie`` headers."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    cookies: tuple[str, ...] = ()

    def to_gateway(self) -> dict[str, Any]:
        """Return the response for API Gateway, without line breaks in header values."""
        return {
            "statusCode": self.status,
            "headers": {name: value.replace("\r", " ").replace("\n", " ") for name, value in self.headers.items()},
            "multiValueHeaders": {"Set-Cookie": list(self.cookies)} if self.cookies else {},
            "body": self.body,
        }
