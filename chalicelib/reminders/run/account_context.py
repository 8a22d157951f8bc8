"""Gathering what the decision upon an account's invoices rests on (R2, R4, R9)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from chalicelib.accounts.rules import Account
from chalicelib.bill_groups.rules import BillGroup
from chalicelib.contacts import recipients
from chalicelib.contacts.rules import Recipient
from chalicelib.deliveries.rules import Delivery
from chalicelib.entities.rules import Entity
from chalicelib.invoices.rules import Invoice, invoice_local_date
from chalicelib.mail.sending.recipients import recipient_statuses
from chalicelib.mail.service import Email
from chalicelib.reminders.policy.calendars import account_calendar, local_day, sending_starts_at
from chalicelib.reminders.policy.rules import Calendar, ReminderPolicy
from chalicelib.reminders.policy.service import ACCOUNT, BILL_GROUP, ENTITY, effective_policy, reminder_policy_key
from chalicelib.reminders.run import credit
from chalicelib.reminders.run.rules import Pause, ReminderCandidate
from chalicelib.table import keys, store
from chalicelib.table.items import (
    AccountRemindersItem,
    ContactRolesItem,
    DeliveryItem,
    InvoiceItem,
    InvoiceRemindersItem,
    ReminderPolicyItem,
    ReminderStepItem,
)
from chalicelib.table.keys import Key

_FAILED_STATUSES = frozenset({"bounced", "complained", "failed", "withheld"})
_REMINDED_OUTCOMES = ("sent", "shadow")
_ROWS_PER_PAGE = 200


@dataclass(frozen=True)
class AccountContext:
    """What holds for all invoices of one account and issuing entity. ``today`` is the account's date."""

    account: Account
    entity: Entity
    today: date
    begins: datetime
    """When sending begins today (R4)."""
    time_zone: str
    policy: ReminderPolicy
    """Of the entity and the account; bill groups may have other steps."""
    policy_rows: tuple[ReminderPolicyItem | None, ReminderPolicyItem | None]
    calendar: Calendar
    mode: str
    payments_current: bool
    roles: ContactRolesItem | None
    reminders: AccountRemindersItem | None

    @property
    def locale(self) -> str:
        """Return the locale in which the account is written to."""
        return self.account.locale or self.entity.locale


@dataclass(frozen=True)
class InvoiceRows:
    """The rows of one invoice that its reminders rest on, as one Query of its partition finds them."""

    invoice: Invoice
    state: InvoiceRemindersItem | None
    steps: tuple[ReminderStepItem, ...]
    deliveries: tuple[Delivery, ...]
    changed_at: datetime | None = None
    """When what may have changed was written, which is before it is planned for; None: just now."""

    @property
    def spent(self) -> frozenset[str]:
        """Return the names of the steps that were taken for the due date that the invoice has now."""
        return frozenset(step.step for step in self.steps if step.due_date == self.invoice.due_date)

    @property
    def reminded_on(self) -> date | None:
        """Return the day on which the invoice was last reminded of, were it in shadow mode; None if it never was."""
        return max((step.on for step in self.steps if step.outcome in _REMINDED_OUTCOMES), default=None)


@dataclass(frozen=True)
class InvoiceFacts:
    """One invoice with all that its decision rests on, and who is to get its reminders."""

    rows: InvoiceRows
    group: BillGroup
    policy: ReminderPolicy
    subject: ReminderCandidate
    recipients: tuple[Recipient, ...]
    policy_row: ReminderPolicyItem | None = None
    """What the bill group has of its own."""

    @property
    def invoice(self) -> Invoice:
        """Return the head of the invoice."""
        return self.rows.invoice


def load_account_context(account_id: str, entity_id: str, now: datetime) -> AccountContext | None:
    """Read what holds for all invoices of an account and entity, in one read; None if either has gone."""
    wanted = {
        "account": keys.account(account_id),
        "entity": keys.entity(entity_id),
        "entity_policy": reminder_policy_key(ENTITY, entity_id),
        "account_policy": reminder_policy_key(ACCOUNT, account_id),
        "roles": keys.contact_roles(account_id),
        "reminders": keys.account_reminders(account_id),
        "payments": keys.payments_as_of(entity_id),
    }
    found = store.batch_get_items(list(wanted.values()))
    rows = {name: found.get(key) for name, key in wanted.items()}
    if rows["account"] is None or rows["entity"] is None:
        return None
    account, entity = store.from_item(Account, rows["account"]), store.from_item(Entity, rows["entity"])
    time_zone = account.time_zone or entity.time_zone
    today = local_day(now, time_zone)
    policy = effective_policy(rows["entity_policy"], rows["account_policy"])
    calendar = account_calendar(account.country, account.subdivision, policy, today)
    as_of = rows["payments"].as_of if rows["payments"] is not None else None
    return AccountContext(
        account=account,
        entity=entity,
        today=today,
        begins=sending_starts_at(today, policy.send_at, time_zone),
        time_zone=time_zone,
        policy=policy,
        policy_rows=(rows["entity_policy"], rows["account_policy"]),
        calendar=calendar,
        mode=entity.reminder_mail.mode_for_account(account_id),
        payments_current=_payments_are_current(as_of, policy, calendar, today, time_zone),
        roles=rows["roles"],
        reminders=rows["reminders"],
    )


