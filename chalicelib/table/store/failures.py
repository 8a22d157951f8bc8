"""Failures of table requests: conflicts, which are retried, and errors."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

from pynamodb.exceptions import PynamoDBException

from chalicelib.errors import Unavailable
from chalicelib.table.read_cache import current_read_cache

T = TypeVar("T")

_MAX_ATTEMPTS = 20
_MAX_BACKOFF_SECONDS = 0.3


class WriteConflict(Exception):
    """Another write changed a row since it was read; nothing was written."""


def retry_on_conflict(attempt: Callable[[], T]) -> T:
    """Run ``attempt`` again, with fresh reads, as long as it meets a write conflict.

    Raises Unavailable after 20 conflicts, with nothing written.
    """
    for number in range(_MAX_ATTEMPTS):
        try:
            return attempt()
        except WriteConflict:
            if (cache := current_read_cache()) is not None:
                cache.clear()
            # Jitter needs no strong randomness.
            time.sleep(random.uniform(0, min(0.01 * 2**number, _MAX_BACKOFF_SECONDS)))  # noqa: S311
    raise Unavailable("Too many changes are being made to this at the same time. Nothing was changed. Try again.")


def dynamodb_error_code(error: PynamoDBException) -> str | None:
    """Return DynamoDB's code for a refusal, None when nothing came back.

    PynamoDB's own ``cause_response_code`` fails on a timeout, whose response is there and is None.
    """
    response = getattr(error.cause, "response", None) or {}
    code: str | None = response.get("Error", {}).get("Code")
    return code


class translate_table_errors:  # noqa: N801 - it is used like a function.
    """Turn what is left after the client's bounded retries into an honest refusal."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, PynamoDBException) and dynamodb_error_code(error) in {None, *_TRANSIENT_ERROR_CODES}:
            raise Unavailable("The database did not respond. Try again.") from error


_TRANSIENT_ERROR_CODES = {
    "InternalServerError",
    "LimitExceededException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ServiceUnavailable",
    "ThrottlingException",
}
