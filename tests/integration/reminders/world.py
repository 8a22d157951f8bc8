"""A vendor with live reminders, a customer, and the reminder functions called as Lambda calls them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from chalicelib.config import settings
from chalicelib.entities import service as entities
from chalicelib.functions.reminders import send_due_reminders
from chalicelib.invoices.rules import UNSETTLED
from chalicelib.reminders.run import jobs
from chalicelib.table import keys, store
from chalicelib.table.items import (
    AccountRemindersItem,
    DigestItem,
    EmailItem,
    InvoiceItem,
    InvoiceRemindersItem,
    Item,
    ReminderDueItem,
    ReminderPlanItem,
    ReminderStepItem,
    SuppressionItem,
    TaskItem,
)
from chalicelib.tasks import jobs as task_jobs
from tests.integration.deliveries.world import received
from tests.integration.invoices.invoices import body, customer
from tests.integration.service import Service

LIVE = {"reminder_mail": {"mode": "live"}, "live_from": "2026-01-01"}
DUE = date(2026, 3, 10)
"""A Tuesday. The default steps are due on Saturday the 7th, the 11th, 17th, 24th and 9 April."""


@dataclass
class World:
    """The test's view of the service, and the results."""

    service: Service

    @classmethod
    def start(cls) -> "World":
        entities.clear_entity_cache()
        made = cls(Service.start())
        made.service.entity(**LIVE)
        customer(made.service)
        made.contact("Ada", "accounts_payable")
        made.at("2026-02-02T08:00")
        return made

    def at(self, moment: str) -> None:
        """Set the clock to an instant in UTC."""
        self.service.clock.now = datetime.fromisoformat(moment).replace(tzinfo=UTC)

    @property
    def today(self) -> date:
        return self.service.clock.now.date()

    def contact(self, name: str, *roles: str, account_id: str = "a1", **fields: Any) -> str:
        """Add a contact of an account and return its id."""
        made: str = self.service.contact(f"/accounts/{account_id}", name, *roles, **fields)["contact_id"]
        return made

    def issue(self, invoice_id: str = "i1", due: date = DUE, **fields: Any) -> None:
        """Issue an invoice whose number is its id, and plan its reminders."""
        wanted = body(invoice_id.upper(), due_date=due.isoformat(), deliver=False, **fields)
        self.service.put(f"/invoices/{invoice_id}", **wanted)
        self.plan()

    def pay(self, invoice_id: str = "i1", amount: int = 12000) -> None:
        """Let an invoice be paid."""
        paid = {"amount": amount, "currency": "EUR", "received_on": self.today.isoformat()}
        answer = self.service.ask("POST", f"/invoices/{invoice_id}/payments", paid)
        assert answer.status == 201, answer.text

    def plan(self) -> list[str]:
        """Work off the queue of plans, and return what has failed."""
        return self._work(settings().queue_urls["planning"], jobs.update_reminder_plans)

    def remind(self) -> list[str]:
        """Work off the queue of reminders, and return what has failed."""
        return self._work(settings().queue_urls["reminders"], jobs.remind_accounts)

    @staticmethod
    def _work(url: str, function: Callable[..., Any]) -> list[str]:
        failed = []
        while records := received(url):
            for start in range(0, len(records), 10):
                answer = function({"Records": records[start : start + 10]}, None)
                bad = {one["itemIdentifier"] for one in answer["batchItemFailures"]}
                failed += [one["body"] for one in records if one["messageId"] in bad]
        return failed

    def hour(self) -> dict[str, Any]:
        """Run the hourly function, and process the queues."""
        answer: dict[str, Any] = send_due_reminders({"confirm": True}, None)
        assert self.remind() == []
        return answer

    def days(self, until: str, hour: int = 9) -> list[tuple[str, str, str]]:
        """Live day by day, at one hour, to ``until`` included; return what was mailed on the way."""
        before = set(sent())
        last = date.fromisoformat(until)
        while self.today <= last:
            self.at(f"{self.today.isoformat()}T{hour:02d}:30")
            self.hour()
            self.service.clock.move(days=1)
        self.service.clock.move(days=-1)
        return [one for one in sent() if one not in before]

    def dry(self, **event: Any) -> dict[str, Any]:
        """Return what a dry run says."""
        answer: dict[str, Any] = send_due_reminders(event, None)
        return answer

    def sweep(self) -> None:
        """Let the sweeper bring back what got lost, and work it off."""
        self.service.clock.move(minutes=3)
        task_jobs.sweep_duties({}, None)
        self.plan()

    def suppress(self, address: str) -> None:
        """Let no mail go to an address, as after a bounce for good."""
        key = keys.suppression(address)
        store.create_item(SuppressionItem(key.pk, key.sk, email=address, reason="bounce", since=self.service.clock.now))

    def state(self, invoice_id: str = "i1") -> InvoiceRemindersItem:
        found = store.get_item(InvoiceRemindersItem, keys.invoice_reminders(invoice_id))
        assert found is not None
        return found

    def reasons(self, invoice_id: str = "i1") -> list[str]:
        return [one["code"] for one in self.state(invoice_id).reasons]


