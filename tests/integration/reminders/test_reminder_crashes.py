"""A crash or a lost response at every AWS call of a plan, a run and the hour: nothing is lost, nothing goes twice."""

from contextlib import suppress
from typing import Any
from unittest.mock import patch

import pytest
from botocore.client import BaseClient

from chalicelib.functions.reminders import send_due_reminders
from tests import aws
from tests.aws_calls import Crash
from tests.integration.invoices.invoices import body
from tests.integration.reminders.world import (
    DUE,
    World,
    digests,
    due_rows,
    mails,
    planning_tasks,
    sent,
    steps,
    to_come,
)

_REAL = BaseClient._make_api_call

PLANNING = (
    "dynamodb.Query",
    "dynamodb.BatchGetItem",
    "dynamodb.BatchGetItem",
    "dynamodb.TransactWriteItems",
)
HANDING_OUT = (
    # Releases that go on, then the shards of what is due; at last whether the run waits.
    *("dynamodb.Query",) * 9,
    "dynamodb.BatchGetItem",
    "dynamodb.Query",
    "sqs.GetQueueAttributes",
    "sqs.SendMessageBatch",
)
# Two invoices in two currencies: two digests.
REMINDING = (
    "dynamodb.GetItem",
    "dynamodb.Query",
    "dynamodb.BatchGetItem",
    "dynamodb.Query",
    "dynamodb.Query",
    "dynamodb.BatchGetItem",
    "dynamodb.BatchGetItem",
    "dynamodb.BatchGetItem",
    "dynamodb.TransactWriteItems",
    *("dynamodb.TransactWriteItems", "dynamodb.TransactWriteItems", "sqs.SendMessageBatch") * 2,
    "dynamodb.TransactWriteItems",
)
HOW = ("before", "after", "lost")


class Faults:
    """Counts the calls of the service, and strikes at one of them; the test's own calls do not count."""

    def __init__(self, number: int, how: str) -> None:
        self.number, self.how = number, how
        self.names: list[str] = []

    def call(self, of: BaseClient, operation: str, parameters: dict[str, Any]) -> Any:
        service = of.meta.service_model.service_name
        if of is aws.client(service):
            return _REAL(of, operation, parameters)
        place = len(self.names)
        if 0 <= self.number < place and self.how != "lost":
            # A crashed process makes no more calls, not even to clean up.
            raise Crash
        self.names.append(f"{service}.{operation}")
        if place != self.number:
            return _REAL(of, operation, parameters)
        if self.how == "before":
            raise Crash
        answer = _REAL(of, operation, parameters)
        if self.how == "after":
            raise Crash
        return _REAL(of, operation, parameters) if self.how == "lost" else answer

    @classmethod
    def run(cls, work: Any, number: int = -1, how: str = "") -> tuple[str, ...]:
        found = cls(number, how)
        with patch.object(BaseClient, "_make_api_call", lambda *given: found.call(*given)), suppress(Crash):
            work()
        return tuple(found.names)


def cases(calls: tuple[str, ...]) -> Any:
    given = [(number, how) for number in range(len(calls)) for how in HOW]
    return pytest.mark.parametrize(
        ("number", "how"), given, ids=[f"{number}-{calls[number]}-{how}" for number, how in given]
    )


@pytest.fixture
def due(world: World) -> World:
    """Two invoices in two currencies whose step is due now."""
    world.issue("i1")
    world.issue("i2", currency="USD")
    world.at("2026-03-09T09:00")
    return world


def hand_out() -> None:
    assert "sent" in send_due_reminders({"confirm": True}, None)


def all_is_well() -> None:
    """Assert that both invoices were reminded of once, and that nothing is left to do."""
    assert sent() == [("2026-03-09", "i1", "-3"), ("2026-03-09", "i2", "-3")]
    assert steps("i1") == steps("i2") == {"-3": "sent"}
    assert [one.status for one in digests()] == ["mailed", "mailed"]
    assert sorted(one.context["invoice_ids"][0] for one in mails()) == ["i1", "i2"]
    assert [[one["email_id"] for one in digest.recipients] for digest in digests()] == [
        [one.email_id for one in mails() if one.context["digest"][1] == digest.sk] for digest in digests()
    ]
    assert to_come() == {"i1": "2026-03-11", "i2": "2026-03-11"}
    assert due_rows() == ["2026-03-11T09:00:00.000Z#a1#acme"]


def test_the_calls_of_a_plan(world: World) -> None:
    world.service.put("/invoices/i1", **body(due_date=DUE.isoformat(), deliver=False))
    assert Faults.run(world.plan) == PLANNING


