"""Which columns of the files a mapping names, and where."""

from collections.abc import Iterable
from dataclasses import dataclass

from chalicelib.errors import FieldError
from chalicelib.imports.inputs import FileForm, KindMapping, Mapping, PartsMapping


@dataclass(frozen=True)
class NamedColumns:
    """A place in the mapping that names columns; ``beside``: they may also be in the row of the first file."""

    where: str
    names: tuple[str, ...]
    beside: bool = False


@dataclass(frozen=True)
class FileColumns:
    """The format of a file, and the columns that the mapping names."""

    form: FileForm
    named: tuple[NamedColumns, ...]
    beside: frozenset[str] = frozenset()
    """For a second file: the columns of the first one."""

    def unknown(self, known: Iterable[str], *, alone: bool = False) -> tuple[FieldError, ...]:
        """Return a fault for each place in the mapping that names a column which is not ``known``.

        ``alone``: nor if another file has it.
        """
        columns = set(known)
        return tuple(
            FieldError(place.where, "unknown_column", f"The file has no column {name!r}. Correct the mapping.")
            for place in self.named
            for name in place.names
            if name not in columns and not (place.beside and not alone and name in self.beside)
        )


def first_file_columns(mapping: Mapping) -> FileColumns:
    """Return the columns that a mapping names of the first file."""
    named: list[NamedColumns] = []
    for number, kind in enumerate(mapping.kinds):
        where = f"mapping.kinds.{number}"
        named += _columns_of(where, kind)
        for name, parts in kind.parts():
            if parts.join is None:
                named += _columns_of(f"{where}.{name}", parts)
            else:
                named.append(NamedColumns(f"{where}.{name}.join", tuple(parts.join)))
    return FileColumns(mapping, tuple(named))


def second_file_columns(mapping: Mapping, columns_of_first: Iterable[str]) -> FileColumns:
    """Return the columns that a mapping names of the second file, including those of the joined row."""
    named: list[NamedColumns] = []
    for number, kind in enumerate(mapping.kinds):
        for name, parts in kind.parts():
            if parts.join is not None:
                where = f"mapping.kinds.{number}.{name}"
                named.append(NamedColumns(f"{where}.join", tuple(parts.join.values())))
                named += _columns_of(where, parts, beside=True)
    return FileColumns(mapping.lines_file or mapping, tuple(named), frozenset(columns_of_first))


def _columns_of(where: str, mapping: KindMapping | PartsMapping, *, beside: bool = False) -> list[NamedColumns]:
    condition = (mapping.only_if.column,) if mapping.only_if else ()
    fields = (NamedColumns(f"{where}.fields.{target}", how.columns(), beside) for target, how in mapping.fields.items())
    return [NamedColumns(f"{where}.only_if", condition), *fields]
