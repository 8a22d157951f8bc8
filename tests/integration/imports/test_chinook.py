"""The customers of the Chinook sample database, imported by nothing but a mapping file."""

import json
import os
from pathlib import Path

import pytest

from chalicelib.imports.inputs import Mapping
from chalicelib.table.items import EmailItem
from tests.aws_calls import counted
from tests.integration.imports.imports import data, imported, prepare, rows, run, told

MAPPING = Path(__file__).parents[2] / "fixtures" / "chinook-customers.mapping.json"
FOLDER = os.environ.get("COUNTERFOIL_DATA")

pytestmark = pytest.mark.skipif(FOLDER is None, reason="COUNTERFOIL_DATA does not say where the sample data is.")


@pytest.fixture
def customers() -> bytes:
    return (Path(FOLDER or "") / "chinook" / "Customer.csv").read_bytes()


@pytest.fixture
def mapping() -> Mapping:
    return Mapping.model_validate_json(MAPPING.read_text())


def test_all_customers_come_and_a_second_import_writes_nothing(
    entity: None, customers: bytes, mapping: Mapping
) -> None:
    dry_run = imported(customers, mapping, dry_run=True)
    before = data()
    first = imported(customers, mapping)
    print(json.dumps(first.counts, indent=1), *first.refusals, *first.warnings, sep="\n")
    assert first.status == "finished"
    assert first.counts["rows"]["read"] == 59
    assert first.counts["accounts"] == {"created": 59, "changed": 0, "unchanged": 0, "refused": 0}
    assert first.counts["bill_groups"] == {"created": 59, "changed": 0, "unchanged": 0, "refused": 0}
    assert first.counts["contacts"]["created"] + first.counts["contacts"]["refused"] == 59
    assert (dry_run.counts, dry_run.refusals, dry_run.warnings) == (first.counts, first.refusals, first.warnings)
    assert not any(isinstance(item, EmailItem) for item in rows())
    after = data()
    assert before.keys() < after.keys()

    import_id = prepare(customers, mapping)
    with counted() as calls:
        second = run(import_id)
    assert data() == after
    assert calls.of("dynamodb.TransactWriteItems") == 0
    assert {
        kind: counts["unchanged"] + counts["refused"] for kind, counts in second.counts.items() if kind != "rows"
    } == {
        "entities": 59,
        "accounts": 59,
        "contacts": 59,
        "bill_groups": 59,
    }
    assert told(second) == told(first)
