import csv
import io
import json
import tempfile
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.imports.inputs import Mapping
from chalicelib.imports.mapping.columns import first_file_columns
from chalicelib.imports.mapping.plan import plan_import
from chalicelib.imports.mapping.reader import Row, UnreadableFile, read_rows
from chalicelib.imports.rules import MAX_ROW_LENGTH

LIMIT = MAX_ROW_LENGTH


def read(content: str | bytes, **further: Any) -> list[Row]:
    return list(reading(content, **further))


def reading(content: str | bytes, **further: Any) -> Iterator[Row]:
    kind = {"kind": "accounts", "fields": {"account_id": "id", "name": "name"}}
    plan = plan_import(Mapping.model_validate_json(json.dumps({"kinds": [kind], **further})))
    with tempfile.TemporaryFile() as file:
        file.write(content.encode() if isinstance(content, str) else content)
        file.seek(0)
        yield from read_rows(file, first_file_columns(plan.mapping))


def until_unreadable(content: bytes, **further: Any) -> tuple[list[Row], UnreadableFile]:
    found: list[Row] = []
    with pytest.raises(UnreadableFile) as refusal:
        found.extend(reading(content, **further))
    return found, refusal.value


def good(content: str | bytes, **further: Any) -> list[tuple[int, Any, Any]]:
    found = read(content, **further)
    assert [row.fault for row in found] == [None] * len(found)
    return [(row.line, row.values.get("id"), row.values.get("name")) for row in found]


class TestCsv:
    def test_lines_are_those_of_the_file(self) -> None:
        content = 'id,name\r\n1,"two\r\nlines"\r\n\r\n2,"a ""quote"""\n3,\n'
        assert good(content) == [(2, "1", "two\r\nlines"), (5, "2", 'a "quote"'), (6, "3", "")]

    def test_a_byte_order_mark_is_no_part_of_the_first_column(self) -> None:
        assert good(b"\xef\xbb\xbfid,name\n1,\xc3\x85\n") == [(2, "1", "Å")]

    @pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "latin1", "utf-8"])
    def test_encodings(self, encoding: str) -> None:
        assert good("id,name\n1,Ångström\n".encode(encoding), encoding=encoding) == [(2, "1", "Ångström")]

    @pytest.mark.parametrize("good_rows", [0, 3, 5000])
    def test_a_wrong_encoding_is_reported_with_its_line_after_the_rows_before(self, good_rows: int) -> None:
        content = "id,name\n" + "1,x\n" * good_rows + "2,Ångström\n" + "3,y\n" * 5
        found, refusal = until_unreadable(content.encode("cp1252"))
        assert len(found) == good_rows
        assert (refusal.line, refusal.faults[0].field) == (good_rows + 2, "mapping.encoding")
        assert refusal.message.startswith(f"Line {good_rows + 2} ")

    @pytest.mark.parametrize(
        ("content", "encoding", "line"),
        [
            ("id,näme\n".encode("cp1252"), "utf-8", 1),
            ('id,name\n1,"a\nü"\n'.encode("cp1252"), "utf-8", 3),
            (b"id,name\n1," + b"x" * 3 * LIMIT + b"\xff\n", "utf-8", 2),
            (b"id,name\n1,\xc3", "utf-8", 2),
            (b"id,name\n1,x\n", "utf-16", 1),
            ("id,name\n1,x\n".encode("utf-16") + b"\x00\xd8\x0a\x00", "utf-16", 3),
            ("id,name\n1,x\n".encode("utf-16") + b"2", "utf-16", 3),
            ("id,name\n1,x\n2,é\n".encode("utf-16-le"), "ascii", 3),
            (b"id,name\n1,\xfd\n", "shift_jis", 2),
            (b"id,name\n1,\x81\n", "cp1252", 2),
        ],
    )
    def test_the_line_of_a_wrong_encoding(self, content: bytes, encoding: str, line: int) -> None:
        plain_columns = {"kinds": [{"kind": "accounts", "fields": {"account_id": {"constant": "a"}}}]}
        assert until_unreadable(content, encoding=encoding, **plain_columns)[1].line == line

    def test_other_delimiters_and_old_line_ends(self) -> None:
        assert good("id;name\r1;a,b\r", delimiter=";") == [(2, "1", "a,b")]
        assert good("id\tname\n1\tx\n", delimiter="\t") == [(2, "1", "x")]

    def test_columns_that_the_mapping_needs_must_be_there_once(self) -> None:
        for head, code in (("id,nam", "unknown_column"), ("id,name,name", "repeated_column")):
            with pytest.raises(UnreadableFile) as refusal:
                read(f"{head}\n1,a,b\n")
            (fault,) = refusal.value.faults
            assert (fault.field, fault.code) == ("mapping.kinds.0.fields.name", code)
        assert good("id,x,x,name\n1,2,3,a\n") == [(2, "1", "a")]

    def test_an_empty_file_has_no_columns(self) -> None:
        with pytest.raises(UnreadableFile):
            read("")

    def test_faulty_rows_do_not_disturb_their_neighbours(self) -> None:
        long = "x" * (LIMIT + 5)
        content = f'id,name\n1\n2,"a"b\n3,{long}\n4,"{long}"\n5,ok\n6,a,b\n'
        found = read(content)
        assert [(row.line, row.fault.code if row.fault else row.values["id"]) for row in found] == [
            (2, "bad_number_of_columns"),
            (3, "bad_csv"),
            (4, "row_too_long"),
            (5, "row_too_long"),
            (6, "5"),
            (7, "bad_number_of_columns"),
        ]

    def test_a_quote_that_is_never_closed_ends_the_reading(self) -> None:
        with pytest.raises(UnreadableFile) as refusal:
            read('id,name\n1,"open\n' + "2,x\n" * LIMIT)
        assert "quote" in refusal.value.message
        assert [row.fault.code for row in read('id,name\n1,"open\n2,x\n') if row.fault] == ["bad_csv"]

    def test_nul_is_for_the_fields_to_refuse(self) -> None:
        assert good("id,name\n1,a\0b\n") == [(2, "1", "a\0b")]

    @given(
        cells=st.lists(
            st.tuples(
                st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20),
                st.text(st.characters(codec="utf-8"), max_size=20),
            ),
            max_size=10,
        )
    )
    def test_what_is_written_is_read(self, cells: list[tuple[str, str]]) -> None:
        file = io.StringIO(newline="")
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows([("id", "name"), *cells])
        content = file.getvalue()
        found = read(content)
        assert [(row.values["id"], row.values["name"]) for row in found] == cells
        lines = io.StringIO(content, newline="").readlines()
        assert all(lines[row.line - 1].startswith('"') for row in found)


