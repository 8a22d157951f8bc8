"""The result of one record of a row."""

from dataclasses import dataclass
from typing import Any

from chalicelib.errors import FieldError, InvalidInput
from chalicelib.field_ownership import Override
from chalicelib.field_types import Body

CREATED, CHANGED, UNCHANGED = "created", "changed", "unchanged"


@dataclass(frozen=True)
class RowOutcome:
    """The result of one record, with warnings."""

    done: str
    notes: tuple[FieldError, ...] = ()


def row_outcome(created: bool, changed: bool, overrides: tuple[Override, ...] = ()) -> RowOutcome:
    """Return the result of a write, with a warning for each value changed here that it replaced."""
    notes = tuple(
        FieldError(
            override.field,
            "overridden",
            "This was changed here, and is now replaced by the new value from the file.",
        )
        for override in overrides
    )
    return RowOutcome(CREATED if created else CHANGED if changed else UNCHANGED, notes)


def values_without(row: Body, *names: str) -> dict[str, Any]:
    """Return the values of a row without the fields ``names``."""
    return {name: value for name, value in row.given().items() if name not in names}


def unknown_reference_error(field: str) -> InvalidInput:
    """Return the error of an unknown id."""
    return InvalidInput.field(field, "unknown", "Not found. Import it first, or correct the id.")
