"""Reading rows from a file, one at a time, each with the line at which it begins."""

import codecs
import csv
import io
import json
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import IO, Any, NoReturn, cast

from chalicelib.errors import FieldError
from chalicelib.imports.inputs import FileForm
from chalicelib.imports.mapping.columns import FileColumns
from chalicelib.imports.mapping.row_mapper import FIRST_FILE
from chalicelib.imports.rules import MAX_ROW_LENGTH

_MAX_NUMBER_LENGTH = 40
_UNDECODED = "\udc00"
"""Marks bytes that are invalid in the encoding. No encoding decodes to half of a character."""
_MARK_UNDECODED = "counterfoil.mark-undecoded"


def _mark_undecoded(error: UnicodeError) -> tuple[str, int]:
    # It is only ever read with.
    return _UNDECODED, cast(UnicodeDecodeError, error).end


codecs.register_error(_MARK_UNDECODED, _mark_undecoded)


@dataclass(frozen=True)
class Row:
    """A row: its values by column, or why it cannot be read."""

    line: int
    values: dict[str, Any]
    fault: FieldError | None = None


class UnreadableFile(Exception):
    """The file, or the rest of it, cannot be read; ``faults`` name wrong fields of the mapping."""

    def __init__(
        self, message: str, *, line: int = 0, faults: tuple[FieldError, ...] = (), file: str = FIRST_FILE
    ) -> None:
        """Store the sentence, the line, the faults, and which file it is."""
        super().__init__(message)
        self.message = message
        self.line = line
        self.faults = faults
        self.file = file


class _RowTooLong(Exception):
    """One line is too long; the next one can be read."""


class _WrongEncoding(Exception):
    """A line is not in the encoding of the file."""

    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.line = line


class _Lines:
    """The counted lines of a file, with their ends, as ``csv`` needs them."""

    def __init__(self, file: io.TextIOWrapper) -> None:
        self._file = file
        self.number = 0
        self.length_of_row = 0

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._read(MAX_ROW_LENGTH + 1, self.number + 1)
        if not line:
            raise StopIteration
        self.number += 1
        begins_row = self.length_of_row == 0
        self.length_of_row += len(line)
        if self.length_of_row <= MAX_ROW_LENGTH:
            return line
        quotes = line.count('"')
        while not line.endswith(("\n", "\r")) and (line := self._read(MAX_ROW_LENGTH, self.number)):
            quotes += line.count('"')
        if begins_row and quotes % 2 == 0:
            raise _RowTooLong
        raise UnreadableFile(
            f"A row that ends at line {self.number} or later has more than {MAX_ROW_LENGTH // 1024} KiB. "
            "Perhaps a quote is missing.",
            line=self.number,
        )

    def _read(self, most: int, number: int) -> str:
        # A file is decoded in pieces of many lines: an error raised there would hide the good lines before the bad one.
        try:
            text = self._file.readline(most)
        except UnicodeError:
            # The byte order mark, which this encoding needs, is missing.
            raise _WrongEncoding(number) from None
        if _UNDECODED in text:
            raise _WrongEncoding(number)
        return text


def read_rows(file: IO[bytes], columns: FileColumns) -> Generator[Row, None, None]:
    """Yield the rows of a file. Raises UnreadableFile when no further row can be trusted.

    Invalid rows come with their fault. Empty lines are skipped. The file stays open.
    """
    with _open_lines(file, columns.form) as lines:
        if columns.form.format == "json_lines":
            yield from _json_rows(lines)
            return
        reader = csv.reader(lines, delimiter=columns.form.delimiter, strict=True)
        yield from _csv_rows(lines, reader, _header(lines, reader, columns))


def read_header(file: IO[bytes], columns: FileColumns) -> list[str]:
    """Return the column names of a file; JSON Lines has none. Raises UnreadableFile when the mapping names others.

    The file is rewound.
    """
    if columns.form.format == "json_lines":
        return []
    with _open_lines(file, columns.form) as lines:
        found = _header(lines, csv.reader(lines, delimiter=columns.form.delimiter, strict=True), columns)
    file.seek(0)
    return found


@contextmanager
def _open_lines(file: IO[bytes], form: FileForm) -> Iterator[_Lines]:
    encoding = "utf-8-sig" if form.encoding == "utf-8" else form.encoding
    newline = "" if form.format == "csv" else "\n"
    text = io.TextIOWrapper(cast(io.BufferedRandom, file), encoding, errors=_MARK_UNDECODED, newline=newline)
    try:
        yield _Lines(text)
    except _WrongEncoding as wrong:
        raise UnreadableFile(
            f"Line {wrong.line} holds something that is not {form.encoding}. "
            "Name the file's encoding in the mapping, such as cp1252.",
            line=wrong.line,
            faults=(FieldError("mapping.encoding", "bad_encoding", f"The file is not in {form.encoding}."),),
        ) from None
    finally:
        # Otherwise the file would be closed with its text wrapper.
        text.detach()


