"""One run of an import: claims it, works through rows until it is finished or time runs out, and hands it over.

A run may die anywhere. The next one goes on at the last checkpoint; rows that were done after it are met again, and
because each wrote an idempotency record with its effect, they are counted as what they were the first time.
A dry run writes nothing, so one that dies begins again where it was last handed over.
"""

import hashlib
import io
import json
import secrets
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from typing import Any

from chalicelib import clock
from chalicelib.call import Actor, Call, Idempotency
from chalicelib.duties import service as duties
from chalicelib.entities.service import forget_entities
from chalicelib.errors import Conflict, CounterfoilError, FieldError, Replayed, Unavailable
from chalicelib.imports import files, rules
from chalicelib.imports.inputs import Mapping
from chalicelib.imports.kinds import CHANGED, CREATED
from chalicelib.imports.mapping import Fault, Mapped, Plan, PlannedKind, plan_of
from chalicelib.imports.reader import Row, Unreadable, rows
from chalicelib.imports.report import Report
from chalicelib.observability import logger
from chalicelib.table import keys, store
from chalicelib.table.items import ImportItem
from chalicelib.table.keys import Key
from chalicelib.table.rehearsal import Rehearsal, rehearsing


class BillingCall(Call):
    """A call of an import: whoever started it, what the file brings is what the billing system holds (DESIGN §5)."""

    @property
    def is_billing_system(self) -> bool:
        """Tell that the billing system speaks."""
        return True


class LeaseLost(Exception):
    """Another run has taken the import over."""


def run_import(import_id: str, duty: Key, time_is_left: Callable[[], bool]) -> None:
    """Work on an import, as its duty says. Does nothing while another run is at work on it."""
    item = store.get(ImportItem, keys.import_(import_id))
    if item is None or item.status not in (rules.QUEUED, rules.RUNNING):
        duties.done(duty)
        return
    run = Run(item, duty, time_is_left)
    if not run.claim():
        return
    try:
        run.work()
    except LeaseLost:
        logger.warning("Another run has taken this import over.")
    except (Unreadable, Conflict) as refusal:
        run.fail(refusal.message, refusal)
    except Unavailable:
        logger.warning("Something did not answer; the import goes on later.", exc_info=True)
        run.release()
    except Exception:
        run.release()
        raise
    finally:
        # A rehearsal may have made entities that are not there.
        forget_entities()


