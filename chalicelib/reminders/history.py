"""All that is known of the reminders of one invoice: what was done, why not, and what comes next (R7)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from chalicelib.errors import NotFound
from chalicelib.invoices.rules import Invoice
from chalicelib.mail.recipients import recipient_statuses
from chalicelib.mail.service import Email
from chalicelib.reminders import facts, going_live, pauses, plan, rules
from chalicelib.reminders.facts import Around, Facts, Rows
from chalicelib.reminders.forecast import Expected
from chalicelib.reminders.pauses import PauseRead
from chalicelib.reminders.policy import PlannedStep, step_place
from chalicelib.reminders.rules import Decision
from chalicelib.table import keys, store
from chalicelib.table.items import ReminderStepItem


@dataclass(frozen=True)
class Copy:
    """One contact whose copy of a reminder named the invoice, and how the mail stands with them."""

    contact_id: str
    email_id: str | None
    status: str | None
    """None when no mail was sent, as in shadow mode."""


@dataclass(frozen=True)
class Taken:
    """A step that was sent, planned in shadow mode, superseded or skipped."""

    due_date: date
    step: str
    outcome: str
    on: date
    at: datetime
    digest_id: str | None
    copies: tuple[Copy, ...]


@dataclass(frozen=True)
class NotReminded:
    """Why the invoice was not reminded of, from one day to another, in words."""

    code: str
    text: str
    since: date
    last_on: date


@dataclass(frozen=True)
class History:
    """The reminders of one invoice."""

    invoice: Invoice
    today: date
    mode: str
    decision: Decision
    """What would be done now, and when it would be looked at again."""
    looked_at_on: date | None
    taken: tuple[Taken, ...]
    reasons: tuple[NotReminded, ...]
    left: tuple[PlannedStep, ...]
    expected: tuple[Expected, ...]
    pause: PauseRead | None
    auto_pay_failure: Mapping[str, Any] | None
    run_that_waits: str | None
    """The hour of the run that waits for staff, and with it the step that is due (R9)."""


def history(invoice_id: str, now: datetime, days: int = plan.DAYS) -> History:
    """Return all that is known of an invoice's reminders: four reads, those of its contacts, two of mails sent.

    Where a step is due, one more; where one is to come, also what the plan of its account reads. Raises NotFound.
    """
    rows = facts.rows_of(invoice_id)
    about = facts.around(rows.invoice.account_id, rows.invoice.entity_id, now) if rows else None
    if rows is None or about is None:
        raise NotFound
    (found,) = facts.of_invoices(about, [rows])
    due, state = rows.invoice.due_date, rows.state
    decision = rules.decide(found.subject, found.policy, about.calendar, about.today)
    left = rules.steps_left(found.subject, found.policy, due)[1] if due else ()
    return History(
        invoice=rows.invoice,
        today=about.today,
        mode=about.mode,
        decision=decision,
        looked_at_on=state.next_on if state else None,
        taken=_taken(about, rows),
        reasons=tuple(_not_reminded(one) for one in (state.reasons if state else ())),
        left=left,
        expected=_expected(about, found, now, days),
        pause=pauses.read(state.pause) if state and state.pause else None,
        auto_pay_failure=state.auto_pay_failure if state else None,
        run_that_waits=_run_that_waits(about) if decision.step is not None else None,
    )


def _run_that_waits(about: Around) -> str | None:
    return going_live.waiting(about.entity.entity_id) if about.mode == rules.LIVE else None


def _expected(about: Around, found: Facts, now: datetime, days: int) -> tuple[Expected, ...]:
    """Return what would be sent of an invoice, with regard to all else of which the account will be reminded."""
    if not plan.expected_of(about, [found], days).expected:
        return ()
    invoice_id = found.invoice.invoice_id
    found_beside = plan.beside(about, invoice_id, days)
    foretold = plan.expected_of(about, [found, *found_beside], days, plan.others(about, now, days))
    return tuple(one for one in foretold.expected if one.invoice_id == invoice_id)


def _not_reminded(noted: Mapping[str, str]) -> NotReminded:
    known = rules.REASONS.get(noted["code"])
    return NotReminded(
        code=noted["code"],
        text=known.text if known else noted["code"],
        since=date.fromisoformat(noted["since"]),
        last_on=date.fromisoformat(noted["last_on"]),
    )


def _taken(about: Around, rows: Rows) -> tuple[Taken, ...]:
    invoice = rows.invoice
    steps = sorted(rows.steps, key=lambda step: (step.on, step.due_date, step_place(step.step), step.at))
    digests = {
        step.digest_id: keys.digest(invoice.account_id, step.on, invoice.entity_id, invoice.currency)
        for step in steps
        if step.digest_id
    }
    found = store.batch(list(digests.values()))
    copies = {
        digest_id: [one for one in found[key].recipients if invoice.invoice_id in one["invoice_ids"]]
        for digest_id, key in digests.items()
        if key in found and found[key].digest_id == digest_id
    }
    mails = store.batch(
        [keys.email(one["email_id"]) for of_digest in copies.values() for one in of_digest if one["email_id"]]
    )
    return tuple(_one_taken(step, copies.get(step.digest_id or "", []), mails) for step in steps)


def _one_taken(step: ReminderStepItem, copies: list[dict[str, Any]], mails: Mapping[Any, Any]) -> Taken:
    told = []
    # What another step superseded carries its digest too, and was told to nobody.
    for one in copies if step.outcome in ("sent", "shadow") else ():
        mail = mails.get(keys.email(one["email_id"])) if one["email_id"] else None
        statuses = recipient_statuses(store.load(Email, mail)) if mail is not None else ()
        told.append(Copy(one["contact_id"], one["email_id"], statuses[0].status if statuses else None))
    return Taken(step.due_date, step.step, step.outcome, step.on, step.at, step.digest_id, tuple(told))
