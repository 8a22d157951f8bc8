"""Row mapper: from one row of a file to field values, by the mapping."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from chalicelib.errors import FieldError
from chalicelib.imports.inputs import PLACEHOLDER, Condition, FieldMapping, Source
from chalicelib.imports.mapping import conversions
from chalicelib.imports.mapping.conversions import BadValue

RowValues = dict[str, Any]

FIRST_FILE, SECOND_FILE = "file", "lines"
REPEATED_MESSAGES = {
    "refuse": "Two rows say different things of the same record. Correct one of them, or let the mapping choose with "
    '"repeated": "first" or "last".',
    "first": "Rows say different things of the same record. The first one counts, as the mapping says.",
    "last": "Rows say different things of the same record. The last one counts, as the mapping says.",
}
"""By the rule of the mapping, what is said where rows of one record differ."""
_ENTRY = re.compile(r"(\w+)\.([0-9])\.(.+)")
"""A field of one entry of a list, such as ``taxes.0.rate``."""


@dataclass(frozen=True)
class Fault:
    """A fault of, or a warning about, one field of a row.

    ``line`` is that of the row that the field came from, 0 for the current row. ``value`` is what that row has there;
    where another row says otherwise, ``other_value`` is what that one has, at ``other_line``.
    """

    field: str
    column: str
    code: str
    message: str
    line: int = 0
    file: str = FIRST_FILE
    value: str = ""
    other_line: int = 0
    other_value: str = ""

    @property
    def sentence(self) -> str:
        """Return the message, with both values where two rows differ."""
        if not self.other_line:
            return self.message
        return f'{self.message} Line {self.other_line} has "{self.other_value}", this row "{self.value}".'


@dataclass(frozen=True)
class MadeId:
    """An id that was made of a name, for people to see which names make the same one."""

    field: str
    id: str
    name: str
    columns: str
    joins: bool
    """Whether the mapping takes several names for one record."""


@dataclass(frozen=True)
class PlannedField:
    """One field of a kind, and its source."""

    target: str
    mapping: FieldMapping
    type: type | None
    """The type of the field if it is not text: int, bool or list."""

    @property
    def is_constant(self) -> bool:
        """Tell whether the value is constant."""
        return "constant" in self.mapping.model_fields_set

    @property
    def columns(self) -> str:
        """Return the source columns of the value, for people."""
        return ", ".join(self.mapping.columns())

    def text(self, row: RowValues) -> str:
        """Return what the row has, before any conversion. Raises BadValue."""
        how = self.mapping
        return next((text for source in how.first_of or [how] if (text := _source_text(source, row))), "")

    def value(self, row: RowValues) -> Any:
        """Return the value, or an empty text. Raises BadValue."""
        if self.is_constant:
            return self.mapping.constant
        how = self.mapping
        if self.type is list and isinstance(how.column, str) and isinstance(cell_value(row, how.column), list):
            return [conversions.plain_text(part) for part in cell_value(row, how.column)]
        text = self.text(row)
        if text and how.name_part is not None:
            text = conversions.name_part(text, how.name_part)
        if text and how.lookup is not None:
            text = self._looked_up(text)
        return self._converted(text, row) if text else ""

    def _looked_up(self, text: str) -> str:
        lookup = self.mapping.lookup
        if lookup is None:
            return text
        values = lookup.values
        if lookup.ignore_case:
            values, text = {word.casefold(): value for word, value in values.items()}, text.casefold()
        if text in values:
            return values[text]
        if lookup.default is not None:
            return lookup.default
        if lookup.otherwise == "keep":
            return text
        raise BadValue("not_in_lookup", "The mapping's lookup does not know this. Add it there.")

    def _converted(self, text: str, row: RowValues) -> Any:
        how = self.mapping
        if how.date is not None:
            return conversions.date(text, (how.date,) if isinstance(how.date, str) else how.date)
        if how.minor_units is not None or how.decimal is not None:
            return self._number(text, row)
        if how.country is not None:
            return conversions.country(text, how.country.language)
        if how.phone is not None:
            return conversions.phone(text, self._region(row))
        if how.id_from_name is not None:
            return conversions.id_from_name(text, how.id_from_name.prefix)
        if how.boolean is not None:
            return conversions.boolean(text, how.boolean.true, how.boolean.false)
        if self.type is bool:
            return conversions.boolean(text, ("true",), ("false",))
        if self.type is int:
            return conversions.integer(text)
        if self.type is list:
            separator = how.list.separator if how.list is not None else ","
            return [part for part in (piece.strip() for piece in text.split(separator)) if part]
        return text

    def _number(self, text: str, row: RowValues) -> int | str:
        amounts, decimals = self.mapping.minor_units, self.mapping.decimal
        if amounts is not None:
            currency = amounts.currency or conversions.plain_text(cell_value(row, amounts.currency_column)).upper()
            units = conversions.minor_units(
                text,
                currency,
                decimal_separator=amounts.decimal_separator,
                group_separator=amounts.group_separator,
            )
            return -units if amounts.negate else units
        if decimals is None:
            return text
        number = conversions.decimal(
            text, decimal_separator=decimals.decimal_separator, group_separator=decimals.group_separator
        )
        return conversions.negate(number) if decimals.negate else number

    def _region(self, row: RowValues) -> str | None:
        phones = self.mapping.phone
        named = conversions.plain_text(cell_value(row, phones.region_column)) if phones is not None else ""
        if not named:
            return phones.region if phones is not None else None
        try:
            return conversions.country(named)
        except BadValue:
            return phones.region if phones is not None else None


class FilledFields:
    """The values that one row gives for some fields, with faults and warnings."""

    def __init__(
        self,
        fields: tuple[PlannedField, ...],
        row: RowValues,
        *,
        within: str = "",
        line: int = 0,
        file: str = FIRST_FILE,
    ) -> None:
        """Fill ``fields`` from ``row``; ``within`` is their parent, such as lines."""
        self.values: dict[str, Any] = {}
        self.faults: list[Fault] = []
        self.dropped: list[Fault] = []
        self.made_ids: list[MadeId] = []
        self._fields = fields
        self._row = row
        self._within = f"{within}." if within else ""
        self._line = line
        self._file = file
        for planned in fields:
            try:
                self._fill(planned, row)
            except BadValue as bad:
                fault = self._fault(planned.target, planned.columns, bad.code, bad.message, self._shown((planned,)))
                (self.dropped if planned.mapping.on_bad == "drop" else self.faults).append(fault)
        self._entries = self._kept_entries()

    def _fill(self, planned: PlannedField, row: RowValues) -> None:
        value = planned.value(row)
        if value == "" or value == []:
            if planned.mapping.empty == "absent":
                return
            if planned.mapping.empty == "refuse":
                raise BadValue("required", "This is empty, but the mapping requires a value.")
            value = None
        elif planned.mapping.id_from_name is not None:
            joins = planned.mapping.id_from_name.collisions == "join"
            field = planned.target.rpartition(".")[2]
            self.made_ids.append(MadeId(field, value, planned.text(row), planned.columns, joins))
        self.values[planned.target] = value

    def _shown(self, fields: Sequence[PlannedField]) -> str:
        """Return what the row has in the columns of ``fields``, for people."""
        columns = dict.fromkeys(name for planned in fields for name in planned.mapping.columns())
        found = []
        for name in columns:
            try:
                found.append(conversions.plain_text(cell_value(self._row, name)))
            except BadValue:
                found.append(json.dumps(cell_value(self._row, name), default=str, ensure_ascii=False))
        return ", ".join(text for text in found if text)

    def _kept_entries(self) -> dict[str, list[str]]:
        """Return, by list, its entries in order, without those that have only constants."""
        varying: dict[tuple[str, str], list[bool]] = {}
        for planned in self._fields:
            found = _ENTRY.fullmatch(planned.target)
            if found is not None:
                there = varying.setdefault((found[1], found[2]), [])
                if not planned.is_constant:
                    there.append(planned.target in self.values)
        kept: dict[str, list[str]] = {}
        for (name, entry), there in sorted(varying.items()):
            if any(there) or not there:
                kept.setdefault(name, []).append(entry)
        return kept

    def nested(self) -> dict[str, Any]:
        """Return the values as nested fields and list entries."""
        nested: dict[str, Any] = {}
        for target, value in self.values.items():
            place, path = nested, target
            found = _ENTRY.fullmatch(target)
            if found is not None:
                entries = self._entries.get(found[1], [])
                if found[2] not in entries:
                    continue
                place = nested.setdefault(found[1], [{} for _ in entries])[entries.index(found[2])]
                path = found[3]
            *steps, last = path.split(".")
            for step in steps:
                place = place.setdefault(step, {})
            place[last] = value
        return nested

    def explained(self, fault: FieldError) -> Fault:
        """Return a fault of a field with the columns, and the row, that the field came of."""
        field = self._as_mapped(fault.field)
        came_of = [
            planned for planned in self._fields if field == planned.target or field.startswith(planned.target + ".")
        ] or [planned for planned in self._fields if planned.target.startswith(field + ".") and field]
        columns = ", ".join(dict.fromkeys(name for planned in came_of for name in planned.mapping.columns()))
        target = came_of[0].target if len(came_of) == 1 else field
        return self._fault(target, columns, fault.code, fault.message, self._shown(came_of))

    def drop(self, faults: list[Fault]) -> bool:
        """Drop the droppable fields at fault; tell whether there were any."""
        by_target = {self._within + one.target: one for one in self._fields if one.mapping.on_bad == "drop"}
        found = {
            fault.field: fault
            for fault in faults
            if fault.field in by_target and by_target[fault.field].target in self.values
        }
        for field, fault in found.items():
            del self.values[by_target[field].target]
            self.dropped.append(fault)
        self._entries = self._kept_entries()
        return bool(found)

    def join(self, other: "FilledFields", line: int, repeated: str) -> list[Fault]:
        """Take the values of another row of the same record; return a fault for each in which it contradicts this one.

        This one is at ``line``. Where both have a value, that of the other row counts if ``repeated`` is ``last``; a
        row without a value contradicts nothing.
        """
        found = []
        for one in self._fields:
            if one.target not in other.values:
                continue
            here, there = self.values.get(one.target), other.values[one.target]
            if one.target in self.values and here != there:
                fault = other._fault(one.target, one.columns, "differs", REPEATED_MESSAGES[repeated])
                shown, other_shown = other._shown((one,)), self._shown((one,))
                found.append(replace(fault, value=shown, other_line=line, other_value=other_shown))
            if one.target not in self.values or repeated == "last":
                self.values[one.target] = there
        self._entries = self._kept_entries()
        return found

    def droppable(self) -> set[str]:
        """Return the droppable fields."""
        return {one.target for one in self._fields if one.mapping.on_bad == "drop"}

    def _as_mapped(self, field: str) -> str:
        """Return a field as the mapping numbers it, counting omitted entries."""
        name, _, rest = field.partition(".")
        number, dot, rest = rest.partition(".")
        entries = self._entries.get(name, [])
        if number.isdigit() and int(number) < len(entries):
            return f"{name}.{entries[int(number)]}{dot}{rest}"
        return field

    def _fault(self, target: str, columns: str, code: str, message: str, value: str = "") -> Fault:
        return Fault((self._within + target).rstrip("."), columns, code, message, self._line, self._file, value)


def cell_value(row: RowValues, column: str | None) -> Any:
    """Return the value of a column; in JSON, ``address.city`` may be nested."""
    if column is None or column in row:
        return None if column is None else row[column]
    value: Any = row
    for step in column.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    return value


def matches_condition(condition: Condition | None, row: RowValues) -> bool:
    """Tell whether a row passes the filter. Raises BadValue."""
    if condition is None:
        return True
    text = conversions.plain_text(cell_value(row, condition.column))
    return bool(text) if condition.one_of is None else text in condition.one_of


def _source_text(source: Source, row: RowValues) -> str:
    found = {name: conversions.plain_text(cell_value(row, name)) for name in source.read_columns()}
    if source.template is None:
        return source.separator.join(text for text in found.values() if text)
    if not all(found.values()):
        return ""
    return PLACEHOLDER.sub(lambda place: found[place[1]], source.template)
