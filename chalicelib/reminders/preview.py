"""What becomes of the plan when an issuing entity's policy changes, shown before it is saved (R7)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from chalicelib.accounts import service as accounts
from chalicelib.reminders import facts, plan, policies
from chalicelib.reminders.calendars import calendar_of
from chalicelib.reminders.facts import Around, Facts
from chalicelib.reminders.forecast import Side
from chalicelib.table import keys, store
from chalicelib.table.items import ReminderPolicyItem

MOST_NAMED = 50
_ACCOUNTS_A_ROUND = 10
_MOST_LOOKED_AT = 300
"""Invoices that are looked at for one page; a page ends with the round that reaches them."""


@dataclass(frozen=True)
class ChangedStep:
    """A step of an invoice that would come on another day, in another tone, newly, or not any more."""

    invoice_id: str
    number: str
    step: str
    on_before: date | None
    on_after: date | None
    tone_before: str | None
    tone_after: str | None


@dataclass(frozen=True)
class Compared:
    """The reminders of one account within the next days, by the policy as it is and as it would be."""

    account_id: str
    account_name: str
    reminders_before: int
    """Digests, of all currencies."""
    reminders_after: int
    changes: tuple[ChangedStep, ...]
    complete: bool
    """False when the account has more open invoices than were looked at."""


def preview(
    entity_id: str,
    given: Mapping[str, Any],
    now: datetime,
    days: int,
    named: Sequence[str] | None,
    after: str | None,
    limit: int,
) -> tuple[list[Compared], str | None]:
    """Return what changes for accounts if ``given`` were put to an entity's policy, and where the next page begins.

    For the accounts that are named, else page by page for all; accounts of which nothing is open are left out. Nothing
    is written. Raises NotFound, Invalid as saving would.
    """
    own = policies.policy_to_try(entity_id, given)
    if named is not None:
        found = [_compared(account_id, entity_id, own, now, days) for account_id in dict.fromkeys(named)]
        return [one for one, _ in found if one is not None], None
    shown: list[Compared] = []
    looked_at = 0
    while True:
        page, after = accounts.list_accounts(None, None, after, _ACCOUNTS_A_ROUND)
        for account in page:
            one, invoices = _compared(account.account_id, entity_id, own, now, days)
            looked_at += invoices + 1
            if one is not None:
                shown.append(one)
        if after is None or len(shown) >= limit or looked_at >= _MOST_LOOKED_AT:
            return shown, after


def _compared(
    account_id: str, entity_id: str, own: dict[str, Any], now: datetime, days: int
) -> tuple[Compared | None, int]:
    pointers = keys.open_invoices_to(account_id, entity_id)
    page = store.query(pointers.pk, pointers.sk, limit=plan.MOST_INVOICES)
    about = facts.around(account_id, entity_id, now) if page.items else None
    if about is None:
        return None, 0
    found = plan.gathered(about, [row.invoice_id for row in page.items])
    tried = _as_tried(about, own)
    others = plan.others(about, now, days)
    found_then = [replace(one, policy=policies.effective(*tried.policy_rows, one.policy_row)) for one in found]
    compared = Compared(
        account_id=account_id,
        account_name=about.account.name,
        reminders_before=len(plan.digests_of(about, found, days, others)),
        reminders_after=len(plan.digests_of(tried, found_then, days, others)),
        changes=_changes(_steps(about, found, days, others), _steps(tried, found_then, days, others), found),
        complete=page.after is None,
    )
    return compared, len(found)


def _as_tried(about: Around, own: dict[str, Any]) -> Around:
    """Return what would hold for an account if its entity's policy had ``own``."""
    rows = (ReminderPolicyItem("", "", policy=own), about.policy_rows[1])
    policy = policies.effective(*rows)
    calendar = calendar_of(about.account.country, about.account.subdivision, policy, about.today)
    return replace(about, policy_rows=rows, policy=policy, calendar=calendar)


def _steps(
    about: Around, found: Sequence[Facts], days: int, others: Sequence[Side]
) -> dict[tuple[str, str], tuple[date, str]]:
    ours = {one.invoice.invoice_id for one in found}
    expected = plan.expected_of(about, found, days, others).expected
    return {(one.invoice_id, one.step.name): (one.on, one.step.tone) for one in expected if one.invoice_id in ours}


def _changes(
    before: Mapping[tuple[str, str], tuple[date, str]],
    after: Mapping[tuple[str, str], tuple[date, str]],
    found: Sequence[Facts],
) -> tuple[ChangedStep, ...]:
    numbers = {one.invoice.invoice_id: one.invoice.number for one in found}
    changes = []
    for invoice_id, step in before.keys() | after.keys():
        was, will_be = before.get((invoice_id, step)), after.get((invoice_id, step))
        if was != will_be:
            changes.append(
                ChangedStep(
                    invoice_id=invoice_id,
                    number=numbers[invoice_id],
                    step=step,
                    on_before=was[0] if was else None,
                    on_after=will_be[0] if will_be else None,
                    tone_before=was[1] if was else None,
                    tone_after=will_be[1] if will_be else None,
                )
            )
    return tuple(sorted(changes, key=lambda one: (one.on_after or one.on_before or date.max, one.invoice_id, one.step)))
