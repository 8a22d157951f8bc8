"""The run of one account: gather what is due, decide about it, write digests or another day (R4, R5)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import Enum
from functools import partial

from chalicelib import clock
from chalicelib.observability import logger, metrics
from chalicelib.reminders.run import account_context, candidates, digests, planning, rules
from chalicelib.reminders.run.account_context import AccountContext
from chalicelib.reminders.run.candidates import InvoiceFacts
from chalicelib.reminders.run.digests import DueReminder
from chalicelib.reminders.run.planning import PLANNER
from chalicelib.reminders.run.rules import ReminderDecision
from chalicelib.request_context import RequestContext
from chalicelib.table import keys, store
from chalicelib.table.items import AccountRemindersItem, ReminderDueItem, ReminderPlanItem
from chalicelib.table.keys import Key
from chalicelib.table.store import ItemPage
from chalicelib.tasks.kinds import RemindAccount
from chalicelib.tasks.queue import TaskMessage

MAX_INVOICES_PER_ROUND = 500
"""Looked at in one round, and so at most in one digest; more of its currency wait for another day."""


_FARTHEST_LOCAL_DATE = timedelta(days=1)
"""How far the local date of an account may be ahead of the UTC date."""


class RunRemainder(Enum):
    """What is left of the run of an account after a round."""

    NOTHING = "nothing"
    MORE = "more"
    """More can be done at once."""
    WAITING = "waiting"
    """What is left waits for something that may come within the hour."""


@dataclass(frozen=True)
class DeferredUntil:
    """What is left waits until sending begins on a day."""

    about: AccountContext
    day: date


@dataclass(frozen=True)
class DuePage:
    """A page of the invoices that are due to be decided about, and where the next one begins."""

    invoices: list[InvoiceFacts]
    stale: list[ReminderPlanItem]
    """Rows of invoices whose plan has moved on."""
    after: str | None


@dataclass(frozen=True)
class RoundDecisions:
    """What is decided about the invoices of a page: which are reminded of, and which not."""

    today: date
    reminders: dict[str, list[DueReminder]]
    """By currency."""
    postponed: list[tuple[InvoiceFacts, ReminderDecision]]

    @property
    def wait_for_payments(self) -> bool:
        """Tell whether some wait for the billing system to report payments, and may be sent today (R2)."""
        return any(decision.next_on == self.today for _, decision in self.postponed)


def handle_account_run(message: TaskMessage[RemindAccount], time_is_left: Callable[[], bool] = lambda: True) -> None:
    """Remind the account that ``message`` names of what is due."""
    task, context = message.task, RequestContext(PLANNER, clock.utc_now(), message.correlation_id)
    process_account(context, task.account_id, task.entity_id, message.key, time_is_left)


def process_account(
    context: RequestContext, account_id: str, entity_id: str, key: Key, time_is_left: Callable[[], bool] = lambda: True
) -> None:
    """Remind an account of what is due, and delete its due marker at ``key``.

    The marker stays while anything remains to be done: the next hourly run finds it again. An account that has paid
    meanwhile costs three reads and the deletion.
    """
    row = store.get_item(ReminderDueItem, key)
    if row is None:
        return
    planned = _query_due_plans(account_id, entity_id, context.now.date() + _FARTHEST_LOCAL_DATE)
    remainder: RunRemainder | DeferredUntil = RunRemainder.NOTHING
    if planned.items or _has_unfinished_digest(account_id):
        remainder = remind_account(context, account_id, entity_id, planned, time_is_left)
    if not isinstance(remainder, DeferredUntil) and remainder is not RunRemainder.NOTHING:
        return
    transaction = store.Transaction(context)
    if isinstance(remainder, DeferredUntil):
        transaction.overwrite(planning.account_due_row(remainder.about, remainder.day))
    # Where more has become due meanwhile, the marker has another version and stays.
    transaction.delete(row)
    try:
        transaction.commit()
    except store.WriteConflict:
        return


def _query_due_plans(account_id: str, entity_id: str, last: date, after: str | None = None) -> ItemPage:
    first, end = keys.reminder_plans_until(account_id, entity_id, last)
    return store.query_items(first.pk, span=(first.sk, end.sk), limit=MAX_INVOICES_PER_ROUND, after=after)


def _has_unfinished_digest(account_id: str) -> bool:
    reminders = store.get_item(AccountRemindersItem, keys.account_reminders(account_id))
    return reminders is not None and bool(reminders.unfinished)


def remind_account(
    context: RequestContext,
    account_id: str,
    entity_id: str,
    planned: ItemPage | None = None,
    time_is_left: Callable[[], bool] = lambda: True,
) -> RunRemainder | DeferredUntil:
    """Remind an account of all that is due to an entity today, as long as there is time; return what is left.

    ``planned`` is the first page of its planned invoices, where it has been read.
    """
    while True:
        read, planned = planned, None
        remainder = store.retry_on_conflict(partial(_run_round, context, account_id, entity_id, read))
        if remainder is not RunRemainder.MORE or not time_is_left():
            return remainder


def _run_round(
    context: RequestContext, account_id: str, entity_id: str, planned: ItemPage | None
) -> RunRemainder | DeferredUntil:
    """Resume a digest of today that was interrupted; else gather a page of what is due, decide, and write."""
    about = account_context.load_account_context(account_id, entity_id, context.now)
    if about is None:
        return RunRemainder.NOTHING
    interrupted, earlier = unfinished_digest_keys(about)
    if interrupted:
        digests.resume_digest(context, about, interrupted[0])
        return RunRemainder.MORE
    first_day = _first_sending_day(context, about, earlier)
    if first_day is not None:
        return DeferredUntil(about, first_day)
    unfinished = [one for one in map(digests.load_unfinished_digest, earlier) if one is not None]
    page = load_due_invoices(about, planned=planned)
    decisions = decide_due_invoices(about, page.invoices)
    _delete_stale_plan_rows(context, page.stale)
    _postpone_invoices(context, about, decisions.postponed)
    if decisions.reminders or earlier:
        digests.send_digests(context, about, decisions.reminders, earlier, unfinished)
    if decisions.wait_for_payments:
        logger.warning("Reminders wait until the billing system has reported payments.")
        metrics.add_metric(name="RemindersWaitForPayments", unit="Count", value=1)
        return RunRemainder.WAITING
    return RunRemainder.NOTHING if page.after is None else RunRemainder.MORE


def unfinished_digest_keys(about: AccountContext) -> tuple[list[Key], list[Key]]:
    """Return the keys of the entity's digests of today that are not finished, and of those of other days."""
    begun: list[Key] = []
    earlier: list[Key] = []
    for sort_key in about.reminders.unfinished if about.reminders is not None else ():
        day, entity_id, _ = keys.parse_digest(sort_key)
        if entity_id == about.entity.entity_id:
            key = Key(keys.account(about.account.account_id).pk, sort_key)
            (begun if day == about.today else earlier).append(key)
    return begun, earlier


