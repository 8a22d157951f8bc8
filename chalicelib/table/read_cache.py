"""Reading ahead: rows that a job will need are read together, and served to the use cases that ask for them.

A use case that was served an old row decides as if it had run a moment earlier: the conditions of its transaction fail
when the row has changed since, and the next attempt reads the table. What the job itself writes is served as written.
So a cache lives as long as a few rows of work, unless nothing is written at all.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from copy import deepcopy
from typing import Any

from chalicelib.table.items import Item
from chalicelib.table.keys import Key


class ReadCache:
    """Rows as they were read or written, and keys without a row."""

    def __init__(self, limit: int) -> None:
        """Start empty; beyond ``limit`` keys everything is forgotten."""
        self._limit = limit
        self._rows: dict[Key, dict[str, Any] | None] = {}

    def split(self, keys: Iterable[Key]) -> tuple[dict[Key, Item], list[Key]]:
        """Return the rows among ``keys`` that are known, and the keys of which nothing is."""
        found: dict[Key, Item] = {}
        unknown: list[Key] = []
        for key in keys:
            if key not in self._rows:
                unknown.append(key)
            elif (row := self._rows[key]) is not None:
                # Each reader may change its own.
                found[key] = Item.from_raw_data(deepcopy(row))
        return found, unknown

    def remember(self, keys: Iterable[Key], found: Mapping[Key, Item]) -> None:
        """Keep what the table holds at ``keys``: the rows ``found``, and nothing at the others."""
        if len(self._rows) >= self._limit:
            self.clear()
        for key in keys:
            self._rows[key] = found[key].serialize() if key in found else None

    def forget(self, keys: Iterable[Key]) -> None:
        """Let the next reader of each of ``keys`` read the table."""
        for key in keys:
            self._rows.pop(key, None)

    def clear(self) -> None:
        """Forget everything."""
        self._rows.clear()


_current: ContextVar[ReadCache | None] = ContextVar("read_cache", default=None)


def current_read_cache() -> ReadCache | None:
    """Return the cache of the current job, None when every read is of the table."""
    return _current.get()


@contextmanager
def reads_served_from(cache: ReadCache) -> Iterator[None]:
    """Serve reads by key within the block from ``cache``, and keep there what is read and written."""
    token = _current.set(cache)
    try:
        yield
    finally:
        _current.reset(token)
