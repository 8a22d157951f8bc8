"""Plan on which day an invoice is decided about next; written whenever something may have changed that (R7, R8).

The plan is a hint that costs a run nothing before its day; on that day the decision is made again. Each invoice has at
most one row in the account's partition, and each account, entity and day one due marker, by which the hourly run finds
the account.
"""

import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import date, datetime
from typing import TypeVar

from chalicelib import clock, ids
from chalicelib.reminders.policy.calendars import sending_starts_at
from chalicelib.reminders.policy.rules import PlannedStep
from chalicelib.reminders.run import account_context, candidates, rules
from chalicelib.reminders.run.account_context import AccountContext
from chalicelib.reminders.run.candidates import InvoiceRows
from chalicelib.request_context import Actor, RequestContext
from chalicelib.table import keys, store
from chalicelib.table.items import InvoiceRemindersItem, ReminderDueItem, ReminderPlanItem, ReminderStepItem
from chalicelib.table.keys import Key
from chalicelib.tasks.kinds import PlanInvoices
from chalicelib.tasks.queue import TaskMessage
from chalicelib.tasks.service import complete_task

PLANNER = Actor("system", "reminders", "Reminders")

T = TypeVar("T")

SUPERSEDED, WITHHELD = "superseded", candidates.WITHHELD
_VERSIONS = 2**53
_ROWS_PER_TRANSACTION = 90
_ROWS_PER_INVOICE = 5
"""Its reminders, the step, the old and the new reminder to come, and when its account is due, which many share."""


def handle_planning_task(message: TaskMessage[PlanInvoices]) -> None:
    """Plan again the invoices that ``message`` names."""
    context = RequestContext(PLANNER, clock.utc_now(), message.correlation_id)
    since = ids.time_of_id(ids.TASK_PREFIX, keys.task_id_of(message.key))
    *before, last = message.task.invoice_ids
    for invoice_id in before:
        store.retry_on_conflict(lambda one=invoice_id: plan_invoice(context, one, since=since))  # type: ignore[misc]
    store.retry_on_conflict(lambda: plan_invoice(context, last, message.key, since))


def plan_invoice_with_retry(context: RequestContext, invoice_id: str) -> date | None:
    """Decide when to look at an invoice next, and write it; retry on an optimistic-lock conflict."""
    return store.retry_on_conflict(lambda: plan_invoice(context, invoice_id))


def plan_invoice(
    context: RequestContext, invoice_id: str, task: Key | None = None, since: datetime | None = None
) -> date | None:
    """Decide when to look at an invoice next, write that down, and return the day; None if only an event can tell.

    ``since`` is when what may have changed was written. Three reads and one transaction, which also
    completes ``task``.
    """
    rows = candidates.load_invoice_rows(invoice_id)
    if rows is not None and since is not None:
        rows = replace(rows, changed_at=since)
    about = (
        account_context.load_account_context(rows.invoice.account_id, rows.invoice.entity_id, context.now)
        if rows
        else None
    )
    if rows is None or about is None:
        if task is not None:
            complete_task(task)
        return None
    (found,) = candidates.gather_invoice_facts(about, [rows], with_recipients=False)
    decision = rules.decide_reminder(found.candidate, found.policy, about.calendar, about.today)
    look_on = about.today if decision.step is not None else decision.next_on
    transaction = store.Transaction(context)
    # After an outage, older steps are superseded by the digest that sends the newer one, and not before.
    if decision.step is None:
        supersede_steps(transaction, context, rows, about, decision.superseded)
    write_invoice_plan(transaction, about, rows, look_on, decision.reason)
    if task is not None:
        transaction.delete_unconditionally(task)
    transaction.commit()
    return look_on


