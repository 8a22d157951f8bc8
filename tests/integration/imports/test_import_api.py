"""Imports over HTTP, from the console, and by their queue."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from botocore.exceptions import ClientError

from app import app
from chalicelib import clock, storage
from chalicelib.access import api_keys as access
from chalicelib.access import rules as access_rules
from chalicelib.config import settings
from chalicelib.functions import imports as import_functions
from chalicelib.imports import files, jobs, rules
from chalicelib.imports import service as imports
from chalicelib.table.items import AccountItem
from infra.local import import_file
from tests.aws import BUCKET, client
from tests.integration.api.gateway import Answer, send
from tests.integration.imports.imports import ACCOUNTS, CALL, NOW, data, mapping, prepare, rows, run, tasks
from tests.integration.imports.shop import INVOICES, JOINED, LINES, PAYMENT, customers

CONTENT = b"id,name\na1,Acme\na2,\n"
MAPPING = {"kinds": [ACCOUNTS]}


@pytest.fixture
def token(entity: None) -> str:
    return access.create(CALL, "billing", list(access_rules.SCOPES))[1]


def upload(import_id: str, content: bytes = CONTENT) -> None:
    client("s3").put_object(Bucket=BUCKET, Key=files.source_key(import_id), Body=content)


def queue() -> list[dict[str, Any]]:
    """Take the messages of the imports queue."""
    found = client("sqs").receive_message(QueueUrl=settings().queue_urls["imports"], MaxNumberOfMessages=10)
    messages: list[dict[str, Any]] = found.get("Messages", [])
    for message in messages:
        client("sqs").delete_message(QueueUrl=settings().queue_urls["imports"], ReceiptHandle=message["ReceiptHandle"])
    return messages


def work() -> None:
    """Do what Lambda does with the queue."""
    while messages := queue():
        records = [{"messageId": one["MessageId"], "body": one["Body"]} for one in messages]
        assert jobs.run_imports({"Records": records}, None) == {"batchItemFailures": []}


def codes(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.json["code"]


def test_from_upload_to_confirmation(token: str) -> None:
    made = send("POST", "/v1/imports", token=token, body={"mapping": MAPPING, "size": len(CONTENT)})
    assert made.status == 202, made.text
    import_id, address = made.json["import_id"], made.json["upload"]
    assert (made.json["status"], made.json["dry_run"], made.json["mail"]) == ("waiting_for_upload", True, False)
    assert (address["method"], address["headers"]) == ("PUT", {"Content-Length": str(len(CONTENT))})
    parts = urlsplit(address["url"])
    assert parts.path == f"/imports/{import_id}/source"
    assert parts.hostname == f"{BUCKET}.s3.eu-central-1.amazonaws.com"
    assert parse_qs(parts.query)["X-Amz-SignedHeaders"] == ["content-length;host"]
    path = f"/v1/imports/{import_id}"
    assert codes(send("POST", f"{path}/start", token=token)) == (409, "upload_missing")

    upload(import_id)
    before = data()
    started = send("POST", f"{path}/start", token=token)
    assert (started.status, started.json["status"]) == (202, "queued")
    assert codes(send("POST", f"{path}/start", token=token, body={})) == (409, "import_is_running")
    work()
    found = send("GET", path, token=token).json
    assert (found["status"], found["rows_read"]) == ("finished", 2)
    assert found["counts"]["accounts"] == {"created": 1, "changed": 0, "unchanged": 0, "refused": 1}
    (refusal,) = found["refusals"]
    assert {key: refusal[key] for key in ("line", "kind", "field", "column", "code")} == {
        "line": 3,
        "kind": "accounts",
        "field": "name",
        "column": "name",
        "code": "required",
    }
    assert f"/imports/{import_id}/refusals.jsonl?" in found["results"]["refusals"]
    assert found["results"]["warnings"] is None
    assert data() == before

    confirmed = send("POST", f"{path}/start", token=token, body={"dry_run": False})
    assert (confirmed.status, confirmed.json["dry_run"]) == (202, False)
    work()
    assert [item.account_id for item in rows() if isinstance(item, AccountItem)] == ["a1"]
    assert codes(send("POST", f"{path}/start", token=token)) == (409, "import_is_finished")
    assert tasks() == []


def test_two_files_from_upload_to_confirmation(token: str) -> None:
    customers()
    body = {"mapping": {"kinds": [JOINED]}, "size": len(INVOICES), "lines_size": len(LINES)}
    made = send("POST", "/v1/imports", token=token, body=body)
    assert made.status == 202, made.text
    import_id, second = made.json["import_id"], made.json["upload_lines"]
    assert urlsplit(second["url"]).path == f"/imports/{import_id}/lines"
    assert second["headers"] == {"Content-Length": str(len(LINES))}
    path = f"/v1/imports/{import_id}"
    upload(import_id, INVOICES.encode())
    refused = send("POST", f"{path}/start", token=token)
    assert (codes(refused), refused.json["errors"][0]["field"]) == ((409, "upload_missing"), "lines")
    client("s3").put_object(Bucket=BUCKET, Key=files.lines_key(import_id), Body=LINES.encode())
    for dry_run in (True, False):
        assert send("POST", f"{path}/start", token=token, body={"dry_run": dry_run}).status == 202
        work()
    found = send("GET", path, token=token).json
    assert found["counts"]["lines"] == {"read": 5, "refused": 0}
    assert found["counts"]["invoices"]["created"] == 3


def test_a_second_file_that_is_not_joined_is_refused(token: str) -> None:
    answer = send("POST", "/v1/imports", token=token, body={"mapping": MAPPING, "lines_size": 3})
    assert (answer.status, answer.json["errors"][0]["field"]) == (422, "lines_size")


def test_a_second_file_from_the_console(entity: None) -> None:
    customers()
    for key, content in (("imports/i.csv", INVOICES), ("imports/l.csv", LINES)):
        client("s3").put_object(Bucket=BUCKET, Key=key, Body=content.encode())
    event = {"key": "imports/i.csv", "lines_key": "imports/l.csv", "mapping": {"kinds": [JOINED]}}
    asked = import_functions.import_file(event, None)
    work()
    assert import_functions.import_file({"import_id": asked["import_id"]}, None)["counts"]["invoices"]["created"] == 3


@pytest.mark.parametrize(("kind", "scope"), [("invoices", "invoices:write"), ("payments", "payments:write")])
def test_what_is_owed_needs_its_own_scope(token: str, kind: str, scope: str) -> None:
    wanted = {"invoices": JOINED, "payments": PAYMENT}[kind]
    _, lesser = access.create(CALL, "lesser", sorted(set(access_rules.SCOPES) - {scope}))
    answer = send("POST", "/v1/imports", token=lesser, body={"mapping": {"kinds": [wanted]}})
    assert codes(answer) == (403, "forbidden")


def test_repeated_requests_make_and_start_one_import(token: str) -> None:
    key = {"Idempotency-Key": "import-1"}
    first, second = (send("POST", "/v1/imports", token=token, body={"mapping": MAPPING}, headers=key) for _ in "12")
    assert first.json["import_id"] == second.json["import_id"]
    assert second.json["upload"]["url"]
    upload(first.json["import_id"])
    key = {"Idempotency-Key": "start-1"}
    path = f"/v1/imports/{first.json['import_id']}/start"
    assert [send("POST", path, token=token, body={}, headers=key).status for _ in "12"] == [202, 202]
    assert len(tasks()) == 1
    assert len(send("GET", "/v1/imports", token=token).json["items"]) == 1


def test_imports_are_listed_newest_first(token: str) -> None:
    made = []
    for seconds in range(3):
        clock.set_clock_source(lambda seconds=seconds: NOW.replace(second=seconds))  # type: ignore[misc]
        made.append(send("POST", "/v1/imports", token=token, body={"mapping": MAPPING}).json["import_id"])
    first = send("GET", "/v1/imports?limit=2", token=token).json
    rest = send("GET", f"/v1/imports?limit=2&cursor={first['next_cursor']}", token=token).json
    assert [one["import_id"] for one in first["items"] + rest["items"]] == made[::-1]


def test_every_fault_of_a_mapping_is_named(token: str) -> None:
    fields = {"account_id": "id", "nam": "n", "name": {"colum": "n"}}
    wrong = {"kinds": [{"kind": "accounts", "fields": fields}, {"kind": "tickets", "fields": {"x": "y"}}]}
    answer = send("POST", "/v1/imports", token=token, body={"mapping": wrong})
    assert answer.status == 422
    assert {fault["field"] for fault in answer.json["errors"]} >= {"mapping.kinds.0.fields.name.colum"}
    del fields["name"]
    answer = send("POST", "/v1/imports", token=token, body={"mapping": wrong})
    assert codes(answer) == (422, "invalid_mapping")
    assert {fault["field"] for fault in answer.json["errors"]} == {
        "mapping.kinds.0.fields.nam",
        "mapping.kinds.1.kind",
    }


def test_nobody_imports_what_they_may_not_write(token: str) -> None:
    scopes = sorted(set(access_rules.SCOPES) - {"accounts:write"})
    _, lesser = access.create(CALL, "lesser", scopes)
    answer = send("POST", "/v1/imports", token=lesser, body={"mapping": MAPPING})
    assert codes(answer) == (403, "forbidden")
    assert send("GET", "/v1/imports", token=token).json["items"] == []


def test_nobody_starts_an_import_of_what_they_may_not_write(token: str) -> None:
    import_id = send("POST", "/v1/imports", token=token, body={"mapping": MAPPING}).json["import_id"]
    upload(import_id)
    _, lesser = access.create(CALL, "lesser", ["imports:read", "imports:write"])
    answer = send("POST", f"/v1/imports/{import_id}/start", token=lesser, body={"dry_run": False})
    assert codes(answer) == (403, "forbidden")
    assert send("GET", f"/v1/imports/{import_id}", token=token).json["status"] == "waiting_for_upload"


def test_an_import_that_is_never_started_expires(token: str) -> None:
    made = send("POST", "/v1/imports", token=token, body={"mapping": MAPPING}).json
    upload(made["import_id"])
    clock.set_clock_source(lambda: NOW + rules.START_DEADLINE)
    assert send("GET", f"/v1/imports/{made['import_id']}", token=token).json["status"] == "expired"
    assert codes(send("POST", f"/v1/imports/{made['import_id']}/start", token=token)) == (409, "import_is_expired")


@pytest.mark.parametrize(("size", "code"), [(0, "empty_file"), (rules.MAX_FILE_BYTES + 1, "file_too_large")])
def test_files_of_impossible_size(token: str, monkeypatch: pytest.MonkeyPatch, size: int, code: str) -> None:
    made = send("POST", "/v1/imports", token=token, body={"mapping": MAPPING}).json
    monkeypatch.setattr(storage, "find_object", lambda key: storage.StoredObject(size, '"etag"'))
    answer = send("POST", f"/v1/imports/{made['import_id']}/start", token=token)
    assert (answer.status, answer.json["errors"][0]["code"]) == (422, code)


def test_a_bucket_that_does_not_answer_is_no_fault_of_the_caller(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = send("POST", "/v1/imports", token=token, body={"mapping": MAPPING}).json

    def fails(**parameters: Any) -> Any:
        raise ClientError({"Error": {"Code": "SlowDown"}}, "HeadObject")

    monkeypatch.setattr(storage.s3_client(), "head_object", fails)
    assert send("POST", f"/v1/imports/{made['import_id']}/start", token=token).status == 503


class TestConsole:
    def test_a_dry_run_and_its_confirmation(self, entity: None) -> None:
        client("s3").put_object(Bucket=BUCKET, Key="imports/mine.csv", Body=CONTENT)
        asked = import_functions.import_file({"key": "imports/mine.csv", "mapping": MAPPING}, None)
        assert (asked["status"], asked["dry_run"]) == ("queued", True)
        work()
        known = {"import_id": asked["import_id"]}
        shown = import_functions.import_file(known, None)
        assert (shown["status"], shown["counts"]["accounts"]["created"]) == ("finished", 1)
        assert "confirm" in shown["next"]
        assert import_functions.import_file({**known, "confirm": True}, None)["dry_run"] is False
        work()
        shown = import_functions.import_file(known, None)
        assert (shown["status"], shown["dry_run"], "next" in shown) == ("finished", False, False)
        assert json.loads(json.dumps(shown)) == shown

    @pytest.mark.parametrize(
        ("event", "field"),
        [
            ({}, "key"),
            ([], ""),
            ({"key": "erasures/x", "mapping": MAPPING}, "key"),
            ({"key": "imports/x", "mapping": {}}, "mapping.kinds"),
            ({"key": "imports/x", "mapping": MAPPING, "confirm": "yes"}, "confirm"),
            ({"key": "imports/absent", "mapping": MAPPING}, "file"),
            ({"key": "imports/x", "lines_key": "imports/y", "mapping": MAPPING}, "lines_key"),
            ({"key": "imports/x", "mapping": {"kinds": [JOINED]}}, "lines_key"),
            ({"key": "imports/x", "lines_key": "x", "mapping": {"kinds": [JOINED]}}, "lines_key"),
            ({"import_id": 7}, "import_id"),
        ],
    )
    def test_refusals_name_the_field(self, entity: None, event: Any, field: str) -> None:
        refused = import_functions.import_file(event, None)
        assert refused["refused"]["message"]
        assert field in [fault["field"] for fault in refused["errors"]]

    @pytest.mark.parametrize("import_id", ["imp_1", "imp_01ARZ3NDEKTSV4RRFFQ69G5FAV", "IMPORT#x"])
    def test_an_unknown_import(self, entity: None, import_id: str) -> None:
        assert import_functions.import_file({"import_id": import_id}, None)["refused"]["code"] == "not_found"


def test_the_queue_function_hands_over_before_its_time_is_up(entity: None) -> None:
    prepare(CONTENT, imports.Mapping.model_validate_json(json.dumps(MAPPING)))

    class Context:
        """A Lambda context with two minutes left."""

        def get_remaining_time_in_millis(self) -> int:
            return 110_000

    (message,) = queue()
    jobs.run_imports({"Records": [{"messageId": "1", "body": message["Body"]}]}, Context())
    (again,) = queue()
    assert json.loads(again["Body"])["key"] != json.loads(message["Body"])["key"]


def test_the_local_command_tells_causes_and_changes(entity: None) -> None:
    """Not a line for each of thousands of refusals, but one for each cause, with examples; a file has the rest."""
    content = "id,name\na1,WAL-MAR co\n" + "".join(f"a1,WAL-MAR {number}\n" for number in range(200)) + "a2,\n"
    found = run(prepare(content.encode(), mapping(ACCOUNTS), dry_run=True))
    shown = json.loads(json.dumps({**asdict(found), "results": {}}, default=str))
    said: list[str] = []
    import_file.show(shown, {"refusals": Path("r.csv"), "changes": Path("c.csv")}, said.append)
    assert said[2:] == [
        "\nRefusals: 201",
        "  200 × accounts, name (column name): Two rows say different things of the same record. Correct one of them, "
        'or let the mapping choose with "repeated": "first" or "last". [repeated]',
        '      line 3 has "WAL-MAR 0", line 2 "WAL-MAR co"',
        '      line 4 has "WAL-MAR 1", line 2 "WAL-MAR co"',
        '      line 5 has "WAL-MAR 2", line 2 "WAL-MAR co"',
        "  1 × accounts, name (column name): This field is required. Send it. [required]",
        "      line 203",
        "  All of them: r.csv",
        "\nIt would write:",
        "  line 2: accounts a1 would be created",
        "  All of it: c.csv",
        "\nThis was a dry run; nothing was written. Add CONFIRM=1 to write.",
    ]


def test_its_functions_are_deployed() -> None:
    names = {entry.name for entry in (*app.pure_lambda_functions, *app.event_sources)}
    assert {"run_imports", "import_file"} <= names
