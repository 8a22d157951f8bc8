"""Rows of a file that name the same record: what they say differently, and which of them counts.

The values of the records so far are in a temporary database on disk, compressed, so that both values can be told.
"""

import hashlib
import json
import sqlite3
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from chalicelib.imports.mapping.row_mapper import MadeId
from chalicelib.imports.rows.kinds import Kind

_CACHE_KIB = 8 * 1024
_FASTEST_COMPRESSION = 1
_SCHEMA = (
    f"PRAGMA cache_size = -{_CACHE_KIB}",
    "CREATE TABLE record (id INTEGER PRIMARY KEY, line INTEGER, content BLOB, done INTEGER)",
    "CREATE TABLE identity (name BLOB PRIMARY KEY, record INTEGER) WITHOUT ROWID",
    "CREATE TABLE made (name BLOB PRIMARY KEY, text TEXT, line INTEGER) WITHOUT ROWID",
)


@dataclass(frozen=True)
class Difference:
    """A field in which a row contradicts an earlier one, or the last one, of the same record."""

    field: str
    value: str
    other_line: int
    other_value: str

    @property
    def top(self) -> str:
        """Return the field that a row has or has not: the address, for a city."""
        return self.field.partition(".")[0]


@dataclass(frozen=True)
class SeenRecord:
    """A record that rows named: its values, with the line that each came from."""

    id: int
    line: int
    values: dict[str, tuple[Any, int]]
    done: bool
    """Whether this run has written it or found it unchanged."""

    def differences(self, kind: Kind, row: Any) -> tuple[Difference, ...]:
        """Return where a row contradicts the record. What a row does not hold contradicts nothing."""
        given = _values(row)
        found: list[Difference] = []
        for name, value in given.items():
            if name in self.values and self.values[name][0] != value:
                other, line = self.values[name]
                found += _leaves(name, value, other, line)
        if kind.whole:
            found += [
                Difference(name, _shown(given.get(name)), self.line, _shown(self.values.get(name, (None, 0))[0]))
                for name in sorted(given.keys() ^ self.values.keys())
            ]
        return tuple(found)

    def adds(self, row: Any) -> bool:
        """Tell whether a row holds a field that the record had not."""
        return not _values(row).keys() <= self.values.keys()

    def joined(self, row: Any, line: int, *, last: bool) -> "SeenRecord":
        """Return the record with the values of another row; where both have one, the last or the first counts."""
        brought = {name: (value, line) for name, value in _values(row).items()}
        return replace(self, values={**self.values, **brought} if last else {**brought, **self.values})

    def content(self) -> str:
        """Return the values as JSON."""
        return json.dumps({name: value for name, (value, _) in self.values.items()})


class SeenRecords:
    """The records that the rows so far have named."""

    def __init__(self) -> None:
        """Start empty."""
        self._database = sqlite3.connect("")
        for statement in _SCHEMA:
            self._database.execute(statement)

    def close(self) -> None:
        """Delete the database."""
        self._database.close()

    def find(self, kind: Kind, row: Any) -> SeenRecord | None:
        """Return the record that a row names, None when none did before."""
        for name in _names(kind, row):
            found = self._database.execute(
                "SELECT record.id, line, content, done FROM identity JOIN record ON record.id = record WHERE name = ?",
                (name,),
            ).fetchone()
            if found is not None:
                values = json.loads(zlib.decompress(found[2]))
                known = {field: (value, line) for field, (value, line) in values.items()}
                return SeenRecord(found[0], found[1], known, bool(found[3]))
        return None

    def keep(self, kind: Kind, row: Any, line: int, seen: SeenRecord | None, *, done: bool) -> None:
        """Keep a record with the values of a row, or ``seen``, which holds them already."""
        kept = seen or SeenRecord(0, line, {name: (value, line) for name, value in _values(row).items()}, done)
        content = zlib.compress(json.dumps(kept.values).encode(), _FASTEST_COMPRESSION)
        number = self._database.execute(
            "INSERT OR REPLACE INTO record VALUES (?, ?, ?, ?)", (kept.id or None, kept.line, content, done)
        ).lastrowid
        for name in _names(kind, row):
            self._database.execute("INSERT OR IGNORE INTO identity VALUES (?, ?)", (name, number))

    def collision(self, made: MadeId, line: int) -> tuple[str, int] | None:
        """Return the other name that made the same id, with its line; None when there is none."""
        name = _digest(f"{made.field} {made.id}")
        found: tuple[str, int] | None = self._database.execute(
            "SELECT text, line FROM made WHERE name = ?", (name,)
        ).fetchone()
        if found is None:
            self._database.execute("INSERT INTO made VALUES (?, ?, ?)", (name, made.name, line))
            return None
        return found if found[0] != made.name else None


def _values(row: Any) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(row.model_dump_json(exclude_unset=True))
    return values


def _leaves(name: str, value: Any, other: Any, line: int) -> Iterator[Difference]:
    if isinstance(value, dict) and isinstance(other, dict):
        for inner in sorted(value.keys() | other.keys()):
            if value.get(inner) != other.get(inner):
                yield from _leaves(f"{name}.{inner}", value.get(inner), other.get(inner), line)
        return
    yield Difference(name, _shown(value), line, _shown(other))


def _shown(value: Any) -> str:
    """Return a value for people."""
    if value is None:
        return ""
    if isinstance(value, list) and not any(isinstance(one, list | dict) for one in value):
        return ", ".join(map(str, value))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _names(kind: Kind, row: Any) -> list[bytes]:
    return [_digest(f"{kind.name} {name}") for name in kind.identities(row)]


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=12).digest()
