"""Pauses of reminders, and failed automatic payments, which let reminders go on (R2, R6)."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from typing import Any

from chalicelib import clock
from chalicelib.audit.rules import FieldChange
from chalicelib.audit.service import record_audit_event
from chalicelib.errors import Conflict, InvalidInput, NotFound
from chalicelib.invoices.rules import UNSETTLED
from chalicelib.request_context import RequestContext
from chalicelib.table import keys, store
from chalicelib.table.items import AccountRemindersItem, BillGroupRemindersItem, InvoiceRemindersItem
from chalicelib.table.keys import Key
from chalicelib.tasks.kinds import PlanInvoices, ReplanInvoices
from chalicelib.tasks.service import add_task

INVOICE, BILL_GROUP, ACCOUNT = "invoice", "bill_group", "account"
MAX_PAUSE_DAYS = 730
MAX_INVOICES_PER_TRANSACTION = 20
"""Invoices that are changed in one transaction."""
_WESTERNMOST = "Etc/GMT+12"

ExtraWrites = Callable[[store.Transaction], None]
"""What else is to be written with the last of several invoices."""


@dataclass(frozen=True)
class PauseDetails:
    """A pause: its last day (None: for good), why, and who set it when (ISO 8601, UTC)."""

    until: date | None
    reason: str | None
    by: str
    since: str


@dataclass(frozen=True)
class _PauseLevel:
    """Where a pause can be set: the row of the thing itself, the row that holds the pause, and how it is made."""

    owner: Any
    holder: Any
    item: type[InvoiceRemindersItem | BillGroupRemindersItem | AccountRemindersItem]
    id_name: str


_PAUSE_LEVELS = {
    INVOICE: _PauseLevel(keys.invoice, keys.invoice_reminders, InvoiceRemindersItem, "invoice_id"),
    BILL_GROUP: _PauseLevel(keys.bill_group, keys.bill_group_reminders, BillGroupRemindersItem, "bill_group_id"),
    ACCOUNT: _PauseLevel(keys.account, keys.account_reminders, AccountRemindersItem, "account_id"),
}


def get_pause(level: str, owner_id: str) -> PauseDetails | None:
    """Return the pause that is set at an invoice, bill group or account itself. Raises NotFound."""
    owner, holder = _load_rows(level, owner_id, None)
    if owner is None:
        raise NotFound
    return parse_pause(holder.pause) if holder is not None and holder.pause else None


def pause_reminders(
    context: RequestContext, level: str, owner_id: str, until: date | None, reason: str | None
) -> PauseDetails:
    """Pause the reminders of an invoice, bill group or account until the end of a day, or for good.

    The pause ends by itself. The same again changes nothing. Raises NotFound, InvalidInput when the day has passed or
    is more than two years ahead.
    """

    def attempt() -> PauseDetails:
        owner, holder = _load_rows(level, owner_id, context)
        if owner is None:
            raise NotFound
        # A bill group has no time zone: what has not passed anywhere has not passed.
        check_pause_end(until, clock.local_date(context.now, getattr(owner, "time_zone", None) or _WESTERNMOST))
        value = _pause_value(context, until, reason)
        before = holder.pause if holder is not None else None
        if before and (before["until"], before["reason"]) == (value["until"], value["reason"]):
            return parse_pause(before)
        _write_pause(context, level, owner_id, owner, holder, value, "reminders.paused", 200)
        return parse_pause(value)

    return store.retry_on_conflict(attempt)


def resume_reminders(context: RequestContext, level: str, owner_id: str) -> None:
    """End the pause of an invoice, bill group or account; nothing happens if there is none. Raises NotFound."""

    def attempt() -> None:
        owner, holder = _load_rows(level, owner_id, context)
        if owner is None:
            raise NotFound
        if holder is None or not holder.pause:
            return
        _write_pause(context, level, owner_id, owner, holder, None, "reminders.resumed", 204)

    store.retry_on_conflict(attempt)


def pause_invoices(
    context: RequestContext, invoice_ids: Sequence[str], until: date, reason: str, also: ExtraWrites | None = None
) -> tuple[str, ...]:
    """Pause several invoices, of which something is open, until the end of a day; a longer pause stays (R6).

    Returns the ids of those that are paused at least so long now. ``also`` is written with the last of them: a
    repetition after an interruption has the same result.
    """
    done: list[str] = []
    for part, add in split_invoice_ids(invoice_ids, also):
        done += store.retry_on_conflict(partial(_pause_batch, context, part, until, reason, add))
    return tuple(done)


def _pause_batch(
    context: RequestContext, invoice_ids: Sequence[str], until: date, reason: str, also: ExtraWrites | None
) -> list[str]:
    found = store.batch_get_items([key(one) for one in invoice_ids for key in (keys.invoice, keys.invoice_reminders)])
    transaction = store.Transaction(context)
    paused, changed = [], []
    for invoice_id in invoice_ids:
        head, holder = found.get(keys.invoice(invoice_id)), found.get(keys.invoice_reminders(invoice_id))
        if head is None or head.status not in UNSETTLED:
            continue
        paused.append(invoice_id)
        before = holder.pause if holder is not None else None
        if before and (before["until"] is None or date.fromisoformat(before["until"]) >= until):
            continue
        changed.append(invoice_id)
        row = holder or _new_row(INVOICE, invoice_id)
        row.pause = _pause_value(context, until, reason)
        transaction.put(row, new=holder is None)
        _record_audit(
            transaction,
            context,
            INVOICE,
            invoice_id,
            head,
            "reminders.paused",
            [FieldChange("pause", before, row.pause)],
        )
    if changed:
        add_task(transaction, context, PlanInvoices(tuple(changed)))
    if also is not None:
        also(transaction)
    if changed or also is not None:
        transaction.commit()
    return paused


def check_pause_end(until: date | None, today: date) -> None:
    """Raise InvalidInput when a pause would end before it begins, or later than two years from ``today``."""
    if until is not None and until < today:
        raise InvalidInput.field("until", "too_early", "This date has passed. Send today or a later date.")
    if until is not None and (until - today).days > MAX_PAUSE_DAYS:
        raise InvalidInput.field(
            "until",
            "too_late",
            "A pause can last two years at most. Send an earlier date, or leave it out to pause indefinitely.",
        )


def record_auto_pay_failure(context: RequestContext, invoice_id: str, failed_on: date, reason: str | None) -> None:
    """Record that the automatic payment of an invoice has failed, so that it is reminded of again (R2).

    Raises NotFound, Conflict when nothing of the invoice is open, InvalidInput for a day that is yet to come.
    """
    value = {"failed_on": failed_on.isoformat(), "reason": reason, "noted_at": keys.format_instant(context.now)}
    if failed_on > (context.now + timedelta(hours=14)).date():
        raise InvalidInput.field(
            "failed_on", "too_late", "This date is in the future. Send the date on which the payment failed."
        )
    _change_auto_pay(context, invoice_id, value, "auto_pay.failed", 204)


def withdraw_auto_pay_failure(context: RequestContext, invoice_id: str) -> None:
    """Take back that the automatic payment of an invoice has failed, as it is tried again. Raises NotFound."""
    _change_auto_pay(context, invoice_id, None, "auto_pay.resumed", 204)


def _change_auto_pay(
    context: RequestContext, invoice_id: str, value: dict[str, Any] | None, action: str, answer: int
) -> None:
    def attempt() -> None:
        owner, holder = _load_rows(INVOICE, invoice_id, context)
        if owner is None:
            raise NotFound
        if value is not None and owner.status not in UNSETTLED:
            raise Conflict("nothing_open", "This invoice has no open amount, so no payment for it can fail.")
        before = holder.auto_pay_failure if holder is not None else None
        if _comparable_failure(before) == _comparable_failure(value):
            return
        row = holder or _new_row(INVOICE, invoice_id)
        row.auto_pay_failure = value
        changes = [FieldChange("auto_pay_failure", before, value)]
        _commit(context, INVOICE, invoice_id, owner, row, holder is None, action, changes, answer)

    store.retry_on_conflict(attempt)


def _comparable_failure(value: Mapping[str, Any] | None) -> tuple[Any, ...] | None:
    return (value["failed_on"], value["reason"]) if value else None


def _load_rows(level: str, owner_id: str, context: RequestContext | None) -> tuple[Any, Any]:
    at = _PAUSE_LEVELS[level]
    wanted: list[Key] = [at.owner(owner_id), at.holder(owner_id)]
    owner, holder = (
        store.get_items_for_write(context, *wanted) if context else map(store.batch_get_items(wanted).get, wanted)
    )
    return owner, holder


def _new_row(level: str, owner_id: str) -> Any:
    at = _PAUSE_LEVELS[level]
    key = at.holder(owner_id)
    row = at.item(key.pk, key.sk)
    setattr(row, at.id_name, owner_id)
    return row


def _pause_value(context: RequestContext, until: date | None, reason: str | None) -> dict[str, Any]:
    return {
        "until": until.isoformat() if until else None,
        "reason": reason,
        "by": context.actor.name,
        "since": keys.format_instant(context.now),
    }


def _write_pause(
    context: RequestContext,
    level: str,
    owner_id: str,
    owner: Any,
    holder: Any,
    value: dict[str, Any] | None,
    action: str,
    answer: int,
) -> None:
    row = holder or _new_row(level, owner_id)
    changes = [FieldChange("pause", row.pause, value)]
    row.pause = value
    _commit(context, level, owner_id, owner, row, holder is None, action, changes, answer)


def _commit(
    context: RequestContext,
    level: str,
    owner_id: str,
    owner: Any,
    row: Any,
    new: bool,
    action: str,
    changes: list[FieldChange],
    answer: int,
) -> None:
    transaction = store.Transaction(context)
    transaction.put(row, new=new)
    transaction.check_exists(owner)
    _record_audit(transaction, context, level, owner_id, owner, action, changes)
    if level == INVOICE:
        add_task(transaction, context, PlanInvoices((owner_id,)))
    else:
        add_task(transaction, context, ReplanInvoices(level, owner_id))
    transaction.record_response(owner_id, answer)
    transaction.commit()


def _record_audit(
    transaction: store.Transaction,
    context: RequestContext,
    level: str,
    owner_id: str,
    owner: Any,
    action: str,
    changes: list[FieldChange],
) -> None:
    group_id = getattr(owner, "bill_group_id", None) if level != ACCOUNT else None
    record_audit_event(
        transaction,
        context,
        action,
        level,
        owner_id,
        tuple(changes),
        account_id=owner.account_id,
        bill_group_id=group_id,
    )


def parse_pause(value: Mapping[str, Any]) -> PauseDetails:
    """Return a pause as its row holds it."""
    until = value.get("until")
    return PauseDetails(
        until=date.fromisoformat(until) if until else None,
        reason=value.get("reason"),
        by=value["by"],
        since=value["since"],
    )


def split_invoice_ids(
    invoice_ids: Sequence[str], also: ExtraWrites | None
) -> Iterator[tuple[Sequence[str], ExtraWrites | None]]:
    """Divide invoices as they fit transactions; ``also`` goes with the last part."""
    for start in range(0, max(len(invoice_ids), 1), MAX_INVOICES_PER_TRANSACTION):
        end = start + MAX_INVOICES_PER_TRANSACTION
        yield invoice_ids[start:end], also if end >= len(invoice_ids) else None
