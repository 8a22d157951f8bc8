"""One run of an import: claim it, process rows until it is finished or time runs out, and hand it over.

A run may crash anywhere. The next one resumes at the last checkpoint; rows processed after it are met again, and
because each wrote an idempotency record with its effect, they are counted as they were the first time. A dry run writes
nothing, so a crashed one restarts where it was last handed over.
"""

import io
import json
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import datetime
from typing import IO, Any

from chalicelib import clock
from chalicelib.audit.rules import FieldChange
from chalicelib.entities.service import clear_entity_cache
from chalicelib.errors import Conflict, CounterfoilError, FieldError, IdempotentReplay, Unavailable
from chalicelib.imports import files, rules
from chalicelib.imports.inputs import Mapping
from chalicelib.imports.mapping.columns import first_file_columns
from chalicelib.imports.mapping.plan import ImportPlan, MappedRow, PlannedKind, plan_import
from chalicelib.imports.mapping.reader import Row, UnreadableFile, read_rows
from chalicelib.imports.mapping.row_groups import Group, PartsIndex
from chalicelib.imports.mapping.row_mapper import REPEATED_MESSAGES, SECOND_FILE, Fault
from chalicelib.imports.rows.outcomes import CHANGED, CREATED
from chalicelib.imports.run.duplicates import Difference, SeenRecord, SeenRecords
from chalicelib.imports.run.read_ahead import MappedKinds, chunked, read_ahead
from chalicelib.imports.run.report import ImportReport
from chalicelib.observability import logger
from chalicelib.request_context import Actor, Idempotency, RequestContext
from chalicelib.storage import store_object
from chalicelib.table import keys, store
from chalicelib.table.dry_run import DryRun, dry_run_writes
from chalicelib.table.items import ImportItem
from chalicelib.table.keys import Key
from chalicelib.table.read_cache import ReadCache, reads_served_from
from chalicelib.tasks.kinds import RunImport
from chalicelib.tasks.service import add_task, announcements_gathered, complete_task

_MAX_CACHED_ROWS = 5_000
"""Rows of the table that a dry run remembers; a run that writes forgets them after some rows of the file."""


class BillingSystemContext(RequestContext):
    """The context of an import: its values count as those of the billing system (DESIGN §5)."""

    @property
    def is_billing_system(self) -> bool:
        """Return True: the values are those of the billing system."""
        return True


class LeaseLost(Exception):
    """Another run has taken the import over."""


def run_import(import_id: str, task_key: Key, time_is_left: Callable[[], bool]) -> None:
    """Process an import. Does nothing while another run has its lease."""
    item = store.get_item(ImportItem, keys.import_(import_id))
    if item is None or item.status not in (rules.QUEUED, rules.RUNNING):
        complete_task(task_key)
        return
    run = ImportRun(item, task_key, time_is_left)
    if not run.claim():
        return
    try:
        run.work()
    except LeaseLost:
        logger.warning("Another run has taken this import over.")
    except (UnreadableFile, Conflict) as refusal:
        run.fail(refusal.message, refusal)
    except Unavailable:
        logger.warning("Something did not answer; the import goes on later.", exc_info=True)
        run.release()
    except Exception:
        run.release()
        raise
    finally:
        # A dry run may have cached entities that do not exist.
        clear_entity_cache()


