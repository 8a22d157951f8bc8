"""Jobs of imports: their queue, and the console function that imports a file of the bucket."""

import json
from typing import Any

from chalice.app import Blueprint, SQSEvent

from chalicelib import clock, ids
from chalicelib.call import Actor, Call
from chalicelib.duties import consumer
from chalicelib.duties.queue import Message
from chalicelib.errors import CounterfoilError, NotFound
from chalicelib.imports import service
from chalicelib.imports.inputs import FileBody, KnownImportBody
from chalicelib.imports.rules import Import, Sent
from chalicelib.imports.run import run_import
from chalicelib.observability import job, new_correlation_id
from chalicelib.validation import body_from

jobs = Blueprint(__name__)

_SECONDS_IN_RESERVE = 120
"""For handing an import over; what a dry run has gathered takes time to store."""


@jobs.on_sqs_message(queue_arn="arn:aws:sqs:us-east-1:000000000000:imports", batch_size=1, name="run_imports")
@job("run_imports")
def run_imports(event: SQSEvent) -> dict[str, Any]:
    """Work on the import that was started, or handed over."""
    remaining = getattr(event.context, "get_remaining_time_in_millis", None)

    def time_is_left() -> bool:
        return not callable(remaining) or remaining() / 1000 > _SECONDS_IN_RESERVE

    def work(message: Message) -> None:
        run_import(message.subject, message.key, time_is_left)

    return consumer.consume(event, work)


@jobs.lambda_function(name="import_file")
@job("import_file")
def import_file(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Import a file that was put into the bucket under ``imports/``.

    ``{"key": "imports/customers.csv", "mapping": {…}}`` starts a dry run; with ``"confirm": true`` it writes, and
    with ``"mail": true`` it mails too. ``"lines_key"`` names the second file, where the mapping joins one.
    ``{"import_id": "imp_…"}`` shows how far it is, and with ``"confirm": true``
    confirms a finished dry run.
    """
    call = Call(Actor("console", "import_file", "console"), clock.now(), new_correlation_id())
    try:
        raw = json.dumps(event).encode()
        if isinstance(event, dict) and "import_id" in event:
            return _known(call, body_from(KnownImportBody, raw))
        body = body_from(FileBody, raw)
        file, lines = Sent(source=body.key), Sent(source=body.lines_key)
        made = service.create_import(
            call, body.mapping, dry_run=not body.confirm, mail=body.mail, file=file, lines=lines
        )
        return _shown(service.start_import(call, made.import_id))
    except CounterfoilError as refusal:
        return {
            "refused": {"code": refusal.code, "message": refusal.message},
            "errors": [{"field": fault.field, "message": fault.message} for fault in refusal.fields],
        }


def _known(call: Call, body: KnownImportBody) -> dict[str, Any]:
    if not ids.is_own_id(ids.IMPORT, body.import_id):
        raise NotFound("There is no such import.")
    if body.confirm:
        return _shown(service.start_import(call, body.import_id, dry_run=False))
    return _shown(service.get_import(body.import_id))


def _shown(found: Import) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "import_id": found.import_id,
        "status": found.state(clock.now()),
        "dry_run": found.dry_run,
        "rows_read": found.rows_read,
        "counts": found.counts,
        "refusals": [vars(one) for one in found.refusals],
        "warnings": [vars(one) for one in found.warnings],
        "reason": found.reason,
    }
    ask = f'Send {{"import_id": "{found.import_id}"}} to see how far it is.'
    confirm = f'Send {{"import_id": "{found.import_id}", "confirm": true}} to write what was found.'
    if shown["status"] in ("queued", "running"):
        return {**shown, "next": ask}
    return {**shown, "next": confirm} if shown["status"] == "finished" and found.dry_run else shown
