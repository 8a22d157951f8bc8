"""A crash or a lost response at every AWS call of a delivery: never lost, never half, twice only unheard (I4)."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError
from moto.core import DEFAULT_ACCOUNT_ID
from moto.ses.models import ses_backends

from chalicelib.config import settings
from chalicelib.functions.mail import deliver_bulk_mail
from chalicelib.mail.sending import ses
from chalicelib.table.items import table_connection
from tests.aws import REGION
from tests.integration.mail.conftest import START, Provider, Time, email, enqueue, received, report, sweep, tasks, work

CALLS = (
    "dynamodb.GetItem",
    "dynamodb.BatchGetItem",
    "dynamodb.UpdateItem",
    "dynamodb.TransactWriteItems",
    "sesv2.SendEmail",
    "dynamodb.TransactWriteItems",
)
FAULTS = ("before", "after", "lost")


class Crash(BaseException):
    """The process is gone: no handler of errors sees it."""


@dataclass
class Faults:
    """Counts the calls that leave this process, and strikes at one of them."""

    strike_at: int = -1
    fault: str = ""
    calls: list[str] = None  # type: ignore[assignment]
    struck: bool = False

    def __post_init__(self) -> None:
        self.calls = []

    def clients(self) -> list[Any]:
        return [table_connection().connection.client, ses.client()]

    def before(self, model: Any, **_: Any) -> None:
        self.calls.append(f"{model.service_model.service_name}.{model.name}")
        self._strike("before")

    def after(self, model: Any, **_: Any) -> None:
        self._strike("after")
        if model.name == "SendEmail" and self._hits("lost"):
            self.struck = True
            raise ReadTimeoutError(endpoint_url="https://email")

    def needs_retry(self, operation: Any, **_: Any) -> float | None:
        """Throw the response away, so that botocore sends the request again."""
        if operation.name != "SendEmail" and self._hits("lost"):
            self.struck = True
            return 0
        return None

    def _hits(self, fault: str) -> bool:
        return not self.struck and self.fault == fault and len(self.calls) - 1 == self.strike_at

    def _strike(self, fault: str) -> None:
        if self._hits(fault):
            self.struck = True
            raise Crash


@pytest.fixture
def faults(provider: Provider) -> Iterator[Faults]:
    found = Faults()
    for client in found.clients():
        client.meta.events.register("before-call", found.before)
        client.meta.events.register("after-call", found.after)
        client.meta.events.register_first("needs-retry", found.needs_retry)
    yield found
    for client in found.clients():
        client.meta.events.unregister("before-call", found.before)
        client.meta.events.unregister("after-call", found.after)
        client.meta.events.unregister("needs-retry", found.needs_retry)


def accepted() -> int:
    """How many mails SES has taken."""
    return len(ses_backends[DEFAULT_ACCOUNT_ID][REGION].sent_messages)


def test_the_calls_of_a_delivery(faults: Faults) -> None:
    enqueue()
    records = received(settings().queue_urls["bulk_mail"])
    faults.calls.clear()
    deliver_bulk_mail({"Records": records}, None)
    assert tuple(faults.calls) == CALLS


@pytest.mark.parametrize("heard", [True, False], ids=["heard", "unheard"])
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("number", range(len(CALLS)), ids=[f"{n}-{name}" for n, name in enumerate(CALLS)])
def test_after_a_crash_the_mail_is_sent_and_once_where_ses_is_heard(
    faults: Faults, time: Time, number: int, fault: str, heard: bool
) -> None:
    email_id = enqueue()
    records = received(settings().queue_urls["bulk_mail"])
    faults.calls.clear()
    faults.strike_at, faults.fault = number, fault
    try:
        deliver_bulk_mail({"Records": records}, None)
    except Crash:
        assert fault != "lost"
    assert faults.struck
    first = accepted()
    if first and heard:
        report(email_id, "Send")

    # SQS shows the message again after its visibility timeout; the sweeper goes round every minute.
    time.passes(minutes=6)
    assert deliver_bulk_mail({"Records": records}, None) == {"batchItemFailures": []}
    while time.now < START + timedelta(minutes=50):
        time.passes(minutes=4)
        sweep()
        assert work() == []

    assert email(email_id).status == "sent"
    assert tasks() == []
    assert accepted() == 1 if heard else 1 <= accepted() <= 2
    # Twice only if SES took it, our note of that was never made, and no event told us.
    note_was_lost = (number, fault) in {(4, "after"), (4, "lost"), (5, "before")}
    assert accepted() == 1 or (note_was_lost and not heard)


def test_a_mail_of_unknown_fate_waits_for_its_event_and_is_then_not_sent_again(faults: Faults, time: Time) -> None:
    email_id = enqueue()
    records = received(settings().queue_urls["bulk_mail"])
    faults.calls.clear()
    faults.strike_at, faults.fault = CALLS.index("sesv2.SendEmail"), "lost"
    deliver_bulk_mail({"Records": records}, None)
    assert (email(email_id).status, email(email_id).reason) == ("unknown", "ReadTimeoutError")
    for _ in range(14):
        time.passes(minutes=1)
        sweep()
        work()
        assert accepted() == 1
    report(email_id, "Send")
    for _ in range(10):
        time.passes(minutes=1)
        sweep()
        work()
    assert accepted() == 1
    assert email(email_id).status == "sent"
    assert tasks() == []


def test_a_mail_of_unknown_fate_is_sent_again_after_fifteen_minutes_of_silence(faults: Faults, time: Time) -> None:
    email_id = enqueue()
    records = received(settings().queue_urls["bulk_mail"])
    faults.calls.clear()
    faults.strike_at, faults.fault = CALLS.index("sesv2.SendEmail"), "lost"
    deliver_bulk_mail({"Records": records}, None)
    while accepted() == 1:
        assert time.now <= START + timedelta(minutes=17)
        time.passes(minutes=1)
        sweep()
        work()
    assert time.now > START + timedelta(minutes=15)
    assert email(email_id).status == "sent"


def test_a_mail_that_another_consumer_has_claimed_is_left_alone(faults: Faults) -> None:
    email_id = enqueue()
    records = received(settings().queue_urls["bulk_mail"])
    faults.calls.clear()
    faults.strike_at, faults.fault = CALLS.index("sesv2.SendEmail"), "before"
    with pytest.raises(Crash):
        deliver_bulk_mail({"Records": records}, None)
    assert email(email_id).status == "sending"
    assert deliver_bulk_mail({"Records": records}, None) == {"batchItemFailures": []}
    assert accepted() == 0
