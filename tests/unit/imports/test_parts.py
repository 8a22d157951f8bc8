"""Rows find their record in any order of the files."""

import csv
import io
import json
import tempfile
from collections.abc import Sequence
from typing import IO, Any

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.imports.inputs import Mapping
from chalicelib.imports.mapping.columns import first_file_columns
from chalicelib.imports.mapping.plan import plan_import
from chalicelib.imports.mapping.reader import read_rows
from chalicelib.imports.mapping.row_groups import PartsIndex

TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"]), min_size=1, max_size=5).filter(str.strip)
KEYS = st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=6, unique=True)
FIELDS = {"invoice_id": {"column": ["a", "b"]}, "bill_group_id": "a"}


def written(header: Sequence[str], lines: Sequence[Sequence[Any]]) -> IO[bytes]:
    text = io.StringIO()
    csv.writer(text).writerows([header, *lines])
    file = tempfile.TemporaryFile()  # noqa: SIM115 - it vanishes with the test.
    file.write(text.getvalue().encode())
    file.seek(0)
    return file


def taken(kind: dict[str, Any], first: IO[bytes], second: IO[bytes] | None) -> tuple[list[Any], list[int]]:
    """Return what belongs to each row of the first file, and the lines of what belongs to nothing."""
    plan = plan_import(Mapping.model_validate_json(json.dumps({"kinds": [kind]})))
    parts = PartsIndex(plan)
    parts.read(first, second)
    found = [(row.values, parts.of(0, row)) for row in read_rows(first, first_file_columns(plan.mapping))]
    left = [one.fault.line for one in parts.left_over()]
    parts.close()
    return found, left


@given(KEYS, st.data())
def test_the_rows_of_a_second_file(keys: list[tuple[str, str]], data: st.DataObject) -> None:
    strange = ("\u2713\u2713", "x")
    kind = {
        "kind": "invoices",
        "fields": FIELDS,
        "lines": {"join": {"a": "c", "b": "d"}, "fields": {"description": "n"}},
    }
    lines = [
        (*key, number) for number, key in enumerate(data.draw(st.lists(st.sampled_from([*keys, strange]), max_size=20)))
    ]
    found, left = taken(kind, written("ab", keys), written("cdn", lines))
    known = [(a.strip(), b.strip()) for a, b in keys]
    for values, group in found:
        assert group is not None
        key = (values["a"], values["b"])
        assert [part.values["n"] for part in group.parts] == [str(n) for a, b, n in lines if (a, b) == key]
        assert group.others == ()
    assert left == [number + 2 for a, b, number in lines if (a.strip(), b.strip()) not in known]


@given(st.lists(st.sampled_from(["1", "2", "3", "4"]), min_size=1, max_size=20))
def test_the_rows_of_one_file_that_belong_together(ids: list[str]) -> None:
    kind = {
        "kind": "invoices",
        "fields": {"invoice_id": "a", "bill_group_id": "a"},
        "lines": {"fields": {"description": "n"}},
    }
    found, left = taken(kind, written("an", list(zip(ids, range(len(ids)), strict=True))), None)
    assert left == []
    for number, (values, group) in enumerate(found):
        mates = [str(place) for place, other in enumerate(ids) if other == values["a"]]
        if str(number) != mates[0]:
            assert group is None
            continue
        assert [part.values["n"] for part in group.parts] == mates
        assert [part.values["n"] for part in group.others] == mates[1:]
