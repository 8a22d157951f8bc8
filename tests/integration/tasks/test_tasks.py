"""Tasks: announced after the commit, requeued until they are done, never lost."""

import json
from datetime import timedelta
from typing import Any

import boto3
import pytest

from chalicelib import clock
from chalicelib.request_context import Actor, RequestContext
from chalicelib.table import keys, store
from chalicelib.table.items import Item, TaskItem, table_connection
from chalicelib.table.keys import Key
from chalicelib.tasks import jobs, queue, rules, service
from chalicelib.tasks.kinds import TASK_KINDS, RunImport, decode_task
from tests.integration.tasks.conftest import Time

SWEPT = [kind.name for kind in TASK_KINDS.values() if kind.swept]


def add(kind: str, *subjects: str, due: Any = None) -> list[Key]:
    context = RequestContext(Actor("system", "test", "test"), clock.utc_now(), "correlation-1")
    transaction = store.Transaction(context)
    added = [service.add_task(transaction, context, decode_task(kind, subject), due) for subject in subjects]
    transaction.commit()
    return added


def standing(kind: str) -> list[TaskItem]:
    found: list[TaskItem] = []
    for shard in range(TASK_KINDS[kind].shards):
        found += store.query_items(keys.task_partition(kind, shard), limit=5000).items
    return found


def messages(kind: str) -> list[dict[str, Any]]:
    found = []
    while True:
        answer = boto3.client("sqs").receive_message(QueueUrl=queue.queue_url(kind), MaxNumberOfMessages=10)
        if not answer.get("Messages"):
            return found
        for one in answer["Messages"]:
            boto3.client("sqs").delete_message(QueueUrl=queue.queue_url(kind), ReceiptHandle=one["ReceiptHandle"])
            found.append(json.loads(one["Body"]))


@pytest.mark.parametrize("kind", SWEPT)
def test_what_is_due_is_announced_to_its_queue_after_the_commit(time: Time, kind: str) -> None:
    subject = "account a1" if kind == "replanning" else "subject-1"
    (key,) = add(kind, subject)
    assert messages(kind) == [
        {"duty": kind, "subject": subject, "key": [key.pk, key.sk], "correlation_id": "correlation-1"}
    ]
    (item,) = standing(kind)
    assert item.due == time.now + rules.SWEEP_GRACE_PERIOD
    service.complete_task(key)
    service.complete_task(key)
    assert standing(kind) == []


def test_what_is_not_committed_is_not_announced(time: Time) -> None:
    context = RequestContext(Actor("system", "test", "test"), clock.utc_now(), "correlation-1")
    transaction = store.Transaction(context)
    service.add_task(transaction, context, RunImport("subject-1"))
    transaction.check(Item("no", "row"))
    with pytest.raises(store.WriteConflict):
        transaction.commit()
    assert messages("import") == []
    assert standing("import") == []


def test_what_is_due_later_waits_for_the_sweeper(time: Time) -> None:
    add("bulk_mail", "subject-1", due=time.now + timedelta(hours=3))
    assert messages("bulk_mail") == []
    time.passes(hours=2, minutes=59)
    assert jobs.sweep_duties({}, None) == {"handed_out": 0, "lost": 0}
    time.passes(minutes=2)
    assert jobs.sweep_duties({}, None) == {"handed_out": 1, "lost": 0}
    assert [one["subject"] for one in messages("bulk_mail")] == ["subject-1"]


def test_a_task_that_nobody_does_is_requeued_ever_more_rarely(time: Time) -> None:
    add("erase", "subject-1")
    began = time.now
    handed_out = []
    for _ in range(150):
        time.passes(minutes=1)
        if jobs.sweep_duties({}, None)["handed_out"]:
            handed_out.append((time.now - began).total_seconds() / 60)
    assert handed_out == [3, 5, 8, 13, 22, 39, 72, 133]
    assert len(messages("erase")) == 9
    (item,) = standing("erase")
    assert item.tries == 8


