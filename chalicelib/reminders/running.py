"""The run of one account: what is due today goes into digests, or is looked at another day (R4, R5)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import Enum

from chalicelib import clock
from chalicelib.call import Call
from chalicelib.duties.queue import Message
from chalicelib.observability import logger, metrics
from chalicelib.reminders import digests, facts, planning, rules
from chalicelib.reminders.digests import Chosen, LeftOver
from chalicelib.reminders.facts import Around, Facts, Rows
from chalicelib.reminders.planning import PLANNER
from chalicelib.reminders.rules import Decision
from chalicelib.table import keys, store
from chalicelib.table.items import ReminderDueItem, ReminderPlanItem
from chalicelib.table.keys import Key

MOST_INVOICES = 500
"""Looked at in one round, and so at most in one digest; more of its currency wait for another day."""


class Rest(Enum):
    """What is left of the run of an account after a round."""

    NOTHING = "nothing"
    MORE = "more"
    """More can be done at once."""
    WAITING = "waiting"
    """What is left waits for something that may come within the hour."""


@dataclass(frozen=True)
class Until:
    """What is left waits until sending begins on a day."""

    about: Around
    day: date


@dataclass(frozen=True)
class Due:
    """A page of the invoices that are to be looked at, and where the next one begins."""

    invoices: list[Rows]
    left_behind: list[ReminderPlanItem]
    """Rows that the plan of their invoice has moved on from."""
    after: str | None


@dataclass(frozen=True)
class Outlook:
    """What comes of the invoices of an account that are due to be looked at: which are reminded of, and which not."""

    today: date
    chosen: dict[str, list[Chosen]]
    """By currency."""
    later: list[tuple[Facts, Decision]]

    @property
    def waiting(self) -> bool:
        """Tell whether something waits for the billing system to report payments, and may go out today (R2)."""
        return any(decision.next_on == self.today for _, decision in self.later)


def subject(account_id: str, entity_id: str) -> str:
    """Return what a queue message calls the run of an account and issuing entity."""
    return f"{account_id} {entity_id}"


def run(message: Message, time_is_left: Callable[[], bool] = lambda: True) -> None:
    """Remind the account that ``message`` names of what is due."""
    account_id, _, entity_id = message.subject.partition(" ")
    work_off(Call(PLANNER, clock.now(), message.correlation_id), account_id, entity_id, message.key, time_is_left)


def work_off(
    call: Call, account_id: str, entity_id: str, key: Key, time_is_left: Callable[[], bool] = lambda: True
) -> None:
    """Remind an account of what is due, and take its row at ``key`` from among those that are due.

    The row stays where anything is left to do: the next hourly run finds it again.
    """
    row = store.get(ReminderDueItem, key)
    if row is None:
        return
    rest = remind(call, account_id, entity_id, time_is_left)
    if not isinstance(rest, Until) and rest is not Rest.NOTHING:
        return
    transaction = store.Transaction(call)
    if isinstance(rest, Until):
        transaction.overwrite(planning.due_row(rest.about, rest.day))
    # Where more has come meanwhile, as it has where it waits for the same instant, the row stays.
    transaction.delete(row)
    try:
        transaction.commit()
    except store.Contended:
        return


def remind(
    call: Call, account_id: str, entity_id: str, time_is_left: Callable[[], bool] = lambda: True
) -> Rest | Until:
    """Remind an account of all that is due to an entity today, as long as there is time; return what is left."""
    while True:
        rest = store.deciding_again(lambda: _round(call, account_id, entity_id))
        if rest is not Rest.MORE or not time_is_left():
            return rest


def _round(call: Call, account_id: str, entity_id: str) -> Rest | Until:
    """Finish what was begun, or decide upon what is due and do it."""
    about = facts.around(account_id, entity_id, call.now)
    if about is None:
        return Rest.NOTHING
    begun, earlier = unfinished(about)
    if begun:
        digests.resume(call, about, begun[0])
        return Rest.MORE
    if call.now < about.begins:
        return Until(about, about.today)
    left_over: list[LeftOver] = []
    if earlier:
        day = _day_of_left_over(about, earlier)
        if day != about.today:
            return Until(about, day)
        for key in earlier:
            found = digests.left_over(key)
            if found is None:
                digests.forget(about, key)
                return Rest.MORE
            left_over.append(found)
    due = due_today(about)
    _tidy(call, due.left_behind)
    outlook = look(about, due.invoices)
    _look_later(call, about, outlook.later)
    _remind(call, about, outlook.chosen, left_over)
    if outlook.waiting:
        logger.warning("Reminders wait until the billing system has reported payments.")
        metrics.add_metric(name="RemindersWaitForPayments", unit="Count", value=1)
        return Rest.WAITING
    return Rest.NOTHING if due.after is None else Rest.MORE


def unfinished(about: Around) -> tuple[list[Key], list[Key]]:
    """Return the keys of the entity's digests of today that are not finished, and of those of other days."""
    begun: list[Key] = []
    earlier: list[Key] = []
    for sort_key in about.reminders.unfinished if about.reminders is not None else ():
        _, day, entity_id, _ = sort_key.split("#")
        if entity_id == about.entity.entity_id:
            key = Key(keys.account(about.account.account_id).pk, sort_key)
            (begun if day == about.today.isoformat() else earlier).append(key)
    return begun, earlier


