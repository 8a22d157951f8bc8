"""From a row of a file to what it gives for each kind, as the mapping says."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from chalicelib import validation
from chalicelib.errors import FieldError, Invalid
from chalicelib.imports import convert
from chalicelib.imports.convert import BadValue
from chalicelib.imports.inputs import PLACEHOLDER, Condition, FieldMapping, Mapping, Source
from chalicelib.imports.kinds import KINDS, Kind

Row = dict[str, Any]
_MOST_FAULTS = 20
_ISO_DATE = ("%Y-%m-%d",)


@dataclass(frozen=True)
class Fault:
    """What is wrong with one field of a row, or what is to be warned of."""

    field: str
    column: str
    code: str
    message: str


@dataclass(frozen=True)
class Mapped:
    """What a row gives for one kind: the model, unless faults forbid it, and the values that were dropped."""

    row: Any | None
    faults: tuple[Fault, ...]
    dropped: tuple[Fault, ...]


@dataclass(frozen=True)
class PlannedField:
    """One field of a kind, and how it gets its value."""

    target: str
    mapping: FieldMapping
    type: type | None
    """What the field holds where that is no text: int, bool or list."""

    def value(self, row: Row) -> Any:
        """Return the value, or an empty text. Raises BadValue."""
        if "constant" in self.mapping.model_fields_set:
            return self.mapping.constant
        how = self.mapping
        if self.type is list and isinstance(how.column, str) and isinstance(cell(row, how.column), list):
            return [convert.plain_text(part) for part in cell(row, how.column)]
        text = next((text for source in how.first_of or [how] if (text := _text(source, row))), "")
        if text and how.name_part is not None:
            text = convert.name_part(text, how.name_part)
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

    def _converted(self, text: str, row: Row) -> Any:
        how = self.mapping
        if how.date is not None:
            return convert.date(text, (how.date,) if isinstance(how.date, str) else how.date)
        if how.minor_units is not None:
            amounts = how.minor_units
            currency = amounts.currency or convert.plain_text(cell(row, amounts.currency_column)).upper()
            return convert.minor_units(
                text,
                currency,
                decimal_separator=amounts.decimal_separator,
                group_separator=amounts.group_separator,
            )
        if how.country is not None:
            return convert.country(text, how.country.language)
        if how.phone is not None:
            return convert.phone(text, self._region(row))
        if how.boolean is not None:
            return convert.boolean(text, how.boolean.true, how.boolean.false)
        if self.type is bool:
            return convert.boolean(text, ("true",), ("false",))
        if self.type is int:
            return convert.integer(text)
        if self.type is list:
            separator = how.list.separator if how.list is not None else ","
            return [part for part in (piece.strip() for piece in text.split(separator)) if part]
        return text

    def _region(self, row: Row) -> str | None:
        phones = self.mapping.phone
        named = convert.plain_text(cell(row, phones.region_column)) if phones is not None else ""
        if not named:
            return phones.region if phones is not None else None
        try:
            return convert.country(named)
        except BadValue:
            return phones.region if phones is not None else None


@dataclass(frozen=True)
class PlannedKind:
    """One kind, and how its fields get their values."""

    kind: Kind
    only_if: Condition | None
    fields: tuple[PlannedField, ...]

    def map(self, row: Row) -> Mapped | None:
        """Return what the row gives for this kind; None when it is not meant to give anything."""
        faults: list[Fault] = []
        dropped: list[Fault] = []
        values: dict[str, Any] = {}
        try:
            if self.only_if is not None and not _holds(self.only_if, row):
                return None
        except BadValue as bad:
            return Mapped(None, (Fault("", self.only_if.column if self.only_if else "", bad.code, bad.message),), ())
        for planned in self.fields:
            try:
                value = planned.value(row)
                if value == "" or value == []:
                    if planned.mapping.empty == "absent":
                        continue
                    if planned.mapping.empty == "refuse":
                        raise BadValue("required", "This is empty, and the mapping says that it may not be.")
                    value = None
                values[planned.target] = value
            except BadValue as bad:
                fault = Fault(planned.target, _columns(planned), bad.code, bad.message)
                (dropped if planned.mapping.on_bad == "drop" else faults).append(fault)
        return self._validated(values, faults, dropped)

    def _validated(self, values: dict[str, Any], faults: list[Fault], dropped: list[Fault]) -> Mapped:
        while True:
            try:
                made = self.kind.row.model_validate_json(json.dumps(_nested(values)))
            except ValidationError as error:
                found = [self.explained(fault) for fault in validation.faults(error)]
            else:
                return Mapped(None if faults else made, tuple(faults), tuple(dropped))
            bad = {fault.field: fault for fault in found}
            droppable = [
                one for one in self.fields if one.mapping.on_bad == "drop" and one.target in bad.keys() & values
            ]
            if not droppable:
                # What was refused above is absent here; that it is missing is no news.
                known = {fault.field for fault in faults}
                faults += [fault for fault in found if fault.field not in known]
                return Mapped(None, tuple(faults[:_MOST_FAULTS]), tuple(dropped))
            for one in droppable:
                del values[one.target]
                dropped.append(bad[one.target])

    def without(self, row: Any, faults: Iterable[FieldError]) -> tuple[Any, tuple[Fault, ...]] | None:
        """Return a row without the fields that a use case refused, and the warnings.

        None where the mapping wants a refusal for any of them.
        """
        dropped = tuple(self.explained(fault) for fault in faults)
        names = {fault.field.partition(".")[0] for fault in dropped}
        droppable = {one.target for one in self.fields if one.mapping.on_bad == "drop"}
        if not names <= row.model_fields_set or not all(fault.field in droppable for fault in dropped):
            return None
        return type(row).model_validate_json(row.model_dump_json(exclude_unset=True, exclude=names)), dropped

    def explained(self, fault: FieldError) -> Fault:
        """Return a fault of a field with the columns that the field came of."""
        came_of = [
            planned
            for planned in self.fields
            if fault.field == planned.target or fault.field.startswith(planned.target + ".")
        ] or [planned for planned in self.fields if planned.target.startswith(fault.field + ".") and fault.field]
        columns = ", ".join(dict.fromkeys(name for planned in came_of for name in planned.mapping.columns()))
        exact = came_of[0].target if len(came_of) == 1 else fault.field
        return Fault(exact, columns, fault.code, fault.message)


@dataclass(frozen=True)
class Plan:
    """A mapping that was understood."""

    mapping: Mapping
    kinds: tuple[PlannedKind, ...]

    def unknown_columns(self, known: Iterable[str]) -> tuple[FieldError, ...]:
        """Return a fault for each place in the mapping that names a column which is not ``known``."""
        columns = set(known)
        return tuple(
            FieldError(where, "unknown_column", f"The file has no column {name!r}. Correct the mapping.")
            for number, kind in enumerate(self.mapping.kinds)
            for where, names in (
                (f"mapping.kinds.{number}.only_if", (kind.only_if.column,) if kind.only_if else ()),
                *((f"mapping.kinds.{number}.fields.{target}", how.columns()) for target, how in kind.fields.items()),
            )
            for name in names
            if name not in columns
        )


def plan_of(mapping: Mapping) -> Plan:
    """Return the plan of a mapping. Raises Invalid naming every kind and field that is not known or is missing."""
    faults: list[FieldError] = []
    planned: list[PlannedKind] = []
    for number, wanted in enumerate(mapping.kinds):
        where = f"mapping.kinds.{number}"
        kind = KINDS.get(wanted.kind)
        if kind is None:
            faults.append(FieldError(f"{where}.kind", "unknown_value", f"Send one of: {', '.join(KINDS)}."))
            continue
        fields = []
        for target, how in wanted.fields.items():
            try:
                fields.append(PlannedField(target, how, _type_of(kind.row, target.split("."))))
            except LookupError:
                message = f"There is no such field of {kind.name}. Remove it or correct its name."
                faults.append(FieldError(f"{where}.fields.{target}", "unknown_field", message))
        for group in kind.needs:
            if not set(group) & wanted.fields.keys():
                message = f"Map {' or '.join(group)}: it tells which one a row means."
                faults.append(FieldError(f"{where}.fields", "required", message))
        planned.append(PlannedKind(kind, wanted.only_if, tuple(fields)))
    if faults:
        raise Invalid("invalid_mapping", "The mapping cannot be used as it is.", fields=tuple(faults))
    return Plan(mapping, tuple(planned))


def cell(row: Row, column: str | None) -> Any:
    """Return the value of a column; in JSON, ``address.city`` is within an object where there is no such name."""
    if column is None or column in row:
        return None if column is None else row[column]
    value: Any = row
    for step in column.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    return value


def _text(source: Source, row: Row) -> str:
    texts = {name: convert.plain_text(cell(row, name)) for name in source.read_columns()}
    if source.template is None:
        return source.separator.join(text for text in texts.values() if text)
    if not all(texts.values()):
        return ""
    return PLACEHOLDER.sub(lambda found: texts[found[1]], source.template)


def _holds(condition: Condition, row: Row) -> bool:
    text = convert.plain_text(cell(row, condition.column))
    return bool(text) if condition.one_of is None else text in condition.one_of


def _columns(planned: PlannedField) -> str:
    return ", ".join(planned.mapping.columns())


def _nested(values: dict[str, Any]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for target, value in values.items():
        *path, last = target.split(".")
        place = nested
        for step in path:
            place = place.setdefault(step, {})
        place[last] = value
    return nested


def _type_of(model: type[BaseModel], path: list[str]) -> type | None:
    """Return int, bool or list where the field at ``path`` holds that. Raises LookupError without such a field."""
    field = model.model_fields[path[0]]
    types = list(_types_in(field.annotation))
    inner = [one for one in types if isinstance(one, type) and issubclass(one, BaseModel)]
    if len(path) > 1:
        if not inner:
            raise KeyError(path[1])
        return _type_of(inner[0], path[1:])
    if inner:
        raise KeyError(path[0])
    return next((one for one in (bool, int, list) if one in types), None)


def _types_in(annotation: Any) -> Iterable[Any]:
    origin = get_origin(annotation)
    if origin in (Union, UnionType):
        for part in get_args(annotation):
            yield from _types_in(part)
    elif origin is not None and hasattr(annotation, "__metadata__"):
        yield from _types_in(get_args(annotation)[0])
    else:
        yield origin or annotation