def test_the_calls_of_the_hourly_function_and_of_a_run(due: World) -> None:
    assert Faults.run(hand_out) == HANDING_OUT
    assert Faults.run(due.remind) == REMINDING


@cases(PLANNING)
def test_a_plan_is_made_however_its_worker_dies(world: World, number: int, how: str) -> None:
    world.service.put("/invoices/i1", **body(due_date=DUE.isoformat(), deliver=False))
    Faults.run(world.plan, number, how)
    world.sweep()
    assert planning_tasks() == []
    assert to_come() == {"i1": "2026-03-09"}
    assert due_rows() == ["2026-03-09T09:00:00.000Z#a1#acme"]


@cases(HANDING_OUT)
def test_no_account_is_forgotten_however_the_hourly_function_dies(due: World, number: int, how: str) -> None:
    Faults.run(hand_out, number, how)
    assert due.remind() == []
    due.service.clock.move(hours=1)
    due.hour()
    all_is_well()


@cases(REMINDING)
def test_every_step_is_taken_once_however_its_worker_dies(due: World, number: int, how: str) -> None:
    hand_out()
    names = Faults.run(due.remind, number, how)
    assert len(names) > number
    # The queue has lost the message: the next hour brings it again.
    for _ in range(3):
        due.service.clock.move(hours=1)
        due.hour()
    all_is_well()


@pytest.mark.parametrize("number", range(len(REMINDING)))
def test_a_digest_that_was_left_for_four_days_is_sent_once_with_what_is_due_by_then(due: World, number: int) -> None:
    hand_out()
    Faults.run(due.remind, number, "after")
    done = {one.currency for one in digests() if one.status == "mailed"}
    due.at("2026-03-13T09:00")
    due.hour()
    due.hour()
    mailed = {one.currency: one for one in digests() if one.on == due.today}
    if not done:
        assert set(mailed) == {"EUR", "USD"}
    assert len(mails()) == len(digests())
    for invoice_id, currency in (("i1", "EUR"), ("i2", "USD")):
        if currency in done:
            assert steps(invoice_id)["-3"] == "sent"
            continue
        # What was taken on the 9th and never mailed makes room for the newest step.
        (frozen,) = mailed[currency].invoices
        assert frozen["step"] == "+1"
        assert steps(invoice_id) == {"-3": "superseded", "+1": "sent"}
    assert all(one.status == "mailed" for one in digests())


def test_a_digest_that_is_left_over_waits_for_a_business_day(due: World) -> None:
    hand_out()
    # The claims of the first digest are the last that happens.
    Faults.run(due.remind, REMINDING.index("dynamodb.TransactWriteItems") + 1, "after")
    due.at("2026-03-14T09:00")
    due.hour()
    assert mails() == []
    assert due_rows() == ["2026-03-16T09:00:00.000Z#a1#acme"]
    due.at("2026-03-16T09:00")
    due.hour()
    assert {(one.on.isoformat(), one.status) for one in digests()} == {("2026-03-16", "mailed")}
    assert len(mails()) == 2


def test_reminders_that_are_switched_off_meanwhile_are_not_sent(due: World) -> None:
    hand_out()
    Faults.run(due.remind, REMINDING.index("dynamodb.TransactWriteItems") + 1, "after")
    due.service.put("/entities/acme", reminder_mail={"mode": "off"})
    due.service.clock.move(hours=1)
    due.hour()
    assert mails() == []
    assert [one.status for one in digests()] == ["stopped", "stopped"]
    assert steps("i2") == {}


def test_what_was_planned_in_shadow_is_never_sent(due: World) -> None:
    due.service.put("/entities/acme", reminder_mail={"mode": "shadow"})
    hand_out()
    Faults.run(due.remind, REMINDING.index("dynamodb.TransactWriteItems") + 1, "after")
    due.service.put("/entities/acme", reminder_mail={"mode": "live"})
    due.service.clock.move(hours=1)
    due.hour()
    assert mails() == []
    assert steps("i1") == steps("i2") == {"-3": "shadow"}


def test_a_step_that_somebody_else_has_taken_drops_out(due: World) -> None:
    hand_out()
    Faults.run(due.remind, REMINDING.index("dynamodb.TransactWriteItems"), "after")
    # The digests are put, and their steps not taken, when one invoice is paid and another disputed.
    due.pay("i1")
    due.service.put("/invoices/i2/dispute", reason="amount")
    due.plan()
    due.service.clock.move(hours=1)
    due.hour()
    assert mails() == []
    assert [(one.status, one.claimed) for one in digests()] == [("empty", []), ("empty", [])]
    assert steps("i1") == steps("i2") == {}
