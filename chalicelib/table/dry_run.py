"""Rehearsing writes: everything is read and decided as ever, but what is written stays with this process.

While a rehearsal is on, ``store`` hands it the rows of each transaction instead of sending them, and reads them
back from it, so that later decisions see earlier ones. Only reads by key see them: queries and the conditions of
transactions are for the table alone. So a rehearsal cannot meet what others write at the same time.
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

    They are kept on disk, in a database that vanishes with this object: a file may make a hundred thousand invoices.
    """

    def __init__(self) -> None:
        """Begin with what the table holds."""
        self._database = sqlite3.connect("")
        self._database.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        self._database.execute("CREATE TABLE row (pk TEXT, sk TEXT, content BLOB, PRIMARY KEY (pk, sk)) WITHOUT ROWID")

    def close(self) -> None:
        """Let everything vanish."""
        self._database.close()

    def put(self, item: Item) -> None:
        """Keep a row as if it had been written."""
        if not isinstance(item, _NEVER_READ_BY_DECISIONS):
            self._keep(item.key, json.dumps(item.serialize(), separators=(",", ":"), default=_encode_bytes))

    def delete(self, key: Key) -> None:
        """Let a row be gone."""
        self._keep(key, None)

    def _keep(self, key: Key, row: str | None) -> None:
        # Compressed text gives each reader an item of its own.
        content = None if row is None else zlib.compress(row.encode(), _FASTEST_COMPRESSION)
        self._database.execute("INSERT OR REPLACE INTO row VALUES (?, ?, ?)", (key.pk, key.sk, content))

    def keys(self) -> list[Key]:
        """Return the keys of all rows that are kept here, also of those that are gone."""
        return [Key(pk, sk) for pk, sk in self._database.execute("SELECT pk, sk FROM row")]

    def split(self, keys: Iterable[Key]) -> tuple[dict[Key, Item], list[Key]]:
        """Return the rows among ``keys`` that are kept here, and the keys that only the table can answer."""
        found: dict[Key, Item] = {}
        unknown: list[Key] = []
        for key in keys:
            kept = self._database.execute(
                "SELECT content FROM row WHERE pk = ? AND sk = ?", (key.pk, key.sk)
            ).fetchone()
            if kept is None:
                unknown.append(key)
            elif kept[0] is not None:
                row = json.loads(zlib.decompress(kept[0]), object_hook=_decode_bytes)
                found[key] = Item.from_raw_data(row)
        return found, unknown

    def write(self, file: IO[bytes]) -> None:
        """Write all rows to ``file``, compressed, for another process to go on with."""
        with gzip.open(file, "wt", compresslevel=_FASTEST_COMPRESSION, encoding="utf-8") as lines:
            for pk, sk, content in self._database.execute("SELECT pk, sk, content FROM row"):
                row = None if content is None else zlib.decompress(content).decode()
                lines.write(json.dumps([pk, sk, row]) + "\n")

    @classmethod
    def read(cls, file: IO[bytes]) -> "DryRun":
        """Return the rehearsal that was written to ``file``."""
        rehearsal = cls()
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            for line in lines:
                pk, sk, row = json.loads(line)
                rehearsal._keep(Key(pk, sk), row)
        return rehearsal


def _encode_bytes(value: bytes) -> dict[str, str]:
    return {"base64": b64encode(value).decode()}


def _decode_bytes(value: dict[str, Any]) -> Any:
    return b64decode(value["base64"]) if value.keys() == {"base64"} else value


_current_dry_run: ContextVar[DryRun | None] = ContextVar("rehearsal", default=None)


def current_dry_run() -> DryRun | None:
    """Return the rehearsal that is on, None when writes are real."""
    return _current_dry_run.get()


@contextmanager
def dry_run_writes(rehearsal: DryRun | None) -> Iterator[None]:
    """Let every transaction within the block go to ``rehearsal``; None: to the table, as ever."""
    token = _current_dry_run.set(rehearsal)
    try:
        yield
    finally:
        _current_dry_run.reset(token)
