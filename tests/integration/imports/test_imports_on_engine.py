"""Several workers and one import, on the real-process engine."""

import threading
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from chalicelib import clock, storage
from chalicelib.config import settings
from chalicelib.entities import service as entities
from chalicelib.imports import files, service
from chalicelib.imports.rules import ImportSource
from chalicelib.imports.run.process import run_import
from chalicelib.table.items import AuditEventItem, ContactItem
from tests.aws import forget
from tests.engine import engine, engine_environment
from tests.integration.imports.imports import ACCOUNTS, CALL, CONTACTS, ENTITY, NOW, always, mapping, rows, tasks

__all__ = ["engine", "engine_environment"]

pytestmark = [pytest.mark.engine, pytest.mark.timeout(180)]

WORKERS = 8
ROWS = 40
HEAD = "id,name,person,first,last,email,roles\n"


@pytest.fixture
def fresh(engine_environment: dict[str, str]) -> Iterator[None]:
    forget()
    storage.s3_client.cache_clear()
    entities.clear_entity_cache()
    clock.set_clock_source(lambda: NOW)
    entities.put_entity(CALL, "acme", ENTITY)
    yield
    forget()
    storage.s3_client.cache_clear()
    entities.clear_entity_cache()


def test_of_workers_at_once_one_does_the_work(fresh: None) -> None:
    content = HEAD + "".join(f"a{n},N{n},p{n},P,Q,p{n}@a.example,invoicing\n" for n in range(ROWS))
    made = service.create_import(CALL, mapping(ACCOUNTS, CONTACTS), dry_run=False, mail=False)
    storage.store_object(files.source_key(made.import_id), content.encode(), "text/csv")
    service.start_import(CALL, made.import_id)
    (task,) = tasks()
    start = threading.Barrier(WORKERS)
    failures: list[BaseException] = []

    def work() -> None:
        start.wait()
        try:
            run_import(made.import_id, task.key, always)
        except BaseException as error:
            failures.append(error)

    workers = [threading.Thread(target=work) for _ in range(WORKERS)]
    for one in workers:
        one.start()
    for one in workers:
        one.join()
    assert failures == []
    found = service.get_import(made.import_id)
    assert found.status == "finished"
    assert found.counts["contacts"] == {"created": ROWS, "changed": 0, "unchanged": 0, "refused": 0}
    assert sum(isinstance(item, ContactItem) for item in rows()) == ROWS
    created = [item for item in rows() if isinstance(item, AuditEventItem) and item.action == "contact.created"]
    assert len(created) == ROWS
    assert settings().deployment == "test"


def test_the_upload_address_takes_the_file(fresh: None) -> None:

    made = service.create_import(CALL, mapping(ACCOUNTS), dry_run=True, mail=False, file=ImportSource(size=20))
    url = service.get_upload_url(made)
    assert url is not None
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with pytest.raises(urllib.error.HTTPError):
        direct.open(urllib.request.Request(url, b"too short", method="PUT"))
    assert storage.find_object(made.source) is None
    direct.open(urllib.request.Request(url, b"id,name\na1,Customer\n", method="PUT")).close()
    stored = storage.find_object(made.source)
    assert stored is not None
    assert stored.size == 20
