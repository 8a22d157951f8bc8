"""Duties: work that follows a write or falls due later (DESIGN §4).

The item in the table is the truth, the message in the queue only its quick herald: a message that is lost
is sent again by the sweeper, a message that comes twice finds the work done.
"""

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


def add(transaction: store.Transaction, call: Call, kind: str, subject: str, due: datetime | None = None) -> Key:
    """Add a duty to ``transaction`` and return its key.

    ``kind`` is one of ``rules.KINDS``, ``subject`` the id of what is to be worked on. What is due now (the
    default) is announced to the kind's queue once the transaction is committed; what is due later waits in
    the table for the sweeper.
    """
    due = due or call.now
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
    if due <= call.now:
        message = Message(kind, subject, key, call.correlation_id)
        transaction.after_commit(lambda: announce(kind, [message]))
    return key


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
