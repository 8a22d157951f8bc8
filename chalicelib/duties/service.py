"""Duties: work that follows a write or falls due later (DESIGN §4).

The item in the table is the truth, the message in the queue only its quick herald: a message that is lost
is sent again by the sweeper, a message that comes twice finds the work done.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from chalicelib import clock, ids
from chalicelib.call import Actor, Call
from chalicelib.duties import queue, rules
from chalicelib.duties.queue import Message
from chalicelib.observability import logger, metrics
from chalicelib.table import keys, store
from chalicelib.table.items import DutyItem
from chalicelib.table.keys import Key

SWEEPER = Actor("system", "sweeper", "Sweeper")

_SWEPT_AT_ONCE = 20


@dataclass(frozen=True)
class Swept:
    """How many duties the sweeper has handed out, and how many of their messages the queues did not take."""

    handed_out: int
    lost: int


def add(transaction: store.Transaction, call: Call, kind: str, subject: str, due: datetime | None = None) -> Key:
    """Add a duty to ``transaction`` and return its key.

    ``kind`` is one of ``rules.KINDS``, ``subject`` the id of what is to be worked on. What is due now (the
    default) is announced to the kind's queue once the transaction is committed; what is due later waits in
    the table for the sweeper.
    """
    due = due or call.now
    message = _write(transaction, call, kind, subject, due)
    if due <= call.now:
        transaction.after_commit(lambda: announce(kind, [message]))
    return message.key


def add_all(transaction: store.Transaction, call: Call, kind: str, subjects: Sequence[str]) -> None:
    """Add duties that are due now, one for each of ``subjects``; ten are announced in one call to the queue."""
    messages = [_write(transaction, call, kind, subject, call.now) for subject in subjects]
    transaction.after_commit(lambda: announce(kind, messages))


def _write(transaction: store.Transaction, call: Call, kind: str, subject: str, due: datetime) -> Message:
    duty_id = ids.new_id(ids.DUTY, call.now)
    taken_from = rules.due_in_table(due, call.now)
    key = keys.duty(kind, subject, taken_from, duty_id)
    transaction.create(
        DutyItem(
            key.pk,
            key.sk,
            duty_id=duty_id,
            kind=kind,
            subject=subject,
            due=taken_from,
            correlation_id=call.correlation_id,
        )
    )
    return Message(kind, subject, key, call.correlation_id)


def announce(kind: str, messages: list[Message]) -> None:
    """Send messages to the kind's queue. Those that get lost are logged and counted; the sweeper sends them again."""
    lost = queue.send(kind, messages)
    if lost:
        logger.warning("The queue did not take all messages; the sweeper will.", extra={"lost": lost, "duty": kind})
        metrics.add_metric(name="DutyMessagesLost", unit="Count", value=lost)


def done(key: Key) -> None:
    """Delete the duty at ``key``, whether it still stands there or not."""
    store.remove(key)


def defer(key: Key, due: datetime) -> Key | None:
    """Let the duty at ``key`` fall due at ``due``, and return its new key.

    None when it does not stand there any more: it was done, or somebody else has moved it.
    """
    item = store.get(DutyItem, key)
    return move(item, due) if item else None


def move(item: DutyItem, due: datetime, tries: int | None = None) -> Key | None:
    """Move a duty that was read to ``due``, in one transaction; None when somebody else was quicker."""
    new = keys.duty(item.kind, item.subject, due, item.duty_id)
    if new == item.key:
        return new
    transaction = store.Transaction(Call(SWEEPER, clock.now(), item.correlation_id))
    transaction.delete(item)
    transaction.create(
        DutyItem(
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
    except store.Contended:
        return None
    return new


def sweep(time_is_left: Callable[[], bool], limit: int = rules.SWEEP_LIMIT) -> Swept:
    """Hand out overdue duties again, at most ``limit``, until no time is left.

    Each is deferred before its message is sent, so a sweep that dies half-way loses nothing, and two sweeps at
    once do not send twice. The kinds and shards take turns, so that a crowd of one does not hold up the others.
    """
    now = clock.now()
    turns: deque[tuple[str, str, str | None]] = deque(
        (kind, keys.duty_partition(kind, shard), None)
        for kind in rules.KINDS
        for shard in range(keys.DUTY_SHARDS[kind])
    )
    handed_out = lost = 0
    while turns and handed_out < limit and time_is_left():
        kind, partition, after = turns.popleft()
        size = min(_SWEPT_AT_ONCE, limit - handed_out)
        page = store.query(partition, limit=size, after=after, until=keys.instant(now))
        messages: list[Message] = []
        try:
            for item in page.items:
                key = move(item, rules.next_due(int(item.tries), now), int(item.tries) + 1)
                if key is not None:
                    messages.append(Message(item.kind, item.subject, key, item.correlation_id))
        finally:
            lost += queue.send(kind, messages)
            handed_out += len(messages)
        if page.after is not None:
            turns.append((kind, partition, page.after))
    if handed_out:
        logger.info("Overdue duties were handed out.", extra={"handed_out": handed_out, "lost": lost})
        metrics.add_metric(name="DutiesHandedOut", unit="Count", value=handed_out)
    return Swept(handed_out, lost)
