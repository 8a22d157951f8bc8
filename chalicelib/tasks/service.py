"""Duties: work that follows a write or falls due later (DESIGN §4).

The item in the table is the truth, the message in the queue only its quick herald: a message that is lost
is sent again by the sweeper, a message that comes twice finds the work done.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from chalicelib import clock, ids
from chalicelib.observability import logger, metrics
from chalicelib.request_context import Actor, RequestContext
from chalicelib.table import keys, store
from chalicelib.table.items import TaskItem
from chalicelib.table.keys import Key
from chalicelib.tasks import queue, rules
from chalicelib.tasks.queue import TaskMessage

SWEEPER = Actor("system", "sweeper", "Sweeper")

_SWEEP_PAGE_SIZE = 20


@dataclass(frozen=True)
class SweepResult:
    """How many duties the sweeper has handed out, and how many of their messages the queues did not take."""

    handed_out: int
    lost: int


def add_task(
    transaction: store.Transaction, context: RequestContext, kind: str, subject: str, due: datetime | None = None
) -> Key:
    """Add a duty to ``transaction`` and return its key.

    ``kind`` is one of ``rules.KINDS``, ``subject`` the id of what is to be worked on. What is due now (the
    default) is announced to the kind's queue once the transaction is committed; what is due later waits in
    the table for the sweeper.
    """
    due = due or context.now
    message = _create_task(transaction, context, kind, subject, due)
    if due <= context.now:
        transaction.after_commit(lambda: announce_tasks(kind, [message]))
    return message.key


def add_tasks(transaction: store.Transaction, context: RequestContext, kind: str, subjects: Sequence[str]) -> None:
    """Add duties that are due now, one for each of ``subjects``; ten are announced in one call to the queue."""
    messages = [_create_task(transaction, context, kind, subject, context.now) for subject in subjects]
    transaction.after_commit(lambda: announce_tasks(kind, messages))


def _create_task(
    transaction: store.Transaction, context: RequestContext, kind: str, subject: str, due: datetime
) -> TaskMessage:
    duty_id = ids.new_id(ids.TASK_PREFIX, context.now)
    taken_from = rules.first_sweep_at(due, context.now)
    key = keys.task(kind, subject, taken_from, duty_id)
    transaction.create(
        TaskItem(
            key.pk,
            key.sk,
            duty_id=duty_id,
            kind=kind,
            subject=subject,
            due=taken_from,
            correlation_id=context.correlation_id,
        )
    )
    return TaskMessage(kind, subject, key, context.correlation_id)


def announce_tasks(kind: str, messages: list[TaskMessage]) -> None:
    """Send messages to the kind's queue. Those that get lost are logged and counted; the sweeper sends them again."""
    lost = queue.send_task_messages(kind, messages)
    if lost:
        logger.warning("The queue did not take all messages; the sweeper will.", extra={"lost": lost, "duty": kind})
        metrics.add_metric(name="DutyMessagesLost", unit="Count", value=lost)


def complete_task(key: Key) -> None:
    """Delete the duty at ``key``, whether it still stands there or not."""
    store.delete_item(key)


def defer_task(key: Key, due: datetime) -> Key | None:
    """Let the duty at ``key`` fall due at ``due``, and return its new key.

    None when it does not stand there any more: it was done, or somebody else has moved it.
    """
    item = store.get_item(TaskItem, key)
    return reschedule_task(item, due) if item else None


def reschedule_task(item: TaskItem, due: datetime, tries: int | None = None) -> Key | None:
    """Move a duty that was read to ``due``, in one transaction; None when somebody else was quicker."""
    new = keys.task(item.kind, item.subject, due, item.duty_id)
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
    """Hand out overdue duties again, at most ``limit``, until no time is left.

    Each is deferred before its message is sent, so a sweep that dies half-way loses nothing, and two sweeps at
    once do not send twice. The kinds and shards take turns, so that a crowd of one does not hold up the others.
    """
    now = clock.utc_now()
    turns: deque[tuple[str, str, str | None]] = deque(
        (kind, keys.task_partition(kind, shard), None)
        for kind in rules.TASK_KINDS
        for shard in range(keys.TASK_SHARDS[kind])
    )
    handed_out = lost = 0
    while turns and handed_out < limit and time_is_left():
        kind, partition, after = turns.popleft()
        size = min(_SWEEP_PAGE_SIZE, limit - handed_out)
        page = store.query_items(partition, limit=size, after=after, until=keys.format_instant(now))
        messages: list[TaskMessage] = []
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
        logger.info("Overdue duties were handed out.", extra={"handed_out": handed_out, "lost": lost})
        metrics.add_metric(name="DutiesHandedOut", unit="Count", value=handed_out)
    return SweepResult(handed_out, lost)
