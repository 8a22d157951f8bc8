"""Helpers of the tests of imports: make one, give it a file, run it as Lambda would."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import boto3

from chalicelib.config import settings
from chalicelib.imports import files, service
from chalicelib.imports.inputs import Mapping
from chalicelib.imports.rules import Import
from chalicelib.imports.run.process import run_import
from chalicelib.request_context import Actor, RequestContext
from chalicelib.table.items import Item, TaskItem
from tests.aws import client

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
CALL = RequestContext(Actor("api_key", "key_1", "billing"), NOW, "test-correlation")
ENTITY = {
    "name": "ACME",
    "colour": "#0b5fff",
    "sender_email": "billing@acme.example",
    "locale": "en",
    "time_zone": "UTC",
}
ACCOUNTS = {
    "kind": "accounts",
    "fields": {
        "account_id": "id",
        "entity_id": {"constant": "acme"},
        "name": "name",
        "currency": {"constant": "EUR"},
    },
}
CONTACTS = {
    "kind": "contacts",
    "only_if": {"column": "email"},
    "fields": {
        "account_id": "id",
        "external_id": "person",
        "first_name": "first",
        "last_name": "last",
        "email": "email",
        "roles": {"column": "roles", "list": {}},
    },
}


def mapping(*kinds: dict[str, Any], **further: Any) -> Mapping:
    return Mapping.model_validate_json(json.dumps({"kinds": kinds, **further}))


def prepare(
    content: bytes, wanted: Mapping, *, dry_run: bool = False, mail: bool = False, by: RequestContext = CALL
) -> str:
    """Make an import, send its file and start it; return its id."""
    made = service.create_import(by, wanted, dry_run=dry_run, mail=mail)
    client("s3").put_object(Bucket=settings().bucket_name, Key=files.source_key(made.import_id), Body=content)
    service.start_import(by, made.import_id)
    return made.import_id


def always() -> bool:
    return True


def run(import_id: str, time_is_left: Callable[[], bool] = always) -> Import:
    """Run an import by each of its tasks."""
    for task in tasks():
        run_import(import_id, task.key, time_is_left)
    return service.get_import(import_id)


def imported(content: str | bytes, wanted: Mapping, *, dry_run: bool = False, mail: bool = False) -> Import:
    raw = content.encode() if isinstance(content, str) else content
    return run(prepare(raw, wanted, dry_run=dry_run, mail=mail))


def tasks() -> list[TaskItem]:
    return [item for item in rows() if isinstance(item, TaskItem) and item.kind == "import"]


def rows() -> list[Any]:
    return list(Item.scan())


def data() -> dict[Any, Any]:
    """Everything in the table that is not about imports themselves, as it is stored."""
    return {
        item.key: item.serialize()
        for item in rows()
        if not item.pk.startswith(("IMPORT#", "WORK#import", "IDEMPOTENCY#", "DEPLOYMENT"))
    }


def told(found: Import) -> list[tuple[int, str, str, str]]:
    return [(one.line, one.kind, one.field, one.code) for one in found.refusals]


def lines(import_id: str, name: str) -> list[dict[str, Any]]:
    stored = boto3.client("s3").get_object(Bucket=settings().bucket_name, Key=f"imports/{import_id}/{name}")
    return [json.loads(line) for line in stored["Body"].read().splitlines()]