def _first_sending_day(context: RequestContext, about: AccountContext, earlier: Sequence[Key]) -> date | None:
    """Return until which day the run waits, None when it sends now.

    An unfinished digest of an earlier day is sent on a business day as all others, within the digest of that day.
    """
    if context.now < about.begins:
        return about.today
    if not earlier:
        return None
    account_id, entity_id = about.account.account_id, about.entity.entity_id
    todays = [keys.digest(account_id, about.today, entity_id, keys.parse_digest(key.sk)[2]) for key in earlier]
    first = about.today + timedelta(days=1) if store.batch_get_items(todays) else about.today
    day = about.calendar.first_free(first)
    return day if day != about.today else None


def load_due_invoices(about: AccountContext, after: str | None = None, planned: ItemPage | None = None) -> DuePage:
    """Read a page of the invoices that are due today or before: one Query, one for each invoice, and their facts.

    ``planned`` is the page, where it has been read; it may hold later days too.
    """
    account_id, entity_id = about.account.account_id, about.entity.entity_id
    page = planned or _query_due_plans(account_id, entity_id, about.today, after)
    today = [row for row in page.items if row.on <= about.today]
    due, stale = [], []
    for row in today:
        rows = candidates.load_invoice_rows(row.invoice_id)
        if rows is not None and rows.state is not None and rows.state.next_on == row.on:
            due.append(rows)
        else:
            stale.append(row)
    after = page.after if len(today) == len(page.items) else None
    return DuePage(candidates.gather_invoice_facts(about, due), stale, after)


def decide_due_invoices(about: AccountContext, invoices: Sequence[InvoiceFacts]) -> RoundDecisions:
    """Decide about invoices that are due; nothing is read or written."""
    decisions = RoundDecisions(about.today, {}, [])
    for one in invoices:
        decision = rules.decide_reminder(one.candidate, one.policy, about.calendar, about.today)
        if decision.step is None:
            decisions.postponed.append((one, decision))
        else:
            decisions.reminders.setdefault(one.invoice.currency, []).append(DueReminder(one, decision))
    return decisions


def would_mail(context: RequestContext, account_id: str, entity_id: str) -> bool:
    """Return whether a run of the account now would mail it: it reads and decides as the run, and writes nothing."""
    planned: ItemPage | None = _query_due_plans(account_id, entity_id, context.now.date() + _FARTHEST_LOCAL_DATE)
    if planned is not None and not planned.items and not _has_unfinished_digest(account_id):
        return False
    about = account_context.load_account_context(account_id, entity_id, context.now)
    if about is None or context.now < about.begins:
        return False
    if any(unfinished_digest_keys(about)):
        return True
    after: str | None = None
    while True:
        page = load_due_invoices(about, after, planned)
        if decide_due_invoices(about, page.invoices).reminders:
            return True
        if page.after is None:
            return False
        after, planned = page.after, None


def _postpone_invoices(
    context: RequestContext, about: AccountContext, postponed: Sequence[tuple[InvoiceFacts, ReminderDecision]]
) -> None:
    unrecorded = [(found, decision) for found, decision in postponed if not _is_recorded(about, found, decision)]
    for part in planning.split_into_transactions(unrecorded, lambda one: len(one[1].superseded)):
        transaction = store.Transaction(context)
        for found, decision in part:
            planning.supersede_steps(transaction, context, found.rows, about, decision.superseded)
            planning.write_invoice_plan(transaction, about, found.rows, decision.next_on, decision.reason)
        transaction.commit()


def _is_recorded(about: AccountContext, found: InvoiceFacts, decision: ReminderDecision) -> bool:
    """Tell whether it is already recorded that an invoice waits today, and why."""
    state, reason = found.rows.state, decision.reason
    if state is None or reason is None or decision.superseded or not state.next_on == decision.next_on == about.today:
        return False
    last = state.reasons[-1] if state.reasons else {}
    return (last.get("code"), last.get("last_on")) == (reason.code, about.today.isoformat())


def _delete_stale_plan_rows(context: RequestContext, stale: Sequence[ReminderPlanItem]) -> None:
    """Delete rows of invoices whose plan has moved on, unless it has come back meanwhile."""
    for row in stale:
        transaction = store.Transaction(context)
        transaction.delete(row)
        try:
            transaction.commit()
        except store.WriteConflict:
            continue
