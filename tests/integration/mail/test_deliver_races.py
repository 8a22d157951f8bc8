"""Many consumers and reports at once, on the local engine, whose conditional writes are atomic."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial

import pytest

from chalicelib.config import settings
from chalicelib.duties import queue
from chalicelib.duties.queue import Message
from chalicelib.entities.rules import Entity
from chalicelib.mail import feedback, rules, sending, ses
from chalicelib.table import keys, store
from chalicelib.table.items import EntityItem, forget_connection
from tests.engine import engine, engine_environment
from tests.integration.mail.conftest import ENTITY, duties, email, enqueue

__all__ = ["engine", "engine_environment"]

pytestmark = pytest.mark.engine

ROUNDS = 10
THREADS = 16


@pytest.fixture
def taken(engine_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Which emails SES was handed, on fresh resources of the engine."""
    _forget()
    handed: list[str] = []

    def send(envelope: ses.Envelope) -> rules.Outcome:
        handed.append(envelope.email_id)
        return rules.Outcome("accepted", message_id=f"m-{len(handed)}")

    monkeypatch.setattr(ses, "send", send)
    store.create(store.row(EntityItem, keys.entity(ENTITY.entity_id), ENTITY))
    assert store.load(Entity, store.get(EntityItem, keys.entity(ENTITY.entity_id))) == ENTITY  # type: ignore[arg-type]
    yield handed
    _forget()


def _forget() -> None:
    settings.cache_clear()
    forget_connection()
    queue.client.cache_clear()


def at_once(*actions: Callable[[], None]) -> None:
    """Run the actions at the same moment, each in a thread of its own."""
    barrier = threading.Barrier(len(actions))

    def run(action: Callable[[], None]) -> None:
        barrier.wait()
        action()

    with ThreadPoolExecutor(len(actions)) as pool:
        for done in [pool.submit(run, action) for action in actions]:
            done.result()


def note(report: feedback.Report) -> None:
    store.deciding_again(lambda: feedback._note(report))


def test_of_many_consumers_with_the_same_message_one_sends(taken: list[str]) -> None:
    for number in range(ROUNDS):
        email_id = enqueue()
        (duty,) = duties()
        message = Message("bulk_mail", email_id, duty.key, "correlation-1")
        at_once(*[partial(sending.deliver, message)] * THREADS)
        assert taken.count(email_id) == 1, f"round {number}"
        assert email(email_id).status == "sent"
        assert duties() == []


def test_reports_that_come_while_the_mail_is_sent_are_all_kept(taken: list[str]) -> None:
    for number in range(ROUNDS):
        email_id = enqueue()
        (duty,) = duties()
        message = Message("bulk_mail", email_id, duty.key, "correlation-1")
        reports = [
            feedback.Report(
                email_id, rules.Event(keys.instant(datetime(2026, 3, 2, 9, 0, second, tzinfo=UTC)), kind, "m-1")
            )
            for second, kind in enumerate(("send", "delivery_delay", "delivery", "complaint"))
        ]
        at_once(partial(sending.deliver, message), *[partial(note, report) for report in reports])
        found = email(email_id)
        assert found.status == "complained", f"round {number}"
        assert len(found.events) == 4
        assert taken.count(email_id) <= 1
        for left in duties():
            sending.deliver(Message("bulk_mail", email_id, left.key, "correlation-1"))
        assert duties() == []
