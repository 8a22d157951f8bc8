"""The findings of a run: counts, refusals, warnings and changes; most of it in files of the bucket."""

import csv
import io
import json
import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields, replace
from typing import IO, Any

from chalicelib.audit.rules import FieldChange
from chalicelib.imports import files
from chalicelib.imports.mapping.row_mapper import Fault
from chalicelib.imports.rules import (
    FURTHER,
    MAX_CAUSES_SHOWN,
    MAX_EXAMPLES,
    MAX_FINDINGS_SHOWN,
    MAX_VALUE_SHOWN,
    Change,
    Counts,
    Finding,
)
from chalicelib.storage import store_object
from chalicelib.table.items import ImportItem

_JSON_LINES, _CSV = "application/x-ndjson", "text/csv; charset=utf-8"
_REFUSAL, _WARNING, _CHANGE = "refusal", "warning", "change"
_FILES = {_REFUSAL: "refusals", _WARNING: "warnings", _CHANGE: "changes"}
_CSV_NAMES = {"before": "from", "after": "to"}
_FORMULA = re.compile(r"[=@\t\r]|[+-](?![\d.,]+$)")
_IN_MEMORY = 1024 * 1024

Found = dict[str, Any]


class ImportReport:
    """The findings of a run, from where the run before it was handed over."""

    def __init__(self, item: ImportItem) -> None:
        """Continue from the item."""
        self._import_id = item.import_id
        self.counts: Counts = {name: dict(counted) for name, counted in item.counts.items()}
        self.parts: list[str] = list(item.parts)
        self._first = {_REFUSAL: list(item.refusals), _WARNING: list(item.warnings), _CHANGE: list(item.changes)}
        self._causes = {_REFUSAL: list(item.refusal_causes), _WARNING: list(item.warning_causes)}
        self._row: list[tuple[str, Found]] = []
        self._row_line = 0
        self._unsaved = _Spool()

    def count(self, name: str, what: str) -> None:
        """Count one more."""
        self.counts[name][what] += 1

    def set_count(self, name: str, what: str, number: int) -> None:
        """Reset the counts that each run repeats from the beginning."""
        self.counts[name][what] = number

    def refuse(self, line: int, kind: str, *faults: Fault) -> None:
        """Add a rejection of a row. The same fault of one column counts once, whichever kinds of the row have it."""
        self._add(_REFUSAL, line, kind, faults)

    def warn(self, line: int, kind: str, *faults: Fault) -> None:
        """Add a warning, which counts likewise."""
        self._add(_WARNING, line, kind, faults)

    def _add(self, what: str, line: int, kind: str, faults: tuple[Fault, ...]) -> None:
        for fault in faults:
            found = _found(fault, line, kind)
            same = next((one for added, one in self._row if added == what and _is_same(one, found)), None)
            if same is None:
                self._row.append((what, found))
            elif kind not in (same["kind"], *same["also"]):
                same["also"].append(kind)

    def refuse_in_consequence(self, because: str, kind: str) -> None:
        """Add that ``kind`` of the row was refused only because the kind ``because`` was."""
        for what, one in self._row:
            if what == _REFUSAL and because in (one["kind"], *one["also"]):
                if kind not in (one["kind"], *one["also"]):
                    one["also"].append(kind)
                return

    def change(self, line: int, kind: str, resource_id: str, result: str, changes: Sequence[FieldChange]) -> None:
        """Add what a dry run would write: a created record, or each field that changes."""
        if result == "created":
            self._row.append((_CHANGE, asdict(Change(line, kind, resource_id, result, "", None, None))))
            return
        for field, before, after in (leaf for change in changes for leaf in _leaves(change)):
            told = Change(line, kind, resource_id, result, field, _text(before), _text(after))
            self._row.append((_CHANGE, asdict(told)))

    def end_row(self, line: int) -> None:
        """Take over what was found of a row, which begins at ``line``."""
        for what, found in self._row:
            if len(self._first[what]) < MAX_FINDINGS_SHOWN:
                self._first[what].append(found)
            if what in self._causes:
                _add_to_causes(self._causes[what], found)
            self._unsaved.add(json.dumps([what, found, line], ensure_ascii=False))
        self._row = []

    def refused_before(self) -> set[tuple[int, str]]:
        """Return the line and kind of what earlier runs refused."""
        found = set()
        for raw in files.read_lines(self.parts):
            what, one, *line = json.loads(raw)
            if what == _REFUSAL:
                place = line[0] if line else one["line"]
                found |= {(place, kind) for kind in (one["kind"], *one.get("also", ()))}
        return found

    def save(self, item: ImportItem, name: str) -> None:
        """Store everything in the item, and new findings in a file ``name`` of the bucket."""
        self.end_row(0)
        if not self._unsaved.is_empty:
            key = files.import_file_key(self._import_id, f"parts/{name}.jsonl")
            store_object(key, self._unsaved.rewound(), _JSON_LINES)
            self.parts.append(key)
            self._unsaved = _Spool()
        item.counts, item.parts = self.counts, self.parts
        item.refusals, item.warnings, item.changes = (self._first[what] for what in (_REFUSAL, _WARNING, _CHANGE))
        item.refusal_causes, item.warning_causes = self._causes[_REFUSAL], self._causes[_WARNING]

    def publish(self) -> None:
        """Write the files with all findings, as JSON Lines and as CSV. Everything must have been saved."""
        for what, name in _FILES.items():
            if not self._first[what]:
                continue
            lines, table = _Spool(), _Spool()
            columns = [field.name for field in fields(Change if what == _CHANGE else Finding)]
            # Spreadsheets take UTF-8 for what it is only by its mark.
            table.add("\ufeff" + _csv_line([_CSV_NAMES.get(column, column) for column in columns]))
            for found in self._all(what):
                lines.add(json.dumps(found, ensure_ascii=False))
                table.add(_csv_line([_cell(found.get(column)) for column in columns]))
            for spool, ending, media_type in ((lines, "jsonl", _JSON_LINES), (table, "csv", _CSV)):
                key = files.import_file_key(self._import_id, f"{name}.{ending}")
                store_object(key, spool.rewound(), media_type)

    def _all(self, what: str) -> Iterator[Found]:
        for line in files.read_lines(self.parts):
            kind, found, *_ = json.loads(line)
            if kind == what:
                yield found


