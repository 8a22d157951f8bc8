"""The run of one account: what is due today goes into digests, or is looked at another day (R4, R5)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import Enum

from chalicelib import clock
from chalicelib.observability import logger, metrics
from chalicelib.reminders.run import account_context, digests, planning, rules
from chalicelib.reminders.run.account_context import AccountContext, InvoiceFacts, InvoiceRows
from chalicelib.reminders.run.digests import DueReminder, UnfinishedDigest
from chalicelib.reminders.run.planning import PLANNER
from chalicelib.reminders.run.rules import ReminderDecision
from chalicelib.request_context import RequestContext
from chalicelib.table import keys, store
from chalicelib.table.items import ReminderDueItem, ReminderPlanItem
from chalicelib.table.keys import Key
from chalicelib.tasks.kinds import RemindAccount
from chalicelib.tasks.queue import TaskMessage

MAX_INVOICES_PER_ROUND = 500
"""Looked at in one round, and so at most in one digest; more of its currency wait for another day."""


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
    """A page of the invoices that are to be looked at, and where the next one begins."""

    invoices: list[InvoiceRows]
    left_behind: list[ReminderPlanItem]
    """Rows that the plan of their invoice has moved on from."""
    after: str | None


@dataclass(frozen=True)
class RoundDecisions:
    """What comes of the invoices of an account that are due to be looked at: which are reminded of, and which not."""

    today: date
    chosen: dict[str, list[DueReminder]]
    """By currency."""
    later: list[tuple[InvoiceFacts, ReminderDecision]]

    @property
    def waiting(self) -> bool:
        """Tell whether something waits for the billing system to report payments, and may go out today (R2)."""
        return any(decision.next_on == self.today for _, decision in self.later)


def handle_account_run(message: TaskMessage[RemindAccount], time_is_left: Callable[[], bool] = lambda: True) -> None:
    """Remind the account that ``message`` names of what is due."""
    task, context = message.task, RequestContext(PLANNER, clock.utc_now(), message.correlation_id)
    process_account(context, task.account_id, task.entity_id, message.key, time_is_left)


def process_account(
    context: RequestContext, account_id: str, entity_id: str, key: Key, time_is_left: Callable[[], bool] = lambda: True
) -> None:
    """Remind an account of what is due, and take its row at ``key`` from among those that are due.

    The row stays where anything is left to do: the next hourly run finds it again.
    """
    row = store.get_item(ReminderDueItem, key)
    if row is None:
        return
    rest = remind_account(context, account_id, entity_id, time_is_left)
    if not isinstance(rest, DeferredUntil) and rest is not RunRemainder.NOTHING:
        return
    transaction = store.Transaction(context)
    if isinstance(rest, DeferredUntil):
        transaction.overwrite(planning.account_due_row(rest.about, rest.day))
    # Where more has come meanwhile, as it has where it waits for the same instant, the row stays.
    transaction.delete(row)
    try:
        transaction.commit()
    except store.WriteConflict:
        return


def remind_account(
    context: RequestContext, account_id: str, entity_id: str, time_is_left: Callable[[], bool] = lambda: True
) -> RunRemainder | DeferredUntil:
    """Remind an account of all that is due to an entity today, as long as there is time; return what is left."""
    while True:
        rest = store.retry_on_conflict(lambda: _run_round(context, account_id, entity_id))
        if rest is not RunRemainder.MORE or not time_is_left():
            return rest


def _run_round(context: RequestContext, account_id: str, entity_id: str) -> RunRemainder | DeferredUntil:
    """Finish what was begun, or decide upon what is due and do it."""
    about = account_context.load_account_context(account_id, entity_id, context.now)
    if about is None:
        return RunRemainder.NOTHING
    begun, earlier = unfinished_digest_keys(about)
    if begun:
        digests.resume_digest(context, about, begun[0])
        return RunRemainder.MORE
    if context.now < about.begins:
        return DeferredUntil(about, about.today)
    left_over: list[UnfinishedDigest] = []
    if earlier:
        day = _day_for_unfinished(about, earlier)
        if day != about.today:
            return DeferredUntil(about, day)
        for key in earlier:
            found = digests.load_unfinished_digest(key)
            if found is None:
                digests.discard_unfinished_digest(about, key)
                return RunRemainder.MORE
            left_over.append(found)
    due = load_due_invoices(about)
    _delete_stale_plan_rows(context, due.left_behind)
    outlook = decide_due_invoices(about, due.invoices)
    _postpone_invoices(context, about, outlook.later)
    _send_digests(context, about, outlook.chosen, left_over)
    if outlook.waiting:
        logger.warning("Reminders wait until the billing system has reported payments.")
        metrics.add_metric(name="RemindersWaitForPayments", unit="Count", value=1)
        return RunRemainder.WAITING
    return RunRemainder.NOTHING if due.after is None else RunRemainder.MORE


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


def _day_for_unfinished(about: AccountContext, earlier: Sequence[Key]) -> date:
    """Return the day on which what was left over goes out: as everything else a business day, in that day's digest."""
    account_id, entity_id = about.account.account_id, about.entity.entity_id
    todays = [keys.digest(account_id, about.today, entity_id, keys.parse_digest(key.sk)[2]) for key in earlier]
    first = about.today + timedelta(days=1) if store.batch_get_items(todays) else about.today
    return about.calendar.first_free(first)


