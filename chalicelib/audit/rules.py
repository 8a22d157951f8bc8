"""What changed between two states of a thing."""

from dataclasses import dataclass
from typing import Any

from chalicelib.field_marks import FieldUse, fields_marked
from chalicelib.json_values import to_json_value


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


def _is_empty(value: Any) -> bool:
    return value is None or value == [] or value == {}
