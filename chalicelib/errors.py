"""Errors of the domain. They know nothing of HTTP; ``api`` maps each class to a status."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class FieldError:
    """What is wrong with one field of the input: a stable code, and a sentence with the way out."""

    field: str
    code: str
    message: str


class CounterfoilError(Exception):
    """Base of every refusal that a caller may see: a stable ``code`` and a sentence for people."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        fields: tuple[FieldError, ...] = (),
        details: dict[str, Any] | None = None,
    ) -> None:
        """Keep the code, the message, the fields at fault and machine-readable details."""
        super().__init__(message)
        self.code = code
        self.message = message
        self.fields = fields
        self.details = details or {}


class InvalidInput(CounterfoilError):
    """The input is understood but may not be accepted; ``fields`` names each fault."""

    @classmethod
    def field(cls, field: str, code: str, message: str) -> "InvalidInput":
        """Return the refusal of a single field."""
        return cls("invalid", message, fields=(FieldError(field, code, message),))


class NotFound(CounterfoilError):
    """There is no such thing, or it is somebody else's (A12)."""

    def __init__(self, message: str = "Not found.", *, fields: tuple[FieldError, ...] = ()) -> None:
        """Say that the thing is not here, and which fields name it."""
        super().__init__("not_found", message, fields=fields)


class Conflict(CounterfoilError):
    """The present state forbids the change."""


class StaleVersion(Conflict):
    """The caller changed a version that is no longer the newest (C1)."""

    def __init__(self, current: int) -> None:
        """Say which version is the newest."""
        super().__init__(
            "stale_version",
            "Somebody changed this in the meantime. Read it again and repeat the change.",
            details={"current_version": current},
        )


class Unauthenticated(CounterfoilError):
    """Authentication is required."""

    def __init__(self, message: str = "Send a valid API key or session token as a bearer token.") -> None:
        """Say how to authenticate."""
        super().__init__("unauthenticated", message)


class Forbidden(CounterfoilError):
    """It is known who asks, and they may not."""


class LimitReached(CounterfoilError):
    """Too many requests; ``retry_after`` is in seconds."""

    def __init__(self, code: str, message: str, retry_after: int) -> None:
        """Keep the seconds to wait."""
        super().__init__(code, message)
        self.retry_after = retry_after


class Unavailable(CounterfoilError):
    """A dependency failed after bounded retries, or contention did not end; ``retry_after`` is in seconds."""

    def __init__(self, message: str, retry_after: int = 2) -> None:
        """Keep the seconds to wait."""
        super().__init__("unavailable", message)
        self.retry_after = retry_after


class IdempotentReplay(Exception):
    """The idempotency key was used before with the same content; the first answer is to be repeated."""

    def __init__(self, resource_id: str, status: int) -> None:
        """Keep what the first answer was about, and its status."""
        super().__init__(resource_id)
        self.resource_id = resource_id
        self.status = status
