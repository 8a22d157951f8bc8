"""Rows that are parts of a record, such as lines of an invoice, found by their record, however many there are.

They are in a temporary database on disk. So memory does not grow with the files; the disk holds each row of the second
file, or of a grouped file, once, plus some 60 bytes of keys.
"""

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import IO, Any

from chalicelib.errors import FieldError
from chalicelib.imports import rules
from chalicelib.imports.inputs import Condition
from chalicelib.imports.mapping import conversions
from chalicelib.imports.mapping.columns import first_file_columns, second_file_columns
from chalicelib.imports.mapping.conversions import BadValue
from chalicelib.imports.mapping.plan import ImportPlan, Part, PlannedKind
from chalicelib.imports.mapping.reader import Row, UnreadableFile, read_header, read_rows
from chalicelib.imports.mapping.row_mapper import FIRST_FILE, SECOND_FILE, Fault, cell_value, matches_condition
from chalicelib.invoices.inputs import MAX_LINES

_CACHE_KIB = 16 * 1024
_MAX_PARTS = MAX_LINES + 1
"""One more than the limit, so that a record with too many is rejected."""
_BATCH_SIZE = 5000
_SCHEMA = (
    f"PRAGMA cache_size = -{_CACHE_KIB}",
    "CREATE TABLE row (number INTEGER PRIMARY KEY, file TEXT, line INTEGER, content TEXT, fault TEXT)",
    "CREATE TABLE member (position INTEGER, key BLOB, number INTEGER, head INTEGER, part INTEGER, used INTEGER)",
)
_CREATE_INDEX = "CREATE INDEX members ON member (position, key, number)"
_SELECT_HEADS = (
    "SELECT row.line, row.content FROM member JOIN row USING (number) WHERE position = ? AND key = ? AND head "
    "ORDER BY number LIMIT ?"
)
_SELECT_PARTS = (
    "SELECT row.line, row.content FROM member JOIN row USING (number) WHERE position = ? AND key = ? AND part "
    "ORDER BY number LIMIT ?"
)
_SELECT_UNMATCHED = """
    SELECT row.file, row.line, row.fault, found.position FROM row
    LEFT JOIN (SELECT number, MIN(position) AS position, MAX(used) AS used FROM member GROUP BY number) AS found
    USING (number) WHERE row.fault IS NOT NULL OR NOT found.used ORDER BY number
"""

Values = dict[str, Any]


@dataclass(frozen=True)
class Group:
    """A group: the parts, and other rows that name the same record."""

    parts: tuple[Part, ...]
    others: tuple[Part, ...] = ()


@dataclass(frozen=True)
class UnmatchedRow:
    """A row that belongs to no record, and why."""

    kind: str
    fault: Fault


