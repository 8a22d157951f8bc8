"""What the declaration of a stored field says besides its type: whose personal data it holds, and how it is used.

Erasure, audit, replanning and the portal derive their lists of fields from these marks. A frozen dataclass carries them
as annotations (``cell: Shared[OfContact[str | None]]``), a row of the table as the first argument of the attribute.
"""

from dataclasses import fields
from datetime import date, datetime
from enum import Enum
from functools import cache
from types import NoneType
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

T = TypeVar("T")


class DataSubject(Enum):
    """Whose personal data a field holds. Our own ids and the vendor's are pseudonyms and count as nobody's."""

    NOBODY = "nobody"
    CONTACT = "contact"
    PORTAL_USER = "portal user"
    STAFF = "staff"
    ANYBODY = "anybody"
    """Text that a person wrote freely, or a quotation of what was sent: it may name anybody."""


class FieldUse(Enum):
    """How a field is used."""

    NOT_AUDITED = "not audited"
    """Bookkeeping: an audit event does not list the change."""
    SHARED = "shared"
    """One value for a person, at whichever accounts the person is a contact (C6)."""
    MOVES_REMINDERS = "moves reminders"
    """It is decided again when open invoices are examined next (R1, R4)."""
    PORTAL_EDITABLE = "portal editable"
    """A portal user may change it; everything else was agreed on with the vendor."""
    NOT_CONTENT = "not content"
    """Sent with an invoice, but no part of what is issued and never changes (I1)."""
    NULL_MEANS_ABSENT = "null means absent"
    """An issued invoice always has a value: null says nothing of it."""


NotPersonal = Annotated[T, DataSubject.NOBODY]
OfContact = Annotated[T, DataSubject.CONTACT]
OfPortalUser = Annotated[T, DataSubject.PORTAL_USER]
OfStaff = Annotated[T, DataSubject.STAFF]
FreeText = Annotated[T, DataSubject.ANYBODY]

NotAudited = Annotated[T, FieldUse.NOT_AUDITED]
Shared = Annotated[T, FieldUse.SHARED]
MovesReminders = Annotated[T, FieldUse.MOVES_REMINDERS]
PortalEditable = Annotated[T, FieldUse.PORTAL_EDITABLE]
NotContent = Annotated[T, FieldUse.NOT_CONTENT]
NullMeansAbsent = Annotated[T, FieldUse.NULL_MEANS_ABSENT]

_NAMES_NOBODY = (bool, int, date, datetime, NoneType)
"""A value of these types identifies nobody, so a field of them needs no mark."""


def fields_marked(record: type, mark: DataSubject | FieldUse) -> frozenset[str]:
    """Return the names of the fields of a dataclass that carry ``mark``."""
    return frozenset(name for name, hint in _field_types(record).items() if mark in _marks(hint))


def unclassified_fields(record: type) -> frozenset[str]:
    """Return the names of the fields of a dataclass that do not say whose personal data they hold."""
    return frozenset(
        name
        for name, hint in _field_types(record).items()
        if not _names_nobody(hint) and not any(isinstance(mark, DataSubject) for mark in _marks(hint))
    )


def is_any_changed(before: object, after: object, mark: FieldUse) -> bool:
    """Tell whether two instances of one dataclass differ in a field that carries ``mark``."""
    return any(getattr(before, name) != getattr(after, name) for name in fields_marked(type(after), mark))


@cache
def _field_types(record: type) -> dict[str, Any]:
    hints = get_type_hints(record, include_extras=True)
    return {part.name: hints[part.name] for part in fields(record)}


def _marks(hint: Any) -> tuple[Any, ...]:
    # Python makes nested Annotated types one, with all their marks.
    return tuple(getattr(hint, "__metadata__", ()))


def _names_nobody(hint: Any) -> bool:
    if get_origin(hint) is Annotated:
        return _names_nobody(get_args(hint)[0])
    return all(one in _NAMES_NOBODY for one in get_args(hint) or (hint,))
