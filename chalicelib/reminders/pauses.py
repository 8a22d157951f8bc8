"""What holds reminders up or brings them back: pauses, skipped steps, automatic payments that have failed (R2, R6)."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import partial
from typing import Any

from chalicelib.audit import service as audit
from chalicelib.audit.rules import Change
from chalicelib.call import Call
from chalicelib.duties import service as duties
from chalicelib.errors import Conflict, Invalid, NotFound
from chalicelib.invoices.rules import UNSETTLED
from chalicelib.reminders import facts, planning, rules
from chalicelib.reminders.calendars import local_day
from chalicelib.table import keys, store
from chalicelib.table.items import AccountRemindersItem, BillGroupRemindersItem, RemindersItem
from chalicelib.table.keys import Key

INVOICE, BILL_GROUP, ACCOUNT = "invoice", "bill_group", "account"
SKIPPED = "skipped"
LONGEST_PAUSE_DAYS = 730
MOST_AT_ONCE = 20
"""Invoices that are changed in one transaction."""
_WESTERNMOST = "Etc/GMT+12"

Also = Callable[[store.Transaction], None]
"""What else is to be written with the last of several invoices."""


@dataclass(frozen=True)
class PauseRead:
    """A pause: its last day (None: for good), why, and who set it when (ISO 8601, UTC)."""

    until: date | None
    reason: str | None
    by: str
    since: str


@dataclass(frozen=True)
class _Level:
    """Where a pause can be set: the row of the thing itself, the row that holds the pause, and how it is made."""

    owner: Any
    holder: Any
    item: type[RemindersItem | BillGroupRemindersItem | AccountRemindersItem]
    id_name: str


_LEVELS = {
    INVOICE: _Level(keys.invoice, keys.reminders, RemindersItem, "invoice_id"),
    BILL_GROUP: _Level(keys.bill_group, keys.bill_group_reminders, BillGroupRemindersItem, "bill_group_id"),
    ACCOUNT: _Level(keys.account, keys.account_reminders, AccountRemindersItem, "account_id"),
}


def get_pause(level: str, owner_id: str) -> PauseRead | None:
    """Return the pause that is set at an invoice, bill group or account itself. Raises NotFound."""
    owner, holder = _rows(level, owner_id, None)
    if owner is None:
        raise NotFound
    return read(holder.pause) if holder is not None and holder.pause else None


def pause(call: Call, level: str, owner_id: str, until: date | None, reason: str | None) -> PauseRead:
    """Pause the reminders of an invoice, bill group or account until the end of a day, or for good.

    The pause ends by itself. The same again changes nothing. Raises NotFound, Invalid when the day has passed or is
    more than two years ahead.
    """

    def attempt() -> PauseRead:
        owner, holder = _rows(level, owner_id, call)
        if owner is None:
            raise NotFound
        # A bill group has no time zone: what has not passed anywhere has not passed.
        check_until(until, local_day(call.now, getattr(owner, "time_zone", None) or _WESTERNMOST))
        value = _value(call, until, reason)
        before = holder.pause if holder is not None else None
        if before and (before["until"], before["reason"]) == (value["until"], value["reason"]):
            return read(before)
        _write(call, level, owner_id, owner, holder, value, "reminders.paused", 200)
        return read(value)

    return store.deciding_again(attempt)


def resume(call: Call, level: str, owner_id: str) -> None:
    """End the pause of an invoice, bill group or account; nothing happens if there is none. Raises NotFound."""

    def attempt() -> None:
        owner, holder = _rows(level, owner_id, call)
        if owner is None:
            raise NotFound
        if holder is None or not holder.pause:
            return
        _write(call, level, owner_id, owner, holder, None, "reminders.resumed", 204)

    store.deciding_again(attempt)


def pause_at_least(
    call: Call, invoice_ids: Sequence[str], until: date, reason: str, also: Also | None = None
) -> tuple[str, ...]:
    """Pause several invoices, of which something is open, until the end of a day; a longer pause stays (R6).

    Returns the ids of those that are paused at least so long now. ``also`` is written with the last of them: whoever
    repeats what was interrupted comes to the same.
    """
    done: list[str] = []
    for part, add in parts(invoice_ids, also):
        done += store.deciding_again(partial(_pause_part, call, part, until, reason, add))
    return tuple(done)


def _pause_part(call: Call, invoice_ids: Sequence[str], until: date, reason: str, also: Also | None) -> list[str]:
    found = store.batch([key(one) for one in invoice_ids for key in (keys.invoice, keys.reminders)])
    transaction = store.Transaction(call)
    paused, anew = [], []
    for invoice_id in invoice_ids:
        head, holder = found.get(keys.invoice(invoice_id)), found.get(keys.reminders(invoice_id))
        if head is None or head.status not in UNSETTLED:
            continue
        paused.append(invoice_id)
        before = holder.pause if holder is not None else None
        if before and (before["until"] is None or date.fromisoformat(before["until"]) >= until):
            continue
        anew.append(invoice_id)
        row = holder or _new(INVOICE, invoice_id)
        row.pause = _value(call, until, reason)
        transaction.put(row, new=holder is None)
        _audit(transaction, call, INVOICE, invoice_id, head, "reminders.paused", [Change("pause", before, row.pause)])
    if anew:
        duties.add(transaction, call, "planning", " ".join(anew))
    if also is not None:
        also(transaction)
    if anew or also is not None:
        transaction.commit()
    return paused


def check_until(until: date | None, today: date) -> None:
    """Raise Invalid when a pause would end before it begins, or later than two years from ``today``."""
    if until is not None and until < today:
        raise Invalid.field("until", "too_early", "This day has passed. Send today or a later day.")
    if until is not None and (until - today).days > LONGEST_PAUSE_DAYS:
        raise Invalid.field(
            "until",
            "too_late",
            "A pause lasts two years at most. Send an earlier day, or leave it out to pause for good.",
        )


def note_auto_pay_failure(call: Call, invoice_id: str, failed_on: date, reason: str | None) -> None:
    """Note that the automatic payment of an invoice has failed, which brings it back among those reminded of (R2).

    Raises NotFound, Conflict when nothing of the invoice is open, Invalid for a day that is yet to come.
    """
    value = {"failed_on": failed_on.isoformat(), "reason": reason, "noted_at": keys.instant(call.now)}
    if failed_on > (call.now + timedelta(hours=14)).date():
        raise Invalid.field(
            "failed_on", "too_late", "This day is yet to come. Send the day on which the payment failed."
        )
    _change_auto_pay(call, invoice_id, value, "auto_pay.failed", 204)


def take_back_auto_pay_failure(call: Call, invoice_id: str) -> None:
    """Take back that the automatic payment of an invoice has failed, as it is tried again. Raises NotFound."""
    _change_auto_pay(call, invoice_id, None, "auto_pay.resumed", 204)


def _change_auto_pay(call: Call, invoice_id: str, value: dict[str, Any] | None, action: str, answer: int) -> None:
    def attempt() -> None:
        owner, holder = _rows(INVOICE, invoice_id, call)
        if owner is None:
            raise NotFound
        if value is not None and owner.status not in UNSETTLED:
            raise Conflict("nothing_open", "Nothing of this invoice is open, so no payment of it can fail.")
        before = holder.auto_pay_failure if holder is not None else None
        if _failure(before) == _failure(value):
            return
        row = holder or _new(INVOICE, invoice_id)
        row.auto_pay_failure = value
        changes = [Change("auto_pay_failure", before, value)]
        _commit(call, INVOICE, invoice_id, owner, row, holder is None, action, changes, answer)

    store.deciding_again(attempt)


def _failure(value: Mapping[str, Any] | None) -> tuple[Any, ...] | None:
    return (value["failed_on"], value["reason"]) if value else None


def skip(call: Call, invoice_id: str) -> str:
    """Skip the step of an invoice that would be taken next, and return its name.

    What it supersedes will not be sent in its place. Raises NotFound, Conflict when no step is left.
    """

    def attempt() -> str:
        # The record of an idempotency key is looked up by this reading.
        store.gather(call, keys.invoice(invoice_id))
        rows = facts.rows_of(invoice_id)
        about = facts.around(rows.invoice.account_id, rows.invoice.entity_id, call.now) if rows else None
        if rows is None or about is None:
            raise NotFound
        (found,) = facts.of_invoices(about, [rows], with_recipients=False)
        due = rows.invoice.due_date
        step, superseded = rules.next_step(found.subject, found.policy, due, about.today) if due else (None, ())
        if step is None or rows.invoice.balance <= 0 or rows.invoice.is_credit_note:
            raise Conflict("no_step_left", "No step of this invoice is left to skip.")
        transaction = store.Transaction(call)
        planning.record(transaction, call, rows, about, step.name, SKIPPED, None)
        planning.supersede(transaction, call, rows, about, superseded)
        spent = found.subject.spent | {step.name, *(one.name for one in superseded)}
        decision = rules.decide(replace(found.subject, spent=spent), found.policy, about.calendar, about.today)
        look_on = about.today if decision.step is not None else decision.next_on
        planning.write(transaction, about, rows, look_on, decision.reason)
        _audit(
            transaction, call, INVOICE, invoice_id, rows.invoice, "reminder.skipped", [Change("step", None, step.name)]
        )
        transaction.answers(invoice_id, 200)
        transaction.commit()
        return step.name

    return store.deciding_again(attempt)


def _rows(level: str, owner_id: str, call: Call | None) -> tuple[Any, Any]:
    at = _LEVELS[level]
    wanted: list[Key] = [at.owner(owner_id), at.holder(owner_id)]
    owner, holder = store.gather(call, *wanted) if call else map(store.batch(wanted).get, wanted)
    return owner, holder


def _new(level: str, owner_id: str) -> Any:
    at = _LEVELS[level]
    key = at.holder(owner_id)
    row = at.item(key.pk, key.sk)
    setattr(row, at.id_name, owner_id)
    return row


def _value(call: Call, until: date | None, reason: str | None) -> dict[str, Any]:
    return {
        "until": until.isoformat() if until else None,
        "reason": reason,
        "by": call.actor.name,
        "since": keys.instant(call.now),
    }


def _write(
    call: Call,
    level: str,
    owner_id: str,
    owner: Any,
    holder: Any,
    value: dict[str, Any] | None,
    action: str,
    answer: int,
) -> None:
    row = holder or _new(level, owner_id)
    changes = [Change("pause", row.pause, value)]
    row.pause = value
    _commit(call, level, owner_id, owner, row, holder is None, action, changes, answer)


def _commit(
    call: Call,
    level: str,
    owner_id: str,
    owner: Any,
    row: Any,
    new: bool,
    action: str,
    changes: list[Change],
    answer: int,
) -> None:
    transaction = store.Transaction(call)
    transaction.put(row, new=new)
    transaction.check_exists(owner)
    _audit(transaction, call, level, owner_id, owner, action, changes)
    if level == INVOICE:
        duties.add(transaction, call, "planning", owner_id)
    else:
        duties.add(transaction, call, "replanning", f"{level} {owner_id}")
    transaction.answers(owner_id, answer)
    transaction.commit()


def _audit(
    transaction: store.Transaction,
    call: Call,
    level: str,
    owner_id: str,
    owner: Any,
    action: str,
    changes: list[Change],
) -> None:
    group_id = getattr(owner, "bill_group_id", None) if level != ACCOUNT else None
    audit.record(
        transaction, call, action, level, owner_id, tuple(changes), account_id=owner.account_id, bill_group_id=group_id
    )


def read(value: Mapping[str, Any]) -> PauseRead:
    """Return a pause as its row holds it."""
    until = value.get("until")
    return PauseRead(
        until=date.fromisoformat(until) if until else None,
        reason=value.get("reason"),
        by=value["by"],
        since=value["since"],
    )


def parts(invoice_ids: Sequence[str], also: Also | None) -> Iterator[tuple[Sequence[str], Also | None]]:
    """Divide invoices as they fit transactions; ``also`` goes with the last part."""
    for start in range(0, max(len(invoice_ids), 1), MOST_AT_ONCE):
        end = start + MOST_AT_ONCE
        yield invoice_ids[start:end], also if end >= len(invoice_ids) else None