class Run:
    """The state of one run."""

    def __init__(self, item: ImportItem, duty: Key, time_is_left: Callable[[], bool]) -> None:
        """Begin with an import that was read."""
        self._item = item
        self._duty = duty
        self._time_is_left = time_is_left
        self._lease_id = secrets.token_hex(8)
        self._report = Report(item)
        self._rehearsal: Rehearsal | None = None
        self._seen: dict[bytes, tuple[bytes, int]] = {}
        self._checkpoint_at = clock.now()

    def claim(self) -> bool:
        """Take the import for this run; False when another run has it."""
        item, now = self._item, clock.now()
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
        if item.attempts > rules.MOST_ATTEMPTS:
            self.fail(f"The import stopped {rules.MOST_ATTEMPTS} times at row {item.next_row + 1} or soon after it.")
            return False
        return True

    def work(self) -> None:
        """Work through the rows that are left. Raises Unreadable, Unavailable, Conflict, LeaseLost."""
        plan = plan_of(Mapping.model_validate_json(json.dumps(self._item.mapping)))
        if self._item.dry_run:
            self._rehearsal = self._rehearsal_so_far()
        start = int(self._item.next_row)
        number = 0
        with closing(files.fetch(self._item.source, self._item.etag)) as file:
            for number, row in enumerate(rows(file, plan), start=1):
                if number > rules.MOST_ROWS:
                    raise Unreadable(f"The file has more than {rules.MOST_ROWS} rows. Divide it.", line=row.line)
                self._row(plan, row, number, done_before=number <= start)
                self._item.rows_read = max(number, start)
                if self._is_time_for_checkpoint(number, start):
                    self._checkpoint(max(number, start))
                if number > start and not self._time_is_left():
                    self._hand_over(number)
                    return
        self._end(rules.FINISHED, None)

    def fail(self, reason: str, because: Unreadable | Conflict | None = None) -> None:
        """End the import for good, with what was found so far."""
        if isinstance(because, Unreadable):
            faults = (Fault(fault.field, "", fault.code, fault.message) for fault in because.faults)
            self._report.refuse(because.line, "", *faults)
        self._end(rules.FAILED, reason)

    def release(self) -> None:
        """Let the next run go on at the last checkpoint; the sweeper will call it."""
        self._item.status, self._item.lease_id, self._item.lease_until = rules.QUEUED, None, None
        try:
            store.replace(self._item)
        except (store.Contended, Unavailable):
            logger.warning("The import could not be released; its lease will run out.")

    def _rehearsal_so_far(self) -> Rehearsal:
        if self._item.rehearsal is None:
            return Rehearsal()
        with files.fetch(self._item.rehearsal) as kept:
            return Rehearsal.read(kept)

    def _row(self, plan: Plan, row: Row, number: int, *, done_before: bool) -> None:
        refused = row.fault is not None
        if row.fault is not None and not done_before:
            fault = row.fault
            self._report.refuse(row.line, "", Fault(fault.field, "", fault.code, fault.message))
        for position, planned in enumerate(plan.kinds if row.fault is None else ()):
            mapped = planned.map(row.values)
            if mapped is None:
                continue
            repeats = self._compare(planned, mapped, row.line)
            if done_before:
                continue
            done = self._kind(planned, mapped, repeats, row.line, f"{number}.{position}")
            self._report.count(planned.kind.name, done)
            refused = refused or done == "refused"
        if not done_before:
            self._report.count("rows", "read")
            if refused:
                self._report.count("rows", "refused")

    def _compare(self, planned: PlannedKind, mapped: Mapped, line: int) -> tuple[int, bool] | None:
        """Return the earlier line that names the same thing, and whether it says the same; None when there is none."""
        if mapped.row is None:
            return None
        content = _digest(mapped.row.model_dump_json(exclude_unset=True))
        names = [_digest(f"{planned.kind.name} {name}") for name in planned.kind.identities(mapped.row)]
        earlier = [self._seen[name] for name in names if name in self._seen]
        other = next((found for found in earlier if found[0] != content), None)
        for name in names:
            self._seen.setdefault(name, (content, line))
        if other is not None:
            return other[1], False
        return (earlier[0][1], True) if earlier else None

    def _kind(
        self, planned: PlannedKind, mapped: Mapped, repeats: tuple[int, bool] | None, line: int, place: str
    ) -> str:
        kind = planned.kind.name
        self._report.warn(line, kind, *map(_left_out, mapped.dropped))
        faults = mapped.faults
        if repeats is not None and not repeats[1]:
            message = f"Line {repeats[0]} says otherwise of the same thing. Leave one of the two."
            faults = (*faults, Fault("", "", "repeated", message))
        if faults or mapped.row is None:
            self._report.refuse(line, kind, *faults)
            return "refused"
        if repeats is not None:
            return "unchanged"
        return self._written(planned, mapped.row, line, self._call(place))

    def _written(self, planned: PlannedKind, row: Any, line: int, call: Call) -> str:
        kind = planned.kind.name
        try:
            with rehearsing(self._rehearsal):
                outcome = planned.kind.write(call, row)
        except Replayed as first:
            return CREATED if first.status == 201 else CHANGED
        except Unavailable:
            raise
        except CounterfoilError as refusal:
            told = refusal.fields or (FieldError("", refusal.code, refusal.message),)
            smaller = planned.without(row, told)
            if smaller is not None:
                self._report.warn(line, kind, *map(_left_out, smaller[1]))
                return self._written(planned, smaller[0], line, call)
            self._report.refuse(line, kind, *(planned.explained(fault) for fault in told))
            return "refused"
        self._report.warn(line, kind, *(planned.explained(note) for note in outcome.notes))
        return outcome.done

    def _call(self, place: str) -> Call:
        item = self._item
        return BillingCall(
            actor=Actor(**item.actor),
            now=_now(),
            correlation_id=item.correlation_id,
            # A rehearsal leaves no records; reading them would tell of nothing.
            idempotency=None if item.dry_run else Idempotency(f"import:{item.import_id}", place, item.import_id),
            mails_allowed=bool(item.mail),
        )

    def _is_time_for_checkpoint(self, number: int, start: int) -> bool:
        if number > start and number % rules.CHECKPOINT_ROWS == 0:
            return True
        return clock.now() - self._checkpoint_at >= rules.CHECKPOINT_AFTER

    def _checkpoint(self, number: int) -> None:
        self._checkpoint_at = clock.now()
        self._item.lease_until = self._checkpoint_at + rules.LEASE
        if self._rehearsal is None:
            self._keep(number)
        self._save()

    def _keep(self, number: int) -> None:
        """Put into the item what the next run needs to go on at ``number``."""
        self._report.save(self._item, f"{int(self._item.next_row)}-{self._lease_id}")
        if number > self._item.next_row:
            self._item.next_row, self._item.attempts = number, 0

    def _hand_over(self, number: int) -> None:
        item = self._item
        if self._rehearsal is not None:
            kept = io.BytesIO()
            self._rehearsal.write(kept)
            kept.seek(0)
            key = files.key_of(item.import_id, f"parts/rehearsal-{self._lease_id}")
            files.keep(key, kept)
            item.rehearsal = key
        self._keep(number)
        item.status, item.lease_id, item.lease_until = rules.QUEUED, None, None
        call = Call(Actor(**item.actor), _now(), item.correlation_id)
        transaction = store.Transaction(call)
        transaction.replace(item)
        transaction.erase(self._duty)
        duties.add(transaction, call, "import", item.import_id)
        try:
            transaction.commit()
        except store.Contended:
            # Either it is ours already and only the answer was lost, or the lease was; both leave nothing to do.
            logger.warning("The import was handed over before.")

    def _end(self, status: str, reason: str | None) -> None:
        item = self._item
        self._keep(int(item.rows_read))
        self._report.publish()
        item.status, item.reason, item.finished_at = status, reason, clock.now()
        item.lease_id, item.lease_until = None, None
        self._save()
        duties.done(self._duty)

    def _save(self) -> None:
        """Write the item. Raises LeaseLost when another run has written it since."""
        wanted = self._item.lease_id
        try:
            store.replace(self._item)
        except store.Contended:
            found = store.get(ImportItem, self._item.key)
            ours = found is not None and found.version == self._item.version and found.lease_id == wanted
            if not ours:
                raise LeaseLost from None


def _now() -> datetime:
    now = clock.now()
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def _left_out(fault: Fault) -> Fault:
    return replace(fault, message=f"{fault.message} The field was left out.")


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=12).digest()
