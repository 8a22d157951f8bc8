"""Reads the invoices of an account and builds of each the value that the decision about it depends on (R2, R4, R9)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from chalicelib import clock
from chalicelib.bill_groups.rules import BillGroup
from chalicelib.contacts import recipients
from chalicelib.contacts.rules import Recipient
from chalicelib.deliveries.rules import Delivery
from chalicelib.invoices.rules import Invoice, disputed_amount, invoice_local_date
from chalicelib.mail.recipients import recipient_statuses
from chalicelib.mail.service import Email
from chalicelib.reminders.policy.rules import ReminderPolicy, step_sort_key
from chalicelib.reminders.policy.service import BILL_GROUP, effective_policy, reminder_policy_key
from chalicelib.reminders.run.account_context import AccountContext, RemindedAccount
from chalicelib.reminders.run.amounts import load_credit
from chalicelib.reminders.run.rules import Pause, ReminderCandidate
from chalicelib.table import keys, store
from chalicelib.table.items import (
    BillGroupRemindersItem,
    DeliveryItem,
    InvoiceItem,
    InvoiceRemindersItem,
    ReminderPolicyItem,
    ReminderStepItem,
)
from chalicelib.table.keys import Key

_FAILED_STATUSES = frozenset({"bounced", "complained", "failed", "withheld"})
_REMINDED_OUTCOMES = ("sent", "shadow")
_TAKEN_OUTCOMES = (*_REMINDED_OUTCOMES, "skipped")
WITHHELD = "withheld"
"""What became of a step of which nobody was told, because at the last look its mails were not sent."""
_ROWS_PER_PAGE = 200


@dataclass(frozen=True)
class InvoiceRows:
    """The rows of one invoice that its reminders depend on, as one Query of its partition finds them."""

    invoice: Invoice
    state: InvoiceRemindersItem | None
    steps: tuple[ReminderStepItem, ...]
    deliveries: tuple[Delivery, ...]
    changed_at: datetime | None = None
    """When the change was written for which the invoice is planned again; None: just now."""

    @property
    def spent(self) -> frozenset[str]:
        """Return the names of the steps that were used for the due date that the invoice has now.

        One of which nobody was told can be taken again, until a newer one is.
        """
        last = max((step.on for step in self._of_due_date if step.outcome in _TAKEN_OUTCOMES), default=date.min)
        return frozenset(step.step for step in self._of_due_date if step.outcome != WITHHELD or step.on <= last)

    @property
    def _of_due_date(self) -> list[ReminderStepItem]:
        return [step for step in self.steps if step.due_date == self.invoice.due_date]

    @property
    def taken_until(self) -> date | None:
        """Return the latest day for which a step was taken of the due date that the invoice has now (R5)."""
        taken = [
            max(step.on, step.planned_on or step.due_date + timedelta(days=step_sort_key(step.step)[0]))
            for step in self._of_due_date
            if step.outcome in _TAKEN_OUTCOMES
        ]
        return max(taken, default=None)

    @property
    def reminded_on(self) -> date | None:
        """Return the day of the last reminder, also of one in shadow mode; None if there was none."""
        return max((step.on for step in self.steps if step.outcome in _REMINDED_OUTCOMES), default=None)


@dataclass(frozen=True)
class InvoiceFacts:
    """One invoice, what the decision about it depends on, and who gets its reminders."""

    rows: InvoiceRows
    invoice: Invoice
    policy: ReminderPolicy
    candidate: ReminderCandidate
    recipients: tuple[Recipient, ...]
    policy_row: ReminderPolicyItem | None = None
    """What the bill group has of its own."""


def build_candidate(
    about: RemindedAccount,
    invoice: Invoice,
    state: InvoiceRemindersItem | None,
    auto_pay: bool | None,
    group_reminders: BillGroupRemindersItem | None,
    *,
    changed_at: datetime | None = None,
    spent: frozenset[str] = frozenset(),
    taken_until: date | None = None,
    claimed_due_date: date | None = None,
    credit: int | None = None,
    deliveries_failed: bool | None = None,
    recipients: Sequence[Recipient] | None = None,
    digest_today: bool = False,
) -> ReminderCandidate:
    """Return the candidate of one invoice from the rows that were read; what is None was not read and blocks nothing.

    ``auto_pay`` and ``group_reminders`` are those of its bill group.
    """
    pauses = (
        _candidate_pause("invoice", state.pause if state else None),
        _candidate_pause("bill_group", group_reminders.pause if group_reminders else None),
        _candidate_pause("account", about.reminders.pause if about.reminders else None),
        Pause("promise", invoice.promise.on) if invoice.promise else None,
    )
    holders = [one for one in recipients if not one.copy] if recipients is not None else None
    return ReminderCandidate(
        invoice_id=invoice.invoice_id,
        kind=invoice.kind,
        status=invoice.status,
        balance=invoice.balance,
        credit=credit,
        due_date=invoice.due_date,
        recorded_on=due_date_recorded_on(about, invoice, state, changed_at),
        issue_date=invoice.issue_date,
        disputed=disputed_amount(invoice),
        auto_pay=auto_pay,
        auto_pay_failed=bool(state and state.auto_pay_failure),
        deliveries_failed=deliveries_failed,
        pauses=tuple(pause for pause in pauses if pause is not None),
        spent=spent,
        taken_until=taken_until,
        claimed_due_date=claimed_due_date,
        mode=about.mode,
        live_from=about.entity.live_from,
        released_on=about.released_on,
        last_reminded_on=about.reminders.last_reminded_on if about.reminders else None,
        digest_today=digest_today,
        contacts=len(holders) if holders is not None else None,
        reachable_contacts=len([one for one in holders if not one.suppressed]) if holders is not None else None,
        payments_current=about.payments_current,
    )


def due_date_recorded_on(
    about: RemindedAccount, invoice: Invoice, state: InvoiceRemindersItem | None, changed_at: datetime | None
) -> date:
    """Return the day on which the due date that the invoice has now was recorded here."""
    if state is None:
        return invoice_local_date(invoice, invoice.recorded_at)
    if state.due_date != invoice.due_date or state.due_since is None:
        return clock.local_date(changed_at, about.time_zone) if changed_at else about.today
    return state.due_since


def _candidate_pause(level: str, pause: Mapping[str, Any] | None) -> Pause | None:
    if pause is None:
        return None
    until = pause.get("until")
    return Pause(level, date.fromisoformat(until) if until else None, pause.get("reason"))


def load_invoice_rows(invoice_id: str) -> InvoiceRows | None:
    """Read the rows of one invoice, one Query without what the invoice says; None if there is no such invoice."""
    first, last = keys.delivery(invoice_id, ""), keys.invoice_reminders(invoice_id)
    found = list(store.iterate_items(first.pk, span=(first.sk, last.sk), page_size=_ROWS_PER_PAGE))
    head = next((row for row in found if isinstance(row, InvoiceItem)), None)
    if head is None:
        return None
    return InvoiceRows(
        invoice=store.from_item(Invoice, head),
        state=next((row for row in found if isinstance(row, InvoiceRemindersItem)), None),
        steps=tuple(row for row in found if isinstance(row, ReminderStepItem)),
        deliveries=tuple(store.from_item(Delivery, row) for row in found if isinstance(row, DeliveryItem)),
    )


def gather_invoice_facts(
    about: AccountContext, invoices: Sequence[InvoiceRows], *, with_recipients: bool = True
) -> list[InvoiceFacts]:
    """Gather the facts of invoices of one account and entity, in their order.

    One read for bill groups, balances, today's digests and the mails of deliveries; where recipients are wanted, at
    most two more for each bill group that has its own, and some where there is unallocated credit. Without them neither
    contacts nor credit are known: planning, which only asks when to look, need not know.
    """
    if not invoices:
        return []
    account_id, entity_id = about.account.account_id, about.entity.entity_id
    currencies = sorted({rows.invoice.currency for rows in invoices})
    balance_keys = {one: keys.account_balance(account_id, entity_id, one) for one in currencies}
    digest_keys = {one: keys.digest(account_id, about.today, entity_id, one) for one in currencies}
    found = store.batch_get_items([*balance_keys.values(), *digest_keys.values(), *_group_and_email_keys(invoices)])
    credit: Mapping[str, int] | None = None
    if with_recipients:
        balances = {one: found[key] for one, key in balance_keys.items() if key in found}
        credit = load_credit([rows.invoice for rows in invoices], balances)
    by_narrowing: dict[tuple[str, ...], tuple[Recipient, ...]] = {}
    gathered = []
    for rows in invoices:
        invoice = rows.invoice
        group = store.from_item(BillGroup, found[keys.bill_group(invoice.bill_group_id)])
        narrowed = group.accounts_payable_contact_ids
        if with_recipients and narrowed not in by_narrowing:
            by_narrowing[narrowed] = tuple(recipients.list_reminder_recipients(about.account, group, about.roles))
        policy_row = found.get(reminder_policy_key(BILL_GROUP, group.bill_group_id))
        candidate = build_candidate(
            about,
            invoice,
            rows.state,
            group.auto_pay,
            found.get(keys.bill_group_reminders(group.bill_group_id)),
            changed_at=rows.changed_at,
            spent=rows.spent,
            taken_until=rows.taken_until,
            credit=credit[invoice.invoice_id] if credit is not None else None,
            deliveries_failed=_deliveries_failed(rows, found),
            recipients=by_narrowing.get(narrowed),
            digest_today=digest_keys[invoice.currency] in found,
        )
        policy = effective_policy(*about.policy_rows, policy_row)
        gathered.append(InvoiceFacts(rows, invoice, policy, candidate, by_narrowing.get(narrowed, ()), policy_row))
    return gathered


def _group_and_email_keys(invoices: Sequence[InvoiceRows]) -> list[Key]:
    groups = sorted({rows.invoice.bill_group_id for rows in invoices})
    return [
        *map(keys.bill_group, groups),
        *map(keys.bill_group_reminders, groups),
        *(reminder_policy_key(BILL_GROUP, group_id) for group_id in groups),
        *(keys.email(email_id) for rows in invoices for email_id in _delivery_email_ids(rows)),
    ]


def _delivery_email_ids(rows: InvoiceRows) -> list[str]:
    return [one.email_id for delivery in rows.deliveries for one in delivery.recipients if one.email_id]


def _deliveries_failed(rows: InvoiceRows, found: Mapping[Key, Any]) -> bool:
    """Tell whether the invoice was mailed, and every mail of it has failed with every recipient (R2)."""
    mails = [found[key] for key in map(keys.email, _delivery_email_ids(rows)) if key in found]
    statuses = [one.status for mail in mails for one in recipient_statuses(store.from_item(Email, mail))]
    return bool(statuses) and all(status in _FAILED_STATUSES for status in statuses)
