"""Dry runs: everything is read and decided as usual, but what is written stays in this process.

During a dry run, ``store`` hands it the rows of each transaction instead of sending them, and reads them back from it,
so that later decisions see earlier ones. Only reads by key see them: queries and the conditions of transactions are for
the table alone. So a dry run does not meet concurrent writes.
"""

import gzip
import json
import sqlite3
import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import IO, Any

from chalicelib.table.items import AccountWordItem, AuditEventItem, EmailItem, IdempotencyItem, Item, TaskItem
from chalicelib.table.keys import Key

_NEVER_READ_BY_DECISIONS = (AccountWordItem, AuditEventItem, TaskItem, EmailItem, IdempotencyItem)
_CACHE_KIB = 32 * 1024
_FASTEST_COMPRESSION = 1


class DryRun:
    """The rows that would have been written or deleted so far.

    They are stored on disk, in a database that is deleted with this object: a file may bring 100,000 invoices.
    """

    def __init__(self) -> None:
        """Start with what the table holds."""
        self._events: list[AuditEventItem] = []
        self._database = sqlite3.connect("")
        self._database.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        self._database.execute("CREATE TABLE row (pk TEXT, sk TEXT, content BLOB, PRIMARY KEY (pk, sk)) WITHOUT ROWID")

    def close(self) -> None:
        """Delete everything."""
        self._database.close()

    def put(self, item: Item) -> None:
        """Store a row as if it had been written."""
        if isinstance(item, AuditEventItem):
            self._events.append(item)
        if not isinstance(item, _NEVER_READ_BY_DECISIONS):
            self._store(item.key, json.dumps(item.serialize(), separators=(",", ":"), default=_encode_bytes))

    def take_events(self) -> list[AuditEventItem]:
        """Return the audit events since the last call: what would have been changed, from what to what."""
        taken, self._events = self._events, []
        return taken

    def delete(self, key: Key) -> None:
        """Store that a row was deleted."""
        self._store(key, None)

    def _store(self, key: Key, row: str | None) -> None:
        # Compressed text gives each reader an item of its own.
        content = None if row is None else zlib.compress(row.encode(), _FASTEST_COMPRESSION)
        self._database.execute("INSERT OR REPLACE INTO row VALUES (?, ?, ?)", (key.pk, key.sk, content))

    def keys(self) -> list[Key]:
        """Return the keys of all rows that were written or deleted."""
        return [Key(pk, sk) for pk, sk in self._database.execute("SELECT pk, sk FROM row")]

    def split(self, keys: Iterable[Key]) -> tuple[dict[Key, Item], list[Key]]:
        """Return the rows among ``keys`` that are stored here, and the keys that must be read from the table."""
        found: dict[Key, Item] = {}
        unknown: list[Key] = []
        for key in keys:
            stored = self._database.execute(
                "SELECT content FROM row WHERE pk = ? AND sk = ?", (key.pk, key.sk)
            ).fetchone()
            if stored is None:
                unknown.append(key)
            elif stored[0] is not None:
                row = json.loads(zlib.decompress(stored[0]), object_hook=_decode_bytes)
                found[key] = Item.from_raw_data(row)
        return found, unknown

    def write(self, file: IO[bytes]) -> None:
        """Write all rows to ``file``, compressed, so that another process can continue."""
        with gzip.open(file, "wt", compresslevel=_FASTEST_COMPRESSION, encoding="utf-8") as lines:
            for pk, sk, content in self._database.execute("SELECT pk, sk, content FROM row"):
                row = None if content is None else zlib.decompress(content).decode()
                lines.write(json.dumps([pk, sk, row]) + "\n")

    @classmethod
    def read(cls, file: IO[bytes]) -> "DryRun":
        """Return the dry run that was written to ``file``."""
        read = cls()
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            for line in lines:
                pk, sk, row = json.loads(line)
                read._store(Key(pk, sk), row)
        return read


def _encode_bytes(value: bytes) -> dict[str, str]:
    return {"base64": b64encode(value).decode()}


def _decode_bytes(value: dict[str, Any]) -> Any:
    return b64decode(value["base64"]) if value.keys() == {"base64"} else value


_current_dry_run: ContextVar[DryRun | None] = ContextVar("dry_run", default=None)


def current_dry_run() -> DryRun | None:
    """Return the current dry run, None when writes are real."""
    return _current_dry_run.get()


@contextmanager
def dry_run_writes(dry_run: DryRun | None) -> Iterator[None]:
    """Let every transaction within the block go to ``dry_run``; None: to the table, as usual."""
    token = _current_dry_run.set(dry_run)
    try:
        yield
    finally:
        _current_dry_run.reset(token)
