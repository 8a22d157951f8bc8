"""AWS in process, by moto: single-threaded, small tables, never proof of concurrency (see ``tests.engine``).

A test asks for it with ``from tests.aws import aws`` in its ``conftest.py`` and the fixture ``aws``.
"""

import os
from collections.abc import Iterator

import boto3
import pytest
from moto import mock_aws

from chalicelib import clock
from chalicelib.config import settings
from chalicelib.duties import queue
from chalicelib.mail import ses
from chalicelib.table.items import forget_connection
from infra.local.template import Template

REGION = "eu-central-1"
TABLE = "counterfoil-test"
BUCKET = "counterfoil-test"
QUEUES = ("URGENT_MAIL", "BULK_MAIL", "IMPORTS", "ERASURES")
_TABLE_PROPERTIES = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode")


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The resources of a fresh deployment, and its environment in this process."""
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
    with mock_aws():
        (properties,) = Template.read().of_type("AWS::DynamoDB::Table").values()
        wanted = {name: properties[name] for name in _TABLE_PROPERTIES}
        boto3.client("dynamodb").create_table(TableName=TABLE, **wanted)
        boto3.client("s3").create_bucket(
            Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
        )
        for name in QUEUES:
            queue = boto3.client("sqs").create_queue(QueueName=name.lower())
            monkeypatch.setenv(f"{name}_QUEUE_URL", queue["QueueUrl"])
        forget()
        yield
    forget()


def forget() -> None:
    """Drop what the process keeps for its life: settings, clients, the clock."""
    settings.cache_clear()
    forget_connection()
    queue.client.cache_clear()
    ses.client.cache_clear()
    clock.set_source(None)
