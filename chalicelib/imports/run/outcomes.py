"""What became of one thing that a row gives."""

from dataclasses import dataclass
from typing import Any

from chalicelib.errors import FieldError, InvalidInput
from chalicelib.field_ownership import Override
from chalicelib.field_types import Body

CREATED, CHANGED, UNCHANGED = "created", "changed", "unchanged"


@dataclass(frozen=True)
class RowOutcome:
    """What became of one thing, and what the import should warn of."""

    done: str
    notes: tuple[FieldError, ...] = ()


def row_outcome(created: bool, changed: bool, overrides: tuple[Override, ...] = ()) -> RowOutcome:
    """Return what a write came to; values that were changed here and that it replaced are warned of."""
    notes = tuple(
        FieldError(
            override.field,
            "overridden",
            "This was changed here, and is now replaced by the new value that the file brings.",
        )
        for override in overrides
    )
    return RowOutcome(CREATED if created else CHANGED if changed else UNCHANGED, notes)


def values_without(row: Body, *names: str) -> dict[str, Any]:
    """Return what a row gives, but for the fields ``names``."""
    return {name: value for name, value in row.given().items() if name not in names}


def unknown_reference_error(field: str) -> InvalidInput:
    """Return the refusal of an id of something that is not there."""
    return InvalidInput.field(field, "unknown", "There is no such thing. Import it first, or correct the id.")
