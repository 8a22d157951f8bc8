"""Imports: states, transitions and the findings of a run."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from chalicelib.errors import Conflict, FieldError, InvalidInput

WAITING = "waiting_for_upload"
QUEUED = "queued"
RUNNING = "running"
FINISHED = "finished"
FAILED = "failed"
EXPIRED = "expired"

MAX_FILE_BYTES = 100 * 1024 * 1024
MAX_ROW_LENGTH = 64 * 1024
MAX_ROWS = 100_000
"""Rows of the first file; if its rows are grouped, the number of groups. A dry run stores what it would have written
on disk: about 2 KB for a customer with contact and bill group, 1 KB for an invoice."""
MAX_PARTS = 1_000_000
"""Rows of the second file, or of a grouped one."""
UPLOAD_LIFETIME = timedelta(hours=1)
"""Lifetime of the upload URL."""
START_DEADLINE = timedelta(hours=24)
"""How long an import may wait for its first start."""
MAX_FINDINGS_SHOWN = 100
"""Refusals, warnings and changes that an import itself holds; the files have all of them."""
MAX_CAUSES_SHOWN = 30
"""Causes of refusals, and of warnings, that an import tells apart; the rest is counted together."""
MAX_EXAMPLES = 3
MAX_VALUE_SHOWN = 80
"""Characters of a value of the file that a finding quotes."""
FURTHER = "further"
"""The code of the cause that stands for all beyond ``MAX_CAUSES_SHOWN``."""

CHECKPOINT_ROWS = 200
CHECKPOINT_AFTER = timedelta(seconds=15)
LEASE = timedelta(minutes=5)
"""Lease of a run without a heartbeat. One row takes a minute at the very worst."""
MAX_ATTEMPTS = 5
"""Runs without progress, after which an import fails."""

ROW_RESULTS = ("created", "changed", "unchanged", "refused")

ROWS, LINES = "rows", "lines"
"""Counters beside the kinds: the rows of the first file, and those of the second."""

Counts = dict[str, dict[str, int]]


@dataclass(frozen=True)
class Finding:
    """A finding about a row: a rejection, or a warning.

    ``line`` is where in ``file``, the first (``file``) or the second (``lines``), the row begins, from 1. ``column``
    names the source columns of ``field``, ``value`` is what the row has there. Where another row says otherwise, it is
    at ``other_line`` and has ``other_value``. ``also`` names the further kinds of the row that have the same fault.
    """

    line: int
    kind: str
    field: str
    column: str
    code: str
    message: str
    file: str = "file"
    value: str = ""
    other_line: int = 0
    other_value: str = ""
    also: tuple[str, ...] = ()


@dataclass(frozen=True)
class Example:
    """Where a cause was met, and the values there."""

    line: int
    file: str
    value: str
    other_line: int
    other_value: str


@dataclass(frozen=True)
class Cause:
    """Findings of one kind, field and code: how many there are, and the first three."""

    kind: str
    also: tuple[str, ...]
    field: str
    column: str
    code: str
    message: str
    count: int
    examples: tuple[Example, ...]


@dataclass(frozen=True)
class Change:
    """What a dry run would change: a record that is created, or one field from ``before`` to ``after``."""

    line: int
    kind: str
    id: str
    result: str
    field: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class Import:
    """An import as callers see it. Instants are UTC."""

    import_id: str
    status: str
    dry_run: bool
    mail: bool
    mapping: dict[str, Any]
    source: str
    created_at: datetime
    lines_source: str | None = None
    """The key of the second file, None without one."""
    size: int | None = None
    lines_size: int | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    rows_read: int = 0
    counts: Counts = field(default_factory=dict)
    refusals: tuple[Finding, ...] = ()
    warnings: tuple[Finding, ...] = ()
    refusal_causes: tuple[Cause, ...] = ()
    warning_causes: tuple[Cause, ...] = ()
    changes: tuple[Change, ...] = ()
    """What a dry run would write; an import that writes leaves that to the audit."""
    reason: str | None = None

    def state(self, now: datetime) -> str:
        """Return the status; an import that was never started expires."""
        return EXPIRED if self.status == WAITING and now >= self.created_at + START_DEADLINE else self.status


def check_start(state: str, *, dry_run_before: bool) -> None:
    """Raise Conflict when an import in this state cannot be started.

    It can be started once its file may exist, and again after a finished dry run.
    """
    if state in (QUEUED, RUNNING):
        raise Conflict("import_is_running", "This import is already running. Wait until it has finished.")
    if state == FINISHED and not dry_run_before:
        raise Conflict("import_is_finished", "This import is finished. Create a new one to import again.")
    if state in (FAILED, EXPIRED):
        raise Conflict(f"import_is_{state}", f"This import is {state}. Create a new one.")


def check_size(name: str, size: int) -> None:
    """Raise InvalidInput when a file, ``file`` or ``lines``, is empty or larger than an import takes."""
    if size == 0:
        raise InvalidInput.field(name, "empty_file", "The file is empty.")
    if size > MAX_FILE_BYTES:
        raise InvalidInput.field(
            name,
            "file_too_large",
            f"The file has more than {MAX_FILE_BYTES // 1024 // 1024} MiB. Split it into several.",
        )


def upload_missing_error(name: str) -> Conflict:
    """Return the error of a start before a file, ``file`` or ``lines``, exists."""
    which = _which_file(name)
    return Conflict(
        "upload_missing",
        f"{which} is not there yet. Send it to its upload address first; if that has expired, make a new import.",
        fields=(FieldError(name, "missing", f"{which} is not there yet."),),
    )


def _which_file(name: str) -> str:
    return "The second file" if name == LINES else "The file"


def check_unchanged(unchanged: dict[str, bool]) -> None:
    """Raise Conflict when a file, ``file`` or ``lines``, is not the one that the dry run read."""
    faults = tuple(
        FieldError(name, "file_changed", f"{_which_file(name)} was replaced after the dry run.")
        for name, same in unchanged.items()
        if not same
    )
    if faults:
        raise Conflict(
            "file_changed",
            f"{faults[0].message} Nothing was written. Start a dry run again (`dry_run` true) to see what it would do, "
            "then confirm that.",
            fields=faults,
        )


@dataclass(frozen=True)
class ImportSource:
    """A file to import: its size in bytes, and its key if it is in the bucket already."""

    size: int | None = None
    source: str | None = None


def check_second_file(joins: bool, file: ImportSource, lines: ImportSource) -> None:
    """Raise InvalidInput when a second file is named that the mapping does not join, or a joined one is not named."""
    message = "The mapping joins no second file. Leave this out, or say in the mapping what it is joined by."
    for name, given in (("lines_size", lines.size), ("lines_key", lines.source)):
        if given is not None and not joins:
            raise InvalidInput.field(name, "not_joined", message)
    if joins and file.source is not None and lines.source is None:
        raise InvalidInput.field("lines_key", "required", "The mapping joins a second file. Name it.")


def new_counts(kinds: tuple[str, ...], *, joins: bool) -> Counts:
    """Return zero counts: of rows, of those of a second file, and of results for each kind."""
    names = (ROWS, LINES) if joins else (ROWS,)
    rows = {name: {"read": 0, "refused": 0} for name in names}
    return {**rows, **{kind: dict.fromkeys(ROW_RESULTS, 0) for kind in kinds}}
