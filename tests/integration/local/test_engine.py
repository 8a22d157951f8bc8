"""The engine keeps what was written, also when it is killed."""

import time
from pathlib import Path

import boto3
import pytest

from infra.local import engine as local_engine
from infra.local import environment, resources
from infra.local.template import Template
from tests.engine import engine, engine_environment  # noqa: F401 - fixtures

pytestmark = pytest.mark.engine
_ITEM = {"PK": {"S": "A"}, "SK": {"S": "B"}}


def test_resources_are_those_of_the_template(engine_environment: dict[str, str]) -> None:  # noqa: F811
    table = boto3.client("dynamodb").describe_table(TableName=engine_environment["TABLE_NAME"])["Table"]
    assert {index["IndexName"] for index in table["GlobalSecondaryIndexes"]} == {"GSI1", "GSI2"}
    queue = boto3.client("sqs").get_queue_attributes(
        QueueUrl=engine_environment["URGENT_MAIL_QUEUE_URL"], AttributeNames=["All"]
    )["Attributes"]
    assert '"maxReceiveCount": 5' in queue["RedrivePolicy"]
    assert boto3.client("s3").list_objects_v2(Bucket=engine_environment["BUCKET_NAME"])["KeyCount"] == 0


def test_items_survive_kill_and_queues_a_clean_end(tmp_path: Path) -> None:
    template = Template.read()
    first = local_engine.start(tmp_path / "state", tmp_path / "logs")
    clients = resources.Clients(environment.base(first.url, given={}))
    values = resources.create(clients, template, "kept")
    clients.dynamodb.put_item(TableName=values["Table"], Item=_ITEM)
    clients.s3.put_object(Bucket=values["Bucket"], Key="a/b", Body=b"kept")
    time.sleep(3)
    first.process.kill()
    first.process.wait()

    second = local_engine.start(tmp_path / "state", tmp_path / "logs")
    clients = resources.Clients(environment.base(second.url, given={}))
    again = resources.create(clients, template, "kept")
    assert clients.dynamodb.get_item(TableName=again["Table"], Key=_ITEM)["Item"] == _ITEM
    assert clients.s3.get_object(Bucket=again["Bucket"], Key="a/b")["Body"].read() == b"kept"
    clients.sqs.send_message(QueueUrl=again["BulkMailQueue"], MessageBody="kept")
    second.stop()

    third = local_engine.start(tmp_path / "state", tmp_path / "logs")
    clients = resources.Clients(environment.base(third.url, given={}))
    again = resources.create(clients, template, "kept")
    received = clients.sqs.receive_message(QueueUrl=again["BulkMailQueue"], WaitTimeSeconds=2)
    third.stop()
    assert [message["Body"] for message in received["Messages"]] == ["kept"]
