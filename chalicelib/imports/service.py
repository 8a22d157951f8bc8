"""Use cases of imports: make one, start it, look at it. What a run does is in ``run``."""

from dataclasses import asdict
from datetime import timedelta
from typing import Any

from chalicelib import ids
from chalicelib.audit import service as audit
from chalicelib.audit.rules import Change
from chalicelib.call import Call
from chalicelib.duties import service as duties
from chalicelib.errors import NotFound
from chalicelib.imports import files, rules
from chalicelib.imports.inputs import Mapping
from chalicelib.imports.mapping import plan_of
from chalicelib.imports.rules import Import, Sent
from chalicelib.table import keys, store
from chalicelib.table.items import ImportItem

REFUSALS = "refusals.jsonl"
WARNINGS = "warnings.jsonl"
_DOWNLOAD_LASTS = timedelta(minutes=15)
_UNKNOWN = Sent()


def create_import(
    call: Call, mapping: Mapping, *, dry_run: bool, mail: bool, file: Sent = _UNKNOWN, lines: Sent = _UNKNOWN
) -> Import:
    """Make an import that waits for its files, or for its start where they are in the bucket already.

    ``lines`` is the second file, where the mapping joins one. Raises Invalid naming every fault of the mapping.
    """
    plan = plan_of(mapping)
    rules.check_second_file(plan.joins, file, lines)

    def attempt() -> Import:
        store.gather(call)
        import_id = ids.new_id(ids.IMPORT, call.now)
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
            actor=asdict(call.actor),
            correlation_id=call.correlation_id,
            source=file.source or files.source_key(import_id),
            size=file.size,
            lines_source=(lines.source or files.lines_key(import_id)) if plan.joins else None,
            lines_size=lines.size,
            created_at=call.now,
            counts=rules.new_counts(tuple(planned.kind.name for planned in plan.kinds), joins=plan.joins),
        )
        transaction = store.Transaction(call)
        transaction.create(item)
        _record(transaction, call, "import.created", item)
        transaction.answers(import_id, 202)
        transaction.commit()
        return store.load(Import, item)

    return store.deciding_again(attempt)


def start_import(call: Call, import_id: str, dry_run: bool | None = None) -> Import:
    """Queue an import whose file is there; ``dry_run`` False confirms one whose dry run has finished.

    Raises NotFound, Conflict when it is at work, over, or without its file, Invalid when the file is empty or too
    large.
    """
    key = keys.import_(import_id)
    first = store.get(ImportItem, key)
    if first is None:
        raise NotFound()
    stored = {"file": files.look(first.source)}
    if first.lines_source is not None:
        stored["lines"] = files.look(first.lines_source)

    def attempt() -> Import:
        (item,) = store.gather(call, key)
        if item is None:
            raise NotFound()
        before = store.load(Import, item)
        rules.check_start(before.state(call.now), dry_run_before=before.dry_run)
        sent = {name: _sent(name, one) for name, one in stored.items()}
        item.status, item.size, item.etag = rules.QUEUED, sent["file"].size, sent["file"].etag
        if "lines" in sent:
            item.lines_size, item.lines_etag = sent["lines"].size, sent["lines"].etag
        item.dry_run = before.dry_run if dry_run is None else dry_run
        item.actor = asdict(call.actor)
        item.correlation_id = call.correlation_id
        kinds = tuple(name for name in before.counts if name not in (rules.ROWS, rules.LINES))
        item.counts = rules.new_counts(kinds, joins="lines" in sent)
        item.next_row = item.rows_read = item.attempts = 0
        item.refusals, item.warnings, item.parts = [], [], []
        item.started_at = item.finished_at = item.lease_id = item.lease_until = item.rehearsal = item.reason = None
        transaction = store.Transaction(call)
        transaction.replace(item)
        duties.add(transaction, call, "import", import_id)
        _record(transaction, call, "import.started", item)
        transaction.answers(import_id, 202)
        transaction.commit()
        return store.load(Import, item)

    return store.deciding_again(attempt)


def _sent(name: str, stored: files.Stored | None) -> files.Stored:
    """Return a file that can be imported. Raises Conflict before it is there, Invalid for its size."""
    if stored is None:
        raise rules.upload_missing(name)
    rules.check_size(name, stored.size)
    return stored


def get_import(import_id: str) -> Import:
    """Read an import. Raises NotFound."""
    item = store.get(ImportItem, keys.import_(import_id))
    if item is None:
        raise NotFound()
    return store.load(Import, item)


def list_imports(after: str | None, limit: int) -> tuple[list[Import], str | None]:
    """Return a page of the imports, newest first, and where the next one begins."""
    page = store.query_index(keys.import_listed("").pk, limit=limit, after=after, newest_first=True)
    return [store.load(Import, item) for item in page.items], page.after


def upload_address(found: Import) -> str | None:
    """Return the address that takes the file, None when the import does not wait for one."""
    if found.status != rules.WAITING or found.source != files.source_key(found.import_id):
        return None
    return files.upload_address(found.source, found.size, rules.UPLOAD_LASTS)


def lines_upload_address(found: Import) -> str | None:
    """Return the address that takes the second file, None when the import does not wait for one."""
    wanted = files.lines_key(found.import_id)
    if found.status != rules.WAITING or found.lines_source != wanted:
        return None
    return files.upload_address(wanted, found.lines_size, rules.UPLOAD_LASTS)


def results(found: Import) -> dict[str, str]:
    """Return addresses, good for 15 minutes, of the files with all refusals and all warnings, where there are any."""
    if found.status not in (rules.FINISHED, rules.FAILED):
        return {}
    named = ((REFUSALS, found.refusals), (WARNINGS, found.warnings))
    return {
        name.partition(".")[0]: files.download_address(files.key_of(found.import_id, name), _DOWNLOAD_LASTS)
        for name, some in named
        if some
    }


def _record(transaction: store.Transaction, call: Call, action: str, item: Any) -> None:
    named = ("dry_run", "mail", "source", "lines_source")
    told = tuple(Change(name, None, getattr(item, name)) for name in named if getattr(item, name) is not None)
    audit.record(transaction, call, action, "import", item.import_id, told)