class TestJsonLines:
    def test_objects(self) -> None:
        content = '\ufeff{"id": "1", "name": {"a": [1]}}\n\n{"id": 2}\n'
        assert good(content, format="json_lines") == [(1, "1", {"a": [1]}), (3, 2, None)]

    @pytest.mark.parametrize(
        ("line", "code"),
        [
            ('["id"]', "not_an_object"),
            ("7", "not_an_object"),
            ("{", "not_json"),
            ('{"id": 1, "id": 2}', "not_json"),
            ('{"id": NaN}', "not_json"),
            ('{"id": 1e999999999}', "not_json"),
            ('{"id": ' + "9" * 5000 + "}", "not_json"),
            ("[" * 30000, "not_json"),
            ('{"id": "' + "x" * LIMIT + '"}', "row_too_long"),
            ('{"id": "' + "x" * LIMIT, "row_too_long"),
        ],
    )
    def test_faulty_lines_do_not_disturb_their_neighbours(self, line: str, code: str) -> None:
        first, second = read(line + '\n{"id": "2"}\n', format="json_lines")
        assert first.fault is not None
        assert (first.line, first.fault.code) == (1, code)
        assert (second.line, second.values) == (2, {"id": "2"})

    def test_a_wrong_encoding_is_reported_with_its_line(self) -> None:
        found, refusal = until_unreadable(b'{"id": 1}\n{"id": "\xff"}\n', format="json_lines")
        assert ([row.line for row in found], refusal.line) == ([1], 2)
        long = b'{"id": "' + b"x" * 2 * LIMIT + b"\xff"
        assert until_unreadable(long, format="json_lines")[1].line == 1

    def test_an_escaped_half_of_a_character_is_for_the_fields_to_refuse(self) -> None:
        assert good('{"id": "\\udc00"}\n', format="json_lines") == [(1, "\udc00", None)]

    def test_a_line_separator_within_a_text_ends_no_line(self) -> None:
        assert good('{"id": "a\u2028b"}\n', format="json_lines") == [(1, "a\u2028b", None)]
