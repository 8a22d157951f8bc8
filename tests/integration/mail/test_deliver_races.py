"""Many consumers and reports at once, on the local engine, whose conditional writes are atomic."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import pairwise

import pytest

from chalicelib import clock
from chalicelib.config import settings
from chalicelib.entities.rules import Entity
from chalicelib.mail import rules
from chalicelib.mail.feedback import health, ses_events, suppressions
from chalicelib.mail.sending import deliver, ses
from chalicelib.table import keys, send_slots, store
from chalicelib.table.items import EntityItem, forget_connection
from chalicelib.tasks import queue
from chalicelib.tasks.queue import TaskMessage
from tests.engine import engine, engine_environment
from tests.integration.mail.conftest import ENTITY, email, enqueue, tasks

__all__ = ["engine", "engine_environment"]

pytestmark = pytest.mark.engine

ROUNDS = 10
THREADS = 16


@pytest.fixture
def taken(engine_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Which emails SES was handed, on fresh resources of the engine."""
    _forget()
    handed: list[str] = []

    def send(envelope: ses.Envelope) -> rules.SendOutcome:
        handed.append(envelope.email_id)
        return rules.SendOutcome("accepted", message_id=f"m-{len(handed)}")

    monkeypatch.setattr(ses, "send", send)
    store.create_item(store.to_item(EntityItem, keys.entity(ENTITY.entity_id), ENTITY))
    assert store.from_item(Entity, store.get_item(EntityItem, keys.entity(ENTITY.entity_id))) == ENTITY  # type: ignore[arg-type]
    yield handed
    _forget()


def _forget() -> None:
    settings.cache_clear()
    forget_connection()
    queue.sqs_client.cache_clear()


def at_once(*actions: Callable[[], None]) -> None:
    """Run the actions at the same moment, each in a thread of its own."""
    barrier = threading.Barrier(len(actions))

    def run(action: Callable[[], None]) -> None:
        barrier.wait()
        action()

    with ThreadPoolExecutor(len(actions)) as pool:
        for done in [pool.submit(run, action) for action in actions]:
            done.result()


def note(report: ses_events.EmailReport) -> None:
    store.retry_on_conflict(lambda: ses_events._record_report(report))


def test_of_many_consumers_with_the_same_message_one_sends(taken: list[str]) -> None:
    for number in range(ROUNDS):
        email_id = enqueue()
        (task,) = tasks()
        message = TaskMessage("bulk_mail", email_id, task.key, "correlation-1")
        at_once(*[partial(deliver.deliver_email, message)] * THREADS)
        assert taken.count(email_id) == 1, f"round {number}"
        assert email(email_id).status == "sent"
        assert tasks() == []


def test_reports_that_come_while_the_mail_is_sent_are_all_kept(taken: list[str]) -> None:
    for number in range(ROUNDS):
        email_id = enqueue()
        (task,) = tasks()
        message = TaskMessage("bulk_mail", email_id, task.key, "correlation-1")
        reports = [
            ses_events.EmailReport(
                email_id, rules.Event(keys.format_instant(datetime(2026, 3, 2, 9, 0, second, tzinfo=UTC)), kind, "m-1")
            )
            for second, kind in enumerate(("send", "delivery_delay", "delivery", "complaint"))
        ]
        at_once(partial(deliver.deliver_email, message), *[partial(note, report) for report in reports])
        found = email(email_id)
        assert found.status == "complained", f"round {number}"
        assert len(found.events) == 4
        assert taken.count(email_id) <= 1
        for left in tasks():
            deliver.deliver_email(TaskMessage("bulk_mail", email_id, left.key, "correlation-1"))
        assert tasks() == []


def test_bounces_of_many_mails_to_one_address_suppress_it_once_and_all_count(taken: list[str]) -> None:
    emails = [enqueue() for _ in range(THREADS)]
    for task in tasks():
        deliver.deliver_email(TaskMessage("bulk_mail", task.subject, task.key, "correlation-1"))
    address = "ana@acme.example"
    reports = [
        ses_events.EmailReport(
            one, rules.Event(f"2026-03-02T09:00:{number:02d}.000Z", "permanent_bounce", "m", "", (address,))
        )
        for number, one in enumerate(emails)
    ]
    at_once(*[partial(note, report) for report in reports], *[partial(note, report) for report in reports])
    (found,), _ = suppressions.list_suppressions(None, 10)
    assert (found.email, found.email_id) == (address, emails[0]), "the earliest stands"
    assert [task.subject for task in tasks("coverage")] == [address]
    sent_on = date(2026, 3, 2)
    counts = health.sum_counts(health.read_daily_counts("nordlicht", sent_on, sent_on, clock.utc_now()))
    assert counts == health.MailCounts(mails=THREADS, sent=THREADS, bounced=THREADS)


def test_no_turn_is_given_to_two(taken: list[str]) -> None:
    now, length = clock.utc_now(), timedelta(milliseconds=20)
    found: list[send_slots.SendSlots] = []

    def take() -> None:
        for _ in range(5):
            got = send_slots.reserve_slots(keys.sending_pace(), now, length, 10, timedelta(minutes=1))
            assert isinstance(got, send_slots.SendSlots)
            found.append(got)

    at_once(*[take] * THREADS)
    begins = sorted(one.begin for one in found)
    assert len(begins) == 5 * THREADS
    assert all(later - earlier == 10 * length for earlier, later in pairwise(begins))
    assert max(one.given for one in found) == 50 * THREADS