def _day_of_left_over(about: Around, earlier: Sequence[Key]) -> date:
    """Return the day on which what was left over goes out: as everything else a business day, in that day's digest."""
    account_id, entity_id = about.account.account_id, about.entity.entity_id
    todays = [keys.digest(account_id, about.today, entity_id, key.sk.rpartition("#")[2]) for key in earlier]
    first = about.today + timedelta(days=1) if store.batch(todays) else about.today
    return about.calendar.first_free(first)


def due_today(about: Around, after: str | None = None) -> Due:
    """Read a page of the invoices that are to be looked at today or before. One Query, and one for each invoice."""
    account_id, entity_id = about.account.account_id, about.entity.entity_id
    last = keys.reminder_to_come(account_id, entity_id, about.today, "")
    first = last.sk.removesuffix(f"{about.today.isoformat()}#")
    page = store.query(last.pk, span=(first, last.sk + "~"), limit=MOST_INVOICES, after=after)
    due = Due([], [], page.after)
    for row in page.items:
        rows = facts.rows_of(row.invoice_id)
        if rows is not None and rows.state is not None and rows.state.next_on == row.on:
            due.invoices.append(rows)
        else:
            due.left_behind.append(row)
    return due


def look(about: Around, due: Sequence[Rows]) -> Outlook:
    """Decide upon invoices that are due to be looked at; nothing is written."""
    outlook = Outlook(about.today, {}, [])
    for found in facts.of_invoices(about, due) if due else ():
        decision = rules.decide(found.subject, found.policy, about.calendar, about.today)
        if decision.step is None:
            outlook.later.append((found, decision))
        else:
            outlook.chosen.setdefault(found.invoice.currency, []).append(Chosen(found, decision))
    return outlook


def _remind(call: Call, about: Around, chosen: Mapping[str, Sequence[Chosen]], left_over: Sequence[LeftOver]) -> None:
    if not chosen and not left_over:
        return
    about, made = digests.freeze(call, about, chosen, left_over)
    known = {one.facts.invoice.invoice_id: one.facts for of_currency in chosen.values() for one in of_currency}
    for digest in made:
        about = digests.finish(call, about, digest, known)


def _look_later(call: Call, about: Around, later: Sequence[tuple[Facts, Decision]]) -> None:
    news = [(found, decision) for found, decision in later if not _is_known(about, found, decision)]
    for part in planning.fitting(news, lambda one: len(one[1].superseded)):
        transaction = store.Transaction(call)
        for found, decision in part:
            planning.supersede(transaction, call, found.rows, about, decision.superseded)
            planning.write(transaction, about, found.rows, decision.next_on, decision.reason)
        transaction.commit()


def _is_known(about: Around, found: Facts, decision: Decision) -> bool:
    """Tell whether it is written already that an invoice waits today, and why."""
    state, reason = found.rows.state, decision.reason
    if state is None or reason is None or decision.superseded or not state.next_on == decision.next_on == about.today:
        return False
    noted = state.reasons[-1] if state.reasons else {}
    return (noted.get("code"), noted.get("last_on")) == (reason.code, about.today.isoformat())


def _tidy(call: Call, left_behind: Sequence[ReminderPlanItem]) -> None:
    """Take away what the plan of an invoice has moved on from, unless it has come back meanwhile."""
    for row in left_behind:
        transaction = store.Transaction(call)
        transaction.delete(row)
        try:
            transaction.commit()
        except store.Contended:
            continue
