"""Rehearsing writes: everything is read and decided as ever, but what is written stays in this process.

While a rehearsal is on, ``store`` hands it the rows of each transaction instead of sending them, and reads them
back from it, so that later decisions see earlier ones. Only reads by key see them: queries and the conditions of
transactions are for the table alone. So a rehearsal cannot meet what others write at the same time.
"""

import gzip
import json
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import IO, Any

from chalicelib.table.items import AccountWordItem, AuditEventItem, DutyItem, EmailItem, IdempotencyItem, Item
from chalicelib.table.keys import Key

_NEVER_READ_BY_DECISIONS = (AccountWordItem, AuditEventItem, DutyItem, EmailItem, IdempotencyItem)


class Rehearsal:
    """The rows that would have been written or deleted so far."""

    def __init__(self) -> None:
        """Begin with what the table holds."""
        # As text, which takes a fraction of an item's memory and gives each reader an item of its own.
        self._rows: dict[Key, str | None] = {}

    def put(self, item: Item) -> None:
        """Keep a row as if it had been written."""
        if not isinstance(item, _NEVER_READ_BY_DECISIONS):
            self._rows[item.key] = json.dumps(item.serialize(), separators=(",", ":"), default=_bytes_as_text)

    def delete(self, key: Key) -> None:
        """Let a row be gone."""
        self._rows[key] = None

    def split(self, keys: Iterable[Key]) -> tuple[dict[Key, Item], list[Key]]:
        """Return the rows among ``keys`` that are kept here, and the keys that only the table can answer."""
        found: dict[Key, Item] = {}
        unknown: list[Key] = []
        for key in keys:
            if key not in self._rows:
                unknown.append(key)
            elif (row := self._rows[key]) is not None:
                found[key] = Item.from_raw_data(json.loads(row, object_hook=_bytes_of_text))
        return found, unknown

    def write(self, file: IO[bytes]) -> None:
        """Write all rows to ``file``, compressed, for another process to go on with."""
        with gzip.open(file, "wt", compresslevel=1, encoding="utf-8") as lines:
            for key, row in self._rows.items():
                lines.write(json.dumps([key.pk, key.sk, row]) + "\n")

    @classmethod
    def read(cls, file: IO[bytes]) -> "Rehearsal":
        """Return the rehearsal that was written to ``file``."""
        rehearsal = cls()
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            for line in lines:
                pk, sk, row = json.loads(line)
                rehearsal._rows[Key(pk, sk)] = row
        return rehearsal


def _bytes_as_text(value: bytes) -> dict[str, str]:
    return {"base64": b64encode(value).decode()}


def _bytes_of_text(value: dict[str, Any]) -> Any:
    return b64decode(value["base64"]) if value.keys() == {"base64"} else value


_current: ContextVar[Rehearsal | None] = ContextVar("rehearsal", default=None)


def current() -> Rehearsal | None:
    """Return the rehearsal that is on, None when writes are real."""
    return _current.get()


@contextmanager
def rehearsing(rehearsal: Rehearsal | None) -> Iterator[None]:
    """Let every transaction within the block go to ``rehearsal``; None: to the table, as ever."""
    token = _current.set(rehearsal)
    try:
        yield
    finally:
        _current.reset(token)
