"""How fast reminders go out, and that more invoices that are not due cost nothing: ``python -m tests.bench.reminders``.

A thousand accounts that are due, before and after 99,000 invoices that are not; two other numbers may be given.

One consumer at work, batches as in Lambda, on the local engine; the mails are handed to a stand-in that takes each at
once. Most of the time is the engine's own: so the calls and capacity units stand beside it, which are the same
everywhere. The accounts are copies of one that the service has made, written as rows.
"""

import io
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any

from chalicelib import clock, observability
from chalicelib.config import settings
from chalicelib.entities.service import get_cached_entity
from chalicelib.functions.mail import deliver_bulk_mail
from chalicelib.functions.reminders import send_due_reminders
from chalicelib.mail import rules
from chalicelib.mail.sending import ses
from chalicelib.reminders.run import jobs
from infra.local.engine import start
from tests.aws_calls import Calls, counted
from tests.bench.deliveries import _hand, _received
from tests.copies import Pattern, write
from tests.engine import make_environment
from tests.integration.service import Service

ISSUED = datetime(2026, 2, 2, 8, tzinfo=UTC)
MORNING = datetime(2026, 3, 9, 9, 30, tzinfo=UTC)
LIVE = {"reminder_mail": {"mode": "live"}, "live_from": "2026-01-01"}
RUN_LIMIT = 10_000_000
_POLLS = ("sqs.ReceiveMessage", "sqs.DeleteMessage")
"""How the engine fills the answers of a queue is its own affair."""


@dataclass(frozen=True)
class Took:
    """What a part of a run took."""

    seconds: float
    calls: Counter[str]
    units: float


def main(due: int, not_due: int) -> None:
    """Remind accounts with one invoice each, add invoices that are not due, remind as many again, and compare."""
    with tempfile.TemporaryDirectory() as folder:
        engine = start(Path(folder) / "state", Path(folder) / "logs", saves=False)
        try:
            os.environ.update(make_environment(engine))
            _measure(due, not_due)
        finally:
            engine.stop()
            clock.set_clock_source(None)


def _measure(due: int, not_due: int) -> None:
    ses.send = lambda envelope: rules.SendOutcome("accepted", message_id=envelope.email_id)  # type: ignore[assignment]
    ses.fetch_limits = lambda: ses.Limits(a_second=1_000_000.0, a_day=None, sent=0)  # type: ignore[assignment]
    observability.logger.setLevel("ERROR")
    service = Service.start()
    service.clock.now = ISSUED
    service.entity(**LIVE)
    service.put("/reminder-policies/acme", run_limit=RUN_LIMIT)
    soon, late = (
        Pattern.made(service, word, day) for word, day in (("soon", date(2026, 3, 10)), ("late", date(2026, 11, 10)))
    )
    # What tells the contacts that they are contacts is none of the reminders.
    _received(settings().queue_urls["bulk_mail"])
    write(soon.accounts(f"x{number:06d}" for number in range(due)))
    before = _run(due)
    begun = time.perf_counter()
    write(late.accounts(f"n{number:06d}" for number in range(not_due)))
    print(f"{not_due} invoices that are not due were written in {time.perf_counter() - begun:.0f} s", flush=True)
    write(soon.accounts(f"y{number:06d}" for number in range(due)))
    after = _run(due)
    for word, first in before.items():
        second = after[word]
        same = "equal" if (first.calls, first.units) == (second.calls, second.units) else "NOT equal"
        print(f"{word:14} {second.seconds / first.seconds:5.2f} times as long, calls and units {same}")


def _run(due: int) -> dict[str, Took]:
    """Let the hourly run find, remind and mail; return what each part took."""
    clock.set_clock_source(lambda: MORNING)
    # Entity settings are cached for a while, so the first caller would read once more.
    get_cached_entity("acme", MORNING)
    of = settings()
    took = {"found, queued": _timed("found, queued", due, lambda: send_due_reminders({"confirm": True}, None))}
    for word, url, consumer, at_once in (
        ("reminded", of.queue_urls["reminders"], jobs.remind_accounts, 5),
        ("mailed", of.queue_urls["bulk_mail"], deliver_bulk_mail, 10),
    ):
        records = _received(url)
        assert len(records) == due, f"{len(records)} messages for {due} accounts"
        took[word] = _timed(word, due, partial(_hand, records, consumer, at_once))
    return took


def _timed(word: str, due: int, work: Callable[[], Any]) -> Took:
    begun = time.perf_counter()
    # The functions log to standard output.
    calls: Calls
    with counted() as calls, redirect_stdout(io.StringIO()):
        work()
    seconds = time.perf_counter() - begun
    names = Counter(name for name in calls.names if name not in _POLLS)
    print(
        f"{word:14} {due / seconds:7.1f} a second   {names.total() / due:6.2f} calls"
        f"   {calls.units / due:6.1f} capacity units each",
        flush=True,
    )
    return Took(seconds, names, calls.units)


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:]]
    main(*numbers) if numbers else main(1_000, 99_000)