def rows(kind: type[Item], among: list[Item] | None = None) -> list[Any]:
    """Return the rows of a kind, in the whole table or among some of it."""
    found = Item.scan() if among is None else among
    return sorted((item for item in found if isinstance(item, kind)), key=lambda item: (item.pk, item.sk))


def digests() -> list[Any]:
    return sorted(rows(DigestItem), key=lambda item: (item.on, item.account_id, item.entity_id, item.currency))


def sent() -> list[tuple[str, str, str]]:
    """Return day, invoice and step of every reminder that a digest has taken."""
    return sorted(
        (digest.on.isoformat(), frozen["invoice_id"], frozen["step"])
        for digest in digests()
        for frozen in digest.invoices
        if frozen["invoice_id"] in digest.claimed
    )


def mails() -> list[Any]:
    return sorted((one for one in rows(EmailItem) if one.kind == "reminder"), key=lambda item: item.email_id)


def steps(invoice_id: str = "i1") -> dict[str, str]:
    """Return what became of each step of an invoice."""
    return {item.step: item.outcome for item in rows(ReminderStepItem) if item.invoice_id == invoice_id}


def to_come() -> dict[str, str]:
    """Return when each invoice is looked at next, as the rows of the accounts say."""
    return {item.invoice_id: item.on.isoformat() for item in rows(ReminderPlanItem)}


def due_rows() -> list[str]:
    return [item.sk for item in rows(ReminderDueItem)]


def planning_tasks() -> list[Any]:
    return [item for item in rows(TaskItem) if item.kind == "planning"]


def of_account(account_id: str = "a1") -> AccountRemindersItem | None:
    return store.get_item(AccountRemindersItem, keys.account_reminders(account_id))


def sound() -> None:
    """Assert what always holds once nothing is at work: the rows of the plan agree with each other."""
    every = list(Item.scan())
    states = {item.invoice_id: item for item in rows(InvoiceRemindersItem, every)}
    plans = rows(ReminderPlanItem, every)
    settled = {one.invoice_id for one in rows(InvoiceItem, every) if one.status not in UNSETTLED}
    looked_at = {one.invoice_id: one.next_on for one in states.values() if one.next_on}
    planned = {item.invoice_id: item.on for item in plans}
    assert {one: planned[one] for one in planned.keys() - settled} == {
        one: looked_at[one] for one in looked_at.keys() - settled
    }
    assert all(item.unfinished == [] for item in rows(AccountRemindersItem, every))
    due = {tuple(item.sk.split("#")[1:]) for item in rows(ReminderDueItem, every)}
    assert {(item.account_id, item.entity_id) for item in plans} <= due, "nobody would look at it"
    steps_taken = rows(ReminderStepItem, every)
    taken = [(one.invoice_id, one.due_date, one.step) for one in steps_taken if one.outcome == "sent"]
    assert len(taken) == len(set(taken))
