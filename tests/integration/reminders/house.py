"""The deployed functions on the local engine, called as EventBridge, Lambda and SES call them."""

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import boto3

from app import app
from chalicelib import clock
from chalicelib.config import settings
from chalicelib.mail import rules
from chalicelib.mail.sending import ses
from infra.local import dispatcher, fates
from infra.local.running import Function, functions
from infra.local.template import Template

_DONE: dict[str, Any] = {"batchItemFailures": []}
_QUEUE_ARN = "arn:aws:sqs:us-east-1:000000000000:queue"
_MOST_ROUNDS = 100


@dataclass
class Post:
    """A stand-in for SES: takes each mail at once, and has a report of what became of it for who asks."""

    taken: list[tuple[datetime, ses.Envelope]] = field(default_factory=list)
    bouncing: set[str] = field(default_factory=set)
    """Addresses that do not work."""
    bounced: list[tuple[str, datetime]] = field(default_factory=list)
    mended: dict[str, datetime] = field(default_factory=dict)
    _reports: list[str] = field(default_factory=list)

    def mend(self, address: str) -> None:
        """Let an address work from now on."""
        self.bouncing.discard(address)
        self.mended[address] = clock.utc_now()

    def send(self, envelope: ses.Envelope) -> rules.SendOutcome:
        """Take a mail, as ``ses.send`` does."""
        now = clock.utc_now()
        # What cannot be a request to SES fails here too.
        ses.build_request(envelope)
        self.taken.append((now, envelope))
        mail = {
            "timestamp": now.isoformat(),
            "messageId": f"m-{len(self.taken)}",
            "destination": list(envelope.to),
            "tags": {"email_id": [envelope.email_id]},
        }
        events: list[dict[str, Any]] = [{"eventType": "Send", "send": {}}]
        for address in envelope.to:
            ((fate, _),) = fates.of([address])
            if address in self.bouncing:
                fate = fates.SIMULATED["bounce"]
                self.bounced.append((address, now))
            events.append(fate([address], now))
        self._reports += [json.dumps({**event, "mail": mail}) for event in events]
        return rules.SendOutcome("accepted", message_id=str(mail["messageId"]))

    def reports(self) -> list[str]:
        """Take what is to be reported, in the order in which it came about."""
        found, self._reports = self._reports, []
        return found


class House:
    """All that the template wakes: schedules, queues, and the topic of what SES reports. Nothing may fail."""

    def __init__(self, post: Post) -> None:
        """Take the queues from the environment, as the functions do."""
        template = Template.read()
        self._functions = functions(app)
        self._schedules = {one.function: json.loads(one.input) for one in template.schedule_events()}
        (self._hears,) = [one.function for one in template.topic_events()]
        self._queues = [(self._functions[one.function], _url(one.queue)) for one in template.queue_events()]
        self._post = post
        self._sqs: Any = boto3.client("sqs")

    def invoke(self, name: str, event: dict[str, Any]) -> Any:
        """Call a function by its logical id."""
        return self._functions[name].invoke(event)

    def hour(self) -> int:
        """Run the hourly function, and everything that follows; return the number of enqueued accounts."""
        sent = self.invoke("SendDueReminders", self._schedules["SendDueReminders"])["sent"]
        assert (sent["lost"], sent["left"], sent["held"]) == (0, 0, {}), sent
        if sent["handed_out"]:
            self.settle()
        return int(sent["handed_out"])

    def sweep(self) -> int:
        """Run the sweeper; return the number of overdue tasks."""
        handed_out = int(self.invoke("SweepDuties", self._schedules["SweepDuties"])["handed_out"])
        if handed_out:
            self.settle()
        return handed_out

    def settle(self) -> None:
        """Process the queues and the SES events until nothing is left."""
        for _ in range(_MOST_ROUNDS):
            if not any([self._serve(function, url) for function, url in self._queues] + [self._hear()]):
                return
        raise AssertionError("The queues do not become empty.")

    def _serve(self, function: Function, url: str) -> bool:
        found = False
        while messages := self._sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
            found = True
            for start in range(0, len(messages), function.batch_size):
                batch = messages[start : start + function.batch_size]
                assert function.invoke(dispatcher.queue_event(batch, _QUEUE_ARN)) == _DONE, batch
            entries = [{"Id": str(at), "ReceiptHandle": one["ReceiptHandle"]} for at, one in enumerate(messages)]
            self._sqs.delete_message_batch(QueueUrl=url, Entries=entries)
        return found

    def _hear(self) -> bool:
        reports = self._post.reports()
        for report in reports:
            self.invoke(self._hears, {"Records": [{"Sns": {"Message": report}}]})
        return bool(reports)


def _url(queue: str) -> str:
    """Return the address of a queue of the template: ``BulkMailQueue`` is ``bulk_mail`` of the settings."""
    return {f"{name.replace('_', '')}queue": url for name, url in settings().queue_urls.items()}[queue.lower()]
