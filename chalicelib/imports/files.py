"""The files of imports in the bucket: their keys, and reading them line by line."""

import hashlib
from collections.abc import Iterable
from typing import IO

from chalicelib.errors import Conflict
from chalicelib.storage import download_object

_MEBIBYTE = 1024 * 1024


def source_key(import_id: str) -> str:
    """Return where the file of an import is uploaded to."""
    return f"imports/{import_id}/source"


def lines_key(import_id: str) -> str:
    """Return where the second file of an import is uploaded to."""
    return f"imports/{import_id}/lines"


def import_file_key(import_id: str, name: str) -> str:
    """Return where a result, or scratch, of an import is."""
    return f"imports/{import_id}/{name}"


def download_file(key: str, etag: str | None = None) -> IO[bytes]:
    """Return a file of the bucket as a temporary one, which the caller closes.

    Raises Conflict ``file_changed`` when it is no longer the one of ``etag``, Unavailable when the bucket does not
    answer.
    """
    local = download_object(key, etag)
    if local is None:
        raise Conflict("file_changed", "The file was changed or removed after the start. Create a new import.")
    return local


def check_content(file: IO[bytes], known: str | None) -> str:
    """Return the SHA-256 of a file in hex; the file is rewound. Raises Conflict when it is not ``known``."""
    digest = hashlib.sha256()
    while piece := file.read(_MEBIBYTE):
        digest.update(piece)
    found = digest.hexdigest()
    if known not in (None, found):
        raise Conflict("file_changed", "This is not the file that the dry run read. Create a new import.")
    file.seek(0)
    return found


def read_lines(keys: Iterable[str]) -> Iterable[bytes]:
    """Yield the lines of several files, one after the other."""
    for key in keys:
        with download_file(key) as file:
            yield from file
