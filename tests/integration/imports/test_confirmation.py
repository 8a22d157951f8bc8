"""What a dry run showed is what is confirmed, whatever was uploaded in between."""

from collections.abc import Callable

import pytest

from chalicelib import storage
from chalicelib.access import api_keys as access
from chalicelib.access import rules as access_rules
from chalicelib.functions import imports as import_functions
from chalicelib.imports import files, service
from chalicelib.table.items import AccountItem, ImportItem
from tests.aws import BUCKET, client
from tests.integration.api.gateway import send
from tests.integration.imports.imports import ACCOUNTS, CALL, data, imported, mapping, prepare, rows, run
from tests.integration.imports.shop import INVOICES, LINES, customers, imported_two

ONE = b"id,name\na1,Acme\n"
OTHER = b"id,name\na1,Evil\n"
FILE = files.source_key


def put(key: str, content: bytes) -> None:
    client("s3").put_object(Bucket=BUCKET, Key=key, Body=content)


def names() -> list[str]:
    return [item.name for item in rows() if isinstance(item, AccountItem)]


def test_another_file_is_not_confirmed(entity: None) -> None:
    _, token = access.create(CALL, "billing", list(access_rules.SCOPES))
    found = imported(ONE, mapping(ACCOUNTS), dry_run=True)
    put(FILE(found.import_id), OTHER)
    path = f"/v1/imports/{found.import_id}"
    answer = send("POST", f"{path}/start", token=token, body={"dry_run": False})
    assert (answer.status, answer.json["code"]) == (409, "file_changed")
    assert [(one["field"], one["code"]) for one in answer.json["errors"]] == [("file", "file_changed")]
    assert "Start a dry run again" in answer.json["detail"]
    assert names() == []
    assert send("GET", path, token=token).json["status"] == "finished"
    # The way out: see what the new file does, then confirm it; or put the old one back.
    put(FILE(found.import_id), ONE)
    assert send("POST", f"{path}/start", token=token, body={"dry_run": False}).status == 202
    run(found.import_id)
    assert names() == ["Acme"]


def test_the_new_file_is_confirmed_after_a_dry_run_of_its_own(entity: None) -> None:
    found = imported(ONE, mapping(ACCOUNTS), dry_run=True)
    put(FILE(found.import_id), OTHER)
    service.start_import(CALL, found.import_id, True)
    run(found.import_id)
    service.start_import(CALL, found.import_id, False)
    run(found.import_id)
    assert names() == ["Evil"]


def test_another_second_file_is_not_confirmed(entity: None) -> None:
    customers()
    found = imported_two(INVOICES, LINES, dry_run=True)
    put(files.lines_key(found.import_id), LINES.replace("4.99", "5.99").replace(",2,4,", ",3,4,").encode())
    before = data()
    with pytest.raises(Exception, match="The second file was replaced") as refused:
        service.start_import(CALL, found.import_id, False)
    assert [one.field for one in refused.value.fields] == ["lines"]  # type: ignore[attr-defined]
    assert data() == before
    assert service.get_import(found.import_id).dry_run


def test_a_file_of_the_bucket_is_compared_too(entity: None) -> None:
    put("imports/a.csv", ONE)
    asked = import_functions.import_file({"key": "imports/a.csv", "mapping": {"kinds": [ACCOUNTS]}}, None)
    run(asked["import_id"])
    put("imports/a.csv", OTHER)
    refused = import_functions.import_file({"import_id": asked["import_id"], "confirm": True}, None)
    assert refused["refused"]["code"] == "file_changed"
    assert names() == []


def test_a_file_that_changes_between_confirmation_and_run_is_not_read(entity: None) -> None:
    found = imported(ONE, mapping(ACCOUNTS), dry_run=True)
    service.start_import(CALL, found.import_id, False)
    put(FILE(found.import_id), OTHER)
    done = run(found.import_id)
    assert (done.status, names()) == ("failed", [])


@pytest.mark.parametrize("leave", [lambda item: None, lambda item: setattr(item, "content_hash", None)])
def test_entity_tags_that_collide_do_not_help(
    entity: None, monkeypatch: pytest.MonkeyPatch, leave: Callable[[ImportItem], None]
) -> None:
    """MD5, which an entity tag often is, can be made to agree: the SHA-256 decides. Older imports have none."""
    found = imported(ONE, mapping(ACCOUNTS), dry_run=True)
    item = next(item for item in rows() if isinstance(item, ImportItem))
    leave(item)
    item.save()
    put(FILE(found.import_id), OTHER)
    monkeypatch.setattr(storage, "find_object", lambda key: storage.StoredObject(len(OTHER), item.etag))
    service.start_import(CALL, found.import_id, False)
    monkeypatch.undo()
    plain = storage.download_object
    monkeypatch.setattr(files, "download_object", lambda key, etag: plain(key))
    done = run(found.import_id)
    expected = ("finished", ["Evil"]) if item.content_hash is None else ("failed", [])
    assert (done.status, names()) == expected


def test_an_import_that_was_never_a_dry_run_takes_what_is_there(entity: None) -> None:
    run(prepare(OTHER, mapping(ACCOUNTS)))
    assert names() == ["Evil"]
