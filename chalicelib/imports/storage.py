"""Adapter to S3: the only module of imports that calls it."""

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import IO, TYPE_CHECKING, Any

from boto3.session import Session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.config import settings
from chalicelib.errors import Conflict, Unavailable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_MEBIBYTE = 1024 * 1024
# Without the right to list the bucket, S3 says 403 of what is not there.
_ABSENT = {"403", "404", "AccessDenied", "NoSuchKey", "NotFound"}


@dataclass(frozen=True)
class StoredFile:
    """A file in the bucket; the entity tag tells it from a later one of the same name."""

    size: int
    etag: str


@cache
def client() -> "S3Client":
    """Return the client of this process. ``client.cache_clear()`` forgets it (tests, snapshots)."""
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


def source_key(import_id: str) -> str:
    """Return where the file of an import is uploaded to."""
    return f"imports/{import_id}/source"


def lines_key(import_id: str) -> str:
    """Return where the second file of an import is uploaded to."""
    return f"imports/{import_id}/lines"


def import_file_key(import_id: str, name: str) -> str:
    """Return where a result, or scratch, of an import is."""
    return f"imports/{import_id}/{name}"


def presign_upload(key: str, size: int | None, lasts: timedelta) -> str:
    """Return an address that takes a PUT of the file; with ``size``, of exactly so many bytes."""
    parameters: dict[str, Any] = {"Bucket": settings().bucket_name, "Key": key}
    if size is not None:
        parameters["ContentLength"] = size
    return client().generate_presigned_url("put_object", Params=parameters, ExpiresIn=int(lasts.total_seconds()))


def presign_download(key: str, lasts: timedelta) -> str:
    """Return an address from which a file can be read for a while."""
    return client().generate_presigned_url(
        "get_object",
        Params={"Bucket": settings().bucket_name, "Key": key},
        ExpiresIn=int(lasts.total_seconds()),
    )


def find_file(key: str) -> StoredFile | None:
    """Return what is stored, None when nothing is. Raises Unavailable when the bucket does not answer."""
    try:
        found = client().head_object(Bucket=settings().bucket_name, Key=key)
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") in _ABSENT:
            return None
        raise _unavailable_error() from error
    except BotoCoreError as error:
        raise _unavailable_error() from error
    return StoredFile(found["ContentLength"], found["ETag"])


def download_file(key: str, etag: str | None = None) -> IO[bytes]:
    """Return a file of the bucket as a local one that vanishes when it is closed, read in pieces.

    Working through the file may take longer than S3 keeps a connection open. Raises Conflict ``file_changed`` when
    it is not the one of ``etag`` any more, Unavailable when the bucket does not answer.
    """
    local = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it.
    match: dict[str, Any] = {} if etag is None else {"IfMatch": etag}
    try:
        found = client().get_object(Bucket=settings().bucket_name, Key=key, **match)
        for piece in found["Body"].iter_chunks(_MEBIBYTE):
            local.write(piece)
    except ClientError as error:
        local.close()
        if error.response.get("Error", {}).get("Code") in {*_ABSENT, "412", "PreconditionFailed"}:
            raise Conflict(
                "file_changed", "The file was changed or removed after the start. Make a new import."
            ) from error
        raise _unavailable_error() from error
    except BotoCoreError as error:
        local.close()
        raise _unavailable_error() from error
    local.seek(0)
    return local


def store_file(key: str, content: bytes | IO[bytes], content_type: str = "application/octet-stream") -> None:
    """Store a file. Raises Unavailable when the bucket does not take it."""
    try:
        client().put_object(Bucket=settings().bucket_name, Key=key, Body=content, ContentType=content_type)
    except (BotoCoreError, ClientError) as error:
        raise _unavailable_error() from error


def read_lines(keys: Iterable[str]) -> Iterable[bytes]:
    """Yield the lines of several files, one after the other."""
    for key in keys:
        with download_file(key) as file:
            yield from file


def _unavailable_error() -> Unavailable:
    return Unavailable("The file storage did not answer. Try again.")
