"""A parsed mapping: the values that each row, or group of rows, gives for each kind."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from chalicelib import validation
from chalicelib.errors import FieldError, InvalidInput
from chalicelib.imports.inputs import Condition, KindMapping, Mapping, PartsMapping
from chalicelib.imports.mapping.conversions import BadValue
from chalicelib.imports.mapping.row_mapper import (
    FIRST_FILE,
    Fault,
    FilledFields,
    MadeId,
    PlannedField,
    RowValues,
    matches_condition,
)
from chalicelib.imports.rows.kinds import KINDS, Kind

_MAX_FAULTS = 20
_PART = re.compile(r"(\w+)\.([0-9]+)(?:\.(.*))?")


@dataclass(frozen=True)
class Part:
    """A row that is a part of something, such as a line of an invoice."""

    values: RowValues
    line: int
    file: str = FIRST_FILE


class MappedRow:
    """The result of a row and its parts for one kind: the model, unless there are faults."""

    def __init__(
        self,
        kind: Kind,
        head: FilledFields,
        parts: Sequence[FilledFields],
        refused: Sequence[Fault] = (),
        notes: Sequence[Fault] = (),
    ) -> None:
        """Validate the filled fields, unless a fault rejects the row; droppable fields at fault are dropped.

        ``notes`` are warnings.
        """
        self._kind, self._head, self._parts = kind, head, parts
        self.row: Any | None = None
        self.faults = tuple(refused)
        self.notes = tuple(notes)
        self.dropped: tuple[Fault, ...] = ()
        if not refused:
            self._validate()

    def _validate(self) -> None:
        head, parts = self._head, self._parts
        faults = [fault for filled in (head, *parts) for fault in filled.faults]
        while True:
            try:
                made = self._kind.row.model_validate_json(json.dumps(self._document()))
            except ValidationError as error:
                found = [self.explained(fault) for fault in validation.to_field_errors(error)]
            else:
                self.row = None if faults else made
                break
            if sum(filled.drop(found) for filled in (head, *parts)) == 0:
                # A field rejected above is absent here: do not report it as missing.
                known = {(fault.line, fault.field) for fault in faults}
                faults += [fault for fault in found if (fault.line, fault.field) not in known]
                break
        self.faults = tuple(faults[:_MAX_FAULTS])
        self.dropped = tuple(fault for filled in (head, *parts) for fault in filled.dropped)

    def _document(self) -> dict[str, Any]:
        document = self._head.nested()
        if self._parts:
            document[self._kind.parts] = [part.nested() for part in self._parts]
        return document

    @property
    def made_ids(self) -> list[MadeId]:
        """Return the ids that were made of names."""
        return self._head.made_ids

    def value(self, field: str) -> Any:
        """Return the mapped value of a field, None without one."""
        return self._head.values.get(field)

    def explained(self, fault: FieldError) -> Fault:
        """Return a fault of a field with the columns, and the row, that the field came of."""
        found = _PART.fullmatch(fault.field) if self._parts else None
        if found is not None and found[1] == self._kind.parts and int(found[2]) < len(self._parts):
            within = FieldError(found[3] or "", fault.code, fault.message)
            return self._parts[int(found[2])].explained(within)
        return self._head.explained(fault)

    def without(self, row: Any, faults: Iterable[FieldError]) -> tuple[Any, tuple[Fault, ...]] | None:
        """Return the model without the fields that a use case rejected, and the warnings.

        None if the mapping rejects the row for any of them.
        """
        dropped = tuple(self.explained(fault) for fault in faults)
        names = {fault.field.partition(".")[0] for fault in dropped}
        droppable = self._head.droppable()
        if not names <= row.model_fields_set or not all(fault.field in droppable for fault in dropped):
            return None
        return type(row).model_validate_json(row.model_dump_json(exclude_unset=True, exclude=names)), dropped


@dataclass(frozen=True)
class PlannedParts:
    """The source of the parts of a kind."""

    mapping: PartsMapping
    only_if: Condition | None
    fields: tuple[PlannedField, ...]

    @property
    def of_second_file(self) -> bool:
        """Tell whether they are rows of the second file."""
        return self.mapping.join is not None


@dataclass(frozen=True)
class PlannedKind:
    """One kind, and the sources of its fields."""

    kind: Kind
    only_if: Condition | None
    fields: tuple[PlannedField, ...]
    parts: PlannedParts | None = None
    repeated: str = "refuse"
    """Which of several rows of one record counts: ``first``, ``last``, or ``refuse``."""

    def map(
        self, row: RowValues, parts: Sequence[Part] = (), others: Sequence[Part] = (), line: int = 0
    ) -> MappedRow | None:
        """Return the result of a row at ``line`` and its parts for this kind; None if ``only_if`` excludes it.

        ``others`` are further rows of the same record, which must agree with it.
        """
        try:
            if not matches_condition(self.only_if, row):
                return None
        except BadValue as bad:
            column = self.only_if.column if self.only_if else ""
            return MappedRow(self.kind, FilledFields((), row), (), [Fault("", column, bad.code, bad.message)])
        head = FilledFields(self.fields, row)
        differing = [
            fault
            for other in others
            for fault in head.join(FilledFields(self.fields, other.values, line=other.line), line, self.repeated)
        ]
        refused, notes = (differing, []) if self.repeated == "refuse" else ([], differing)
        if self.parts is not None and self.kind.needs_parts and not parts:
            columns = ", ".join(self.parts.mapping.join or ())
            message = f"There is no row of its {self.kind.parts}. Add them, or leave this row out."
            refused.append(Fault(self.kind.parts, columns, "required", message))
        return MappedRow(self.kind, head, [self._part(row, part) for part in parts], refused[:_MAX_FAULTS], notes)

    def _part(self, row: RowValues, part: Part) -> FilledFields:
        fields = self.parts.fields if self.parts else ()
        return FilledFields(fields, {**row, **part.values}, within=self.kind.parts, line=part.line, file=part.file)


@dataclass(frozen=True)
class ImportPlan:
    """A parsed mapping."""

    mapping: Mapping
    kinds: tuple[PlannedKind, ...]

    @property
    def joins(self) -> bool:
        """Tell whether there is a second file."""
        return any(planned.parts is not None and planned.parts.of_second_file for planned in self.kinds)

    @property
    def groups(self) -> bool:
        """Tell whether rows of the first file are grouped."""
        return any(planned.parts is not None and not planned.parts.of_second_file for planned in self.kinds)


def plan_import(mapping: Mapping) -> ImportPlan:
    """Return the parsed mapping. Raises InvalidInput naming every unknown or missing kind and field."""
    faults: list[FieldError] = []
    planned = [_plan_kind(f"mapping.kinds.{number}", wanted, faults) for number, wanted in enumerate(mapping.kinds)]
    if faults:
        raise InvalidInput("invalid_mapping", "The mapping cannot be used as it is.", fields=tuple(faults))
    return ImportPlan(mapping, tuple(one for one in planned if one is not None))


def _plan_kind(where: str, wanted: KindMapping, faults: list[FieldError]) -> PlannedKind | None:
    kind = KINDS.get(wanted.kind)
    if kind is None:
        faults.append(FieldError(f"{where}.kind", "unknown_value", f"Send one of: {', '.join(KINDS)}."))
        return None
    fields = _plan_fields(where, wanted, kind.row, kind.name, faults)
    parts = None
    for name, mapped in wanted.parts():
        inside = f"{where}.{name}"
        if name != kind.parts:
            faults.append(FieldError(inside, "unknown_field", f"There are no {name} of {kind.name}. Remove them."))
            continue
        if any(target.startswith(f"{name}.") for target in wanted.fields):
            faults.append(FieldError(inside, "repeated", f"Map {name} here or among the fields, not in both."))
        model = _model_at(kind.row, name)
        made = _plan_fields(inside, mapped, model, name, faults)
        only_if = mapped.only_if or (wanted.only_if if mapped.join is None else None)
        parts = PlannedParts(mapped, only_if, made)
    given = {*wanted.fields, *(name for name, _ in wanted.parts()), *(t.partition(".")[0] for t in wanted.fields)}
    for group in kind.needs:
        if not set(group) & given:
            message = f"Map {' or '.join(group)}: it tells which one a row means."
            faults.append(FieldError(f"{where}.fields", "required", message))
    return PlannedKind(kind, wanted.only_if, fields, parts, wanted.repeated)


def _plan_fields(
    where: str, wanted: KindMapping | PartsMapping, model: type[BaseModel], name: str, faults: list[FieldError]
) -> tuple[PlannedField, ...]:
    fields = []
    for target, how in wanted.fields.items():
        try:
            fields.append(PlannedField(target, how, _type_of(model, target.split("."))))
        except LookupError:
            message = f"There is no such field of {name}. Remove it or correct its name."
            faults.append(FieldError(f"{where}.fields.{target}", "unknown_field", message))
    return tuple(fields)


def _type_of(model: type[BaseModel], path: list[str]) -> type | None:
    """Return int, bool or list if the field at ``path`` has that type. Raises LookupError without such a field."""
    field = model.model_fields[path[0]]
    types = list(_types_in(field.annotation))
    inner = [one for one in types if isinstance(one, type) and issubclass(one, BaseModel)]
    steps = path[1:]
    if inner and list in types:
        # One entry of a list of objects, such as taxes.0.rate.
        if len(steps) < 2 or not (len(steps[0]) == 1 and steps[0].isdigit()):
            raise KeyError(path[0])
        steps = steps[1:]
    if steps:
        if not inner:
            raise KeyError(path[1])
        return _type_of(inner[0], steps)
    if inner:
        raise KeyError(path[0])
    return next((one for one in (bool, int, list) if one in types), None)


def _model_at(model: type[BaseModel], name: str) -> type[BaseModel]:
    found: type[BaseModel] = next(
        one
        for one in _types_in(model.model_fields[name].annotation)
        if isinstance(one, type) and issubclass(one, BaseModel)
    )
    return found


def _types_in(annotation: Any) -> Iterable[Any]:
    origin = get_origin(annotation)
    if origin in (Union, UnionType):
        for part in get_args(annotation):
            yield from _types_in(part)
    elif origin is not None and hasattr(annotation, "__metadata__"):
        yield from _types_in(get_args(annotation)[0])
    elif origin is list:
        yield list
        yield from (one for one in get_args(annotation) if isinstance(one, type) and issubclass(one, BaseModel))
    else:
        yield origin or annotation