class ImportRun:
    """The state of one run."""

    def __init__(self, item: ImportItem, task_key: Key, time_is_left: Callable[[], bool]) -> None:
        """Start with an import that was read."""
        self._item = item
        self._task_key = task_key
        self._time_is_left = time_is_left
        self._lease_id = secrets.token_hex(8)
        self._report = ImportReport(item)
        self._rehearsal: DryRun | None = None
        self._cache = ReadCache(_MAX_CACHED_ROWS)
        self._seen = SeenRecords()
        self._final = SeenRecords()
        """The records of the kinds of which the last row counts, as all rows together leave them."""
        self._refused_before: set[tuple[int, str]] = set()
        self._refused_ids: dict[tuple[str, str], str] = {}
        """Of the row: the field and value that name each record that was refused, and its kind."""
        self._checkpoint_at = clock.utc_now()

    def claim(self) -> bool:
        """Claim the import for this run; False when another run holds the lease."""
        item, now = self._item, clock.utc_now()
        if item.lease_until is not None and item.lease_until > now:
            return False
        item.status = rules.RUNNING
        item.lease_id, item.lease_until = self._lease_id, now + rules.LEASE
        item.started_at = item.started_at or now
        item.attempts += 1
        try:
            self._save()
        except LeaseLost:
            return False
        if item.attempts > rules.MAX_ATTEMPTS:
            self.fail(f"The import stopped {rules.MAX_ATTEMPTS} times at row {item.next_row + 1} or soon after it.")
            return False
        return True

    def work(self) -> None:
        """Process the remaining rows. Raises UnreadableFile, Unavailable, Conflict, LeaseLost."""
        plan = plan_import(Mapping.model_validate_json(json.dumps(self._item.mapping)))
        with ExitStack() as open_:
            if self._item.dry_run:
                self._rehearsal = open_.enter_context(closing(self._resume_dry_run()))
            file = open_.enter_context(files.download_file(self._item.source, self._item.etag))
            self._item.content_hash = files.check_content(file, self._item.content_hash)
            parts = open_.enter_context(closing(PartsIndex(plan)))
            self._read_parts(plan, parts, file)
            open_.enter_context(closing(self._seen))
            open_.enter_context(closing(self._final))
            self._read_last_values(plan, parts, file)
            self._refused_before = self._report.refused_before()
            found = open_.enter_context(closing(read_rows(file, first_file_columns(plan.mapping))))
            if not self._work_through(plan, parts, found):
                return
            self._report_unmatched_rows(parts)
        self._end(rules.FINISHED, None)

    def _read_parts(self, plan: ImportPlan, parts: PartsIndex, file: IO[bytes]) -> None:
        if self._item.lines_source is None:
            parts.read(file, None)
            return
        with files.download_file(self._item.lines_source, self._item.lines_etag) as second:
            self._item.lines_content_hash = files.check_content(second, self._item.lines_content_hash)
            parts.read(file, second)
        self._report.set_count(rules.LINES, "read", parts.of_second_file)

    def _read_last_values(self, plan: ImportPlan, parts: PartsIndex, file: IO[bytes]) -> None:
        """Read the file once before, where the last of several rows counts; the file is rewound."""
        chosen = [(position, one) for position, one in enumerate(plan.kinds) if one.repeated == "last"]
        if not chosen:
            return
        with closing(read_rows(file, first_file_columns(plan.mapping))) as found:
            for row in found:
                for position, planned in chosen if row.fault is None else ():
                    mapped = _mapped(planned, parts.of(position, row), row)
                    if mapped is None or mapped.row is None:
                        continue
                    seen = self._final.find(planned.kind, mapped.row)
                    joined = seen.joined(mapped.row, row.line, last=True) if seen is not None else None
                    self._final.keep(planned.kind, mapped.row, row.line, joined, done=False)
        file.seek(0)

    def _work_through(self, plan: ImportPlan, parts: PartsIndex, found: Iterator[Row]) -> bool:
        """Process rows and tell whether all are done; otherwise the import was handed over."""
        start = int(self._item.next_row)
        most = rules.MAX_PARTS if plan.groups else rules.MAX_ROWS
        for chunk in chunked(found):
            handed_over = None
            with announcements_gathered():
                for one in self._prepared(plan, parts, chunk):
                    if one.number > most:
                        raise UnreadableFile(f"The file has more than {most} rows. Split it.", line=one.row.line)
                    self._row(one, done_before=one.number <= start)
                    self._item.rows_read = max(one.number, start)
                    if self._is_time_for_checkpoint(one.number, start):
                        self._checkpoint(max(one.number, start))
                    if one.number > start and not self._time_is_left():
                        handed_over = one.number
                        break
            if handed_over is not None:
                self._hand_over(handed_over)
                return False
        return True

    def _prepared(self, plan: ImportPlan, parts: PartsIndex, chunk: list[tuple[int, Row]]) -> list[MappedKinds]:
        """Map some rows, and read what writing them will read."""
        prepared = []
        for number, row in chunk:
            made = []
            for position, planned in enumerate(plan.kinds if row.fault is None else ()):
                mapped = _mapped(planned, parts.of(position, row), row)
                if mapped is not None:
                    made.append((position, planned, mapped))
            prepared.append(MappedKinds(row, number, tuple(made)))
        start = int(self._item.next_row)
        if self._rehearsal is None:
            self._cache.clear()
        ahead = [one for one in prepared if one.number > start]
        principal = f"import:{self._item.import_id}"
        records = [keys.idempotency(principal, f"{one.number}.{place}") for one in ahead for place, *_ in one.kinds]
        with dry_run_writes(self._rehearsal), reads_served_from(self._cache):
            read_ahead(ahead, records if self._rehearsal is None else ())
        return prepared

    def _report_unmatched_rows(self, parts: PartsIndex) -> None:
        for left in parts.left_over():
            self._report.refuse(left.fault.line, left.kind, left.fault)
            self._report.end_row(left.fault.line)
            self._report.count(rules.LINES if left.fault.file == SECOND_FILE else rules.ROWS, "refused")

    def fail(self, reason: str, because: UnreadableFile | Conflict | None = None) -> None:
        """Finish the import with the findings so far."""
        if isinstance(because, UnreadableFile):
            line, file = because.line, because.file
            faults = (Fault(fault.field, "", fault.code, fault.message, line, file) for fault in because.faults)
            self._report.refuse(line, "", *faults)
            self._report.end_row(line)
        self._end(rules.FAILED, reason)

    def release(self) -> None:
        """Hand over at the last checkpoint; the sweeper starts the next run."""
        self._item.status, self._item.lease_id, self._item.lease_until = rules.QUEUED, None, None
        try:
            store.replace_item(self._item)
        except (store.WriteConflict, Unavailable):
            logger.warning("The import could not be released; its lease will run out.")

    def _resume_dry_run(self) -> DryRun:
        if self._item.rehearsal is None:
            return DryRun()
        with files.download_file(self._item.rehearsal) as kept:
            return DryRun.read(kept)

    def _row(self, one: MappedKinds, *, done_before: bool) -> None:
        row = one.row
        refused = row.fault is not None
        self._refused_ids = {}
        if row.fault is not None and not done_before:
            fault = row.fault
            self._report.refuse(row.line, "", Fault(fault.field, "", fault.code, fault.message))
        for position, planned, mapped in one.kinds:
            if done_before:
                self._remember(planned, mapped, row.line)
                continue
            done = self._kind(planned, mapped, row.line, f"{one.number}.{position}")
            self._report.count(planned.kind.name, done)
            refused = refused or done == "refused"
        if not done_before:
            self._report.end_row(row.line)
            self._report.count("rows", "read")
            if refused:
                self._report.count("rows", "refused")

    def _remember(self, planned: PlannedKind, mapped: MappedRow, line: int) -> None:
        """Remember a row that an earlier run has done."""
        for made in mapped.made_ids:
            self._seen.collision(made, line)
        if mapped.row is not None and (line, planned.kind.name) not in self._refused_before:
            row = self._last_values(planned, mapped.row)
            self._keep_record(planned, row, line, self._seen.find(planned.kind, row), done=False)

    def _keep_record(self, planned: PlannedKind, row: Any, line: int, seen: SeenRecord | None, *, done: bool) -> None:
        joined = seen.joined(row, line, last=False) if seen is not None else None
        self._seen.keep(planned.kind, row, line, joined, done=done)

    def _last_values(self, planned: PlannedKind, row: Any) -> Any:
        """Return a row with the values of all rows of its record, where the last of them counts."""
        if planned.repeated != "last":
            return row
        final = self._final.find(planned.kind, row)
        if final is None or any(
            one.field in planned.kind.distinguishing for one in final.differences(planned.kind, row)
        ):
            return row
        return type(row).model_validate_json(final.content())

    def _kind(self, planned: PlannedKind, mapped: MappedRow, line: int, place: str) -> str:
        kind = planned.kind
        self._report.warn(line, kind.name, *map(_left_out_warning, mapped.dropped))
        faults = (*mapped.faults, *self._collisions(kind.name, mapped, line))
        row, seen = mapped.row, None
        if row is not None and not faults:
            seen = self._seen.find(kind, row)
            row, faults = self._chosen(planned, mapped, row, seen, line)
        if faults or row is None:
            self._refuse(line, planned, mapped, *faults)
            return "refused"
        self._report.warn(line, kind.name, *mapped.notes)
        if seen is not None and seen.done and (kind.whole or not seen.adds(row)):
            return "unchanged"
        done = self._written(planned, mapped, row, line, self._call(place))
        if done != "refused":
            self._keep_record(planned, row, line, seen, done=True)
        return done

    def _chosen(
        self, planned: PlannedKind, mapped: MappedRow, row: Any, seen: SeenRecord | None, line: int
    ) -> tuple[Any, tuple[Fault, ...]]:
        """Return the values that count where rows of one record differ, and why the row is refused.

        What does not count is warned of.
        """
        kind, rule = planned.kind, planned.repeated
        other = self._final.find(kind, row) if rule == "last" else seen
        differing = other.differences(kind, row) if other is not None else ()
        if rule == "refuse" or any(one.field in kind.distinguishing for one in differing):
            return row, self._told(mapped, "refuse", differing)
        self._report.warn(line, kind.name, *self._told(mapped, rule, differing))
        if rule == "last":
            return self._last_values(planned, row), ()
        if kind.whole or seen is None or not differing:
            return (type(row).model_validate_json(seen.content()) if kind.whole and seen is not None else row), ()
        left = row.model_dump_json(exclude_unset=True, exclude={one.top for one in differing})
        return type(row).model_validate_json(left), ()

    def _told(self, mapped: MappedRow, rule: str, differing: Sequence[Difference]) -> tuple[Fault, ...]:
        return tuple(
            replace(
                mapped.explained(FieldError(one.field, "repeated", REPEATED_MESSAGES[rule])),
                value=one.value,
                other_line=one.other_line,
                other_value=one.other_value,
            )
            for one in differing
        )

    def _collisions(self, kind: str, mapped: MappedRow, line: int) -> tuple[Fault, ...]:
        """Return why a row is refused whose id was made of another name before; if the mapping joins them, warn."""
        refused = []
        for made in mapped.made_ids:
            other = self._seen.collision(made, line)
            if other is None:
                continue
            message = (
                'These are taken for one record, as the mapping says ("collisions": "join").'
                if made.joins
                else 'Name one of them otherwise, or, if they are the same, say "collisions": "join" in the mapping.'
            )
            told = Fault(
                made.field,
                made.columns,
                "id_collision",
                f"Different names make the same id. {message}",
                value=made.name,
                other_line=other[1],
                other_value=other[0],
            )
            if made.joins:
                self._report.warn(line, kind, told)
            else:
                refused.append(told)
        return tuple(refused)

    def _refuse(self, line: int, planned: PlannedKind, mapped: MappedRow, *faults: Fault) -> None:
        """Report why a row is refused for a kind, unless it is only because another kind of the row was."""
        kind = planned.kind.name
        for fault in faults:
            because = self._refused_ids.get((fault.field.rpartition(".")[2], str(mapped.value(fault.field))))
            if because is not None and fault.code.startswith("unknown"):
                self._report.refuse_in_consequence(because, kind)
            else:
                self._report.refuse(line, kind, fault)
        for field in planned.kind.named_by:
            self._refused_ids.setdefault((field, str(mapped.value(field))), kind)
        for _ in {fault.line for fault in faults if fault.file == SECOND_FILE}:
            self._report.count(rules.LINES, "refused")

    def _written(self, planned: PlannedKind, mapped: MappedRow, row: Any, line: int, context: RequestContext) -> str:
        kind = planned.kind.name
        try:
            with dry_run_writes(self._rehearsal), reads_served_from(self._cache):
                outcome = planned.kind.write(context, row)
        except IdempotentReplay as first:
            return CREATED if first.status == 201 else CHANGED
        except Unavailable:
            raise
        except CounterfoilError as refusal:
            told = refusal.fields or (FieldError("", refusal.code, refusal.message),)
            smaller = mapped.without(row, told)
            if smaller is not None:
                self._report.warn(line, kind, *map(_left_out_warning, smaller[1]))
                return self._written(planned, mapped, smaller[0], line, context)
            self._refuse(line, planned, mapped, *(mapped.explained(fault) for fault in told))
            return "refused"
        self._report_changes(line, kind, outcome.done)
        self._report.warn(line, kind, *(mapped.explained(note) for note in outcome.notes))
        return outcome.done

    def _report_changes(self, line: int, kind: str, done: str) -> None:
        for event in self._rehearsal.take_events() if self._rehearsal is not None else ():
            self._report.change(line, kind, event.resource_id, done, [FieldChange(**one) for one in event.changes])

    def _call(self, place: str) -> RequestContext:
        item = self._item
        return BillingSystemContext(
            actor=Actor(**item.actor),
            now=_now(),
            correlation_id=item.correlation_id,
            # A dry run leaves no idempotency records to read.
            idempotency=None if item.dry_run else Idempotency(f"import:{item.import_id}", place, item.import_id),
            mails_allowed=bool(item.mail),
        )

    def _is_time_for_checkpoint(self, number: int, start: int) -> bool:
        if number > start and number % rules.CHECKPOINT_ROWS == 0:
            return True
        return clock.utc_now() - self._checkpoint_at >= rules.CHECKPOINT_AFTER

    def _checkpoint(self, number: int) -> None:
        self._checkpoint_at = clock.utc_now()
        self._item.lease_until = self._checkpoint_at + rules.LEASE
        if self._rehearsal is None:
            self._keep(number)
        self._save()

    def _keep(self, number: int) -> None:
        """Store in the item what the next run needs to resume at ``number``."""
        self._report.save(self._item, f"{int(self._item.next_row)}-{self._lease_id}")
        if number > self._item.next_row:
            self._item.next_row, self._item.attempts = number, 0

    def _hand_over(self, number: int) -> None:
        item = self._item
        if self._rehearsal is not None:
            kept = io.BytesIO()
            self._rehearsal.write(kept)
            kept.seek(0)
            key = files.import_file_key(item.import_id, f"parts/rehearsal-{self._lease_id}")
            store_object(key, kept, "application/octet-stream")
            item.rehearsal = key
        self._keep(number)
        item.status, item.lease_id, item.lease_until = rules.QUEUED, None, None
        context = RequestContext(Actor(**item.actor), _now(), item.correlation_id)
        transaction = store.Transaction(context)
        transaction.replace(item)
        transaction.delete_unconditionally(self._task_key)
        add_task(transaction, context, RunImport(item.import_id))
        try:
            transaction.commit()
        except store.WriteConflict:
            # Either the write succeeded and only the response was lost, or the lease was lost; nothing is left to do.
            logger.warning("The import was handed over before.")

    def _end(self, status: str, reason: str | None) -> None:
        item = self._item
        self._keep(int(item.rows_read))
        self._report.publish()
        item.status, item.reason, item.finished_at = status, reason, clock.utc_now()
        item.lease_id, item.lease_until = None, None
        self._save()
        complete_task(self._task_key)

    def _save(self) -> None:
        """Write the item. Raises LeaseLost when another run has written it since."""
        wanted = self._item.lease_id
        try:
            store.replace_item(self._item)
        except store.WriteConflict:
            found = store.get_item(ImportItem, self._item.key)
            ours = found is not None and found.version == self._item.version and found.lease_id == wanted
            if not ours:
                raise LeaseLost from None


def _now() -> datetime:
    now = clock.utc_now()
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def _mapped(planned: PlannedKind, group: Group | None, row: Row) -> MappedRow | None:
    """Return the result of a row for one kind; None where it belongs to an earlier row, or makes none of the kind."""
    return None if group is None else planned.map(row.values, group.parts, group.others, row.line)


def _left_out_warning(fault: Fault) -> Fault:
    return replace(fault, message=f"{fault.message} The field was left out.")
