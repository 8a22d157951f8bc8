"""Steps whose mails were withheld at the last look: a step of which nobody was told is not spent (R5)."""

from collections.abc import Iterable
from datetime import timedelta
from functools import partial

from chalicelib import clock
from chalicelib.mail.sending.late_binding import ClaimedMail
from chalicelib.reminders.run import candidates, planning
from chalicelib.reminders.run.digests import CLAIMING, SENT
from chalicelib.request_context import RequestContext
from chalicelib.table import keys, store
from chalicelib.table.items import DigestItem, EmailItem
from chalicelib.table.keys import Key
from chalicelib.tasks.kinds import RecordWithheldReminders
from chalicelib.tasks.queue import TaskMessage
from chalicelib.tasks.service import add_tasks, complete_task, defer_task

_INVOICES_PER_TASK = 20
_UNFINISHED_DIGEST_WAIT = timedelta(minutes=5)


def record_withheld(
    transaction: store.Transaction, context: RequestContext, outgoing: ClaimedMail, invoice_ids: Iterable[str]
) -> None:
    """Add to ``transaction`` that one contact's copy of a digest is not sent for some of its invoices.

    Not for a mail that is sent again, and not for one that may have been sent before: their first attempt counts.
    """
    if outgoing.resent or outgoing.perhaps_sent:
        return
    left_out = sorted(invoice_ids)
    parts = [left_out[start : start + _INVOICES_PER_TASK] for start in range(0, len(left_out), _INVOICES_PER_TASK)]
    tasks = [RecordWithheldReminders(outgoing.email_id, tuple(part)) for part in parts]
    if tasks:
        add_tasks(transaction, context, tasks)


def handle_withheld_task(message: TaskMessage[RecordWithheldReminders]) -> None:
    """Record at the steps of some invoices that a copy was withheld; plan those again of which no copy was sent."""
    task, context = message.task, RequestContext(planning.PLANNER, clock.utc_now(), message.correlation_id)
    email = store.get_item(EmailItem, keys.email(task.email_id))
    key = Key(*email.context["digest"]) if email is not None and email.context else None
    digest = store.get_item(DigestItem, key) if key is not None else None
    if digest is not None and digest.status == CLAIMING:
        # Not all of its copies are known yet.
        defer_task(message.key, context.now + _UNFINISHED_DIGEST_WAIT)
        return
    # Without them, the contact has been erased, or the digest has moved to another day.
    if digest is not None:
        for invoice_id in task.invoice_ids:
            record = partial(_record_at_step, context, invoice_id, digest, task.email_id)
            if store.retry_on_conflict(record):
                planning.plan_invoice_with_retry(context, invoice_id)
    complete_task(message.key)


def _record_at_step(context: RequestContext, invoice_id: str, digest: DigestItem, email_id: str) -> bool:
    """Record at the step that ``digest`` took that a copy was withheld; tell whether no copy was sent."""
    copies = {one["email_id"] for one in digest.recipients if invoice_id in one["invoice_ids"]}
    rows = candidates.load_invoice_rows(invoice_id)
    of_digest = rows.steps if rows is not None else ()
    step = next(
        (one for one in of_digest if one.digest_id == digest.digest_id and one.outcome in (SENT, planning.WITHHELD)),
        None,
    )
    if step is None:
        # Erased, or superseded since.
        return False
    if email_id not in step.withheld:
        step.withheld = sorted({*step.withheld, email_id})
        step.outcome = planning.WITHHELD if copies <= set(step.withheld) else step.outcome
        transaction = store.Transaction(context)
        transaction.replace(step)
        transaction.commit()
    return bool(step.outcome == planning.WITHHELD)
