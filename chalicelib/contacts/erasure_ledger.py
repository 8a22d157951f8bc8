"""The ledger of erasures: ids only, in the bucket, so that it outlives a restore of the table (C4)."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.config import settings
from chalicelib.errors import Unavailable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_PREFIX = "erasures/"


@dataclass(frozen=True)
class Entry:
    """Which contact was to be erased."""

    erasure_id: str
    account_id: str
    contact_id: str


@cache
def _client() -> "S3Client":
    limits = Config(connect_timeout=2, read_timeout=10, retries={"total_max_attempts": 4, "mode": "standard"})
    return boto3.client("s3", config=limits)


def write(entry: Entry) -> None:
    """Add an entry. Raises Unavailable, with nothing else done, when the bucket does not take it."""
    try:
        _client().put_object(
            Bucket=settings().bucket_name,
            Key=f"{_PREFIX}{entry.erasure_id}.json",
            Body=json.dumps(vars(entry)).encode(),
            ContentType="application/json",
        )
    except (BotoCoreError, ClientError) as error:
        raise Unavailable("The ledger of erasures cannot be written. Nothing was changed; try again.") from error


def entries() -> Iterator[Entry]:
    """Read every entry, oldest first. Raises Unavailable when the bucket does not answer."""
    try:
        for page in _client().get_paginator("list_objects_v2").paginate(Bucket=settings().bucket_name, Prefix=_PREFIX):
            for listed in page.get("Contents", []):
                stored = _client().get_object(Bucket=settings().bucket_name, Key=listed["Key"])
                yield Entry(**json.loads(stored["Body"].read()))
    except (BotoCoreError, ClientError) as error:
        raise Unavailable("The ledger of erasures cannot be read. Try again.") from error
