"""Use cases of imports: create, start, read. ``run`` processes them."""

from dataclasses import asdict
from datetime import timedelta
from typing import Any

from chalicelib import ids, storage
from chalicelib.audit.rules import FieldChange
from chalicelib.audit.service import record_audit_event
from chalicelib.errors import NotFound
from chalicelib.imports import files, rules
from chalicelib.imports.inputs import Mapping
from chalicelib.imports.mapping.plan import plan_import
from chalicelib.imports.rules import Import, ImportSource
from chalicelib.request_context import RequestContext
from chalicelib.storage import StoredObject
from chalicelib.table import keys, store
from chalicelib.table.items import ImportItem
from chalicelib.tasks.kinds import RunImport
from chalicelib.tasks.service import add_task

_DOWNLOAD_LIFETIME = timedelta(minutes=15)
_UNKNOWN_SOURCE = ImportSource()


def create_import(
    context: RequestContext,
    mapping: Mapping,
    *,
    dry_run: bool,
    mail: bool,
    file: ImportSource = _UNKNOWN_SOURCE,
    lines: ImportSource = _UNKNOWN_SOURCE,
) -> Import:
    """Create an import that waits for its files, or for its start if they are in the bucket already.

    ``lines`` is the second file, if the mapping joins one. Raises InvalidInput naming every fault of the mapping.
    """
    plan = plan_import(mapping)
    rules.check_second_file(plan.joins, file, lines)

    def attempt() -> Import:
        store.get_items_for_write(context)
        import_id = ids.new_id(ids.IMPORT_PREFIX, context.now)
        key, listed = keys.import_(import_id), keys.import_listed(import_id)
        item = ImportItem(
            key.pk,
            key.sk,
            gsi1_pk=listed.pk,
            gsi1_sk=listed.sk,
            import_id=import_id,
            status=rules.WAITING,
            mapping=mapping.model_dump(mode="json", exclude_unset=True),
            dry_run=dry_run,
            mail=mail,
            actor=asdict(context.actor),
            correlation_id=context.correlation_id,
            source=file.source or files.source_key(import_id),
            size=file.size,
            lines_source=(lines.source or files.lines_key(import_id)) if plan.joins else None,
            lines_size=lines.size,
            created_at=context.now,
            counts=rules.new_counts(tuple(planned.kind.name for planned in plan.kinds), joins=plan.joins),
        )
        transaction = store.Transaction(context)
        transaction.create(item)
        _record_import_event(transaction, context, "import.created", item)
        transaction.record_response(import_id, 202)
        transaction.commit()
        return store.from_item(Import, item)

    return store.retry_on_conflict(attempt)


def start_import(context: RequestContext, import_id: str, dry_run: bool | None = None) -> Import:
    """Queue an import whose file exists; ``dry_run`` False confirms a finished dry run.

    What is confirmed is what the dry run read: the entity tags of its files are kept and compared. Raises NotFound,
    Conflict when it is running, finished, or without its file, or when a file was replaced since the dry run,
    InvalidInput when the file is empty or too large.
    """
    key = keys.import_(import_id)
    first = store.get_item(ImportItem, key)
    if first is None:
        raise NotFound()
    stored = {"file": storage.find_object(first.source)}
    if first.lines_source is not None:
        stored["lines"] = storage.find_object(first.lines_source)

    def attempt() -> Import:
        (item,) = store.get_items_for_write(context, key)
        if item is None:
            raise NotFound()
        before = store.from_item(Import, item)
        rules.check_start(before.state(context.now), dry_run_before=before.dry_run)
        sent = {name: _require_valid_file(name, one) for name, one in stored.items()}
        item.dry_run = before.dry_run if dry_run is None else dry_run
        if before.status == rules.FINISHED and not item.dry_run:
            seen = {"file": item.etag, "lines": item.lines_etag}
            rules.check_unchanged({name: one.etag == seen[name] for name, one in sent.items()})
        else:
            item.content_hash = item.lines_content_hash = None
        item.status, item.size, item.etag = rules.QUEUED, sent["file"].size, sent["file"].etag
        if "lines" in sent:
            item.lines_size, item.lines_etag = sent["lines"].size, sent["lines"].etag
        item.actor = asdict(context.actor)
        item.correlation_id = context.correlation_id
        kinds = tuple(name for name in before.counts if name not in (rules.ROWS, rules.LINES))
        item.counts = rules.new_counts(kinds, joins="lines" in sent)
        item.next_row = item.rows_read = item.attempts = 0
        item.refusals, item.warnings, item.changes, item.parts = [], [], [], []
        item.refusal_causes, item.warning_causes = [], []
        item.started_at = item.finished_at = item.lease_id = item.lease_until = item.rehearsal = item.reason = None
        transaction = store.Transaction(context)
        transaction.replace(item)
        add_task(transaction, context, RunImport(import_id))
        _record_import_event(transaction, context, "import.started", item)
        transaction.record_response(import_id, 202)
        transaction.commit()
        return store.from_item(Import, item)

    return store.retry_on_conflict(attempt)


