"""A crash or a lost response at every AWS call of a replanning and a release: nobody is left out."""

from typing import Any

import pytest

from chalicelib.reminders.run import jobs, staged_release
from chalicelib.table.items import ReminderStepItem, TaskItem
from chalicelib.tasks.queue import TaskMessage
from tests.integration.reminders.replies import Post
from tests.integration.reminders.test_reminder_crashes import Faults, cases
from tests.integration.reminders.world import World, mails, rows, steps, to_come

REPLANNING = (
    "dynamodb.GetItem",
    "dynamodb.Query",
    "dynamodb.TransactWriteItems",
    "sqs.SendMessageBatch",
)
RELEASING = (
    "dynamodb.BatchGetItem",
    "dynamodb.Query",
    "dynamodb.Query",
    "dynamodb.BatchGetItem",
    "dynamodb.BatchGetItem",
    "dynamodb.TransactWriteItems",
    "sqs.SendMessageBatch",
    "sqs.SendMessageBatch",
)


def replanning_tasks() -> list[Any]:
    return [item for item in rows(TaskItem) if item.kind == "replanning"]


def recover(world: World) -> None:
    """Advance time until the sweeper has requeued every lost message."""
    for _ in range(8):
        world.sweep()
        if not [item for item in rows(TaskItem) if item.kind in ("planning", "replanning")]:
            return
    raise AssertionError("Duties are left.")


@pytest.fixture
def changed(world: World) -> World:
    """An invoice whose account has another policy now."""
    world.issue()
    world.service.put("/accounts/a1/reminder-policy", steps=[{"offset": 20, "tone": "firm"}])
    return world


@cases(REPLANNING)
def test_replanning(changed: World, number: int, how: str) -> None:
    made = struck(number, how)
    assert REPLANNING[: len(made)] == made[: len(REPLANNING)]
    recover(changed)
    assert to_come() == {"i1": "2026-03-30"}


def struck(number: int, how: str) -> tuple[str, ...]:
    """Process the one task to plan again or release, with one call failing, and return the calls."""
    (task,) = replanning_tasks()
    return Faults.run(
        lambda: jobs.handle_plan_message(TaskMessage(task.kind, task.subject, task.key, "c")), number, how
    )


WITHHOLDING = (
    "dynamodb.GetItem",
    "dynamodb.GetItem",
    "dynamodb.Query",
    "dynamodb.TransactWriteItems",
    "dynamodb.Query",
    "dynamodb.BatchGetItem",
    "dynamodb.BatchGetItem",
    "dynamodb.TransactWriteItems",
)


@cases(WITHHOLDING)
def test_recording_what_was_withheld(world: World, post: Post, number: int, how: str) -> None:
    world.issue()
    world.at("2026-03-11T09:30")
    world.hour()
    world.service.put("/invoices/i1/dispute", reason="amount")
    world.plan()
    post.deliver()
    (task,) = [item for item in rows(TaskItem) if item.kind == "planning"]
    message = TaskMessage(task.kind, task.subject, task.key, "c")
    made = Faults.run(lambda: jobs.handle_plan_message(message), number, how)
    assert made[: number + 1] == WITHHOLDING[: number + 1]
    recover(world)
    assert steps() == {"-3": "superseded", "+1": "withheld"}
    (step,) = [item for item in rows(ReminderStepItem) if item.step == "+1"]
    assert step.withheld == [mail.email_id for mail in mails()]
    assert to_come() == {}


@pytest.fixture
def old(world: World) -> World:
    """An invoice from before the entity went live, whose account is to be released."""
    world.service.put("/entities/acme", live_from="2026-02-01")
    world.issue()
    world.at("2026-03-16T08:00")
    staged_release.set_release_rate(world.service.context, "acme", 1)
    return world


@cases(RELEASING)
def test_releasing(old: World, number: int, how: str) -> None:
    made = struck(number, how)
    assert RELEASING[: len(made)] == made[: len(RELEASING)]
    recover(old)
    assert to_come() == {"i1": "2026-03-16"}
    assert staged_release.get_release_progress("acme").released == 1
