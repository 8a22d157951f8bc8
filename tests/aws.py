"""AWS in process, by moto: single-threaded, small tables, never proof of concurrency (see ``tests.engine``).

A test asks for it with ``from tests.aws import aws`` in its ``conftest.py`` and the fixture ``aws``.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import boto3
import pytest
from moto import mock_aws

from chalicelib import clock, storage
from chalicelib.config import QUEUES, settings
from chalicelib.mail.sending import pacing, ses
from chalicelib.table.items import forget_connection
from chalicelib.tasks import queue
from infra.local.template import Template
from tests import moto_shortcuts

REGION = "eu-central-1"
TABLE = "counterfoil-test"
BUCKET = "counterfoil-test"
_TABLE_PROPERTIES = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode")


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The resources of a fresh deployment, and its environment in this process."""
    with deployment(monkeypatch):
        yield


@contextmanager
def deployment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The fixture ``aws`` for callers outside pytest."""
    for name in os.environ:
        if name.startswith("AWS_"):
            # An endpoint in the environment would let the test reach real local data.
            monkeypatch.delenv(name)
    environment = {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
        "DEPLOYMENT": "test",
        "TABLE_NAME": TABLE,
        "BUCKET_NAME": BUCKET,
        "PUBLIC_URL": "https://api.example.com",
        "SIGNING_KEY": "0123456789abcdef0123456789abcdef",
        "ALLOWED_ORIGINS": "https://portal.example.com",
        "MAIL_MODE": "live",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    moto_shortcuts.install(monkeypatch)
    with mock_aws():
        client("dynamodb").create_table(TableName=TABLE, **_table())
        client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        for name in QUEUES:
            created = client("sqs").create_queue(QueueName=name)
            monkeypatch.setenv(f"{name.upper()}_QUEUE_URL", created["QueueUrl"])
        # moto has no SES limits; with these, tests never wait.
        monkeypatch.setattr(ses, "fetch_limits", lambda: ses.Limits(a_second=1_000_000.0, a_day=None, sent=0))
        # Keep the connection to the table: it belongs to this table's name, and creating one is slow.
        _forget_all_but_connection()
        yield
    _forget_all_but_connection()


def forget() -> None:
    """Drop what the process keeps for its life: settings, clients, the clock."""
    forget_connection()
    _forget_all_but_connection()


def _forget_all_but_connection() -> None:
    settings.cache_clear()
    storage.s3_client.cache_clear()
    queue.sqs_client.cache_clear()
    ses.client.cache_clear()
    pacing.forget_limits()
    clock.set_clock_source(None)


@cache
def client(service: str) -> Any:
    """Return a cached client: creating one takes longer than most tests."""
    session = boto3.Session("test", "test", region_name=REGION)
    return session.client(service)


@cache
def _table() -> dict[str, Any]:
    (properties,) = Template.read().of_type("AWS::DynamoDB::Table").values()
    return {name: properties[name] for name in _TABLE_PROPERTIES}
