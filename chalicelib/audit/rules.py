"""What changed between two states of a thing."""

from dataclasses import dataclass, is_dataclass
from datetime import date
from typing import Any

from chalicelib.field_marks import FieldUse, fields_marked


@dataclass(frozen=True)
class FieldChange:
    """One field that changed. Both values are plain JSON values; None stands for absent."""

    field: str
    before: Any
    after: Any


def diff_fields(before: Any, after: Any) -> tuple[FieldChange, ...]:
    """Return the fields in which two dataclass instances differ, in order of their names.

    Either may be None, when the thing did not exist. Fields that are marked ``NotAudited`` are left out.
    """
    old = {} if before is None else vars(before)
    new = {} if after is None else vars(after)
    found = []
    kind = type(before if after is None else after)
    for name in sorted((old.keys() | new.keys()) - fields_marked(kind, FieldUse.NOT_AUDITED)):
        was, is_now = to_json_value(old.get(name)), to_json_value(new.get(name))
        if was != is_now and not (_is_empty(was) and _is_empty(is_now)):
            found.append(FieldChange(name, was, is_now))
    return tuple(found)


def to_json_value(value: Any) -> Any:
    """Return ``value`` as JSON can hold it: dataclasses as objects, dates as ISO 8601, sets in order."""
    if is_dataclass(value) and not isinstance(value, type):
        return {name: to_json_value(part) for name, part in vars(value).items()}
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, dict):
        return {str(name): to_json_value(part) for name, part in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(to_json_value(part) for part in value)
    if isinstance(value, list | tuple):
        return [to_json_value(part) for part in value]
    return value


def _is_empty(value: Any) -> bool:
    return value is None or value == [] or value == {}
