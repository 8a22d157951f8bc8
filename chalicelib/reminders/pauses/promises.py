"""Promises to pay: reminders of an invoice rest until the promised day has passed (R6)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from typing import Any

from chalicelib import clock
from chalicelib.errors import Conflict, InvalidInput, NotFound
from chalicelib.invoices import ledger, lifecycle, transitions
from chalicelib.invoices.rules import UNSETTLED, Invoice, Promise, invoice_local_date
from chalicelib.reminders.pauses.service import MAX_PAUSE_DAYS, ExtraWrites, split_invoice_ids
from chalicelib.reminders.policy.service import ACCOUNT, BILL_GROUP, ENTITY, effective_policy, reminder_policy_key
from chalicelib.request_context import RequestContext
from chalicelib.table import keys, store


@dataclass(frozen=True)
class PromiseWindow:
    """The days for which payment can be promised."""

    first: date
    last: date


def promise_window(
    account_id: str, entity_id: str, bill_group_ids: Iterable[str], context: RequestContext
) -> PromiseWindow:
    """Return the days for which the customer can promise to pay, as the policies let them; one read."""
    account, entity = keys.account(account_id), keys.entity(entity_id)
    of_entity = reminder_policy_key(ENTITY, entity_id)
    of_account = reminder_policy_key(ACCOUNT, account_id)
    of_groups = [reminder_policy_key(BILL_GROUP, one) for one in sorted(set(bill_group_ids))]
    found = store.batch_get_items([account, entity, of_entity, of_account, *of_groups])
    if account not in found or entity not in found:
        raise NotFound
    above = (found.get(of_entity), found.get(of_account))
    effective = [effective_policy(*above, found.get(one)) for one in of_groups] or [effective_policy(*above)]
    today = clock.local_date(context.now, found[account].time_zone or found[entity].time_zone)
    return PromiseWindow(today, today + timedelta(days=min(policy.promise_limit_days for policy in effective)))


def record_promises(
    context: RequestContext,
    invoice_ids: Sequence[str],
    day: date,
    by: str,
    allowed: PromiseWindow | None = None,
    also: ExtraWrites | None = None,
) -> tuple[str, ...]:
    """Record that invoices are to be paid by a day, as ``by`` has promised; those with nothing open are left out.

    Reminders of them resume the day after. ``allowed`` bounds the day; without it, it lies within two years. ``also``
    is written with the last of the invoices. Returns the ids of those that are promised now. Raises InvalidInput,
    NotFound, and Conflict when nothing is open of any of them.
    """
    if allowed is not None and not allowed.first <= day <= allowed.last:
        raise InvalidInput.field(
            "on",
            "too_early" if day < allowed.first else "too_late",
            f"Choose a date from {allowed.first.isoformat()} to {allowed.last.isoformat()}.",
        )
    done: list[str] = []
    for part, add in split_invoice_ids(invoice_ids, also):
        done += store.retry_on_conflict(partial(_promise_batch, context, part, day, by, add, bool(done)))
    if not done:
        raise Conflict("invoice_not_open", "It has no open amount.")
    return tuple(done)


def _promise_batch(
    context: RequestContext, invoice_ids: Sequence[str], day: date, by: str, also: ExtraWrites | None, others: bool
) -> list[str]:
    rows = [row for row in store.get_items_for_write(context, *map(keys.invoice, invoice_ids)) if row is not None]
    if not rows:
        raise NotFound
    heads = [store.from_item(Invoice, row) for row in rows]
    still_open = [head for head in heads if head.status in UNSETTLED and not head.is_credit_note]
    if not still_open and not others:
        return []
    if still_open:
        _check_promise_day(day, still_open, context)
    promised = [(head, transitions.with_promise(head, Promise(day, context.now, by))) for head in still_open]
    _write_promises(context, [(before, after) for before, after in promised if before != after], "promised", 204, also)
    return [head.invoice_id for head in still_open]


def _check_promise_day(day: date, heads: Sequence[Invoice], context: RequestContext) -> None:
    today = min(invoice_local_date(head, context.now) for head in heads)
    if day < today:
        raise InvalidInput.field("on", "too_early", "This date has passed. Send today or a later date.")
    if (day - today).days > MAX_PAUSE_DAYS:
        raise InvalidInput.field("on", "too_late", "This is more than two years ahead. Send an earlier date.")


def withdraw_promise(context: RequestContext, invoice_id: str) -> None:
    """Take back that the payment of an invoice was promised; nothing happens if it was not. Raises NotFound."""

    def attempt() -> None:
        (row,) = store.get_items_for_write(context, keys.invoice(invoice_id))
        if row is None:
            raise NotFound
        before = store.from_item(Invoice, row)
        if before.promise is not None:
            _write_promises(context, [(before, transitions.without_promise(before))], "promise_taken_back", 204, None)

    store.retry_on_conflict(attempt)


def _write_promises(
    context: RequestContext,
    changed: Sequence[tuple[Invoice, Invoice]],
    action: str,
    answer: int,
    also: ExtraWrites | None,
) -> None:
    if not changed and also is None:
        return
    transaction = store.Transaction(context)
    found: dict[Any, Any] = {}
    if changed:
        # Nothing of what is owed changes, so no balance is needed.
        ledger.write_invoice_changes(transaction, found, changed)
        transaction.record_response(changed[0][0].invoice_id, answer)
    for before, after in changed:
        lifecycle.record_invoice_event(transaction, context, action, before, after)
    if also is not None:
        also(transaction)
    transaction.commit()