class PartsIndex:
    """The rows of the second file, and the grouped rows of the first."""

    def __init__(self, plan: ImportPlan) -> None:
        """Start empty."""
        self.of_second_file = 0
        """Number of rows of the second file."""
        self._plan = plan
        self._columns: dict[str, list[str]] = {}
        self._number = 0
        self._rows: list[tuple[Any, ...]] = []
        self._members: list[tuple[Any, ...]] = []
        self._database = sqlite3.connect("")
        for statement in _SCHEMA:
            self._database.execute(statement)

    def close(self) -> None:
        """Delete the database."""
        self._database.close()

    def read(self, first: IO[bytes], second: IO[bytes] | None) -> None:
        """Read both files as far as the mapping needs; the first is rewound. Raises UnreadableFile."""
        columns = self._columns[FIRST_FILE] = read_header(first, first_file_columns(self._plan.mapping))
        if second is not None:
            self._read_second(second, columns)
        if self._plan.groups:
            with closing(read_rows(first, first_file_columns(self._plan.mapping))) as found:
                for row in found:
                    if row.fault is None:
                        self._add(row, FIRST_FILE, self._memberships_of_first(row.values))
            first.seek(0)
        self._flush()
        self._database.execute(_CREATE_INDEX)
        (named,) = self._database.execute("SELECT COUNT(*) FROM (SELECT DISTINCT position, key FROM member WHERE head)")
        if named[0] > rules.MAX_ROWS:
            raise UnreadableFile(f"The rows of the file name more than {rules.MAX_ROWS} things. Divide it.")

    def _read_second(self, file: IO[bytes], columns_of_first: list[str]) -> None:
        columns = second_file_columns(self._plan.mapping, columns_of_first)
        try:
            self._columns[SECOND_FILE] = read_header(file, columns)
            with closing(read_rows(file, columns)) as found:
                for row in found:
                    self._add(row, SECOND_FILE, self._memberships_of_second(row))
                    self.of_second_file += 1
        except UnreadableFile as why:
            faults = (
                replace(fault, field=fault.field.replace("mapping.encoding", "mapping.lines_file.encoding"))
                for fault in why.faults
            )
            raise UnreadableFile(
                f"The second file: {why.message}", line=why.line, faults=tuple(faults), file=SECOND_FILE
            ) from None

    def _memberships_of_first(self, row: Values) -> Iterator[tuple[int, bytes, bool, bool]]:
        for position, planned in enumerate(self._plan.kinds):
            parts = planned.parts
            if parts is None or parts.of_second_file:
                continue
            key = _own_key(planned, row)
            head, part = _may_match(planned.only_if, row), _may_match(parts.only_if, row)
            if key is not None and (head or part):
                yield position, key, head, part

    def _memberships_of_second(self, row: Row) -> Iterator[tuple[int, bytes, bool, bool]]:
        for position, planned in enumerate(self._plan.kinds if row.fault is None else ()):
            join = _join_columns(planned)
            if planned.parts is None or join is None or not _may_match(planned.parts.only_if, row.values):
                continue
            # A row without comparable values belongs to no record.
            yield position, _row_key(tuple(join.values()), row.values) or b"", False, True

    def _add(self, row: Row, file: str, members: Iterator[tuple[int, bytes, bool, bool]]) -> None:
        if self._number == rules.MAX_PARTS:
            raise UnreadableFile(f"The file has more than {rules.MAX_PARTS} rows. Split it.", line=row.line, file=file)
        self._number += 1
        fault = None if row.fault is None else json.dumps(vars(row.fault))
        self._rows.append((self._number, file, row.line, self._packed(row.values, file), fault))
        self._members += [(position, key, self._number, head, part, 0) for position, key, head, part in members]
        if len(self._rows) == _BATCH_SIZE:
            self._flush()

    def _flush(self) -> None:
        self._database.executemany("INSERT INTO row VALUES (?, ?, ?, ?, ?)", self._rows)
        self._database.executemany("INSERT INTO member VALUES (?, ?, ?, ?, ?, ?)", self._members)
        self._rows, self._members = [], []

    def _packed(self, values: Values, file: str) -> str:
        # Column names are not repeated: in CSV all rows have the same.
        columns = self._columns[file]
        packed = list(values.values()) if columns and len(values) == len(columns) else values
        return json.dumps(packed, default=lambda number: format(number, "f"))

    def of(self, position: int, row: Row) -> Group | None:
        """Return the group of a row of the first file, for the kind at ``position`` of the mapping.

        None: the row itself belongs to an earlier one.
        """
        planned = self._plan.kinds[position]
        parts = planned.parts
        if parts is None:
            return Group(())
        join = _join_columns(planned)
        if join is not None:
            # Also for a row that ``only_if`` excludes: then its parts are excluded too.
            key = _row_key(tuple(join), row.values)
            return Group(self._parts(position, key, SECOND_FILE) if key is not None else ())
        own = _own_key(planned, row.values)
        if own is None:
            # A row without a key has no group; it will be rejected.
            return Group((Part(row.values, row.line),))
        if not _may_match(planned.only_if, row.values):
            return Group(())
        found = self._database.execute(_SELECT_HEADS, (position, own, _MAX_PARTS)).fetchall()
        heads = self._unpacked(found, FIRST_FILE)
        if heads[0].line != row.line:
            return None
        return Group(self._parts(position, own, FIRST_FILE), heads[1:])

    def _parts(self, position: int, key: bytes, file: str) -> tuple[Part, ...]:
        self._database.execute("UPDATE member SET used = 1 WHERE position = ? AND key = ?", (position, key))
        found = self._database.execute(_SELECT_PARTS, (position, key, _MAX_PARTS)).fetchall()
        return self._unpacked(found, file)

    def _unpacked(self, found: list[tuple[int, str]], file: str) -> tuple[Part, ...]:
        parts = []
        for line, content in found:
            values = json.loads(content)
            if isinstance(values, list):
                values = dict(zip(self._columns[file], values, strict=True))
            parts.append(Part(values, line, file))
        return tuple(parts)

    def left_over(self) -> Iterator[UnmatchedRow]:
        """Yield the unreadable rows, and those that belong to no row of the first file."""
        for file, line, fault, position in self._database.execute(_SELECT_UNMATCHED):
            if fault is not None:
                found = FieldError(**json.loads(fault))
                yield UnmatchedRow("", Fault(found.field, "", found.code, found.message, line, file))
                continue
            planned = self._plan.kinds[position]
            join = _join_columns(planned)
            columns = ", ".join(join.values() if join else _own_columns(planned))
            message = (
                "No row of the file that can be read is what this belongs to. Add that row, or leave this one out."
            )
            field = planned.kind.parts
            yield UnmatchedRow(planned.kind.name, Fault(field, columns, "belongs_to_nothing", message, line, file))


def _join_columns(planned: PlannedKind) -> dict[str, str] | None:
    return planned.parts.mapping.join if planned.parts is not None else None


def _may_match(condition: Condition | None, row: Values) -> bool:
    try:
        return matches_condition(condition, row)
    except BadValue:
        # Faults of a row are reported where it is processed.
        return True


def _row_key(columns: tuple[str, ...], row: Values) -> bytes | None:
    try:
        found = [conversions.plain_text(cell_value(row, name)) for name in columns]
    except BadValue:
        return None
    return _digest(found) if all(found) else None


def _own_key(planned: PlannedKind, row: Values) -> bytes | None:
    try:
        found = [str(one.value(row)) for one in planned.fields if one.target in planned.kind.grouped_by]
    except BadValue:
        return None
    return _digest(found) if all(found) else None


def _own_columns(planned: PlannedKind) -> list[str]:
    named = (one.columns for one in planned.fields if one.target in planned.kind.grouped_by)
    return [columns for columns in named if columns]


def _digest(values: list[str]) -> bytes:
    return hashlib.blake2b(json.dumps(values).encode(), digest_size=16).digest()