class _Spool:
    """Lines of text, on disk once they are many."""

    def __init__(self) -> None:
        self._file: IO[bytes] = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - it goes with this object.
        self.is_empty = True

    def add(self, line: str) -> None:
        self._file.write(line.encode() + b"\n")
        self.is_empty = False

    def rewound(self) -> IO[bytes]:
        self._file.seek(0)
        return self._file


def _found(fault: Fault, line: int, kind: str) -> Found:
    fault = replace(fault, value=_shortened(fault.value), other_value=_shortened(fault.other_value))
    finding = Finding(
        fault.line or line,
        kind,
        fault.field,
        fault.column,
        fault.code,
        fault.sentence,
        fault.file,
        fault.value,
        fault.other_line,
        fault.other_value,
    )
    # The sentence names the values; what is said of all findings of the cause does not.
    return {**asdict(finding), "also": [], "cause": fault.message}


def _is_same(one: Found, other: Found) -> bool:
    names = ("line", "file", "column", "code", "value", "other_line", "other_value")
    return bool(one["column"]) and all(one[name] == other[name] for name in names)


def _add_to_causes(causes: list[Found], found: Found) -> None:
    message = found.pop("cause")
    same = {name: found[name] for name in ("kind", "field", "column", "code")}
    cause = next((one for one in causes if all(one[name] == value for name, value in same.items())), None)
    if cause is None and len(causes) < MAX_CAUSES_SHOWN:
        cause = {**same, "also": [], "message": message, "count": 0, "examples": []}
        causes.append(cause)
    elif cause is None:
        if causes[-1]["code"] != FURTHER:
            nothing: Found = {"kind": "", "also": [], "field": "", "column": "", "code": FURTHER}
            told = "There are further causes. The file with all findings has them."
            causes.append({**nothing, "message": told, "count": 0, "examples": []})
        cause = causes[-1]
    cause["count"] += 1
    cause["also"] += [kind for kind in found["also"] if kind not in cause["also"]]
    if len(cause["examples"]) < MAX_EXAMPLES:
        names = ("line", "file", "value", "other_line", "other_value")
        cause["examples"].append({name: found[name] for name in names})


def _shortened(text: str) -> str:
    return text if len(text) <= MAX_VALUE_SHOWN else f"{text[: MAX_VALUE_SHOWN - 1]}…"


def _leaves(change: FieldChange) -> Iterator[tuple[str, Any, Any]]:
    before, after = change.before, change.after
    if isinstance(before or after, dict):
        old, new = before or {}, after or {}
        for name in sorted(old.keys() | new.keys()):
            if old.get(name) != new.get(name):
                yield from _leaves(FieldChange(f"{change.field}.{name}", old.get(name), new.get(name)))
        return
    yield change.field, before, after


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return ", ".join(value)
    return json.dumps(value, ensure_ascii=False)


def _cell(value: Any) -> str:
    """Return a cell of a CSV file; what a spreadsheet would take for a formula begins with an apostrophe."""
    text = "" if value is None else ", ".join(value) if isinstance(value, list) else str(value)
    return f"'{text}" if _FORMULA.match(text) else text


def _csv_line(cells: Sequence[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(cells)
    return line.getvalue()
