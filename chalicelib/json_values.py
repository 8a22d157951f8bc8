"""Plain values as JSON can hold them."""

from dataclasses import is_dataclass
from datetime import date
from typing import Any


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
