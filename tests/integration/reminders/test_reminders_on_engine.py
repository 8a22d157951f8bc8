"""On the real-process engine: the same hour run by eight at once, and what a run costs with more open invoices (R5)."""

import json
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from typing import Any

import boto3
import pytest

from chalicelib import clock
from chalicelib.accounts import service as accounts
from chalicelib.bill_groups import service as bill_groups
from chalicelib.config import settings
from chalicelib.contacts import deletion
from chalicelib.contacts import service as contacts
from chalicelib.entities import service as entities
from chalicelib.functions.reminders import send_due_reminders
from chalicelib.invoices import service as invoices
from chalicelib.invoices.inputs import InvoiceBody
from chalicelib.mail.sending.late_binding import ClaimedMail, PreparedMail
from chalicelib.reminders.run import jobs, planning, withheld_steps
from chalicelib.reminders.run.mail_content import prepare_reminder
from chalicelib.request_context import Actor, RequestContext
from chalicelib.table import keys, store
from chalicelib.table.items import DigestItem, EmailItem, ReminderStepItem
from chalicelib.tasks.kinds import RecordWithheldReminders
from chalicelib.tasks.queue import TaskMessage
from tests.aws import forget
from tests.aws_calls import counted
from tests.copies import Pattern, write
from tests.engine import engine, engine_environment  # noqa: F401
from tests.integration.invoices.invoices import body
from tests.integration.reminders.world import digests, mails, of_account, rows, sent, sound
from tests.integration.service import Service

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("vendor")]

PROOF = bool(os.environ.get("COUNTERFOIL_PROOF"))
ROUNDS = 12 if PROOF else 3
DUE_ACCOUNTS, NOT_DUE = (1000, 100_000) if PROOF else (24, 480)
WORKERS = 8
ISSUED = datetime(2026, 2, 2, 8, tzinfo=UTC)
MORNING = datetime(2026, 3, 9, 9, tzinfo=UTC)


@pytest.fixture
def vendor(engine_environment: dict[str, str]) -> Iterator[None]:  # noqa: F811
    """An issuing entity whose reminders are live, on the day of issue."""
    forget()
    entities.clear_entity_cache()
    clock.set_clock_source(lambda: ISSUED)
    given = {
        "name": "Acme",
        "colour": "#0b5fff",
        "sender_email": "billing@acme.example",
        "locale": "en-GB",
        "time_zone": "Europe/London",
        "live_from": "2026-01-01",
        "reminder_mail": {"mode": "live"},
    }
    entities.put_entity(context(), "acme", given)
    yield
    clock.set_clock_source(None)
    entities.clear_entity_cache()


def context() -> RequestContext:
    return RequestContext(Actor("staff", "s1", "Sam"), clock.utc_now(), "engine-0001")


def account(account_id: str, group_id: str) -> None:
    accounts.put_account(context(), account_id, {"name": account_id, "entity_id": "acme", "currency": "EUR"})
    bill_groups.put_bill_group(context(), group_id, {"account_id": account_id, "entity_id": "acme", "name": "HQ"})
    given = {"first_name": "Ada", "last_name": "Test", "email": f"ada@{account_id}.example"}
    contacts.create_contact(context(), account_id, given, frozenset({"accounts_payable"}))


def issue(invoice_id: str, group_id: str, due: str = "2026-03-10", **fields: Any) -> None:
    given = body(invoice_id, bill_group_id=group_id, due_date=due, deliver=False, **fields)
    invoices.issue_invoice(context(), invoice_id, InvoiceBody.model_validate_json(json.dumps(given)).given())
    planning.plan_invoice_with_retry(context(), invoice_id)


def at_once(work: Callable[[int], None]) -> None:
    """Let all workers begin together; none may fail."""
    barrier = threading.Barrier(WORKERS)
    failures: list[BaseException] = []

    def run(number: int) -> None:
        barrier.wait()
        try:
            work(number)
        except BaseException as failure:
            failures.append(failure)

    running = [threading.Thread(target=run, args=(number,)) for number in range(WORKERS)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    assert failures == []


def work_off() -> None:
    """Process the reminder queue."""
    sqs, url = boto3.client("sqs"), settings().queue_urls["reminders"]
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
        records = [{"messageId": one["MessageId"], "body": one["Body"]} for one in messages]
        for start in range(0, len(records), 5):
            answer = jobs.remind_accounts({"Records": records[start : start + 5]}, None)
            assert answer == {"batchItemFailures": []}
        for one in messages:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=one["ReceiptHandle"])


def hour(number: int = 0) -> None:
    assert "sent" in send_due_reminders({"confirm": True}, None)
    work_off()


def claimed() -> list[ClaimedMail]:
    return [
        ClaimedMail(
            email_id=one.email_id, kind=one.kind, to=tuple(one.to), entity_id=one.entity_id, account_id=one.account_id,
            locale=one.locale, context=one.context, contact_id=one.contact_id,
        )
        for one in mails()
    ]  # fmt: skip


def add_contacts(account_id: str, *names: str) -> list[str]:
    return [
        contacts.create_contact(
            context(), account_id, {"first_name": name, "last_name": "Test", "email": f"{name}@{account_id}.example"},
            frozenset({"accounts_payable"}),
        ).contact.contact_id
        for name in names
    ]  # fmt: skip


