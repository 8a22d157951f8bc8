"""Jobs of imports: their queue, and the console function that imports a file of the bucket."""

import json
from typing import Any

from chalice.app import Blueprint, SQSEvent

from chalicelib import clock, ids
from chalicelib.errors import CounterfoilError, NotFound
from chalicelib.imports import service
from chalicelib.imports.inputs import FileBody, KnownImportBody
from chalicelib.imports.rules import Import, ImportSource
from chalicelib.imports.run.process import run_import
from chalicelib.observability import instrument_job, new_correlation_id
from chalicelib.request_context import Actor, RequestContext
from chalicelib.tasks import consumer
from chalicelib.tasks.kinds import RunImport
from chalicelib.tasks.queue import TaskMessage
from chalicelib.validation import parse_body

imports_jobs = Blueprint(__name__)

_SECONDS_IN_RESERVE = 120
"""For handing an import over; what a dry run has gathered takes time to store."""


@imports_jobs.on_sqs_message(queue_arn="arn:aws:sqs:us-east-1:000000000000:imports", batch_size=1, name="run_imports")
@instrument_job("run_imports")
def run_imports(event: SQSEvent) -> dict[str, Any]:
    """Work on the import that was started, or handed over."""
    remaining = getattr(event.context, "get_remaining_time_in_millis", None)

    def time_is_left() -> bool:
        return not callable(remaining) or remaining() / 1000 > _SECONDS_IN_RESERVE

    def work(message: TaskMessage[RunImport]) -> None:
        run_import(message.task.import_id, message.key, time_is_left)

    return consumer.consume_task_messages(event, work)


@imports_jobs.lambda_function(name="import_file")
@instrument_job("import_file")
def import_file(event: dict[str, Any], lambda_context: Any) -> dict[str, Any]:
    """Import a file that was put into the bucket under ``imports/``.

    ``{"key": "imports/customers.csv", "mapping": {…}}`` starts a dry run; with ``"confirm": true`` it writes, and
    with ``"mail": true`` it mails too. ``"lines_key"`` names the second file, where the mapping joins one.
    ``{"import_id": "imp_…"}`` shows how far it is, and with ``"confirm": true``
    confirms a finished dry run.
    """
    context = RequestContext(Actor("console", "import_file", "console"), clock.utc_now(), new_correlation_id())
    try:
        raw = json.dumps(event).encode()
        if isinstance(event, dict) and "import_id" in event:
            return _run_known_import(context, parse_body(KnownImportBody, raw))
        body = parse_body(FileBody, raw)
        file, lines = ImportSource(source=body.key), ImportSource(source=body.lines_key)
        made = service.create_import(
            context, body.mapping, dry_run=not body.confirm, mail=body.mail, file=file, lines=lines
        )
        return _describe_import(service.start_import(context, made.import_id))
    except CounterfoilError as refusal:
        return {
            "refused": {"code": refusal.code, "message": refusal.message},
            "errors": [{"field": fault.field, "message": fault.message} for fault in refusal.fields],
        }


def _run_known_import(context: RequestContext, body: KnownImportBody) -> dict[str, Any]:
    if not ids.is_generated_id(ids.IMPORT_PREFIX, body.import_id):
        raise NotFound("There is no such import.")
    if body.confirm:
        return _describe_import(service.start_import(context, body.import_id, dry_run=False))
    return _describe_import(service.get_import(body.import_id))


def _describe_import(found: Import) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "import_id": found.import_id,
        "status": found.state(clock.utc_now()),
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
