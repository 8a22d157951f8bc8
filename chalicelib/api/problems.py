"""Errors that exist in HTTP only, and the mapping of every error to ``application/problem+json`` (RFC 9457)."""

from http import HTTPStatus
from typing import Any

from chalicelib import errors
from chalicelib.errors import CounterfoilError

PROBLEM_CONTENT_TYPE = "application/problem+json"


class MalformedRequest(CounterfoilError):
    """The request cannot be read: 400."""


class UnsupportedMediaType(CounterfoilError):
    """The body is not declared as JSON: 415."""

    def __init__(self) -> None:
        """Say what to declare."""
        super().__init__("unsupported_media_type", "Send the body as Content-Type: application/json in UTF-8.")


class BodyTooLarge(CounterfoilError):
    """The body is too large: 413."""

    def __init__(self, limit: int) -> None:
        """Say what is allowed, in bytes."""
        super().__init__("body_too_large", f"The body is larger than {limit} bytes. Send less at once.")


class MethodNotAllowed(CounterfoilError):
    """The path exists, the method does not: 405."""

    def __init__(self, method: str, allowed: str) -> None:
        """Say what is allowed: methods, separated by commas."""
        super().__init__("method_not_allowed", f"{method} is not possible here. Possible: {allowed}.")
        self.allowed = allowed


class PreconditionRequired(CounterfoilError):
    """A change without If-Match: 428."""

    def __init__(self) -> None:
        """Say what to send."""
        super().__init__("if_match_required", 'Send the version that you read as If-Match, for example If-Match: "3".')


class InternalError(CounterfoilError):
    """A fault of ours: 500. It says nothing about itself; the log does."""

    def __init__(self) -> None:
        """Say what can be done."""
        super().__init__(
            "internal_error",
            "The problem is on our side. Repeat the request with the same Idempotency-Key. If it fails "
            "again, report the correlation id.",
        )


STATUS_BY_ERROR: dict[type[CounterfoilError], int] = {
    MalformedRequest: 400,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    MethodNotAllowed: 405,
    errors.StaleVersion: 409,
    errors.Conflict: 409,
    BodyTooLarge: 413,
    UnsupportedMediaType: 415,
    errors.InvalidInput: 422,
    PreconditionRequired: 428,
    errors.LimitReached: 429,
    InternalError: 500,
    errors.Unavailable: 503,
}


def status_of_error(error: CounterfoilError) -> int:
    """Return the status that answers ``error``; an unknown class is a fault of ours, 500."""
    return next((STATUS_BY_ERROR[kind] for kind in type(error).__mro__ if kind in STATUS_BY_ERROR), 500)


def headers_of_error(error: CounterfoilError) -> dict[str, str]:
    """Return the headers that belong to the answer to ``error``."""
    match error:
        case errors.Unauthenticated():
            return {"WWW-Authenticate": 'Bearer realm="counterfoil"'}
        case MethodNotAllowed():
            return {"Allow": error.allowed}
        case errors.LimitReached() | errors.Unavailable():
            return {"Retry-After": str(error.retry_after)}
    return {}


def build_problem(error: CounterfoilError, correlation_id: str) -> dict[str, Any]:
    """Return the members of the problem that answers ``error``."""
    status = status_of_error(error)
    problem: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": error.message,
        "code": error.code,
        "correlation_id": correlation_id,
    }
    if error.fields:
        problem["errors"] = [
            {"field": fault.field, "code": fault.code, "message": fault.message} for fault in error.fields
        ]
    if error.details:
        problem["details"] = error.details
    return problem
