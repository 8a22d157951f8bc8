"""Jobs of contacts: erasures and what follows a failing address, from their queues; after a restore, all erasures."""

from typing import Any

from chalice.app import Blueprint, SQSEvent

from chalicelib import clock
from chalicelib.call import Actor, Call
from chalicelib.contacts import coverage, erasure
from chalicelib.duties import consumer
from chalicelib.duties import service as duties
from chalicelib.duties.queue import Message
from chalicelib.errors import CounterfoilError
from chalicelib.observability import job, new_correlation_id

jobs = Blueprint(__name__)


@jobs.on_sqs_message(queue_arn="arn:aws:sqs:us-east-1:000000000000:erasures", batch_size=1, name="run_erasures")
@job("run_erasures")
def run_erasures(event: SQSEvent) -> dict[str, Any]:
    """Erase what was asked to be erased."""
    return consumer.consume(event, _run)


def _run(message: Message) -> None:
    call = Call(Actor("system", "erasures", "Erasures"), clock.now(), message.correlation_id)
    erasure.run_erasure(call, message.subject)
    duties.done(message.key)


@jobs.on_sqs_message(queue_arn="arn:aws:sqs:us-east-1:000000000000:coverage", batch_size=10, name="check_coverage")
@job("check_coverage")
def check_coverage(event: SQSEvent) -> dict[str, Any]:
    """Look whether roles still reach somebody after an address has failed, or works again."""
    return consumer.consume(event, _check)


def _check(message: Message) -> None:
    call = Call(Actor("system", "coverage", "Role coverage"), clock.now(), message.correlation_id)
    coverage.check(call, message.subject)
    duties.done(message.key)


@jobs.lambda_function(name="replay_erasures")
@job("replay_erasures")
def replay_erasures(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Begin again every erasure of the ledger whose contact exists, as it does after a restore of the table.

    ``{}`` says what it would begin, ``{"confirm": true}`` begins it.
    """
    confirmed = event == {"confirm": True}
    if not confirmed and event not in ({}, {"confirm": False}):
        return {
            "refused": {"code": "invalid", "message": 'Send {} to see what would be done, {"confirm": true} to do it.'}
        }
    call = Call(Actor("console", "replay_erasures", "console"), clock.now(), new_correlation_id())
    try:
        found = erasure.replay_erasures(call, confirmed=confirmed)
    except CounterfoilError as refusal:
        return {"refused": {"code": refusal.code, "message": refusal.message}}
    if not confirmed:
        return {"dry_run": True, "would_begin": found, "next": 'Send {"confirm": true} to begin them.'}
    return {"begun": found}
