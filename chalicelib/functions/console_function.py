"""The protocol of the functions that people invoke from the AWS console.

The event is strict: an object with exactly the fields of the function's input. A function that changes something is
a dry run unless the event has ``"confirm": true``. The answer has ``"ok": true``; a refusal has ``"ok": false``, its
code and message under ``refused``, and every fault by field under ``errors``.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar

from chalice.app import Blueprint

from chalicelib import clock
from chalicelib.errors import CounterfoilError
from chalicelib.field_types import Body
from chalicelib.observability import job_log_context, new_correlation_id
from chalicelib.request_context import Actor, RequestContext
from chalicelib.tasks.consumer import remaining_seconds
from chalicelib.validation import parse_body

Output = dict[str, Any]


class ConfirmedInput(Body):
    """The event of a function that changes something."""

    confirm: bool = False


@dataclass(frozen=True)
class Invocation:
    """The circumstances of one invocation."""

    context: RequestContext
    lambda_context: Any

    def seconds_left(self) -> float:
        """Return how many seconds the function may run still."""
        return remaining_seconds(self.lambda_context)


Input = TypeVar("Input", bound=Body)
Step = Callable[[Input, Invocation], Output]
Handler = Callable[[Any, Any], Output]


def console_function(
    blueprint: Blueprint,
    input_model: type[Input],
    *,
    dry_run: Step[Input] | None = None,
    confirm_to: str | None = None,
) -> Callable[[Step[Input]], Handler]:
    """Deploy a function, under its own name, for people to invoke from the AWS console.

    The decorated function of a ``ConfirmedInput`` is called only when the event confirms; otherwise ``dry_run`` is,
    which says what would be done and changes nothing. ``confirm_to`` completes the hint that follows its answer, unless
    the answer has a ``next`` of its own: "Add "confirm": true to <confirm_to>.". A function without ``dry_run`` only
    reads, and takes no ``confirm``. Raises TypeError when input and dry run do not belong together.
    """
    if issubclass(input_model, ConfirmedInput) != (dry_run is not None):
        raise TypeError(f"{input_model.__name__} takes confirm, or there is no dry run: the two belong together.")

    def decorate(function: Step[Input]) -> Handler:
        name = function.__name__

        def answer(event: Any, invocation: Invocation) -> Output:
            request = parse_body(input_model, json.dumps(event).encode())
            if dry_run is None or getattr(request, "confirm", False):
                return {"ok": True, **function(request, invocation)}
            hint = {"next": f'Add "confirm": true to {confirm_to}.'} if confirm_to else {}
            return {"ok": True, "dry_run": True, **hint, **dry_run(request, invocation)}

        @wraps(function)
        def handler(event: Any, lambda_context: Any) -> Output:
            context = RequestContext(Actor("console", name, "console"), clock.utc_now(), new_correlation_id())
            with job_log_context(name, context.correlation_id):
                try:
                    return answer(event, Invocation(context, lambda_context))
                except CounterfoilError as refusal:
                    return _refusal_output(refusal)

        deployed: Handler = blueprint.lambda_function(name=name)(handler)
        return deployed

    return decorate


def _refusal_output(refusal: CounterfoilError) -> Output:
    return {
        "ok": False,
        "refused": {"code": refusal.code, "message": refusal.message},
        "errors": [vars(fault) for fault in refusal.fields],
    }
