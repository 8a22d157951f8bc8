"""What changed between two states of a thing."""

from dataclasses import dataclass, is_dataclass
from datetime import date
from typing import Any


@dataclass(frozen=True)
class Change:
    """One field that changed. Both values are plain JSON values; None stands for absent."""

    field: str
    before: Any
    after: Any


def changes(before: Any, after: Any, *, without: frozenset[str] = frozenset()) -> tuple[Change, ...]:
    """Return the fields in which two dataclass instances differ, in order of their names.

    Either may be None, when the thing did not exist. Fields named in ``without`` are left out.
    """
    old = {} if before is None else vars(before)
    new = {} if after is None else vars(after)
    found = []
    for name in sorted((old.keys() | new.keys()) - without):
        was, is_now = plain(old.get(name)), plain(new.get(name))
        if was != is_now and not (_empty(was) and _empty(is_now)):
            found.append(Change(name, was, is_now))
    return tuple(found)


def plain(value: Any) -> Any:
    """Return ``value`` as JSON can hold it: dataclasses as objects, dates as ISO 8601, sets in order."""
    if is_dataclass(value) and not isinstance(value, type):
        return {name: plain(part) for name, part in vars(value).items()}
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, dict):
        return {str(name): plain(part) for name, part in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(plain(part) for part in value)
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    return value


def _empty(value: Any) -> bool:
    return value is None or value == [] or value == {}