def write_invoice_plan(
    transaction: store.Transaction,
    about: AccountContext,
    rows: InvoiceRows,
    look_on: date | None,
    reason: rules.NoReminderReason | None,
) -> None:
    """Add to ``transaction`` that an invoice is looked at next on ``look_on``, and the reason why not now.

    The row of where its reminders stand carries the condition.
    """
    invoice, state = rows.invoice, rows.state
    account_id, entity_id, invoice_id = invoice.account_id, invoice.entity_id, invoice.invoice_id
    key = keys.invoice_reminders(invoice_id)
    after = state or InvoiceRemindersItem(key.pk, key.sk, invoice_id=invoice_id)
    if state is not None and state.next_on is not None and state.next_on != look_on:
        transaction.delete_unconditionally(keys.reminder_plan(account_id, entity_id, state.next_on, invoice_id))
    after.due_since = candidates.due_date_recorded_on(about, rows.invoice, rows.state, rows.changed_at)
    after.due_date = invoice.due_date
    after.next_on = look_on
    after.reasons = rules.record_reason(after.reasons, reason, about.today, rows.reminded_on)
    transaction.put(after, new=state is None)
    if look_on is not None:
        to_come = keys.reminder_plan(account_id, entity_id, look_on, invoice_id)
        transaction.overwrite(
            ReminderPlanItem(
                to_come.pk,
                to_come.sk,
                invoice_id=invoice_id,
                account_id=account_id,
                entity_id=entity_id,
                on=look_on,
                version=secrets.randbelow(_VERSIONS),
            )
        )
        transaction.overwrite(account_due_row(about, look_on))


def account_due_row(about: AccountContext, day: date) -> ReminderDueItem:
    """Return the row by which the hourly run finds the account from when sending begins on ``day``.

    Its version is random, so that a run that finishes meanwhile does not delete it.
    """
    account_id, entity_id = about.account.account_id, about.entity.entity_id
    due = sending_starts_at(day, about.policy.send_at, about.time_zone)
    key = keys.reminder_due(account_id, entity_id, due)
    version = secrets.randbelow(_VERSIONS)
    return ReminderDueItem(key.pk, key.sk, account_id=account_id, entity_id=entity_id, due=due, version=version)


def split_into_transactions(things: Iterable[T], superseded: Callable[[T], int]) -> Iterator[list[T]]:
    """Divide what is to be written of invoices so that each part fits a transaction.

    ``superseded`` tells how many steps of one are superseded; each is a row of its own.
    """
    part: list[T] = []
    rows = 0
    for one in things:
        wanted = _ROWS_PER_INVOICE + superseded(one)
        if part and rows + wanted > _ROWS_PER_TRANSACTION:
            yield part
            part, rows = [], 0
        part.append(one)
        rows += wanted
    if part:
        yield part


def supersede_steps(
    transaction: store.Transaction,
    context: RequestContext,
    rows: InvoiceRows,
    about: AccountContext,
    steps: tuple[PlannedStep, ...],
) -> None:
    """Add to ``transaction`` that ``steps`` will not be sent any more (R5). One that was withheld is told as such."""
    kept = {step.step for step in rows.steps if step.due_date == rows.invoice.due_date}
    for step in steps:
        if step.name not in kept:
            record_reminder_step(transaction, context, rows, about, step.name, SUPERSEDED, None)


def record_reminder_step(
    transaction: store.Transaction,
    context: RequestContext,
    rows: InvoiceRows,
    about: AccountContext,
    step: str,
    outcome: str,
    digest_id: str | None,
    planned_on: date | None = None,
) -> None:
    """Add to ``transaction`` that the step of a name was taken, which nobody can do any more (R5).

    One that was withheld is taken again.
    """
    invoice = rows.invoice
    if invoice.due_date is None:
        raise ValueError("An invoice without a due date has no steps.")
    before = next((one for one in rows.steps if (one.due_date, one.step) == (invoice.due_date, step)), None)
    if before is not None and before.outcome == WITHHELD:
        before.outcome, before.digest_id, before.withheld = outcome, digest_id, []
        before.on, before.at, before.planned_on = about.today, context.now, planned_on
        transaction.replace(before)
        return
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
            planned_on=planned_on,
            at=context.now,
        )
    )