def test_a_message_of_the_sweeper_names_the_new_key(time: Time) -> None:
    add("import", "subject-1")
    messages("import")
    time.passes(minutes=3)
    jobs.sweep_duties({}, None)
    (message,) = messages("import")
    (item,) = standing("import")
    assert message["key"] == [item.pk, item.sk]
    assert message["correlation_id"] == "correlation-1"


def test_a_task_can_be_deferred_once_from_each_key(time: Time) -> None:
    (key,) = add("import", "subject-1")
    moved = service.defer_task(key, time.now + timedelta(minutes=15))
    assert moved is not None
    assert service.defer_task(key, time.now + timedelta(minutes=30)) is None
    (item,) = standing("import")
    assert (item.key, item.due) == (moved, time.now + timedelta(minutes=15))
    assert service.defer_task(moved, item.due) == moved


def test_one_run_requeues_five_hundred_at_most_and_each_kind_gets_its_turn(time: Time) -> None:
    for start in range(0, 90, 30):
        add("bulk_mail", *(f"bulk-{number}" for number in range(start, start + 30)))
    add("erase", "erase-1")
    add("import", "import-1")
    add("urgent_mail", "urgent-1")
    for kind in SWEPT:
        messages(kind)
    time.passes(minutes=3)
    swept = service.sweep_overdue_tasks(lambda: True, limit=83)
    assert (swept.handed_out, swept.lost) == (83, 0)
    assert [len(messages(kind)) for kind in ("urgent_mail", "import", "erase")] == [1, 1, 1]
    assert service.sweep_overdue_tasks(lambda: True, limit=83).handed_out == 10
    assert len({one["subject"] for one in messages("bulk_mail")}) == 90
    assert rules.SWEEP_LIMIT == 500


def test_the_sweeper_stops_when_its_time_is_over(time: Time) -> None:
    class Context:
        def get_remaining_time_in_millis(self) -> int:
            return 10_000

    add("import", "subject-1")
    time.passes(minutes=3)
    assert jobs.sweep_duties({}, Context()) == {"handed_out": 0, "lost": 0}


def test_two_sweepers_do_not_send_twice(time: Time, monkeypatch: pytest.MonkeyPatch) -> None:
    add("import", "subject-1")
    messages("import")
    time.passes(minutes=3)
    original = service.reschedule_task

    def move_after_another(item: TaskItem, *arguments: Any) -> Key | None:
        fresh = store.get_item(TaskItem, item.key)
        assert fresh is not None
        assert original(fresh, *arguments) is not None
        return original(item, *arguments)

    monkeypatch.setattr(service, "reschedule_task", move_after_another)
    assert jobs.sweep_duties({}, None) == {"handed_out": 0, "lost": 0}
    assert len(standing("import")) == 1


class Crash(BaseException):
    """The process is gone."""


@pytest.mark.parametrize("fault", ["before-call", "after-call"])
@pytest.mark.parametrize("number", range(12))
def test_a_sweeper_that_dies_half_way_loses_nothing(time: Time, number: int, fault: str) -> None:
    subjects = {f"subject-{index}" for index in range(4)}
    add("import", *sorted(subjects))
    messages("import")
    time.passes(minutes=3)
    clients = [table_connection().connection.client, queue.sqs_client()]
    calls: list[str] = []

    def strike(model: Any, **_: Any) -> None:
        calls.append(model.name)
        if len(calls) == number + 1:
            raise Crash

    for client in clients:
        client.meta.events.register(fault, strike)
    try:
        jobs.sweep_duties({}, None)
    except Crash:
        pass
    else:
        assert len(calls) <= number
    for client in clients:
        client.meta.events.unregister(fault, strike)

    heard = {one["subject"] for one in messages("import")}
    assert {item.subject for item in standing("import")} == subjects
    time.passes(minutes=2)
    jobs.sweep_duties({}, None)
    heard |= {one["subject"] for one in messages("import")}
    assert heard == subjects


@pytest.mark.parametrize("body", ["", "null", "[]", "{}", '{"duty": "import", "subject": 7, "key": ["a", "b"]}', '"x"'])
def test_a_body_that_is_no_message_is_refused(body: str) -> None:
    with pytest.raises(ValueError, match="not the message of a task"):
        queue.TaskMessage.parse(body)
