"""On the real-process engine: a run that eight workers block at once waits once, and staff are notified once (R9)."""

from functools import partial

import pytest

from chalicelib.reminders.run import going_live, staged_release
from chalicelib.table.items import AccountRemindersItem, EmailItem, ReminderRunItem, TaskItem
from chalicelib.tasks.queue import TaskMessage
from tests.engine import engine, engine_environment  # noqa: F401
from tests.integration.reminders.test_reminders_on_engine import account, at_once, context, issue, vendor  # noqa: F401
from tests.integration.reminders.world import rows

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("vendor")]


def work_off(messages: list[TaskMessage], number: int) -> None:
    """Work off every message, as each worker does whom the queue gives it."""
    for message in messages:
        staged_release.handle_release_task(message)


def test_a_run_waits_once() -> None:
    found: list[dict[str, int]] = []
    at_once(lambda number: found.append(going_live.entities_awaiting_approval(context(), {"acme": 600 + number})))
    assert sorted(found, key=str) == [{"acme": 600 + number} for number in range(len(found))]
    (run,) = rows(ReminderRunItem)
    assert (run.status, run.limit) == ("waiting", 500)
    assert len([one for one in rows(EmailItem) if one.kind == "reminder_run_waits"]) == 1
    at_once(lambda number: going_live.approve_reminder_run(context(), "acme", run.run_hour))
    assert going_live.entities_awaiting_approval(context(), {"acme": 600}) == {}


def test_a_dose_is_no_larger_for_many_workers() -> None:
    for number in range(1, 7):
        account(f"a{number}", f"g{number}")
        issue(f"i{number}", f"g{number}", issue_date="2025-12-15")
    staged_release.set_release_rate(context(), "acme", 3)
    for _ in range(6):
        at_once(lambda number: staged_release.start_daily_releases(context()))
        tasks = [one for one in rows(TaskItem) if one.subject == "release acme"]
        messages = [TaskMessage("replanning", one.subject, one.key, "c") for one in tasks]
        at_once(partial(work_off, messages))
    released = [one for one in rows(AccountRemindersItem) if "acme" in one.released]
    assert len(released) == 3
    assert staged_release.get_release_progress("acme").released_today == 3
