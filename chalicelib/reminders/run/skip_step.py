"""Skip the step of an invoice that would be sent next."""

from dataclasses import replace

from chalicelib.audit.rules import FieldChange
from chalicelib.audit.service import record_audit_event
from chalicelib.errors import Conflict, NotFound
from chalicelib.reminders.run import account_context, candidates, planning, rules
from chalicelib.request_context import RequestContext
from chalicelib.table import keys, store

_SKIPPED = "skipped"


def skip_next_step(context: RequestContext, invoice_id: str) -> str:
    """Skip the step of an invoice that would be taken next, and return its name.

    What it supersedes will not be sent in its place. Raises NotFound, Conflict when no step is left.
    """

    def attempt() -> str:
        # The record of an idempotency key is looked up by this reading.
        store.get_items_for_write(context, keys.invoice(invoice_id))
        rows = candidates.load_invoice_rows(invoice_id)
        about = (
            account_context.load_account_context(rows.invoice.account_id, rows.invoice.entity_id, context.now)
            if rows
            else None
        )
        if rows is None or about is None:
            raise NotFound
        (found,) = candidates.gather_invoice_facts(about, [rows], with_recipients=False)
        due = rows.invoice.due_date
        step, superseded = rules.next_step(found.candidate, found.policy, due, about.today) if due else (None, ())
        if step is None or rows.invoice.balance <= 0 or rows.invoice.is_credit_note:
            raise Conflict("no_step_left", "No step of this invoice is left to skip.")
        transaction = store.Transaction(context)
        planning.record_reminder_step(transaction, context, rows, about, step.name, _SKIPPED, None, step.on)
        planning.supersede_steps(transaction, context, rows, about, superseded)
        spent = found.candidate.spent | {step.name, *(one.name for one in superseded)}
        decision = rules.decide_reminder(
            replace(found.candidate, spent=spent), found.policy, about.calendar, about.today
        )
        look_on = about.today if decision.step is not None else decision.next_on
        planning.write_invoice_plan(transaction, about, rows, look_on, decision.reason)
        record_audit_event(
            transaction,
            context,
            "reminder.skipped",
            "invoice",
            invoice_id,
            (FieldChange("step", None, step.name),),
            account_id=rows.invoice.account_id,
            bill_group_id=rows.invoice.bill_group_id,
        )
        transaction.record_response(invoice_id, 200)
        transaction.commit()
        return step.name

    return store.retry_on_conflict(attempt)
