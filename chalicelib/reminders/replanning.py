"""Planning anew the invoices of an entity, account or bill group, after a change that moves what comes of them (R8).

A message writes, in one transaction, the duties to plan some hundred invoices and the duty to go on behind them, whose
subject says where. So nothing is lost wherever it is interrupted, and the planning itself is done by many at once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chalicelib import clock
from chalicelib.call import Call
from chalicelib.duties import service as duties
from chalicelib.duties.queue import Message
from chalicelib.invoices.rules import INVOICE, OPEN, PART_PAID
from chalicelib.reminders.planning import PLANNER
from chalicelib.reminders.policies import ACCOUNT, BILL_GROUP, ENTITY
from chalicelib.table import keys, merging, store
from chalicelib.table.items import BillGroupItem, DutyItem, InvoicePointerItem
from chalicelib.table.merging import Stretch

INVOICES_A_MESSAGE = 500
_INVOICES_A_DUTY = 20


@dataclass(frozen=True)
class _Part:
    """Some of the invoices that are to be planned anew, and where the next ones begin."""

    invoice_ids: Sequence[str]
    after: str | None


def run(message: Message) -> None:
    """Have a part of the invoices that ``message`` stands for planned anew. Three reads at most, one transaction.

    Its subject is the kind and id of an ``entity``, ``account`` or ``bill_group``, and how far it has come.
    """
    call = Call(PLANNER, clock.now(), message.correlation_id)
    duty = store.get(DutyItem, message.key)
    if duty is None:
        return
    kind, owner_id, after = (*message.subject.split(" ", 2), "")[:3]
    part = _PARTS[kind](owner_id, after or None)
    transaction = store.Transaction(call)
    starts = range(0, len(part.invoice_ids), _INVOICES_A_DUTY)
    chosen = [part.invoice_ids[start : start + _INVOICES_A_DUTY] for start in starts]
    duties.add_all(transaction, call, "planning", [" ".join(some) for some in chosen])
    if part.after is not None:
        duties.add(transaction, call, "replanning", f"{kind} {owner_id} {part.after}")
    # Only one of those who have the message at once goes on from here.
    transaction.delete(duty)
    try:
        transaction.commit()
    except store.Contended:
        return


def _of_entity(entity_id: str, after: str | None) -> _Part:
    """Return open invoices of an entity, those that are due first before others; from an index, which lags."""
    stretches = [Stretch(keys.invoices_of_status(entity_id, INVOICE, status)) for status in (OPEN, PART_PAID)]
    found, last = merging.merge_keys(stretches, limit=INVOICES_A_MESSAGE, after=after)
    return _Part([keys.invoice_id_of(key) for key in found], last)


def _of_account(account_id: str, after: str | None, bill_group_id: str | None = None) -> _Part:
    pointers = keys.open_invoices(account_id)
    page = store.query(pointers.pk, pointers.sk, limit=INVOICES_A_MESSAGE, after=after)
    rows = [row for row in page.items if isinstance(row, InvoicePointerItem)]
    return _Part([row.invoice_id for row in rows if bill_group_id in (None, row.bill_group_id)], page.after)


def _of_bill_group(bill_group_id: str, after: str | None) -> _Part:
    group = store.get(BillGroupItem, keys.bill_group(bill_group_id))
    return _of_account(group.account_id, after, bill_group_id) if group is not None else _Part((), None)


_PARTS: dict[str, Callable[[str, str | None], _Part]] = {
    ENTITY: _of_entity,
    ACCOUNT: _of_account,
    BILL_GROUP: _of_bill_group,
}
