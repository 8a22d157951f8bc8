"""Every call that leaves for AWS: counted with its capacity units, or made to fail.

botocore sends all calls through one method, so that is where both are done.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

from botocore.client import BaseClient

_REAL = BaseClient._make_api_call


@dataclass
class Calls:
    """The calls that were made, as ``dynamodb.GetItem``, and the capacity units that they consumed."""

    names: list[str] = field(default_factory=list)
    units: float = 0.0

    def of(self, *names: str) -> int:
        """Return how many of the calls have one of the names."""
        return sum(name in names for name in self.names)

    @property
    def reads(self) -> int:
        return self.of("dynamodb.GetItem", "dynamodb.BatchGetItem", "dynamodb.Query")

    @property
    def writes(self) -> int:
        names = ("PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems", "BatchWriteItem")
        return self.of(*(f"dynamodb.{name}" for name in names))


@contextmanager
def counted() -> Iterator[Calls]:
    """Count the calls made inside, on all threads."""
    calls = Calls()

    def call(client: BaseClient, operation: str, parameters: dict[str, Any]) -> Any:
        answer = _REAL(client, operation, parameters)
        calls.names.append(f"{client.meta.service_model.service_name}.{operation}")
        consumed = answer.get("ConsumedCapacity") or []
        for part in consumed if isinstance(consumed, list) else [consumed]:
            calls.units += part["CapacityUnits"]
        if operation == "BatchGetItem" and not consumed:
            # The local engine does not tell: each key costs a unit, found or not, as no row here reaches 4 KB.
            calls.units += sum(len(wanted["Keys"]) for wanted in parameters["RequestItems"].values())
        return answer

    with patch.object(BaseClient, "_make_api_call", call):
        yield calls


class Crash(BaseException):
    """The process died here. No code may catch it."""


@contextmanager
def failing(number: int, how: str) -> Iterator[list[str]]:
    """Let the ``number``-th call (from 0) fail, and yield the names of the calls so far.

    ``before``: the process dies before the call takes effect. ``after``: it dies after. ``lost``: the response is
    lost and the client repeats the call, as botocore does. A crashed process makes no more calls, not even to clean up.
    """
    names: list[str] = []

    def call(client: BaseClient, operation: str, parameters: dict[str, Any]) -> Any:
        place = len(names)
        if 0 <= number < place and how != "lost":
            raise Crash
        names.append(f"{client.meta.service_model.service_name}.{operation}")
        if place != number:
            return _REAL(client, operation, parameters)
        if how == "before":
            raise Crash
        answer = _REAL(client, operation, parameters)
        if how == "after":
            raise Crash
        return _REAL(client, operation, parameters) if how == "lost" else answer

    with patch.object(BaseClient, "_make_api_call", call):
        yield names


def every_failure(run: Callable[[], Any]) -> list[tuple[int, str]]:
    """Run once undisturbed and return each way in which one of its calls can fail."""
    with failing(-1, "before") as names:
        run()
    return [(number, how) for number in range(len(names)) for how in ("before", "after", "lost")]
