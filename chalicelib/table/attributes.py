"""The types of attributes of a row. A type whose values may name a person says whose personal data they are."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

from pynamodb.attributes import Attribute, BinaryAttribute, JSONAttribute, UnicodeAttribute, UnicodeSetAttribute
from pynamodb.constants import STRING

from chalicelib.field_marks import DataSubject
from chalicelib.table.keys import format_instant


class TextAttribute(UnicodeAttribute):
    """Text, with the declaration of whose personal data it is."""

    def __init__(self, data_subject: DataSubject, *, null: bool = False, default: str | None = None) -> None:
        """Declare the attribute."""
        super().__init__(null=null, default=default)
        self.data_subject = data_subject


class TextSetAttribute(UnicodeSetAttribute):
    """A set of texts, with the declaration of whose personal data it is."""

    def __init__(self, data_subject: DataSubject) -> None:
        """Declare the attribute, which is absent while the set is empty."""
        super().__init__(null=True)
        self.data_subject = data_subject


class JsonAttribute(JSONAttribute):
    """Any JSON value as text, with the declaration of whose personal data it is."""

    def __init__(
        self, data_subject: DataSubject, *, null: bool = False, default: Callable[[], Any] | None = None
    ) -> None:
        """Declare the attribute."""
        super().__init__(null=null, default=default)
        self.data_subject = data_subject


class BytesAttribute(BinaryAttribute):
    """Bytes, with the declaration of whose personal data they are."""

    def __init__(self, data_subject: DataSubject) -> None:
        """Declare the attribute."""
        super().__init__(legacy_encoding=False)
        self.data_subject = data_subject


class InstantAttribute(Attribute[datetime]):
    """An instant in UTC, to the millisecond, as text that sorts by time."""

    attr_type = STRING

    def serialize(self, value: datetime) -> str:
        """Write the instant in UTC."""
        return format_instant(value)

    def deserialize(self, value: str) -> datetime:
        """Read the instant."""
        return datetime.strptime(value, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)


class DateAttribute(Attribute[date]):
    """A calendar date as ISO 8601 text."""

    attr_type = STRING

    def serialize(self, value: date) -> str:
        """Write the date."""
        return value.isoformat()

    def deserialize(self, value: str) -> date:
        """Read the date."""
        return date.fromisoformat(value)
