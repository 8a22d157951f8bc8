"""The protocol that all console functions share."""

import io
import json
from typing import Any

import pytest
from chalice.app import Blueprint

from chalicelib.errors import Conflict, FieldError
from chalicelib.field_types import Body
from chalicelib.functions.console_function import ConfirmedInput, Handler, Invocation, Output, console_function
from chalicelib.observability import logger


class Count(Body):
    upto: int


class SetCount(Count, ConfirmedInput):
    pass


def preview(request: SetCount, invocation: Invocation) -> Output:
    if request.upto < 0:
        raise Conflict("negative", "Count upwards.", fields=(FieldError("upto", "too_small", "Send 0 or more."),))
    return {"would_set": request.upto}


@pytest.fixture
def done() -> list[tuple[int, Invocation]]:
    return []


@pytest.fixture
def set_count(done: list[tuple[int, Invocation]]) -> Handler:
    @console_function(Blueprint(__name__), SetCount, dry_run=preview, confirm_to="set it")
    def set_count(request: SetCount, invocation: Invocation) -> Output:
        preview(request, invocation)
        done.append((request.upto, invocation))
        return {"set": request.upto}

    return set_count


@pytest.mark.parametrize("more", [{}, {"confirm": False}])
def test_without_confirm_it_is_a_dry_run(set_count: Handler, done: list[Any], more: dict[str, bool]) -> None:
    answer = set_count({"upto": 2, **more}, None)
    assert answer == {"ok": True, "dry_run": True, "would_set": 2, "next": 'Add "confirm": true to set it.'}
    assert done == []


def test_confirmed_it_acts_as_the_console(set_count: Handler, done: list[Any]) -> None:
    assert set_count({"upto": 2, "confirm": True}, None) == {"ok": True, "set": 2}
    ((_, invocation),) = done
    assert (invocation.context.actor.kind, invocation.context.actor.id) == ("console", "set_count")
    assert invocation.seconds_left() == float("inf")


@pytest.mark.parametrize(
    ("event", "field", "code"),
    [
        ({}, "upto", "required"),
        ({"upto": "2"}, "upto", "wrong_type"),
        ({"upto": 2, "confirm": "true"}, "confirm", "wrong_type"),
        ({"upto": 2, "confirm": 1}, "confirm", "wrong_type"),
        ({"upto": 2, "confirm": None}, "confirm", "wrong_type"),
        ({"upto": 2, "confirmed": True}, "confirmed", "unknown_field"),
        (None, "", "wrong_type"),
        ([], "", "wrong_type"),
        ("2", "", "wrong_type"),
        (True, "", "wrong_type"),
    ],
)
def test_an_event_of_another_form_is_refused_by_field(
    set_count: Handler, done: list[Any], event: Any, field: str, code: str
) -> None:
    answer = set_count(event, None)
    assert (answer["ok"], answer["refused"]["code"]) == (False, "invalid_body")
    assert [(one["field"], one["code"]) for one in answer["errors"]] == [(field, code)]
    assert all(one["message"] for one in answer["errors"])
    assert done == []


@pytest.mark.parametrize("confirm", [False, True])
def test_a_refusal_has_code_message_and_errors_by_field(set_count: Handler, done: list[Any], confirm: bool) -> None:
    assert set_count({"upto": -1, "confirm": confirm}, None) == {
        "ok": False,
        "refused": {"code": "negative", "message": "Count upwards."},
        "errors": [{"field": "upto", "code": "too_small", "message": "Send 0 or more."}],
    }
    assert done == []


def test_a_function_that_only_reads_takes_no_confirm() -> None:
    @console_function(Blueprint(__name__), Count)
    def count(request: Count, invocation: Invocation) -> Output:
        return {"counted": request.upto}

    assert count({"upto": 2}, None) == {"ok": True, "counted": 2}
    assert [one["field"] for one in count({"upto": 2, "confirm": True}, None)["errors"]] == ["confirm"]


def test_input_and_dry_run_belong_together() -> None:
    with pytest.raises(TypeError, match="SetCount"):
        console_function(Blueprint(__name__), SetCount)
    with pytest.raises(TypeError, match="Count"):
        console_function(Blueprint(__name__), Count, dry_run=lambda request, invocation: {})


def test_what_is_unexpected_is_logged_and_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    output = io.StringIO()
    monkeypatch.setattr(logger._logger.handlers[0], "stream", output)
    seen = []

    @console_function(Blueprint(__name__), Count)
    def fail(request: Count, invocation: Invocation) -> Output:
        seen.append(invocation.context.correlation_id)
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError):
        fail({"upto": 2}, None)
    line = json.loads(output.getvalue())
    assert (line["job_name"], line["exception_name"], line["correlation_id"]) == ("fail", "RuntimeError", *seen)
