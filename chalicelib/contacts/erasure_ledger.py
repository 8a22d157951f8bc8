"""The ledger of erasures: ids only, in the bucket, so that it outlives a restore of the table (C4)."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from chalicelib import storage
from chalicelib.errors import Unavailable

_PREFIX = "erasures/"


@dataclass(frozen=True)
class Entry:
    """A contact that was to be erased."""

    erasure_id: str
    account_id: str
    contact_id: str


def write(entry: Entry) -> None:
    """Add an entry. Raises Unavailable, with nothing else done, when the bucket does not take it."""
    try:
        storage.store_object(f"{_PREFIX}{entry.erasure_id}.json", json.dumps(vars(entry)).encode(), "application/json")
    except Unavailable as error:
        raise Unavailable("The ledger of erasures cannot be written. Nothing was changed; try again.") from error


def entries() -> Iterator[Entry]:
    """Read every entry, oldest first. Raises Unavailable when the bucket does not answer."""
    try:
        for key in storage.list_keys(_PREFIX):
            stored = storage.read_object(key)
            if stored is None:
                raise Unavailable("An entry of the ledger of erasures is gone.")
            yield Entry(**json.loads(stored))
    except Unavailable as error:
        raise Unavailable("The ledger of erasures cannot be read. Try again.") from error
