"""The invoices of the Chinook sample database, with lines from a file of their own, imported by a mapping alone.

On the real-process engine: the one in this process copies the whole table for each transaction.
"""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib import clock, storage
from chalicelib.entities import service as entities
from chalicelib.imports import files, service
from chalicelib.imports.inputs import Mapping
from chalicelib.imports.rules import Import
from chalicelib.invoices import queries
from chalicelib.table.items import DeliveryItem, EmailItem, InvoiceItem
from tests.aws import forget
from tests.aws_calls import counted
from tests.engine import engine, engine_environment
from tests.integration.imports.imports import CALL, NOW, data, rows, run

__all__ = ["engine", "engine_environment"]

FIXTURES = Path(__file__).parents[2] / "fixtures"
FOLDER = os.environ.get("COUNTERFOIL_DATA")

pytestmark = [
    pytest.mark.engine,
    pytest.mark.timeout(600),
    pytest.mark.skipif(FOLDER is None, reason="COUNTERFOIL_DATA does not say where the sample data is."),
]


@pytest.fixture
def fresh(engine_environment: dict[str, str]) -> Iterator[None]:
    forget()
    storage.s3_client.cache_clear()
    entities.clear_entity_cache()
    clock.set_clock_source(lambda: NOW)
    yield
    forget()
    storage.s3_client.cache_clear()
    entities.clear_entity_cache()


def prepared(name: str, *sources: str, dry_run: bool = False) -> str:
    mapping = Mapping.model_validate_json((FIXTURES / f"chinook-{name}.mapping.json").read_text())
    made = service.create_import(CALL, mapping, dry_run=dry_run, mail=False)
    for key, source in zip((files.source_key(made.import_id), files.lines_key(made.import_id)), sources, strict=False):
        storage.store_object(key, (Path(FOLDER or "") / "chinook" / source).read_bytes(), "text/csv")
    service.start_import(CALL, made.import_id)
    return made.import_id


def invoices(*, dry_run: bool = False) -> Import:
    return run(prepared("invoices", "Invoice.csv", "InvoiceLine.csv", dry_run=dry_run))


def test_all_invoices_come_with_their_lines_and_a_second_import_writes_nothing(fresh: None) -> None:
    assert run(prepared("customers", "Customer.csv")).counts["bill_groups"]["created"] == 59
    before = data()
    dry_run = invoices(dry_run=True)
    assert data() == before
    first = invoices()
    assert (first.status, first.refusals, first.warnings) == ("finished", (), ())
    assert first.counts == dry_run.counts
    assert first.counts == {
        "rows": {"read": 412, "refused": 0},
        "lines": {"read": 2240, "refused": 0},
        "invoices": {"created": 412, "changed": 0, "unchanged": 0, "refused": 0},
    }
    issued = [item for item in rows() if isinstance(item, InvoiceItem)]
    assert sum(item.total for item in issued) == 232860
    assert Counter(item.line_count for item in issued) == {1: 59, 2: 117, 4: 59, 6: 59, 9: 59, 14: 59}
    # By the terms of the accounts, 30 days net.
    assert {(item.due_date - item.issue_date).days for item in issued} == {30}
    first_lines = queries.get_invoice_with_content("chinook-1").content.lines
    assert [(one.description, one.net_amount) for one in first_lines] == [("Track 2", 99), ("Track 4", 99)]
    assert not any(isinstance(item, EmailItem | DeliveryItem) for item in rows())
    assert not any(item.delivery_wanted for item in issued)

    after = data()
    import_id = prepared("invoices", "Invoice.csv", "InvoiceLine.csv")
    with counted() as calls:
        second = run(import_id)
    assert data() == after
    assert calls.of("dynamodb.TransactWriteItems") == 0
    assert second.counts["invoices"] == {"created": 0, "changed": 0, "unchanged": 412, "refused": 0}
