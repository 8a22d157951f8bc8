"""Tasks: work that follows a write or falls due later (DESIGN §4).

The queue message is a hint; the row of the table is the source of truth. The sweeper sends a lost message again, and a
message that is delivered twice finds the work done.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime

from chalicelib import clock, ids
from chalicelib.observability import logger, metrics
from chalicelib.request_context import Actor, RequestContext
from chalicelib.table import keys, store
from chalicelib.table.items import TaskItem
from chalicelib.table.keys import Key
from chalicelib.tasks import queue, rules
from chalicelib.tasks.kinds import TASK_KINDS, Task, kind_of_task
from chalicelib.tasks.queue import TaskMessage

SWEEPER = Actor("system", "sweeper", "Sweeper")

_SWEEP_PAGE_SIZE = 20
_gathered: ContextVar[dict[str, list[TaskMessage[Task]]] | None] = ContextVar("gathered", default=None)


@dataclass(frozen=True)
class SweepResult:
    """How many tasks the sweeper has sent to their queues again, and how many messages the queues did not take."""

    handed_out: int
    lost: int


def add_task(transaction: store.Transaction, context: RequestContext, task: Task, due: datetime | None = None) -> Key:
    """Add ``task`` to ``transaction`` and return the key of its row.

    What is due now (the default) is announced to its queue once the transaction is committed; what is due later waits
    in the table for the sweeper.
    """
    due = due or context.now
    message = _create_task(transaction, context, task, due)
    if due <= context.now:
        transaction.after_commit(lambda: announce_tasks([message]))
    return message.key


def add_tasks(transaction: store.Transaction, context: RequestContext, tasks: Sequence[Task]) -> None:
    """Add tasks of one kind that are due now; ten are announced in one call to the queue."""
    messages = [_create_task(transaction, context, task, context.now) for task in tasks]
    transaction.after_commit(lambda: announce_tasks(messages))


def _create_task(
    transaction: store.Transaction, context: RequestContext, task: Task, due: datetime
) -> TaskMessage[Task]:
    task_id = ids.new_id(ids.TASK_PREFIX, context.now)
    sweep_at = rules.first_sweep_at(due, context.now)
    kind, subject = kind_of_task(task), task.encode()
    key = keys.task(kind.name, kind.shards, subject, sweep_at, task_id)
    transaction.create(
        TaskItem(
            key.pk,
            key.sk,
            duty_id=task_id,
            kind=kind.name,
            subject=subject,
            due=sweep_at,
            correlation_id=context.correlation_id,
        )
    )
    return TaskMessage(kind.name, subject, key, context.correlation_id)


def announce_tasks(messages: Sequence[TaskMessage[Task]]) -> None:
    """Send messages, all of one kind, to its queue. What is lost is logged and counted; the sweeper sends it again."""
    if not messages:
        return
    gathered = _gathered.get()
    if gathered is not None:
        gathered.setdefault(messages[0].kind, []).extend(messages)
        return
    kind = messages[0].kind
    lost = queue.send_task_messages(kind, messages)
    if lost:
        logger.warning("The queue did not take all messages; the sweeper will.", extra={"lost": lost, "duty": kind})
        metrics.add_metric(name="DutyMessagesLost", unit="Count", value=lost)


@contextmanager
def announcements_gathered() -> Iterator[None]:
    """Announce what is committed within the block at its end, ten tasks in one call to their queue.

    For a few seconds of work: what is lost by a crash, as any announcement, waits for the sweeper.
    """
    gathered: dict[str, list[TaskMessage[Task]]] = {}
    token = _gathered.set(gathered)
    try:
        yield
    finally:
        _gathered.reset(token)
        for messages in gathered.values():
            announce_tasks(messages)


def complete_task(key: Key) -> None:
    """Delete the task at ``key``, whether it still exists or not."""
    store.delete_item(key)


def defer_task(key: Key, due: datetime) -> Key | None:
    """Let the task at ``key`` fall due at ``due``, and return its new key.

    None when it does not exist any more: it was completed, or moved by somebody else.
    """
    item = store.get_item(TaskItem, key)
    return reschedule_task(item, due) if item else None


def reschedule_task(item: TaskItem, due: datetime, tries: int | None = None) -> Key | None:
    """Move a task that was read to ``due``, in one transaction; None when it was changed since."""
    new = keys.task(item.kind, TASK_KINDS[item.kind].shards, item.subject, due, item.duty_id)
    if new == item.key:
        return new
    transaction = store.Transaction(RequestContext(SWEEPER, clock.utc_now(), item.correlation_id))
    transaction.delete(item)
    transaction.create(
        TaskItem(
            new.pk,
            new.sk,
            duty_id=item.duty_id,
            kind=item.kind,
            subject=item.subject,
            due=due,
            tries=item.tries if tries is None else tries,
            correlation_id=item.correlation_id,
        )
    )
    try:
        transaction.commit()
    except store.WriteConflict:
        return None
    return new


def sweep_overdue_tasks(time_is_left: Callable[[], bool], limit: int = rules.SWEEP_LIMIT) -> SweepResult:
    """Send overdue tasks to their queues again, at most ``limit``, until no time is left.

    Each is deferred before its message is sent, so a sweep that dies half-way loses nothing, and two sweeps at
    once do not send twice. The kinds and shards take turns, so that many of one do not delay the others.
    """
    now = clock.utc_now()
    turns: deque[tuple[str, str, str | None]] = deque(
        (kind.name, keys.task_partition(kind.name, shard), None)
        for kind in TASK_KINDS.values()
        if kind.swept
        for shard in range(kind.shards)
    )
    handed_out = lost = 0
    while turns and handed_out < limit and time_is_left():
        kind, partition, after = turns.popleft()
        size = min(_SWEEP_PAGE_SIZE, limit - handed_out)
        page = store.query_items(partition, limit=size, after=after, until=keys.format_instant(now))
        messages: list[TaskMessage[Task]] = []
        try:
            for item in page.items:
                key = reschedule_task(item, rules.next_sweep_at(int(item.tries), now), int(item.tries) + 1)
                if key is not None:
                    messages.append(TaskMessage(item.kind, item.subject, key, item.correlation_id))
        finally:
            lost += queue.send_task_messages(kind, messages)
            handed_out += len(messages)
        if page.after is not None:
            turns.append((kind, partition, page.after))
    if handed_out:
        logger.info("Overdue tasks were sent again.", extra={"handed_out": handed_out, "lost": lost})
        metrics.add_metric(name="DutiesHandedOut", unit="Count", value=handed_out)
    return SweepResult(handed_out, lost)