def _payments_are_current(
    as_of: datetime | None, policy: ReminderPolicy, calendar: Calendar, today: date, time_zone: str
) -> bool:
    """Tell whether payments are known up to the last business days that the policy asks for (R2)."""
    if as_of is None:
        return True
    day = today
    for _ in range(policy.payments_limit_days):
        day -= timedelta(days=1)
        while calendar.closed(day) is not None and (today - day).days < _ROWS_PER_PAGE:
            day -= timedelta(days=1)
    return local_day(as_of, time_zone) >= day


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
    most two more for each bill group that has its own, and some where there is unallocated credit (``credit.covered``).
    Without them nobody is taken to lack contacts or to have credit: planning, which only asks when to look, need not
    know.
    """
    groups = {rows.invoice.bill_group_id for rows in invoices}
    currencies = {rows.invoice.currency for rows in invoices}
    wanted: list[Key] = []
    for group_id in sorted(groups):
        wanted += [
            keys.bill_group(group_id),
            keys.bill_group_reminders(group_id),
            reminder_policy_key(BILL_GROUP, group_id),
        ]
    account_id, entity_id = about.account.account_id, about.entity.entity_id
    for currency in sorted(currencies):
        wanted.append(keys.account_balance(account_id, entity_id, currency))
        wanted.append(keys.digest(account_id, about.today, entity_id, currency))
    wanted += [keys.email(email_id) for rows in invoices for email_id in _delivery_email_ids(rows)]
    found = store.batch_get_items(wanted)
    balances = {one: found.get(keys.account_balance(account_id, entity_id, one)) for one in currencies}
    known = {currency: balance for currency, balance in balances.items() if balance is not None}
    covered = (
        credit.invoice_ids_covered_by_credit((rows.invoice for rows in invoices), known)
        if with_recipients
        else frozenset[str]()
    )
    people: dict[tuple[str, ...], tuple[Recipient, ...]] = {}
    gathered = []
    for rows in invoices:
        group = store.from_item(BillGroup, found[keys.bill_group(rows.invoice.bill_group_id)])
        narrowed = group.accounts_payable_contact_ids
        if with_recipients and narrowed not in people:
            people[narrowed] = tuple(recipients.list_reminder_recipients(about.account, group, about.roles))
        who = people.get(narrowed)
        policy_row = found.get(reminder_policy_key(BILL_GROUP, group.bill_group_id))
        gathered.append(
            InvoiceFacts(
                rows=rows,
                group=group,
                policy=effective_policy(*about.policy_rows, policy_row),
                subject=_candidate(about, rows, group, found, rows.invoice.invoice_id in covered, who),
                recipients=who or (),
                policy_row=policy_row,
            )
        )
    return gathered


def _candidate(
    about: AccountContext,
    rows: InvoiceRows,
    group: BillGroup,
    found: Mapping[Key, Any],
    covered: bool,
    who: tuple[Recipient, ...] | None,
) -> ReminderCandidate:
    invoice, state = rows.invoice, rows.state
    group_row = found.get(keys.bill_group_reminders(group.bill_group_id))
    pauses = (
        _candidate_pause("invoice", state.pause if state else None),
        _candidate_pause("bill_group", group_row.pause if group_row else None),
        _candidate_pause("account", about.reminders.pause if about.reminders else None),
        Pause("promise", invoice.promise.on) if invoice.promise else None,
    )
    holders = [one for one in who or () if not one.copy]
    return ReminderCandidate(
        invoice_id=invoice.invoice_id,
        kind=invoice.kind,
        status=invoice.status,
        balance=invoice.balance,
        covered_by_credit=covered,
        due_date=invoice.due_date,
        recorded_on=due_date_recorded_on(about, rows),
        issue_date=invoice.issue_date,
        disputed=invoice.dispute is not None,
        auto_pay=group.auto_pay,
        auto_pay_failed=bool(state and state.auto_pay_failure),
        deliveries_failed=_deliveries_failed(rows, found),
        pauses=tuple(pause for pause in pauses if pause is not None),
        spent=rows.spent,
        mode=about.mode,
        live_from=about.entity.live_from,
        released_on=_released_on(about),
        last_reminded_on=about.reminders.last_reminded_on if about.reminders else None,
        digest_today=keys.digest(invoice.account_id, about.today, invoice.entity_id, invoice.currency) in found,
        contacts=1 if who is None else len(holders),
        reachable_contacts=1 if who is None else len([one for one in holders if not one.suppressed]),
        payments_current=about.payments_current,
    )


def due_date_recorded_on(about: AccountContext, rows: InvoiceRows) -> date:
    """Return the day on which the due date that the invoice has now was recorded here."""
    state, invoice = rows.state, rows.invoice
    if state is None:
        return invoice_local_date(invoice, invoice.recorded_at)
    if state.due_date != invoice.due_date or state.due_since is None:
        return local_day(rows.changed_at, about.time_zone) if rows.changed_at else about.today
    return state.due_since


def _candidate_pause(level: str, pause: Mapping[str, Any] | None) -> Pause | None:
    if pause is None:
        return None
    until = pause.get("until")
    return Pause(level, date.fromisoformat(until) if until else None, pause.get("reason"))


def _released_on(about: AccountContext) -> date | None:
    released = about.reminders.released if about.reminders else {}
    day = released.get(about.entity.entity_id)
    return date.fromisoformat(day) if day else None


def _delivery_email_ids(rows: InvoiceRows) -> list[str]:
    return [one.email_id for delivery in rows.deliveries for one in delivery.recipients if one.email_id]


def _deliveries_failed(rows: InvoiceRows, found: Mapping[Key, Any]) -> bool:
    """Tell whether the invoice was mailed, and every mail of it has failed with every recipient (R2)."""
    mails = [found[key] for key in map(keys.email, _delivery_email_ids(rows)) if key in found]
    told = [one.status for mail in mails for one in recipient_statuses(store.from_item(Email, mail))]
    return bool(told) and all(status in _FAILED_STATUSES for status in told)