def _header(lines: _Lines, reader: Iterator[list[str]], columns: FileColumns) -> list[str]:
    first_line, cells = 1, list[str]()
    try:
        while not cells:
            lines.length_of_row = 0
            first_line = lines.number + 1
            cells = next(reader)
    except StopIteration:
        raise UnreadableFile("The file is empty. Its first row must name the columns.") from None
    except _RowTooLong:
        raise _bad_header_error(_too_long_fault().message, first_line) from None
    except csv.Error as error:
        raise _bad_header_error(f"This row is not CSV: {error}.", first_line) from None
    return _check_header(cells, columns)


def _bad_header_error(why: str, line: int) -> UnreadableFile:
    return UnreadableFile(f"The first row must name the columns. {why}", line=line)


def _csv_rows(lines: _Lines, reader: Iterator[list[str]], columns: list[str]) -> Iterator[Row]:
    while True:
        lines.length_of_row = 0
        first_line = lines.number + 1
        fault: FieldError | None = None
        try:
            cells = next(reader)
        except StopIteration:
            return
        except _RowTooLong:
            cells, fault = [""], _too_long_fault()
        except csv.Error as error:
            cells, fault = [""], FieldError("", "bad_csv", f"This row is not CSV: {error}.")
        if not cells:
            continue
        if fault is None and len(cells) != len(columns):
            message = (
                f"The row has {len(cells)} columns, the first row {len(columns)}. Correct its delimiters or quotes."
            )
            fault = FieldError("", "bad_number_of_columns", message)
        yield Row(first_line, {} if fault else dict(zip(columns, cells, strict=True)), fault)


def _check_header(cells: list[str], wanted: FileColumns) -> list[str]:
    columns = [cell.strip() for cell in cells]
    faults = list(wanted.unknown(columns))
    for name in sorted({name for name in columns if columns.count(name) > 1}):
        # An unknown column is all the others do not name: so this finds where the mapping uses the name.
        others = [column for column in columns if column != name]
        faults += [
            FieldError(fault.field, "repeated_column", f"The file has {name!r} more than once. Rename one.")
            for fault in wanted.unknown(others, alone=True)
            if repr(name) in fault.message
        ]
    if faults:
        raise UnreadableFile("The mapping does not fit the columns of the file.", line=1, faults=tuple(faults))
    return columns


def _json_rows(lines: _Lines) -> Iterator[Row]:
    while True:
        lines.length_of_row = 0
        try:
            text = next(lines)
        except StopIteration:
            return
        except (_RowTooLong, UnreadableFile):
            yield Row(lines.number, {}, _too_long_fault())
            continue
        if text.strip():
            yield _json_row(lines.number, text)


def _json_row(line: int, text: str) -> Row:
    try:
        value = json.loads(
            text,
            object_pairs_hook=_parse_object,
            parse_constant=_reject_constant,
            parse_float=_parse_decimal,
            parse_int=_parse_integer,
        )
    except json.JSONDecodeError as error:
        return Row(line, {}, FieldError("", "not_json", f"This line is not JSON: column {error.colno}."))
    except (ValueError, RecursionError) as error:
        message = str(error) if isinstance(error, _BadJson) else "This line is nested too deeply."
        return Row(line, {}, FieldError("", "not_json", message))
    if not isinstance(value, dict):
        return Row(line, {}, FieldError("", "not_an_object", "This line is not a JSON object: {…}."))
    return Row(line, value)


class _BadJson(ValueError):
    """JSON that parsers may read differently; the message says what."""


def _parse_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _BadJson("A name stands twice in one object of this line.")
    return found


def _reject_constant(name: str) -> NoReturn:
    raise _BadJson(f"{name} is not a JSON number.")


def _parse_decimal(digits: str) -> Decimal:
    if len(digits) > _MAX_NUMBER_LENGTH or abs((number := Decimal(digits)).adjusted()) > _MAX_NUMBER_LENGTH:
        raise _BadJson("A number in this line is too long.")
    return number


def _parse_integer(digits: str) -> int:
    if len(digits) > _MAX_NUMBER_LENGTH:
        raise _BadJson("A number in this line is too long.")
    return int(digits)


def _too_long_fault() -> FieldError:
    return FieldError("", "row_too_long", f"A row has at most {MAX_ROW_LENGTH // 1024} KiB.")
