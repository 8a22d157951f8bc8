"""The plan under a changed policy, compared with the plan as it is, before the policy is saved (R7)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from chalicelib.accounts.service import list_accounts
from chalicelib.reminders.outlook import plan
from chalicelib.reminders.outlook.rules import ForecastInput
from chalicelib.reminders.policy.calendars import account_calendar
from chalicelib.reminders.policy.service import effective_policy, try_entity_policy
from chalicelib.reminders.run import account_context, rules
from chalicelib.reminders.run.account_context import AccountContext
from chalicelib.reminders.run.candidates import InvoiceFacts
from chalicelib.table import keys, store
from chalicelib.table.items import ReminderPolicyItem

MAX_NAMED_ACCOUNTS = 50
_ACCOUNTS_PER_ROUND = 10
_MAX_INVOICES_PER_PAGE = 300
"""Invoices that are looked at for one page; a page ends with the round that reaches them."""


@dataclass(frozen=True)
class ChangedStep:
    """A step of an invoice that would move to another day, change its tone, be added or be removed."""

    invoice_id: str
    number: str
    step: str
    on_before: date | None
    on_after: date | None
    tone_before: str | None
    tone_after: str | None
    superseded: bool
    """Whether the changed policy has it where it cannot be sent any more: not after the newest step taken (R5)."""


@dataclass(frozen=True)
class AccountComparison:
    """The reminders of one account within the next days, by the policy as it is and as it would be."""

    account_id: str
    account_name: str
    reminders_before: int
    """Digests, of all currencies."""
    reminders_after: int
    changes: tuple[ChangedStep, ...]
    complete: bool
    """False when the account has more open invoices than were looked at."""


def compare_policies(
    entity_id: str,
    given: Mapping[str, Any],
    now: datetime,
    days: int,
    named: Sequence[str] | None,
    after: str | None,
    limit: int,
) -> tuple[list[AccountComparison], str | None]:
    """Return what changes for accounts if ``given`` were put to an entity's policy, and where the next page begins.

    For the accounts that are named, else page by page for all; accounts of which nothing is open are left out. Nothing
    is written. Raises NotFound, InvalidInput as saving would.
    """
    own = try_entity_policy(entity_id, given)
    if named is not None:
        found = [_compare_account(account_id, entity_id, own, now, days) for account_id in dict.fromkeys(named)]
        return [one for one, _ in found if one is not None], None
    shown: list[AccountComparison] = []
    looked_at = 0
    while True:
        page, after = list_accounts(None, None, after, _ACCOUNTS_PER_ROUND)
        for account in page:
            one, invoices = _compare_account(account.account_id, entity_id, own, now, days)
            looked_at += invoices + 1
            if one is not None:
                shown.append(one)
        if after is None or len(shown) >= limit or looked_at >= _MAX_INVOICES_PER_PAGE:
            return shown, after


def _compare_account(
    account_id: str, entity_id: str, own: dict[str, Any], now: datetime, days: int
) -> tuple[AccountComparison | None, int]:
    pointers = keys.open_invoices_to_entity(account_id, entity_id)
    page = store.query_items(pointers.pk, pointers.sk, limit=plan.MAX_PLAN_INVOICES)
    about = account_context.load_account_context(account_id, entity_id, now) if page.items else None
    if about is None:
        return None, 0
    found = plan.load_invoice_facts(about, [row.invoice_id for row in page.items])
    tried = _with_entity_policy(about, own)
    others = plan.load_other_entities(about, now, days)
    found_then = [replace(one, policy=effective_policy(*tried.policy_rows, one.policy_row)) for one in found]
    compared = AccountComparison(
        account_id=account_id,
        account_name=about.account.name,
        reminders_before=len(plan.plan_digests(about, found, days, others)),
        reminders_after=len(plan.plan_digests(tried, found_then, days, others)),
        changes=_changes(
            _steps(about, found, days, others),
            _steps(tried, found_then, days, others),
            _superseded_steps(found_then) - _superseded_steps(found),
            found,
        ),
        complete=page.after is None,
    )
    return compared, len(found)


def _with_entity_policy(about: AccountContext, own: dict[str, Any]) -> AccountContext:
    """Return what would hold for an account if its entity's policy had ``own``."""
    rows = (ReminderPolicyItem("", "", policy=own), about.policy_rows[1])
    policy = effective_policy(*rows)
    calendar = account_calendar(about.account.country, about.account.subdivision, policy, about.today)
    return replace(about, policy_rows=rows, policy=policy, calendar=calendar)


def _steps(
    about: AccountContext, found: Sequence[InvoiceFacts], days: int, others: Sequence[ForecastInput]
) -> dict[tuple[str, str], tuple[date, str]]:
    ours = {one.invoice.invoice_id for one in found}
    expected = plan.forecast_steps(about, found, days, others).expected
    return {(one.invoice_id, one.step.name): (one.on, one.step.tone) for one in expected if one.invoice_id in ours}


def _superseded_steps(found: Sequence[InvoiceFacts]) -> set[tuple[str, str]]:
    """Return the steps of invoices that will not be sent any more by their policies."""
    return {
        (one.invoice.invoice_id, step.name)
        for one in found
        if one.invoice.due_date is not None
        for step in rules.remaining_steps(one.candidate, one.policy, one.invoice.due_date)[0]
    }


def _changes(
    before: Mapping[tuple[str, str], tuple[date, str]],
    after: Mapping[tuple[str, str], tuple[date, str]],
    superseded: Collection[tuple[str, str]],
    found: Sequence[InvoiceFacts],
) -> tuple[ChangedStep, ...]:
    numbers = {one.invoice.invoice_id: one.invoice.number for one in found}
    changes = []
    for invoice_id, step in {*before, *after, *superseded}:
        was, will_be = before.get((invoice_id, step)), after.get((invoice_id, step))
        if was != will_be or (invoice_id, step) in superseded:
            changes.append(
                ChangedStep(
                    invoice_id=invoice_id,
                    number=numbers[invoice_id],
                    step=step,
                    on_before=was[0] if was else None,
                    on_after=will_be[0] if will_be else None,
                    tone_before=was[1] if was else None,
                    tone_after=will_be[1] if will_be else None,
                    superseded=(invoice_id, step) in superseded,
                )
            )
    return tuple(sorted(changes, key=lambda one: (one.on_after or one.on_before or date.max, one.invoice_id, one.step)))
