"""Create table, queues, bucket and topic of the deployment on the engine that the environment names."""

import json
from collections.abc import Mapping
from typing import Any

import boto3
from botocore.exceptions import ClientError

from infra.local.template import Template

_TABLE_PROPERTIES = (
    "AttributeDefinitions",
    "KeySchema",
    "GlobalSecondaryIndexes",
    "LocalSecondaryIndexes",
    "BillingMode",
)
_QUEUE_PROPERTIES = (
    "DelaySeconds",
    "MaximumMessageSize",
    "MessageRetentionPeriod",
    "ReceiveMessageWaitTimeSeconds",
    "VisibilityTimeout",
)
_OWN_QUEUE = {"VisibilityTimeout": "30"}
_ALREADY_THERE = {"BucketAlreadyExists", "BucketAlreadyOwnedByYou", "ResourceInUseException"}


class Clients:
    """The clients of one engine. ``environment`` holds the ``AWS_*`` variables of the service."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Create the clients, independent of the environment of this process."""
        general = environment["AWS_ENDPOINT_URL"]
        session = boto3.Session(
            aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
            region_name=environment["AWS_DEFAULT_REGION"],
        )

        def client(service: Any) -> Any:
            own = environment.get(f"AWS_ENDPOINT_URL_{service.upper()}", general)
            return session.client(service, endpoint_url=own)

        self.dynamodb = client("dynamodb")
        self.sqs = client("sqs")
        self.s3 = client("s3")
        self.sns = client("sns")


def create(clients: Clients, template: Template, prefix: str) -> dict[str, str]:
    """Create missing resources, named ``<prefix>-<logical id>``, and return the values of the template.

    The keys of the result are those of ``Ref`` and ``Fn::GetAtt``: ``Table``, ``Table.Arn``, ….
    TTL stays off: the engine would expire items by the machine's clock, while the service's clock may be in another
    year.
    """
    values: dict[str, str] = {}
    for name, properties in template.of_type("AWS::DynamoDB::Table").items():
        values |= _create_table(clients, name, _physical(prefix, name), properties)
    queues = template.of_type("AWS::SQS::Queue")
    for name in sorted(queues, key=lambda name: "RedrivePolicy" in queues[name]):
        values |= _create_queue(clients, name, _physical(prefix, name), template, queues[name], values)
    for name in template.of_type("AWS::S3::Bucket"):
        values |= _create_bucket(clients, name, _physical(prefix, name))
    for name in template.of_type("AWS::SNS::Topic"):
        arn = clients.sns.create_topic(Name=_physical(prefix, name))["TopicArn"]
        values |= {name: arn, f"{name}.TopicArn": arn}
    for name in template.of_type("AWS::SES::ConfigurationSet"):
        values[name] = _physical(prefix, name)
    for event in template.topic_events():
        # The engine cannot call the functions here, so the dispatcher reads their notifications from a queue.
        name = f"{event.function}.Events"
        values |= own_queue(clients, name, _physical(prefix, f"{event.function}-events"), _OWN_QUEUE)
        clients.sns.subscribe(TopicArn=values[event.topic], Protocol="sqs", Endpoint=values[f"{name}.Arn"])
    return values


def _physical(prefix: str, name: str) -> str:
    return f"{prefix}-{name}".lower()


def _create_table(clients: Clients, name: str, table: str, properties: Mapping[str, Any]) -> dict[str, str]:
    wanted = {key: properties[key] for key in _TABLE_PROPERTIES if key in properties}
    try:
        clients.dynamodb.create_table(TableName=table, **wanted)
    except ClientError as error:
        if error.response["Error"]["Code"] not in _ALREADY_THERE:
            raise
    clients.dynamodb.get_waiter("table_exists").wait(TableName=table, WaiterConfig={"Delay": 1})
    return {name: table, f"{name}.Arn": clients.dynamodb.describe_table(TableName=table)["Table"]["TableArn"]}


def _create_queue(
    clients: Clients,
    name: str,
    queue: str,
    template: Template,
    properties: Mapping[str, Any],
    values: Mapping[str, str],
) -> dict[str, str]:
    attributes = {key: str(properties[key]) for key in _QUEUE_PROPERTIES if key in properties}
    if "RedrivePolicy" in properties:
        policy = properties["RedrivePolicy"]
        target = template.resolve(policy["deadLetterTargetArn"], values)
        attributes["RedrivePolicy"] = json.dumps(
            {"deadLetterTargetArn": target, "maxReceiveCount": policy["maxReceiveCount"]}
        )
    return own_queue(clients, name, queue, attributes)


def own_queue(clients: Clients, name: str, queue: str, attributes: Mapping[str, str]) -> dict[str, str]:
    """Create a queue, or update the attributes of an existing one; return its values."""
    try:
        url = clients.sqs.get_queue_url(QueueName=queue)["QueueUrl"]
        clients.sqs.set_queue_attributes(QueueUrl=url, Attributes=attributes)
    except clients.sqs.exceptions.QueueDoesNotExist:
        url = clients.sqs.create_queue(QueueName=queue, Attributes=attributes)["QueueUrl"]
    found = clients.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    return {name: url, f"{name}.Arn": found["Attributes"]["QueueArn"], f"{name}.QueueName": queue}


def _create_bucket(clients: Clients, name: str, bucket: str) -> dict[str, str]:
    try:
        clients.s3.create_bucket(Bucket=bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] not in _ALREADY_THERE:
            raise
    return {name: bucket, f"{name}.Arn": f"arn:aws:s3:::{bucket}"}
