"""All that is known of the reminders of one invoice: what was done, why not, and what comes next (R7)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from chalicelib.errors import NotFound
from chalicelib.invoices.rules import UNSETTLED, Invoice
from chalicelib.mail.recipients import recipient_statuses
from chalicelib.mail.service import Email
from chalicelib.reminders.outlook import plan
from chalicelib.reminders.outlook.rules import ExpectedStep
from chalicelib.reminders.pauses.service import PauseDetails, parse_pause
from chalicelib.reminders.policy.rules import PlannedStep, step_sort_key
from chalicelib.reminders.run import account_context, candidates, going_live, rules
from chalicelib.reminders.run.account_context import AccountContext
from chalicelib.reminders.run.candidates import InvoiceFacts, InvoiceRows
from chalicelib.reminders.run.rules import AmountAsked, ReminderDecision
from chalicelib.table import keys, store
from chalicelib.table.items import ReminderStepItem


@dataclass(frozen=True)
class ReminderCopy:
    """One contact whose copy of a reminder named the invoice, and how the mail stands with them."""

    contact_id: str
    email_id: str | None
    status: str | None
    """None when there is no mail, as in shadow mode; ``withheld`` when it was not sent, or without the invoice."""


@dataclass(frozen=True)
class CompletedStep:
    """A step that was sent, withheld, planned in shadow mode, superseded or skipped."""

    due_date: date
    step: str
    outcome: str
    on: date
    at: datetime
    digest_id: str | None
    copies: tuple[ReminderCopy, ...]


@dataclass(frozen=True)
class ReasonPeriod:
    """Why the invoice was not reminded of, from one day to another, in words."""

    code: str
    text: str
    since: date
    last_on: date


@dataclass(frozen=True)
class ReminderHistory:
    """The reminders of one invoice."""

    invoice: Invoice
    today: date
    mode: str
    amount: AmountAsked
    decision: ReminderDecision
    """What would be done now, and when it would be looked at again."""
    looked_at_on: date | None
    taken: tuple[CompletedStep, ...]
    reasons: tuple[ReasonPeriod, ...]
    left: tuple[PlannedStep, ...]
    expected: tuple[ExpectedStep, ...]
    pause: PauseDetails | None
    auto_pay_failure: Mapping[str, Any] | None
    run_that_waits: str | None
    """The hour of the run that waits for staff, and with it the step that is due (R9)."""


def get_reminder_history(invoice_id: str, now: datetime, days: int = plan.DEFAULT_PLAN_DAYS) -> ReminderHistory:
    """Return all that is known of an invoice's reminders: four reads, those of its contacts, two of mails sent.

    Where a step is due, one more; where one is to come, also what the plan of its account reads. Raises NotFound.
    """
    rows = candidates.load_invoice_rows(invoice_id)
    about = account_context.load_account_context(rows.invoice.account_id, rows.invoice.entity_id, now) if rows else None
    if rows is None or about is None:
        raise NotFound
    (found,) = candidates.gather_invoice_facts(about, [rows])
    due, state = rows.invoice.due_date, rows.state
    decision = rules.decide_reminder(found.candidate, found.policy, about.calendar, about.today)
    left = rules.remaining_steps(found.candidate, found.policy, due)[1] if due else ()
    return ReminderHistory(
        invoice=rows.invoice,
        today=about.today,
        mode=about.mode,
        amount=found.candidate.amount,
        decision=decision,
        looked_at_on=state.next_on if state and rows.invoice.status in UNSETTLED else None,
        taken=_completed_steps(about, rows),
        reasons=tuple(_reason_period(one) for one in (state.reasons if state else ())),
        left=left,
        expected=_expected_steps(about, found, now, days),
        pause=parse_pause(state.pause) if state and state.pause else None,
        auto_pay_failure=state.auto_pay_failure if state else None,
        run_that_waits=_waiting_run_hour(about) if decision.step is not None else None,
    )


def _waiting_run_hour(about: AccountContext) -> str | None:
    return going_live.waiting_run_hour(about.entity.entity_id) if about.mode == rules.LIVE else None


def _expected_steps(about: AccountContext, found: InvoiceFacts, now: datetime, days: int) -> tuple[ExpectedStep, ...]:
    """Return what would be sent of an invoice, with regard to all else of which the account will be reminded."""
    if not plan.forecast_steps(about, [found], days).expected:
        return ()
    invoice_id = found.invoice.invoice_id
    found_beside = plan.load_other_invoices(about, invoice_id, days)
    forecast = plan.forecast_steps(about, [found, *found_beside], days, plan.load_other_entities(about, now, days))
    return tuple(one for one in forecast.expected if one.invoice_id == invoice_id)


def _reason_period(recorded: Mapping[str, str]) -> ReasonPeriod:
    known = rules.NO_REMINDER_REASONS.get(recorded["code"])
    return ReasonPeriod(
        code=recorded["code"],
        text=known.text if known else recorded["code"],
        since=date.fromisoformat(recorded["since"]),
        last_on=date.fromisoformat(recorded["last_on"]),
    )


def _completed_steps(about: AccountContext, rows: InvoiceRows) -> tuple[CompletedStep, ...]:
    invoice = rows.invoice
    steps = sorted(rows.steps, key=lambda step: (step.on, step.due_date, step_sort_key(step.step), step.at))
    digests = {
        step.digest_id: keys.digest(invoice.account_id, step.on, invoice.entity_id, invoice.currency)
        for step in steps
        if step.digest_id
    }
    found = store.batch_get_items(list(digests.values()))
    copies = {
        digest_id: [one for one in found[key].recipients if invoice.invoice_id in one["invoice_ids"]]
        for digest_id, key in digests.items()
        if key in found and found[key].digest_id == digest_id
    }
    mails = store.batch_get_items(
        [keys.email(one["email_id"]) for of_digest in copies.values() for one in of_digest if one["email_id"]]
    )
    return tuple(_completed_step(step, copies.get(step.digest_id or "", []), mails) for step in steps)


def _completed_step(step: ReminderStepItem, copies: list[dict[str, Any]], mails: Mapping[Any, Any]) -> CompletedStep:
    copies_sent = []
    # A superseded step carries the digest of the newer one, and was mailed to nobody.
    for one in copies if step.outcome in ("sent", "shadow", candidates.WITHHELD) else ():
        if one["email_id"] in step.withheld:
            copies_sent.append(ReminderCopy(one["contact_id"], one["email_id"], candidates.WITHHELD))
            continue
        mail = mails.get(keys.email(one["email_id"])) if one["email_id"] else None
        statuses = recipient_statuses(store.from_item(Email, mail)) if mail is not None else ()
        copies_sent.append(ReminderCopy(one["contact_id"], one["email_id"], statuses[0].status if statuses else None))
    return CompletedStep(step.due_date, step.step, step.outcome, step.on, step.at, step.digest_id, tuple(copies_sent))
