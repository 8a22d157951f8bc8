"""Logs and metrics: structured, with one correlation id, without secrets and personal data."""

import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from typing import Any, TypeVar

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter

from chalicelib.tokens import TOKEN_KINDS

METRICS_NAMESPACE = "Counterfoil"
REDACTED = "[redacted]"

CORRELATION_ID_PATTERN = re.compile(r"[A-Za-z0-9._-]{8,64}")

# Compared without regard to case and to "_" and "-". A key that ends in one of these is redacted too
# ("billing_contact_email", "set-cookie").
_PRIVATE_KEYS = (
    "authorization", "token", "secret", "password", "cookie", "apikey", "signingkey", "code", "link",
    "email", "emailaddress", "recipient", "recipients", "to", "cc", "subject", "name", "phone", "cell",
    "street", "line1", "line2", "postalcode", "city", "iban", "vatnumber", "registrationnumber", "jobtitle",
    "body", "headers", "idempotencykey", "secrethash", "html", "text",
)  # fmt: skip
# Words that end like a private key but hold no person and no secret.
_PLAIN_KEYS = frozenset({
    "context", "errorcode", "eventname", "exceptionname", "functionname", "jobname", "metricname",
    "problemcode", "queuename", "statuscode", "tablename",
})  # fmt: skip

_PRIVATE_PATTERNS = (
    # Pydantic repeats what it refused.
    re.compile(r"(?s)(?<=input_value=).*?(?=, input_type=)"),
    *(re.compile(kind.trace) for kind in TOKEN_KINDS),
    re.compile(r"(?i)\bbearer\s+[^\s\"',;]+"),
    re.compile(r"[^\s\"'<>(),;:\[\]{}=]+@[^\s\"'<>(),;:\[\]{}=]+"),
    re.compile(r"(?<![\w.-])\+\d[\d ()/.-]{6,18}\d"),
)

Job = TypeVar("Job", bound=Callable[..., Any])


def redact(value: Any, key: str = "") -> Any:
    """Return ``value`` without secrets and personal data, by the name it stands under and by its form."""
    if key and _is_private(key) and value is not None and not isinstance(value, bool | int | float):
        return REDACTED
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, Mapping):
        return {name: redact(inner, str(name)) for name, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [redact(inner) for inner in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return redact_text(str(value))


def redact_text(text: str) -> str:
    """Return ``text`` without whatever looks like a token, an email address or a phone number."""
    for pattern in _PRIVATE_PATTERNS:
        text = pattern.sub(REDACTED, text)
    return text


def _is_private(key: str) -> bool:
    plain = re.sub(r"[^a-z0-9]", "", key.lower())
    if plain in _PLAIN_KEYS:
        return False
    return any(plain == word or (len(word) > 3 and plain.endswith(word)) for word in _PRIVATE_KEYS)


class RedactingFormatter(LambdaPowertoolsFormatter):
    """JSON lines whose every value went through ``redact``, messages and stack traces included."""

    # Set by ourselves or by the runtime; their names look private but are not.
    _OWN_KEYS = frozenset({"level", "location", "timestamp", "service", "correlation_id", "xray_trace_id"})

    def serialize(self, log: Any) -> str:
        """Redact the line and turn it into JSON."""
        return super().serialize(
            {key: value if key in self._OWN_KEYS else redact(value, key) for key, value in log.items()}
        )


logger = Logger(service="counterfoil", logger_formatter=RedactingFormatter(utc=True, use_rfc3339=True))
metrics = Metrics(namespace=METRICS_NAMESPACE, service="counterfoil")


def new_correlation_id() -> str:
    """Return a new correlation id."""
    return secrets.token_hex(16)


def correlation_id_from(text: str | None) -> str:
    """Return ``text`` if it can serve as correlation id, a new one otherwise."""
    return text if text is not None and CORRELATION_ID_PATTERN.fullmatch(text) else new_correlation_id()


def bind_log_context(correlation_id: str, **keys: Any) -> None:
    """Begin the log context of one request, job or message; what was bound before is gone."""
    # Threads of a local server must not see each other's context.
    logger.thread_safe_clear_keys()
    logger.thread_safe_append_keys(correlation_id=correlation_id, **keys)


def flush_metrics() -> None:
    """Write the metrics that were added since the last flush, if any."""
    if metrics.provider.metric_set:
        metrics.flush_metrics()


@contextmanager
def job_log_context(name: str, correlation_id: str) -> Iterator[None]:
    """Give one invocation of a function a log context of its own, log an unexpected exception, and flush its metrics.

    The exception is raised again, so that Lambda counts and retries the invocation.
    """
    bind_log_context(correlation_id, job_name=name)
    try:
        yield
    except Exception as error:
        logger.exception("The job failed.", extra={"exception_name": type(error).__name__})
        raise
    finally:
        flush_metrics()


def instrument_job(name: str) -> Callable[[Job], Job]:
    """Run a scheduled or queue function in ``job_log_context``; stands under the Chalice decorator.

    The middleware of the app does not run for such functions in Lambda. A queue consumer calls ``bind_log_context``
    again with the correlation id of each message.
    """

    def decorate(function: Job) -> Job:
        @wraps(function)
        def wrapped(*arguments: Any, **keywords: Any) -> Any:
            with job_log_context(name, _correlation_id_of_event(arguments)):
                return function(*arguments, **keywords)

        return wrapped  # type: ignore[return-value]

    return decorate


def _correlation_id_of_event(arguments: tuple[Any, ...]) -> str:
    """Return the id that the event carries, or a new one. Batches of messages carry one in each message."""
    event = arguments[0] if arguments else None
    found = event.get("correlation_id") if isinstance(event, dict) else None
    return correlation_id_from(found if isinstance(found, str) else None)