def test_of_copies_that_are_handed_over_at_once_nobody_gets_two() -> None:
    account("h1", "hg1")
    old = add_contacts("h1", "bob", "carl", "dan")
    issue("h-1", "hg1")
    clock.set_clock_source(lambda: MORNING)
    hour()
    outgoing = [one for one in claimed() if one.contact_id in old]
    assert len(outgoing) == 3
    new = []
    for gone, name in zip(old[:2], ("eve", "fay"), strict=True):
        deletion.delete_contact(context(), "h1", gone, None, None)
        new += add_contacts("h1", name)
    deletion.delete_contact(context(), "h1", old[2], None, None)
    sent_to: list[str | None] = []

    def work(number: int) -> None:
        if number >= len(outgoing):
            return

        def attempt() -> None:
            prepared = prepare_reminder(outgoing[number], context())
            transaction = store.Transaction(context())
            prepared.write(transaction)
            transaction.commit()
            sent_to.append(prepared.contact_id if isinstance(prepared, PreparedMail) else None)

        store.retry_on_conflict(attempt)

    at_once(work)
    assert sorted(one for one in sent_to if one) == sorted(new)
    assert sent_to.count(None) == 1
    (digest,) = [one for one in digests() if one.account_id == "h1"]
    served = Counter(one["contact_id"] for one in digest.recipients)
    assert all(served[one] == 1 for one in new)


def test_copies_that_are_withheld_at_once_are_all_recorded() -> None:
    account("h2", "hg2")
    add_contacts("h2", "bob", "carl", "dan")
    issue("h-2", "hg2")
    clock.set_clock_source(lambda: MORNING)
    hour()
    outgoing = [one for one in claimed() if one.account_id == "h2"]
    assert len(outgoing) == 4

    def work(number: int) -> None:
        if number < len(outgoing):
            task = RecordWithheldReminders(outgoing[number].email_id, ("h-2",))
            key = keys.task("planning", 4, task.encode(), MORNING, f"dty_{number}")
            withheld_steps.handle_withheld_task(TaskMessage("planning", task.encode(), key, "engine-0001"))

    at_once(work)
    (step,) = [one for one in rows(ReminderStepItem) if one.invoice_id == "h-2"]
    assert (step.outcome, step.withheld) == ("withheld", sorted(one.email_id for one in outgoing))


@pytest.mark.parametrize("number", range(ROUNDS))
def test_the_same_hour_run_eight_times_at_once_makes_one_digest(number: int) -> None:
    account("a1", "g1")
    for invoice in range(24):
        issue(f"i{invoice:02d}", "g1", currency="EUR" if invoice % 4 else "USD")
    clock.set_clock_source(lambda: MORNING)
    at_once(hour)
    hour()
    assert [(one.currency, one.status, len(one.claimed)) for one in digests()] == [
        ("EUR", "mailed", 18),
        ("USD", "mailed", 6),
    ]
    assert len(sent()) == len(set(sent())) == 24
    assert len(mails()) == 2
    assert {one["email_id"] for digest in digests() for one in digest.recipients} == {one.email_id for one in mails()}
    noted = of_account()
    assert noted is not None
    assert noted.last_reminded_on == MORNING.date()
    sound()


def test_plans_made_at_once_leave_one_row() -> None:
    account("a1", "g1")
    for invoice in range(4):
        issue(f"i{invoice}", "g1")
    invoice_ids = [f"i{invoice}" for invoice in range(4)]
    at_once(lambda worker: [planning.plan_invoice_with_retry(context(), one) for one in invoice_ids] and None)
    sound()


def test_a_run_costs_the_same_however_many_invoices_are_open_that_are_not_due() -> None:
    service = Service.start()
    service.clock.now = ISSUED
    service.put("/reminder-policies/acme", run_limit=2 * DUE_ACCOUNTS)
    soon = Pattern.made(service, "soon", date(2026, 3, 10))
    late = Pattern.made(service, "late", date(2026, 11, 10))

    def cost(names: list[str]) -> tuple[Counter[str], float, int]:
        write(soon.accounts(names))
        clock.set_clock_source(lambda: MORNING)
        with counted() as calls:
            hour()
        found = Counter(calls.names)
        # How the engine fills the answers of a queue is its own affair.
        for name in ("sqs.ReceiveMessage", "sqs.DeleteMessage"):
            found.pop(name, None)
        made = [store.get_item(DigestItem, keys.digest(f"{name}-a", MORNING.date(), "acme", "EUR")) for name in names]
        assert {digest.status for digest in made if digest} == {"mailed"}
        emails = [store.get_item(EmailItem, keys.email(to["email_id"])) for one in made if one for to in one.recipients]
        return found, calls.units, len(emails) - emails.count(None)

    first = [f"{number:04d}x" for number in range(DUE_ACCOUNTS)]
    second = [f"{number:04d}y" for number in range(DUE_ACCOUNTS)]
    calls, units, mailed = cost(first)
    assert mailed == DUE_ACCOUNTS
    each = NOT_DUE // (2 * DUE_ACCOUNTS)
    assert each * 2 * DUE_ACCOUNTS == NOT_DUE
    write(row for name in [*first, *second] for row in late.invoices(name, range(each)))
    assert cost(second) == (calls, units, mailed)
    print(f"{DUE_ACCOUNTS} due, before and after {NOT_DUE} that are not: {dict(calls)}, {units} units, {mailed} mails")
