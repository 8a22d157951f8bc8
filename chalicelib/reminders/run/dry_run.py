"""What an hourly run would send: it reads and decides as the run itself, and writes nothing."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from chalicelib.reminders.policy.rules import TONES
from chalicelib.reminders.run import account_context, digests, dispatch, going_live, process_account
from chalicelib.reminders.run.account_context import AccountContext
from chalicelib.reminders.run.candidates import InvoiceFacts
from chalicelib.reminders.run.digests import DueReminder
from chalicelib.reminders.run.dispatch import DueAccount
from chalicelib.reminders.run.rules import LIVE, ReminderDecision
from chalicelib.request_context import RequestContext

MAX_DRY_RUN_ACCOUNTS = 1000
"""Told in one dry run: what a console function returns has to fit 6 MB."""


@dataclass
class DryRunReport:
    """What would be sent, what not and why, and what waits."""

    digests: list[dict[str, Any]] = field(default_factory=list)
    not_sent: list[dict[str, Any]] = field(default_factory=list)
    waiting: list[dict[str, Any]] = field(default_factory=list)


def dry_run_reminders(
    context: RequestContext, time_is_left: Callable[[], bool], wanted: Callable[[DueAccount], bool] | None
) -> dict[str, Any]:
    """Return what a run at the instant of ``context`` would send; nothing is written and nobody is mailed.

    What waits for approval is reported separately, so that staff can look at it before (R9).
    """
    found = dispatch.find_due_accounts(context.now, time_is_left, wanted)
    counts = found.account_counts
    waiting = going_live.entities_awaiting_approval(
        context, counts, lambda entity: found.count_mailed(context, entity, time_is_left), dry_run=True
    )
    accounts = list(dict.fromkeys((one.account_id, one.entity_id) for one in found.accounts))
    # What is sent comes first, in case there is no room or time for all.
    accounts.sort(key=lambda one: one[1] in waiting)
    report, waiting_report = DryRunReport(), DryRunReport()
    looked_at = 0
    for account_id, entity_id in accounts[:MAX_DRY_RUN_ACCOUNTS]:
        if not time_is_left():
            break
        _report_account(context, account_id, entity_id, waiting_report if entity_id in waiting else report)
        looked_at += 1
    return {
        "as_of": context.now.isoformat(),
        "accounts_due": {entity_id: count for entity_id, count in counts.items() if entity_id not in waiting},
        "waiting_for_approval": dict(sorted(waiting.items())),
        "digests": report.digests,
        "digests_that_wait": waiting_report.digests,
        "not_sent": report.not_sent,
        "accounts_waiting": report.waiting,
        "accounts_looked_at": looked_at,
        "accounts_left_out": len(accounts) - looked_at,
    }


def _report_account(context: RequestContext, account_id: str, entity_id: str, report: DryRunReport) -> None:
    about = account_context.load_account_context(account_id, entity_id, context.now)
    if about is None:
        return
    begun, earlier = process_account.unfinished_digest_keys(about)
    if begun or earlier:
        _report_waiting(report, about, "A digest was begun and not finished; it goes first.")
    if context.now < about.begins:
        _report_waiting(report, about, f"Sending begins at {about.begins.isoformat()}.")
        return
    chosen: dict[str, list[DueReminder]] = {}
    after: str | None = None
    while True:
        page = process_account.load_due_invoices(about, after)
        decisions = process_account.decide_due_invoices(about, page.invoices)
        for currency, of_currency in decisions.reminders.items():
            room = process_account.MAX_INVOICES_PER_ROUND - len(chosen.setdefault(currency, []))
            chosen[currency] += of_currency[:room]
        report.not_sent += [_not_sent_output(found, decision) for found, decision in decisions.postponed]
        after = page.after
        if after is None:
            break
    report.digests += [_digest_output(about, currency, of_currency) for currency, of_currency in sorted(chosen.items())]


def _report_waiting(report: DryRunReport, about: AccountContext, why: str) -> None:
    report.waiting.append({"account_id": about.account.account_id, "entity_id": about.entity.entity_id, "why": why})


def _digest_output(about: AccountContext, currency: str, chosen: list[DueReminder]) -> dict[str, Any]:
    copies = digests.copies_by_contact([one.facts for one in chosen])
    steps = [one.decision.step for one in chosen if one.decision.step is not None]
    return {
        "account_id": about.account.account_id,
        "entity_id": about.entity.entity_id,
        "on": about.today.isoformat(),
        "currency": currency,
        "outcome": "mailed" if about.mode == LIVE else "shadow",
        "tone": max((step.tone for step in steps), key=TONES.index),
        "total": sum(one.facts.candidate.amount.asked for one in chosen),
        "contacts": [
            {
                "contact_id": one.contact.contact_id,
                "name": one.contact.name,
                "email": one.contact.email,
                "copy": one.contact.copy,
                "invoice_ids": [found.invoice.invoice_id for found in one.found],
            }
            for one in copies.values()
        ],
        "invoices": [_invoice_output(one) for one in chosen],
    }


def _invoice_output(chosen: DueReminder) -> dict[str, Any]:
    invoice, step, amount = chosen.facts.invoice, chosen.decision.step, chosen.facts.candidate.amount
    return {
        "invoice_id": invoice.invoice_id,
        "number": invoice.number,
        "due_date": invoice.due_date.isoformat() if invoice.due_date else None,
        "amount": amount.asked,
        "disputed": amount.disputed,
        "covered_by_credit": amount.credit,
        "step": step.name if step else None,
        "tone": step.tone if step else None,
        "template": step.template if step else None,
        "superseded": [one.name for one in chosen.decision.superseded],
    }


def _not_sent_output(found: InvoiceFacts, decision: ReminderDecision) -> dict[str, Any]:
    invoice = found.invoice
    return {
        "invoice_id": invoice.invoice_id,
        "number": invoice.number,
        "account_id": invoice.account_id,
        "entity_id": invoice.entity_id,
        "code": decision.reason.code if decision.reason else None,
        "reason": decision.reason.text if decision.reason else None,
        "looked_at_again_on": decision.next_on.isoformat() if decision.next_on else None,
    }
