"""Promises to pay: reminders of an invoice rest until the promised day has passed (R6)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from typing import Any

from chalicelib.call import Call
from chalicelib.errors import Conflict, Invalid, NotFound
from chalicelib.invoices import altering, changes, standing
from chalicelib.invoices.rules import UNSETTLED, Invoice, Promise, local_date
from chalicelib.reminders import pauses, policies
from chalicelib.reminders.calendars import local_day
from chalicelib.reminders.pauses import Also
from chalicelib.table import keys, store


@dataclass(frozen=True)
class Span:
    """The days for which payment can be promised."""

    first: date
    last: date


def span(account_id: str, entity_id: str, bill_group_ids: Iterable[str], call: Call) -> Span:
    """Return the days for which the customer can promise to pay, as the policies let them; one read."""
    account, entity = keys.account(account_id), keys.entity(entity_id)
    of_entity = policies.policy_key(policies.ENTITY, entity_id)
    of_account = policies.policy_key(policies.ACCOUNT, account_id)
    of_groups = [policies.policy_key(policies.BILL_GROUP, one) for one in sorted(set(bill_group_ids))]
    found = store.batch([account, entity, of_entity, of_account, *of_groups])
    if account not in found or entity not in found:
        raise NotFound
    above = (found.get(of_entity), found.get(of_account))
    effective = [policies.effective(*above, found.get(one)) for one in of_groups] or [policies.effective(*above)]
    today = local_day(call.now, found[account].time_zone or found[entity].time_zone)
    return Span(today, today + timedelta(days=min(policy.promise_limit_days for policy in effective)))


def promise(
    call: Call, invoice_ids: Sequence[str], day: date, by: str, allowed: Span | None = None, also: Also | None = None
) -> tuple[str, ...]:
    """Note that invoices are to be paid by a day, as ``by`` has promised; those of which nothing is open are left out.

    Reminders of them go on the day after. ``allowed`` bounds the day; without it, it lies within two years. ``also`` is
    written with the last of the invoices. Returns the ids of those that are promised now. Raises Invalid, NotFound, and
    Conflict when nothing is open of any of them.
    """
    if allowed is not None and not allowed.first <= day <= allowed.last:
        raise Invalid.field(
            "on",
            "too_early" if day < allowed.first else "too_late",
            f"Choose a day from {allowed.first.isoformat()} to {allowed.last.isoformat()}.",
        )
    done: list[str] = []
    for part, add in pauses.parts(invoice_ids, also):
        done += store.deciding_again(partial(_promise_part, call, part, day, by, add, bool(done)))
    if not done:
        raise Conflict("invoice_not_open", "Nothing is open of it any more.")
    return tuple(done)


def _promise_part(
    call: Call, invoice_ids: Sequence[str], day: date, by: str, also: Also | None, others: bool
) -> list[str]:
    rows = [row for row in store.gather(call, *map(keys.invoice, invoice_ids)) if row is not None]
    if not rows:
        raise NotFound
    heads = [store.load(Invoice, row) for row in rows]
    still_open = [head for head in heads if head.status in UNSETTLED and not head.is_credit_note]
    if not still_open and not others:
        return []
    if still_open:
        _check_day(day, still_open, call)
    promised = [(head, changes.promised(head, Promise(day, call.now, by))) for head in still_open]
    _write(call, [(before, after) for before, after in promised if before != after], "promised", 204, also)
    return [head.invoice_id for head in still_open]


def _check_day(day: date, heads: Sequence[Invoice], call: Call) -> None:
    today = min(local_date(head, call.now) for head in heads)
    if day < today:
        raise Invalid.field("on", "too_early", "This day has passed. Send today or a later day.")
    if (day - today).days > pauses.LONGEST_PAUSE_DAYS:
        raise Invalid.field("on", "too_late", "This is more than two years ahead. Send an earlier day.")


def take_back(call: Call, invoice_id: str) -> None:
    """Take back that the payment of an invoice was promised; nothing happens if it was not. Raises NotFound."""

    def attempt() -> None:
        (row,) = store.gather(call, keys.invoice(invoice_id))
        if row is None:
            raise NotFound
        before = store.load(Invoice, row)
        if before.promise is not None:
            _write(call, [(before, changes.not_promised(before))], "promise_taken_back", 204, None)

    store.deciding_again(attempt)


def _write(call: Call, changed: Sequence[tuple[Invoice, Invoice]], action: str, answer: int, also: Also | None) -> None:
    if not changed and also is None:
        return
    transaction = store.Transaction(call)
    found: dict[Any, Any] = {}
    if changed:
        # Nothing of what is owed changes, so no balance is needed.
        standing.write(transaction, found, changed)
        transaction.answers(changed[0][0].invoice_id, answer)
    for before, after in changed:
        altering.record(transaction, call, action, before, after)
    if also is not None:
        also(transaction)
    transaction.commit()
