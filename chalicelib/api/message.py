"""The HTTP request as API Gateway hands it over, and the response as it wants it back."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from chalicelib.api.problems import MalformedRequest

GatewayEvent = dict[str, Any]

_SINGLE_VALUE_HEADERS = (
    "authorization", "content-type", "idempotency-key", "if-match", "x-correlation-id",
)  # fmt: skip


@dataclass(frozen=True)
class HttpRequest:
    """An incoming request, not yet understood. Whatever the event leaves out is empty here."""

    event: GatewayEvent

    @property
    def method(self) -> str:
        """Return the method."""
        return str(self.event["requestContext"].get("httpMethod", ""))

    @property
    def template(self) -> str:
        """Return the path template that the gateway found."""
        return str(self.event["requestContext"].get("resourcePath", ""))

    @cached_property
    def headers(self) -> Mapping[str, str]:
        """Return the headers, their names in lower case."""
        return {name.lower(): value for name, value in (self.event.get("headers") or {}).items()}

    @property
    def source_ip(self) -> str:
        """Return the address that the gateway saw; what forwarding headers claim is not asked."""
        return str((self.event["requestContext"].get("identity") or {}).get("sourceIp") or "")

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
        """Raise Malformed when a header that must be single was sent several times."""
        for name, values in (self.event.get("multiValueHeaders") or {}).items():
            if name.lower() in _SINGLE_VALUE_HEADERS and len(values) > 1:
                raise MalformedRequest("repeated_header", f"The header {name} was sent several times. Send it once.")


def gateway_response(status: int, headers: Mapping[str, str], body: str = "") -> dict[str, Any]:
    """Return a response for API Gateway. Header values are freed of line breaks."""
    clean = {name: value.replace("\r", " ").replace("\n", " ") for name, value in headers.items()}
    return {"statusCode": status, "headers": clean, "multiValueHeaders": {}, "body": body}
