"""What console functions say of reminders, as people read it (R7)."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from chalicelib import money
from chalicelib.errors import InvalidInput
from chalicelib.reminders.outlook import plan
from chalicelib.reminders.outlook.invoice_history import CompletedStep, ReminderHistory
from chalicelib.reminders.outlook.plan import AccountPlan, PlannedDigest, PlannedInvoice
from chalicelib.reminders.policy.rules import PlannedStep
from chalicelib.table import keys

_OUTCOME_TEXTS = {
    "sent": "sent",
    "withheld": "withheld at the last look: nobody was told, and it can come again",
    "shadow": "planned in shadow mode, not sent",
    "superseded": "not sent: a newer step took its place",
    "skipped": "skipped by staff",
}
_OUT_OF_DATE_TEXT = "not sent: it was out of date, or not after the newest step taken, before it could be sent"
"""What a step is superseded by that no digest carries."""
_ACCOUNTS_PER_PAGE = 50
MAX_DIGESTS = 5000
"""In one answer, which has to fit 6 MB."""


def reminder_history_output(found: ReminderHistory) -> dict[str, Any]:
    """Return all that is known of an invoice's reminders."""
    invoice, decision = found.invoice, found.decision
    return {
        "invoice_id": invoice.invoice_id,
        "number": invoice.number,
        "account_id": invoice.account_id,
        "entity_id": invoice.entity_id,
        "status": invoice.status,
        "due_date": invoice.due_date.isoformat() if invoice.due_date else None,
        "open": _describe_amount(found.amount.balance, invoice.currency),
        "disputed": _describe_amount(found.amount.disputed, invoice.currency),
        "covered_by_credit": _describe_amount(found.amount.credit, invoice.currency),
        "asked_for": _describe_amount(found.amount.asked, invoice.currency),
        "today": found.today.isoformat(),
        "reminder_mail": found.mode,
        "now": _describe_due_step(decision.step, found.run_that_waits) if decision.step else _describe_reason(found),
        "looked_at_on": found.looked_at_on.isoformat() if found.looked_at_on else None,
        "paused": vars(found.pause) | {"until": str(found.pause.until or "for good")} if found.pause else None,
        "promised_on": invoice.promise.on.isoformat() if invoice.promise else None,
        "auto_pay_failure": found.auto_pay_failure,
        "done": [_step_output(one) for one in found.taken],
        "not_reminded": [
            f"{one.since.isoformat()} to {one.last_on.isoformat()}: {one.text} ({one.code})" for one in found.reasons
        ],
        "steps_left": [f"{step.name}, {_describe_tone(step)}, from {step.on.isoformat()}" for step in found.left],
        "expected": [f"{one.on.isoformat()}: {one.step.name}, {_describe_tone(one.step)}" for one in found.expected],
    }


def _describe_amount(amount: int, currency: str) -> str:
    return f"{money.to_major_units(amount, currency)} {currency}"


def _describe_tone(step: PlannedStep) -> str:
    return step.tone if step.template is None else f"{step.tone}, by the template {step.template}"


def _describe_due_step(step: PlannedStep, run_that_waits: str | None) -> str:
    told = f"{step.name} is due: {_describe_tone(step)}"
    if run_that_waits is not None:
        told += f"; it waits with the run of {run_that_waits}, which is larger than its limit, for a yes."
    return told


def _describe_reason(found: ReminderHistory) -> str | None:
    return f"{found.decision.reason.text} ({found.decision.reason.code})" if found.decision.reason else None


def _describe_asked(planned: PlannedInvoice, currency: str) -> str:
    told = f"{_describe_amount(planned.asked, currency)} asked for"
    apart = {"disputed": planned.disputed, "covered by credit": planned.credit}
    return ", ".join(
        [told, *(f"{_describe_amount(amount, currency)} {why}" for why, amount in apart.items() if amount)]
    )


def _step_output(one: CompletedStep) -> dict[str, Any]:
    return {
        "step": one.step,
        "of_due_date": one.due_date.isoformat(),
        "on": one.on.isoformat(),
        "outcome": _OUT_OF_DATE_TEXT
        if one.outcome == "superseded" and one.digest_id is None
        else _OUTCOME_TEXTS[one.outcome],
        "digest_id": one.digest_id,
        "copies": [
            f"{told.contact_id}: {told.status or 'no mail'} {told.email_id or ''}".strip() for told in one.copies
        ],
    }


def reminder_plan_output(
    now: datetime,
    days: int,
    time_is_left: Callable[[], bool],
    *,
    entity_id: str | None,
    account_id: str | None,
    position: list[Any] | None,
) -> dict[str, Any]:
    """Return the plan of ``days`` from ``now``, by day; of all accounts, as long as there is time and room.

    ``position`` is the ``go_on_with`` of the answer before. Raises InvalidInput when it cannot be.
    """
    after: Any = None
    if account_id is not None:
        if position is not None:
            raise InvalidInput.field(
                "go_on_with", "not_together", "The plan of one account has one page. Leave this out."
            )
        found = plan.plan_account(account_id, now, days, entity_id)
    else:
        found, after = _plan_all(now, days, entity_id, position, time_is_left)
    every = sorted(
        ((digest, account) for account in found for digest in account.digests),
        key=lambda one: (one[0].on, one[1].account_id, one[1].entity_id, one[0].currency),
    )
    by_day: dict[str, list[dict[str, Any]]] = {}
    for digest, account in every:
        by_day.setdefault(digest.on.isoformat(), []).append(_digest_output(digest, account))
    return {
        "as_of": now.isoformat(),
        "days": days,
        "digests": len(every),
        "invoices": sum(len(digest.invoices) for digest, _ in every),
        "by_day": by_day,
        "go_on_with": after,
    }


def _plan_all(
    now: datetime, days: int, entity_id: str | None, position: list[Any] | None, time_is_left: Callable[[], bool]
) -> tuple[list[AccountPlan], list[Any] | None]:
    found: list[AccountPlan] = []
    after = _check_position(position, keys.format_instant(now + timedelta(days=days)))
    while True:
        page, after = plan.plan_all_accounts(now, days, after, _ACCOUNTS_PER_PAGE, entity_id)
        found += page
        told = sum(len(account.digests) for account in found)
        if after is None or told >= MAX_DIGESTS or not time_is_left():
            return found, after


def _check_position(given: list[Any] | None, until: str) -> list[Any] | None:
    """Return where to continue. Raises InvalidInput for a position that no earlier output can have returned."""
    if given is None:
        return None
    shards = range(len(keys.reminder_due_partitions()))
    match given:
        case [int(shard), None] if shard in shards:
            return given
        case [int(shard), str(position)] if shard in shards and "" < position < until and position.isascii():
            return given
    raise InvalidInput.field("go_on_with", "bad_position", "Send it as returned in the previous response.")


def _digest_output(one: PlannedDigest, account: AccountPlan) -> dict[str, Any]:
    return {
        "account": f"{account.account_id} ({account.account_name})",
        "entity_id": account.entity_id,
        "tone": one.tone,
        "outcome": "planned in shadow mode, not sent" if one.shadow else "mailed",
        "total": _describe_amount(one.total, one.currency),
        "contacts": [f"{contact.name} <{contact.email}>" for contact in one.contacts],
        "invoices": [
            f"{each.number} ({each.invoice_id}): {each.step}, {each.tone}, due {each.due_date.isoformat()}, "
            + _describe_asked(each, one.currency)
            for each in one.invoices
        ],
        **({} if account.complete else {"note": f"Only the first {plan.MAX_PLAN_INVOICES} invoices were checked."}),
    }
