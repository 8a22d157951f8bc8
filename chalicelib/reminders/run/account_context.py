"""What holds for all invoices of one account and issuing entity (R2, R4, R9)."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from chalicelib import clock
from chalicelib.accounts.rules import Account
from chalicelib.entities.rules import Entity
from chalicelib.reminders.policy.calendars import account_calendar, sending_starts_at
from chalicelib.reminders.policy.rules import Calendar, ReminderPolicy
from chalicelib.reminders.policy.service import ACCOUNT, ENTITY, effective_policy, reminder_policy_key
from chalicelib.table import keys, store
from chalicelib.table.items import AccountRemindersItem, ContactRolesItem, ReminderPolicyItem

_MAX_SEARCH_DAYS = 200
"""How far back a business day is searched for."""


@dataclass(frozen=True, kw_only=True)
class RemindedAccount:
    """An account, an issuing entity, and the row of the account's reminders: what every decision depends on."""

    account: Account
    entity: Entity
    reminders: AccountRemindersItem | None
    time_zone: str
    """Of the account's dates."""
    today: date
    """The account's date."""
    mode: str
    """How far reminders have gone live for the account (R9)."""
    released_on: date | None
    """When staff released the account's invoices from before the entity went live; None: not yet (R9)."""
    payments_current: bool | None = None
    """Whether payments are known up to the limit of the policy (R2); None: not read."""

    @classmethod
    def at(
        cls, now: datetime, account: Account, entity: Entity, reminders: AccountRemindersItem | None
    ) -> "RemindedAccount":
        """Return the account as it is at ``now``, without what is known of payments."""
        time_zone = account.time_zone or entity.time_zone
        released = reminders.released.get(entity.entity_id) if reminders is not None else None
        return RemindedAccount(
            account=account,
            entity=entity,
            reminders=reminders,
            time_zone=time_zone,
            today=clock.local_date(now, time_zone),
            mode=entity.reminder_mail.mode_for_account(account.account_id),
            released_on=date.fromisoformat(released) if released else None,
        )

    @property
    def locale(self) -> str:
        """Return the locale of emails to the account."""
        return self.account.locale or self.entity.locale


@dataclass(frozen=True, kw_only=True)
class AccountContext(RemindedAccount):
    """The same with policy, calendar and roles: what planning and a run need besides."""

    begins: datetime
    """When sending begins today (R4)."""
    policy: ReminderPolicy
    """Of the entity and the account; bill groups may have other steps."""
    policy_rows: tuple[ReminderPolicyItem | None, ReminderPolicyItem | None]
    calendar: Calendar
    roles: ContactRolesItem | None


def load_account_context(account_id: str, entity_id: str, now: datetime) -> AccountContext | None:
    """Read what holds for all invoices of an account and entity, in one read; None if either does not exist."""
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
    reminded = RemindedAccount.at(now, account, entity, rows["reminders"])
    today, time_zone = reminded.today, reminded.time_zone
    policy = effective_policy(rows["entity_policy"], rows["account_policy"])
    calendar = account_calendar(account.country, account.subdivision, policy, today)
    as_of = rows["payments"].as_of if rows["payments"] is not None else None
    payments_current = _payments_are_current(as_of, policy, calendar, today, time_zone)
    return AccountContext(
        **{**vars(reminded), "payments_current": payments_current},
        begins=sending_starts_at(today, policy.send_at, time_zone),
        policy=policy,
        policy_rows=(rows["entity_policy"], rows["account_policy"]),
        calendar=calendar,
        roles=rows["roles"],
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
        while calendar.closed(day) is not None and (today - day).days < _MAX_SEARCH_DAYS:
            day -= timedelta(days=1)
    return clock.local_date(as_of, time_zone) >= day
