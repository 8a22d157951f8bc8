"""How fast invoices are made, delivered and mailed through the local engine: ``python -m tests.bench.deliveries``.

One consumer at work, batches of ten as in Lambda, the mails handed to a stand-in that takes each at once. Most of the
time is the engine's own, and its requests' and answers' way through this machine: so the calls and capacity units stand
beside it, which are the same everywhere.
"""

import io
import os
import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import boto3

from chalicelib import clock, observability
from chalicelib.config import settings
from chalicelib.deliveries import jobs as deliveries_jobs
from chalicelib.functions.documents import make_documents
from chalicelib.functions.mail import deliver_bulk_mail
from chalicelib.mail import rules
from chalicelib.mail.sending import ses
from infra.local.engine import start
from tests.aws_calls import counted
from tests.engine import make_environment
from tests.integration.deliveries.world import LIVE
from tests.integration.invoices.invoices import body, customer
from tests.integration.service import Service

INVOICES = 100


def main() -> None:
    """Issue invoices to one contact, then make, deliver and mail them, and print what each step took."""
    with tempfile.TemporaryDirectory() as folder:
        engine = start(Path(folder) / "state", Path(folder) / "logs", saves=False)
        try:
            os.environ.update(make_environment(engine))
            _measure()
        finally:
            engine.stop()
            clock.set_clock_source(None)


def _measure() -> None:
    ses.send = lambda envelope: rules.SendOutcome("accepted", message_id=envelope.email_id)  # type: ignore[assignment]
    ses.fetch_limits = lambda: ses.Limits(a_second=1_000_000.0, a_day=None, sent=0)  # type: ignore[assignment]
    observability.logger.setLevel("ERROR")
    service = Service.start()
    service.entity(**LIVE)
    account = customer(service)
    service.contact(account, "Ada", "invoicing")
    of = settings()
    _received(of.queue_urls["bulk_mail"])
    _timed("issued", lambda: [service.put(f"/invoices/i{one}", **body(f"I{one}")) for one in range(INVOICES)])
    for word, url, consumer in (
        ("made", of.queue_urls["documents"], make_documents),
        ("delivered", of.queue_urls["deliveries"], deliveries_jobs.run_deliveries),
        ("mailed", of.queue_urls["bulk_mail"], deliver_bulk_mail),
    ):
        records = _received(url)
        assert len(records) == INVOICES
        _timed(word, lambda records=records, consumer=consumer: _hand(records, consumer))  # type: ignore[misc]


def _timed(word: str, work: Callable[[], Any]) -> None:
    begun = time.perf_counter()
    # The functions log to standard output.
    with counted() as calls, redirect_stdout(io.StringIO()):
        work()
    seconds = time.perf_counter() - begun
    print(
        f"{word:10} {INVOICES / seconds:7.1f} a second   {len(calls.names) / INVOICES:5.1f} calls"
        f"   {calls.units / INVOICES:5.1f} capacity units each"
    )


def _received(url: str) -> list[dict[str, str]]:
    sqs = boto3.client("sqs")
    records = []
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
        for one in messages:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=one["ReceiptHandle"])
            records.append({"messageId": one["MessageId"], "body": one["Body"]})
    return records


def _hand(records: list[dict[str, str]], consumer: Callable[..., Any], at_once: int = 10) -> None:
    for first in range(0, len(records), at_once):
        assert consumer({"Records": records[first : first + at_once]}, None) == {"batchItemFailures": []}


if __name__ == "__main__":
    main()
