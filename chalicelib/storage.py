"""The adapter to S3: the only module that calls it. What a key means is known to the capability that names it."""

import base64
import hashlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import IO, TYPE_CHECKING, Any, Literal
from urllib.parse import quote

from boto3.session import Session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.config import settings
from chalicelib.errors import Unavailable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_MEBIBYTE = 1024 * 1024
# Without the right to list the bucket, S3 answers 403 for an object that does not exist.
_NOT_FOUND_CODES = frozenset({"403", "404", "AccessDenied", "NoSuchKey", "NotFound"})
_CHANGED_CODES = frozenset({"412", "PreconditionFailed"})


@dataclass(frozen=True)
class StoredObject:
    """An object of the bucket: its size in bytes, and the entity tag that tells it from a later one of the same key."""

    size: int
    etag: str


@dataclass(frozen=True)
class PresignedUpload:
    """Upload URL for a PUT, and the headers that it needs beside the length."""

    url: str
    headers: dict[str, str]


@cache
def s3_client() -> "S3Client":
    """Return the client of this process. ``s3_client.cache_clear()`` forgets it (tests, snapshots)."""
    return Session().client(
        "s3",
        config=Config(
            connect_timeout=2,
            read_timeout=20,
            retries={"total_max_attempts": 4, "mode": "standard"},
            signature_version="s3v4",
            # Else addresses are signed for the host of all regions, which answers for a new bucket with a redirect.
            s3={"addressing_style": "virtual"},
        ),
    )


def content_sha256(content: bytes) -> str:
    """Return the SHA-256 of ``content`` in hex."""
    return hashlib.sha256(content).hexdigest()


def store_object(key: str, content: bytes | IO[bytes], media_type: str) -> None:
    """Store an object. Raises Unavailable when the bucket does not take it."""
    try:
        s3_client().put_object(Bucket=settings().bucket_name, Key=key, Body=content, ContentType=media_type)
    except (BotoCoreError, ClientError) as error:
        raise _unavailable() from error


def find_object(key: str) -> StoredObject | None:
    """Return size and entity tag of an object, None when there is none. Raises Unavailable."""
    try:
        found = s3_client().head_object(Bucket=settings().bucket_name, Key=key)
    except (BotoCoreError, ClientError) as error:
        if _code(error) in _NOT_FOUND_CODES:
            return None
        raise _unavailable() from error
    return StoredObject(found["ContentLength"], found["ETag"])


def read_object(key: str) -> bytes | None:
    """Return the content of an object, None when there is none. Raises Unavailable."""
    try:
        return s3_client().get_object(Bucket=settings().bucket_name, Key=key)["Body"].read()
    except (BotoCoreError, ClientError) as error:
        if _code(error) in _NOT_FOUND_CODES:
            return None
        raise _unavailable() from error


def download_object(key: str, etag: str | None = None) -> IO[bytes] | None:
    """Return an object as a temporary file, which the caller closes; None when there is none of that entity tag.

    Work on a large file may take longer than S3 keeps a connection open. Raises Unavailable.
    """
    local = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it.
    match: dict[str, Any] = {} if etag is None else {"IfMatch": etag}
    try:
        found = s3_client().get_object(Bucket=settings().bucket_name, Key=key, **match)
        for piece in found["Body"].iter_chunks(_MEBIBYTE):
            local.write(piece)
    except (BotoCoreError, ClientError) as error:
        local.close()
        if _code(error) in _NOT_FOUND_CODES | _CHANGED_CODES:
            return None
        raise _unavailable() from error
    local.seek(0)
    return local


def delete_object(key: str) -> None:
    """Delete an object, whether it exists or not. Raises Unavailable."""
    try:
        s3_client().delete_object(Bucket=settings().bucket_name, Key=key)
    except (BotoCoreError, ClientError) as error:
        raise _unavailable() from error


def list_keys(prefix: str) -> Iterator[str]:
    """Yield the keys that begin with ``prefix``, in their order. Raises Unavailable."""
    try:
        pages = s3_client().get_paginator("list_objects_v2").paginate(Bucket=settings().bucket_name, Prefix=prefix)
        for page in pages:
            for listed in page.get("Contents", []):
                yield listed["Key"]
    except (BotoCoreError, ClientError) as error:
        raise _unavailable() from error


def presign_download(key: str, lasts: timedelta, *, name: str | None = None, media_type: str | None = None) -> str:
    """Return a temporary URL of an object; browsers save it under ``name``."""
    shown = {} if media_type is None else {"ResponseContentType": media_type}
    if name is not None:
        plain = "".join(one if one.isascii() and (one.isalnum() or one in "._-") else "_" for one in name)
        shown["ResponseContentDisposition"] = f"inline; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
    return _presign("get_object", key, lasts, shown)


def presign_upload(key: str, lasts: timedelta, *, size: int | None = None) -> str:
    """Return a temporary upload URL for a PUT of a file; with ``size``, of exactly so many bytes."""
    return _presign("put_object", key, lasts, {} if size is None else {"ContentLength": size})


def presign_checked_upload(
    key: str, lasts: timedelta, *, size: int, content_hash: str, media_type: str
) -> PresignedUpload:
    """Return a temporary upload URL for exactly the file of ``size`` bytes and ``content_hash`` (SHA-256 in hex).

    S3 rejects any other file; the caller verifies it again when accepting it.
    """
    checksum = base64.b64encode(bytes.fromhex(content_hash)).decode()
    expected = {"ContentLength": size, "ContentType": media_type, "ChecksumSHA256": checksum}
    # These headers are signed, and so is the length: a request that says otherwise is refused.
    headers = {"Content-Type": media_type, "x-amz-checksum-sha256": checksum}
    return PresignedUpload(_presign("put_object", key, lasts, expected), headers)


def _presign(
    operation: Literal["get_object", "put_object"], key: str, lasts: timedelta, parameters: dict[str, Any]
) -> str:
    return s3_client().generate_presigned_url(
        operation,
        Params={"Bucket": settings().bucket_name, "Key": key, **parameters},
        ExpiresIn=int(lasts.total_seconds()),
    )


def _code(error: BotoCoreError | ClientError) -> str | None:
    return error.response.get("Error", {}).get("Code") if isinstance(error, ClientError) else None


def _unavailable() -> Unavailable:
    return Unavailable("The file storage did not respond. Try again.")
