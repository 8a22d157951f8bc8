"""Contradictions within a file: two rows with different values for the same record."""

import hashlib
from typing import Any

from chalicelib.imports.rows.kinds import Kind


class SeenRows:
    """Digests of the rows so far: some 300 bytes per record."""

    def __init__(self) -> None:
        """Start empty."""
        self._seen: dict[bytes, tuple[bytes, int]] = {}

    def compare(self, kind: Kind, row: Any | None, line: int) -> tuple[int, bool] | None:
        """Return the earlier line of the same record, and whether it has the same values; None when there is none."""
        if row is None:
            return None
        content = _digest(row.model_dump_json(exclude_unset=True))
        names = [_digest(f"{kind.name} {name}") for name in kind.identities(row)]
        earlier = [self._seen[name] for name in names if name in self._seen]
        other = next((found for found in earlier if found[0] != content), None)
        for name in names:
            self._seen.setdefault(name, (content, line))
        if other is not None:
            return other[1], False
        return (earlier[0][1], True) if earlier else None


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=12).digest()
