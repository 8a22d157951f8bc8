"""Who owns a field that both the billing system and people here write (DESIGN §5)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.json_values import to_json_value


@dataclass(frozen=True)
class Override:
    """A value that was changed here and that the billing system has now replaced by another of its own."""

    field: str
    value_here: Any
    value_brought: Any


@dataclass(frozen=True)
class MergeResult:
    """Field values after a write, what the billing system last brought, and what it replaced in doing so."""

    values: dict[str, Any]
    upstream: dict[str, Any]
    overrides: tuple[Override, ...]


def merge_fields(
    current: dict[str, Any] | None,
    upstream: dict[str, Any],
    given: dict[str, Any],
    *,
    from_billing: bool,
    defaults: Mapping[str, Any] | None = None,
) -> MergeResult:
    """Decide which value each field has after a write (DESIGN §5).

    Absent means unchanged, None clears. While the billing system repeats the value that it brought before, a
    value that was changed here stands; when it brings another, that one is taken and the override is reported.
    ``current`` is None when the thing is new; ``upstream`` holds plain JSON values. ``defaults`` are the values
    that fields have while nobody gives them one; clearing such a field brings its default back.
    """
    unset = defaults or {}
    values = dict(current or {})
    brought = dict(upstream)
    overrides = []
    for name, sent in given.items():
        value = unset.get(name) if sent is None else sent
        if from_billing:
            repeated = name in upstream and upstream[name] == to_json_value(value)
            if repeated and current is not None:
                continue
            here = to_json_value(values.get(name))
            untouched = upstream.get(name, to_json_value(unset.get(name)))
            if current is not None and here not in (untouched, to_json_value(value)):
                overrides.append(Override(name, here, to_json_value(value)))
            brought[name] = to_json_value(value)
        values[name] = value
    return MergeResult(values, brought, tuple(overrides))


def find_upstream_differences(thing: Any) -> dict[str, Any]:
    """Return the fields in which a thing differs from what the billing system brought, with what it brought."""
    return {
        name: brought
        for name, brought in thing.upstream.items()
        if hasattr(thing, name) and to_json_value(getattr(thing, name)) != brought
    }