def _require_valid_file(name: str, stored: StoredObject | None) -> StoredObject:
    """Return a file to import. Raises Conflict before it exists, InvalidInput for its size."""
    if stored is None:
        raise rules.upload_missing_error(name)
    rules.check_size(name, stored.size)
    return stored


def get_import(import_id: str) -> Import:
    """Read an import. Raises NotFound."""
    item = store.get_item(ImportItem, keys.import_(import_id))
    if item is None:
        raise NotFound()
    return store.from_item(Import, item)


def list_imports(after: str | None, limit: int) -> tuple[list[Import], str | None]:
    """Return a page of the imports, newest first, and where the next one begins."""
    page = store.query_items_by_index(keys.import_listed("").pk, limit=limit, after=after, newest_first=True)
    return [store.from_item(Import, item) for item in page.items], page.after


def get_upload_url(found: Import) -> str | None:
    """Return the upload URL of the file, None when the import does not wait for one."""
    if found.status != rules.WAITING or found.source != files.source_key(found.import_id):
        return None
    return storage.presign_upload(found.source, rules.UPLOAD_LIFETIME, size=found.size)


def get_lines_upload_url(found: Import) -> str | None:
    """Return the upload URL of the second file, None when the import does not wait for one."""
    wanted = files.lines_key(found.import_id)
    if found.status != rules.WAITING or found.lines_source != wanted:
        return None
    return storage.presign_upload(wanted, rules.UPLOAD_LIFETIME, size=found.lines_size)


def get_result_keys(found: Import) -> dict[str, str]:
    """Return the files of the bucket with all refusals, warnings and changes, if there are any."""
    if found.status not in (rules.FINISHED, rules.FAILED):
        return {}
    # Imports from before there were causes have no CSV files.
    named = {
        "refusals": (found.refusals, "refusals.jsonl"),
        "warnings": (found.warnings, "warnings.jsonl"),
        "changes": (found.changes, "changes.jsonl"),
        "refusals_csv": (found.refusal_causes, "refusals.csv"),
        "warnings_csv": (found.warning_causes, "warnings.csv"),
        "changes_csv": (found.changes, "changes.csv"),
    }
    return {result: files.import_file_key(found.import_id, name) for result, (some, name) in named.items() if some}


def get_result_urls(found: Import) -> dict[str, str]:
    """Return URLs, valid for 15 minutes, of the files of ``get_result_keys``."""
    return {result: storage.presign_download(key, _DOWNLOAD_LIFETIME) for result, key in get_result_keys(found).items()}


def _record_import_event(transaction: store.Transaction, context: RequestContext, action: str, item: Any) -> None:
    named = ("dry_run", "mail", "source", "lines_source")
    told = tuple(FieldChange(name, None, getattr(item, name)) for name in named if getattr(item, name) is not None)
    record_audit_event(transaction, context, action, "import", item.import_id, told)
