"""The findings of a run: counts, refusals and warnings; most of it in files of the bucket."""

import json
from collections.abc import Iterator
from dataclasses import asdict

from chalicelib.imports import files
from chalicelib.imports.mapping.row_mapper import Fault
from chalicelib.imports.rules import MAX_FINDINGS_SHOWN, Counts, Finding
from chalicelib.imports.service import REFUSALS, WARNINGS
from chalicelib.storage import store_object
from chalicelib.table.items import ImportItem

_JSON_LINES = "application/x-ndjson"
_REFUSAL, _WARNING = "refusal", "warning"


class ImportReport:
    """The findings of a run, from where the run before it was handed over."""

    def __init__(self, item: ImportItem) -> None:
        """Continue from the item."""
        self._import_id = item.import_id
        self.counts: Counts = {name: dict(counted) for name, counted in item.counts.items()}
        self.parts: list[str] = list(item.parts)
        self._first = {_REFUSAL: list(item.refusals), _WARNING: list(item.warnings)}
        self._unsaved: list[str] = []

    def count(self, name: str, what: str) -> None:
        """Count one more."""
        self.counts[name][what] += 1

    def set_count(self, name: str, what: str, number: int) -> None:
        """Reset the counts that each run repeats from the beginning."""
        self.counts[name][what] = number

    def refuse(self, line: int, kind: str, *faults: Fault) -> None:
        """Add a rejection of a row."""
        self._add(_REFUSAL, line, kind, faults)

    def warn(self, line: int, kind: str, *faults: Fault) -> None:
        """Add a warning."""
        self._add(_WARNING, line, kind, faults)

    def _add(self, what: str, line: int, kind: str, faults: tuple[Fault, ...]) -> None:
        for fault in faults:
            place = fault.line or line
            found = asdict(Finding(place, kind, fault.field, fault.column, fault.code, fault.message, fault.file))
            if len(self._first[what]) < MAX_FINDINGS_SHOWN:
                self._first[what].append(found)
            self._unsaved.append(json.dumps([what, found], ensure_ascii=False))

    def save(self, item: ImportItem, name: str) -> None:
        """Store everything in the item, and new findings in a file ``name`` of the bucket."""
        if self._unsaved:
            key = files.import_file_key(self._import_id, f"parts/{name}.jsonl")
            store_object(key, "\n".join([*self._unsaved, ""]).encode(), _JSON_LINES)
            self.parts.append(key)
            self._unsaved = []
        item.counts, item.parts = self.counts, self.parts
        item.refusals, item.warnings = self._first[_REFUSAL], self._first[_WARNING]

    def publish(self) -> None:
        """Write the files with all refusals and all warnings. Everything must have been saved."""
        for what, name in ((_REFUSAL, REFUSALS), (_WARNING, WARNINGS)):
            if self._first[what]:
                content = "".join(self._lines(what)).encode()
                store_object(files.import_file_key(self._import_id, name), content, _JSON_LINES)

    def _lines(self, what: str) -> Iterator[str]:
        for line in files.read_lines(self.parts):
            kind, found = json.loads(line)
            if kind == what:
                yield json.dumps(found, ensure_ascii=False) + "\n"
