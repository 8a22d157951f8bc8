"""The run of one account: what is due today goes into digests, or is looked at another day (R4, R5)."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta

from chalicelib import clock
from chalicelib.call import Call
from chalicelib.duties.queue import Message
from chalicelib.reminders import digests, facts, planning, rules
from chalicelib.reminders.digests import Chosen
from chalicelib.reminders.facts import Around, Facts, Rows
from chalicelib.reminders.planning import PLANNER
from chalicelib.reminders.rules import REASONS, Decision
from chalicelib.table import keys, store
from chalicelib.table.items import ReminderDueItem, ReminderPlanItem
from chalicelib.table.keys import Key

_ROUNDS = 20
"""Each freezes a digest, finishes one, or moves on what is not due; ten currencies of one account have room."""


def subject(account_id: str, entity_id: str) -> str:
    """Return what a queue message calls the run of an account and issuing entity."""
    return f"{account_id} {entity_id}"


def run(message: Message) -> None:
    """Remind the account that ``message`` names of what is due, and take its row from among those that are due.

    The row stays where anything is left to do: the next hourly run finds it again.
    """
    account_id, _, entity_id = message.subject.partition(" ")
    call = Call(PLANNER, clock.now(), message.correlation_id)
    row = store.get(ReminderDueItem, message.key)
    if row is None:
        return
    if remind(call, account_id, entity_id):
        transaction = store.Transaction(call)
        transaction.delete(row)
        try:
            transaction.commit()
        except store.Contended:
            # More has come meanwhile, or another worker has taken the row away.
            return


def remind(call: Call, account_id: str, entity_id: str) -> bool:
    """Remind an account of all that is due to an entity today; False if something is left for the next run."""
    return any(store.deciding_again(lambda: _round(call, account_id, entity_id)) for _ in range(_ROUNDS))


def _round(call: Call, account_id: str, entity_id: str) -> bool:
    """Finish what was begun, then decide upon what is due; True if nothing was."""
    about = facts.around(account_id, entity_id, call.now)
    if about is None:
        return True
    if about.reminders is not None and about.reminders.unfinished:
        for sort_key in list(about.reminders.unfinished):
            if sort_key.split("#")[2] == entity_id:
                digests.finish(call, about, Key(keys.account(account_id).pk, sort_key))
                return False
    due = _due(about)
    if not due:
        return True
    chosen: dict[str, list[Chosen]] = defaultdict(list)
    later: list[tuple[Facts, Decision]] = []
    for found in facts.of_invoices(about, due):
        decision = rules.decide(found.subject, found.policy, about.calendar, about.today)
        if decision.step is not None and len(chosen[found.invoice.currency]) < digests.MOST_INVOICES:
            chosen[found.invoice.currency].append(Chosen(found, decision))
        elif decision.step is not None:
            later.append((found, _another_day(about)))
        else:
            later.append((found, decision))
    for found, decision in later:
        _look_later(call, about, found, decision)
    for currency, of_currency in chosen.items():
        if of_currency and not digests.freeze(call, about, currency, of_currency):
            for one in of_currency:
                _look_later(call, about, one.facts, _another_day(about))
            continue
        if of_currency:
            # The account's row has changed with the digest, so the rest is decided upon anew.
            return False
    return False


def _due(about: Around) -> Sequence[Rows]:
    """Read the invoices that are to be looked at today or before, at most as many as a digest holds."""
    account_id, entity_id = about.account.account_id, about.entity.entity_id
    first = keys.reminder_to_come(account_id, entity_id, about.today, "")
    begin = first.sk.removesuffix(f"{about.today.isoformat()}#")
    page = store.query(first.pk, span=(begin, first.sk + "~"), limit=digests.MOST_INVOICES)
    found = []
    for row in page.items:
        if isinstance(row, ReminderPlanItem):
            rows = facts.rows_of(row.invoice_id)
            if rows is None or (rows.state is None or rows.state.next_on != row.on):
                # The plan has moved on; this row of it was left behind.
                store.remove(row.key)
            else:
                found.append(rows)
    return found


def _another_day(about: Around) -> Decision:
    next_on = about.calendar.first_free(about.today + timedelta(days=1))
    return Decision(reason=REASONS["too_soon"], next_on=next_on)


def _look_later(call: Call, about: Around, found: Facts, decision: Decision) -> None:
    transaction = store.Transaction(call)
    planning.supersede(transaction, call, found.rows, about, decision.superseded)
    planning.write(transaction, about, found.rows, decision.next_on, decision.reason)
    transaction.commit()