def load_due_invoices(about: AccountContext, after: str | None = None) -> DuePage:
    """Read a page of the invoices that are to be looked at today or before. One Query, and one for each invoice."""
    account_id, entity_id = about.account.account_id, about.entity.entity_id
    first, last = keys.reminder_plans_until(account_id, entity_id, about.today)
    page = store.query_items(first.pk, span=(first.sk, last.sk), limit=MAX_INVOICES_PER_ROUND, after=after)
    due = DuePage([], [], page.after)
    for row in page.items:
        rows = account_context.load_invoice_rows(row.invoice_id)
        if rows is not None and rows.state is not None and rows.state.next_on == row.on:
            due.invoices.append(rows)
        else:
            due.left_behind.append(row)
    return due


def decide_due_invoices(about: AccountContext, due: Sequence[InvoiceRows]) -> RoundDecisions:
    """Decide upon invoices that are due to be looked at; nothing is written."""
    outlook = RoundDecisions(about.today, {}, [])
    for found in account_context.gather_invoice_facts(about, due) if due else ():
        decision = rules.decide_reminder(found.subject, found.policy, about.calendar, about.today)
        if decision.step is None:
            outlook.later.append((found, decision))
        else:
            outlook.chosen.setdefault(found.invoice.currency, []).append(DueReminder(found, decision))
    return outlook


def _send_digests(
    context: RequestContext,
    about: AccountContext,
    chosen: Mapping[str, Sequence[DueReminder]],
    left_over: Sequence[UnfinishedDigest],
) -> None:
    if not chosen and not left_over:
        return
    about, made = digests.create_digests(context, about, chosen, left_over)
    known = {one.facts.invoice.invoice_id: one.facts for of_currency in chosen.values() for one in of_currency}
    for digest in made:
        about = digests.finish_digest(context, about, digest, known)


def _postpone_invoices(
    context: RequestContext, about: AccountContext, later: Sequence[tuple[InvoiceFacts, ReminderDecision]]
) -> None:
    news = [(found, decision) for found, decision in later if not _is_recorded(about, found, decision)]
    for part in planning.split_into_transactions(news, lambda one: len(one[1].superseded)):
        transaction = store.Transaction(context)
        for found, decision in part:
            planning.supersede_steps(transaction, context, found.rows, about, decision.superseded)
            planning.write_invoice_plan(transaction, about, found.rows, decision.next_on, decision.reason)
        transaction.commit()


def _is_recorded(about: AccountContext, found: InvoiceFacts, decision: ReminderDecision) -> bool:
    """Tell whether it is written already that an invoice waits today, and why."""
    state, reason = found.rows.state, decision.reason
    if state is None or reason is None or decision.superseded or not state.next_on == decision.next_on == about.today:
        return False
    noted = state.reasons[-1] if state.reasons else {}
    return (noted.get("code"), noted.get("last_on")) == (reason.code, about.today.isoformat())


def _delete_stale_plan_rows(context: RequestContext, left_behind: Sequence[ReminderPlanItem]) -> None:
    """Take away what the plan of an invoice has moved on from, unless it has come back meanwhile."""
    for row in left_behind:
        transaction = store.Transaction(context)
        transaction.delete(row)
        try:
            transaction.commit()
        except store.WriteConflict:
            continue
