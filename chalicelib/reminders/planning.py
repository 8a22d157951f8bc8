"""When an invoice is to be looked at next: written whenever something may have changed that (R7, R8).

The plan is a hint that costs a run nothing until its day has come; on that day the decision is made afresh. Of each
invoice there is at most one row in the account's partition, and for each account, entity and day one row by which the
hourly run finds the account.
"""

import secrets
from datetime import date

from chalicelib import clock
from chalicelib.call import Actor, Call
from chalicelib.duties import service as duties
from chalicelib.duties.queue import Message
from chalicelib.reminders import facts, rules
from chalicelib.reminders.calendars import sending_begins
from chalicelib.reminders.facts import Around, Rows
from chalicelib.reminders.policy import PlannedStep
from chalicelib.table import keys, store
from chalicelib.table.items import ReminderDueItem, ReminderPlanItem, RemindersItem, ReminderStepItem
from chalicelib.table.keys import Key

PLANNER = Actor("system", "reminders", "Reminders")

SUPERSEDED = "superseded"
_VERSIONS = 2**53


def run(message: Message) -> None:
    """Plan the invoices that ``message`` names anew."""
    call = Call(PLANNER, clock.now(), message.correlation_id)
    *before, last = message.subject.split()
    for invoice_id in before:
        plan_again(call, invoice_id)
    store.deciding_again(lambda: plan(call, last, message.key))


def plan_again(call: Call, invoice_id: str) -> date | None:
    """Decide when to look at an invoice next, as ``plan`` does, until nobody else is at it."""
    return store.deciding_again(lambda: plan(call, invoice_id))


def plan(call: Call, invoice_id: str, duty: Key | None = None) -> date | None:
    """Decide when to look at an invoice next, write that down, and return the day; None if only an event can tell.

    Three reads and one transaction, with which ``duty`` is done.
    """
    rows = facts.rows_of(invoice_id)
    about = facts.around(rows.invoice.account_id, rows.invoice.entity_id, call.now) if rows else None
    if rows is None or about is None:
        if duty is not None:
            duties.done(duty)
        return None
    (found,) = facts.of_invoices(about, [rows], with_recipients=False)
    decision = rules.decide(found.subject, found.policy, about.calendar, about.today)
    look_on = about.today if decision.step is not None else decision.next_on
    transaction = store.Transaction(call)
    # What an outage made old is superseded by the digest that sends the newer step, and not before.
    if decision.step is None:
        supersede(transaction, call, rows, about, decision.superseded)
    write(transaction, about, rows, look_on, decision.reason)
    if duty is not None:
        transaction.erase(duty)
    transaction.commit()
    return look_on


def write(
    transaction: store.Transaction,
    about: Around,
    rows: Rows,
    look_on: date | None,
    reason: rules.Reason | None,
) -> None:
    """Add to ``transaction`` that an invoice is looked at next on ``look_on``, and the reason why not now.

    The row of where its reminders stand carries the condition.
    """
    invoice, state = rows.invoice, rows.state
    account_id, entity_id, invoice_id = invoice.account_id, invoice.entity_id, invoice.invoice_id
    key = keys.reminders(invoice_id)
    after = state or RemindersItem(key.pk, key.sk, invoice_id=invoice_id)
    if state is not None and state.next_on is not None and state.next_on != look_on:
        transaction.erase(keys.reminder_to_come(account_id, entity_id, state.next_on, invoice_id))
    after.due_since = facts.recorded_on(about, rows)
    after.due_date = invoice.due_date
    after.next_on = look_on
    after.reasons = rules.noted(after.reasons, reason, about.today)
    transaction.put(after, new=state is None)
    if look_on is not None:
        to_come = keys.reminder_to_come(account_id, entity_id, look_on, invoice_id)
        transaction.overwrite(
            ReminderPlanItem(
                to_come.pk,
                to_come.sk,
                invoice_id=invoice_id,
                account_id=account_id,
                entity_id=entity_id,
                on=look_on,
            )
        )
        due = sending_begins(look_on, about.policy.send_at, about.time_zone)
        of_account = keys.account_to_remind(account_id, entity_id, due)
        transaction.overwrite(
            # The version is fresh, so that whoever is done with the account notices that more has come.
            ReminderDueItem(
                of_account.pk,
                of_account.sk,
                account_id=account_id,
                entity_id=entity_id,
                due=due,
                version=secrets.randbelow(_VERSIONS),
            )
        )


def supersede(
    transaction: store.Transaction, call: Call, rows: Rows, about: Around, steps: tuple[PlannedStep, ...]
) -> None:
    """Add to ``transaction`` that ``steps`` will not be sent any more (R5)."""
    for step in steps:
        record(transaction, call, rows, about, step.name, SUPERSEDED, None)


def record(
    transaction: store.Transaction,
    call: Call,
    rows: Rows,
    about: Around,
    step: str,
    outcome: str,
    digest_id: str | None,
) -> None:
    """Add to ``transaction`` that the step of a name was taken, which nobody can do any more (R5)."""
    invoice = rows.invoice
    if invoice.due_date is None:
        raise ValueError("An invoice without a due date has no steps.")
    key = keys.reminder_step(invoice.invoice_id, invoice.due_date, step)
    transaction.create(
        ReminderStepItem(
            key.pk,
            key.sk,
            invoice_id=invoice.invoice_id,
            due_date=invoice.due_date,
            step=step,
            outcome=outcome,
            digest_id=digest_id,
            on=about.today,
            at=call.now,
        )
    )
