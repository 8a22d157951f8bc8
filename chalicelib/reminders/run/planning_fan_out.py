"""Fan out the planning of all invoices of an entity, account or bill group after a change of policy or pause (R8).

One message writes, in one transaction, the tasks that plan some hundred invoices and the task that continues after
them. So an interruption loses nothing, and many workers plan at once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from chalicelib import clock
from chalicelib.invoices.rules import INVOICE, OPEN, PART_PAID
from chalicelib.reminders.policy.service import ACCOUNT, BILL_GROUP, ENTITY
from chalicelib.reminders.run.planning import PLANNER
from chalicelib.request_context import RequestContext
from chalicelib.table import keys, merged_query, store
from chalicelib.table.items import BillGroupItem, InvoicePointerItem, TaskItem
from chalicelib.table.merged_query import KeyRange
from chalicelib.tasks.kinds import PlanInvoices, ReplanInvoices
from chalicelib.tasks.queue import TaskMessage
from chalicelib.tasks.service import add_task, add_tasks

INVOICES_PER_MESSAGE = 500
_INVOICES_PER_TASK = 20


@dataclass(frozen=True)
class _InvoicePage:
    """A page of the invoices to plan again, and where the next page begins."""

    invoice_ids: Sequence[str]
    after: str | None


def handle_replanning_task(message: TaskMessage[ReplanInvoices]) -> None:
    """Add the tasks for one page of the invoices of ``message``. Three reads at most, one transaction."""
    context = RequestContext(PLANNER, clock.utc_now(), message.correlation_id)
    task_row = store.get_item(TaskItem, message.key)
    if task_row is None:
        return
    task = message.task
    page = _PAGE_LOADERS[task.level](task.owner_id, task.after)
    transaction = store.Transaction(context)
    starts = range(0, len(page.invoice_ids), _INVOICES_PER_TASK)
    chosen = [page.invoice_ids[start : start + _INVOICES_PER_TASK] for start in starts]
    add_tasks(transaction, context, [PlanInvoices(tuple(some)) for some in chosen])
    if page.after is not None:
        add_task(transaction, context, replace(task, after=page.after))
    # Of concurrent workers with the same message, only one commits.
    transaction.delete(task_row)
    try:
        transaction.commit()
    except store.WriteConflict:
        return


def _load_entity_invoices(entity_id: str, after: str | None) -> _InvoicePage:
    """Return open invoices of an entity, those that are due first before others; from an index, which lags."""
    ranges = [KeyRange(keys.invoices_by_status(entity_id, INVOICE, status)) for status in (OPEN, PART_PAID)]
    found, last = merged_query.query_merged_keys(ranges, limit=INVOICES_PER_MESSAGE, after=after)
    return _InvoicePage([keys.invoice_id_of(key) for key in found], last)


def _load_account_invoices(account_id: str, after: str | None, bill_group_id: str | None = None) -> _InvoicePage:
    pointers = keys.open_invoices(account_id)
    page = store.query_items(pointers.pk, pointers.sk, limit=INVOICES_PER_MESSAGE, after=after)
    rows = [row for row in page.items if isinstance(row, InvoicePointerItem)]
    return _InvoicePage([row.invoice_id for row in rows if bill_group_id in (None, row.bill_group_id)], page.after)


def _load_bill_group_invoices(bill_group_id: str, after: str | None) -> _InvoicePage:
    group = store.get_item(BillGroupItem, keys.bill_group(bill_group_id))
    return (
        _load_account_invoices(group.account_id, after, bill_group_id) if group is not None else _InvoicePage((), None)
    )


_PAGE_LOADERS: dict[str, Callable[[str, str | None], _InvoicePage]] = {
    ENTITY: _load_entity_invoices,
    ACCOUNT: _load_account_invoices,
    BILL_GROUP: _load_bill_group_invoices,
}
