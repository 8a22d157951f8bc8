"""The hourly run: find the accounts that are due and enqueue them (R4, R8, R9).

Their due markers stay until the run of the account has finished, so a lost message is found again an hour later.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

from chalicelib.entities.rules import PILOT, Entity
from chalicelib.errors import FieldError, NotFound
from chalicelib.observability import logger, metrics
from chalicelib.reminders.run import going_live, process_account, staged_release
from chalicelib.request_context import RequestContext
from chalicelib.table import keys, store
from chalicelib.table.keys import Key
from chalicelib.tasks import queue
from chalicelib.tasks.kinds import RemindAccount
from chalicelib.tasks.queue import TaskMessage

T = TypeVar("T")

SecondsLeft = Callable[[], float]

_ROWS_PER_PAGE = 1000
_THREADS = 8
_BACKLOG = 10_000
"""While the queue holds more messages, only what has come due since the last run is added to it."""
_MAX_ACCOUNTS = 2_000_000
"""Found in one run, which is about what the memory of the function holds. The next run finds the others."""
_MAX_ACCOUNTS_COUNTED = 5_000
"""Looked at to learn how many a run that is over its limit would mail; a few reads each."""
_HOUR = timedelta(hours=1)
_SECONDS_IN_RESERVE = 20


@dataclass(frozen=True, order=True)
class DueAccount:
    """An account some of whose invoices of an entity are to be looked at from an instant on."""

    due: str
    account_id: str
    entity_id: str
    key: Key = field(compare=False)


@dataclass(frozen=True)
class DueAccounts:
    """The accounts that are due, the longest due first; ``complete`` tells whether all were found."""

    accounts: list[DueAccount]
    complete: bool

    @property
    def account_counts(self) -> dict[str, int]:
        """Return how many accounts of each entity there are."""
        return {entity_id: len(accounts) for entity_id, accounts in sorted(self._accounts_by_entity().items())}

    def count_mailed(self, context: RequestContext, entity: Entity, time_is_left: Callable[[], bool]) -> int:
        """Return how many accounts of an entity a run now would mail.

        Those beyond the first thousands, and those for which there is no time, count as mailed.
        """
        accounts = self._accounts_by_entity().get(entity.entity_id, {})
        if entity.reminder_mail.mode == PILOT:
            accounts = dict.fromkeys(one for one in accounts if one in entity.reminder_mail.pilot_account_ids)
        mailed = 0
        for number, account_id in enumerate(accounts):
            if number == _MAX_ACCOUNTS_COUNTED or not time_is_left():
                return mailed + len(accounts) - number
            mailed += process_account.would_mail(context, account_id, entity.entity_id)
        return mailed

    def _accounts_by_entity(self) -> dict[str, dict[str, None]]:
        found: dict[str, dict[str, None]] = {}
        for one in self.accounts:
            found.setdefault(one.entity_id, {})[one.account_id] = None
        return found


@dataclass(frozen=True)
class HourlyRunResult:
    """What an hourly run has done: numbers of accounts, handed out, lost on the way, on their way already, and left."""

    handed_out: int
    lost: int
    on_their_way: int
    left: int
    held: dict[str, int]
    """Entities whose run waits for approval, with the number of accounts that it would mail (R9)."""


def find_due_accounts(
    at: datetime, time_is_left: Callable[[], bool], wanted: Callable[[DueAccount], bool] | None = None
) -> DueAccounts:
    """Find the accounts that are due at ``at``: one Query for each thousand of them, and one for each shard.

    Where there are too many to hold, or there is no time left, those that are due the longest in each shard are found.
    """
    until = keys.format_instant(at + timedelta(milliseconds=1))
    turns: deque[tuple[str, str | None]] = deque((partition, None) for partition in keys.reminder_due_partitions())
    found: list[DueAccount] = []
    while turns and len(found) < _MAX_ACCOUNTS and time_is_left():
        partition, after = turns.popleft()
        sort_keys, after = store.query_sort_keys(partition, limit=_ROWS_PER_PAGE, after=after, until=until)
        for sort_key in sort_keys:
            due, account_id, entity_id = keys.parse_reminder_due(sort_key)
            one = DueAccount(due, account_id, entity_id, Key(partition, sort_key))
            if wanted is None or wanted(one):
                found.append(one)
        if after is not None:
            turns.append((partition, after))
    return DueAccounts(sorted(found), complete=not turns)


def enqueue_due_accounts(
    context: RequestContext, seconds_left: SecondsLeft, wanted: Callable[[DueAccount], bool] | None = None
) -> HourlyRunResult:
    """Hand every account that is due to the queue of reminders, but for entities whose run waits for staff (R9).

    ``wanted`` narrows it to some.

    Half of the time is for finding them, a quarter at most for counting those of a large run. What there is no time
    for is left to the next run.
    """
    staged_release.start_daily_releases(context)
    half = seconds_left() / 2
    found = find_due_accounts(context.now, lambda: seconds_left() >= half, wanted)
    if not found.complete:
        logger.warning(
            "There was no time or room to find all accounts that are due.", extra={"found": len(found.accounts)}
        )
    waiting = going_live.entities_awaiting_approval(
        context,
        found.account_counts,
        lambda entity: found.count_mailed(context, entity, lambda: seconds_left() >= half / 2),
        narrowed=wanted is not None,
    )
    going = [one for one in found.accounts if one.entity_id not in waiting]
    fresh = going
    if going and queue.count_pending_messages("reminder") > _BACKLOG:
        # What was due an hour ago was handed out then, and is still in the queue.
        fresh = [one for one in going if one.due > keys.format_instant(context.now - _HOUR)]
    handed_out, lost = _enqueue_messages(context, fresh, lambda: seconds_left() > _SECONDS_IN_RESERVE)
    sent = HourlyRunResult(
        handed_out=handed_out,
        lost=lost,
        on_their_way=len(going) - len(fresh),
        left=len(fresh) - handed_out - lost,
        held=dict(sorted(waiting.items())),
    )
    logger.info("Accounts that are due were handed out.", extra={"handed_out": handed_out, "left": sent.left})
    for name, number in (("AccountsToRemind", handed_out), ("AccountsToRemindLeft", sent.left + lost)):
        metrics.add_metric(name=name, unit="Count", value=number)
    return sent


def remind_in_process(context: RequestContext, wanted: Callable[[DueAccount], bool] | None = None) -> HourlyRunResult:
    """Remind every account that is due at the instant of ``context`` in this process, whatever the clock says.

    For the service of ``make run`` only: elsewhere one process would take too long.
    """
    staged_release.start_daily_releases(context)
    found = find_due_accounts(context.now, lambda: True, wanted)
    waiting = going_live.entities_awaiting_approval(
        context,
        found.account_counts,
        lambda entity: found.count_mailed(context, entity, lambda: True),
        narrowed=wanted is not None,
    )
    going = [one for one in found.accounts if one.entity_id not in waiting]
    for one in going:
        process_account.process_account(context, one.account_id, one.entity_id, one.key)
    return HourlyRunResult(len(going), 0, 0, 0, dict(sorted(waiting.items())))


def _enqueue_messages(
    context: RequestContext, accounts: Iterable[DueAccount], time_is_left: Callable[[], bool]
) -> tuple[int, int]:
    """Send the messages, some calls to the queue at once; return how many were taken, and how many were lost."""
    taken = lost = 0
    with ThreadPoolExecutor(_THREADS) as pool:
        for wave in _batches(accounts, _THREADS * queue.MAX_MESSAGES_PER_SEND):
            if not time_is_left():
                break
            messages = [_message(context, one) for one in wave]
            results = list(
                pool.map(
                    lambda part: queue.send_task_messages("reminder", part),
                    _batches(messages, queue.MAX_MESSAGES_PER_SEND),
                )
            )
            lost += sum(results)
            taken += len(messages) - sum(results)
    return taken, lost


def _message(context: RequestContext, one: DueAccount) -> TaskMessage[RemindAccount]:
    return TaskMessage.of(RemindAccount(one.account_id, one.entity_id), one.key, context.correlation_id)


def _batches(things: Iterable[T], size: int) -> Iterator[list[T]]:
    part: list[T] = []
    for one in things:
        part.append(one)
        if len(part) == size:
            yield part
            part = []
    if part:
        yield part


def check_scope_exists(entity_id: str | None, account_id: str | None) -> None:
    """Raise NotFound where one of them does not exist: an empty result would hide a typing error.

    One read where anything is named.
    """
    named = {
        "entity_id": ("issuing entity", entity_id, keys.entity(entity_id) if entity_id is not None else None),
        "account_id": ("account", account_id, keys.account(account_id) if account_id is not None else None),
    }
    found = store.batch_get_items([key for _, _, key in named.values() if key is not None])
    faults = [
        FieldError(field, "not_found", f"There is no {what} {given!r}. Correct the id.")
        for field, (what, given, key) in named.items()
        if key is not None and key not in found
    ]
    if faults:
        raise NotFound(fields=tuple(faults))
