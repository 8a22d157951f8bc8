"""Adapter to S3 for documents and logos: their only module that calls it.

Keys name the content (its SHA-256), so storing a file again is idempotent.
"""

import base64
import hashlib
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import quote

from boto3.session import Session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.config import settings
from chalicelib.errors import Unavailable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PDF_MEDIA_TYPE = "application/pdf"

# Without the right to list the bucket, S3 says 403 of what is not there.
_NOT_FOUND_CODES = {"403", "404", "AccessDenied", "NoSuchKey", "NotFound"}


@dataclass(frozen=True)
class PresignedUpload:
    """Upload URL for a PUT, and the headers that it needs beside the length."""

    url: str
    headers: dict[str, str]


@cache
def s3_client() -> "S3Client":
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


def content_sha256(content: bytes) -> str:
    """Return the SHA-256 of ``content`` in hex."""
    return hashlib.sha256(content).hexdigest()


def document_key(kind: str, subject: str, content_hash: str) -> str:
    """Return the key of the PDF with ``content_hash`` of a document; ``kind`` is ``invoices`` or ``statements``."""
    return f"documents/{kind}/{subject}/{content_hash}.pdf"


def upload_key(kind: str, subject: str, content_hash: str) -> str:
    """Return the upload key of a PDF until it is accepted. The bucket expires it after a day."""
    return f"uploads/{kind}/{subject}/{content_hash}.pdf"


def logo_key(entity_id: str, content_hash: str, extension: str) -> str:
    """Return the key of a logo of an issuing entity."""
    return f"logos/{entity_id}/{content_hash}.{extension}"


def store_object(key: str, content: bytes, media_type: str) -> None:
    """Store a file. Raises Unavailable when the bucket does not take it."""
    try:
        s3_client().put_object(Bucket=settings().bucket_name, Key=key, Body=content, ContentType=media_type)
    except (BotoCoreError, ClientError) as error:
        raise _storage_unavailable() from error


def read_object(key: str) -> bytes | None:
    """Return a file, None when there is none. Raises Unavailable when the bucket does not answer."""
    try:
        return s3_client().get_object(Bucket=settings().bucket_name, Key=key)["Body"].read()
    except ClientError as error:
        if _is_not_found(error):
            return None
        raise _storage_unavailable() from error
    except BotoCoreError as error:
        raise _storage_unavailable() from error


def object_size(key: str) -> int | None:
    """Return how many bytes a file has, None when there is none. Raises Unavailable when the bucket does not answer."""
    try:
        return s3_client().head_object(Bucket=settings().bucket_name, Key=key)["ContentLength"]
    except ClientError as error:
        if _is_not_found(error):
            return None
        raise _storage_unavailable() from error
    except BotoCoreError as error:
        raise _storage_unavailable() from error


def delete_object(key: str) -> None:
    """Delete a file, whether it is there or not. Raises Unavailable when the bucket does not answer."""
    try:
        s3_client().delete_object(Bucket=settings().bucket_name, Key=key)
    except (BotoCoreError, ClientError) as error:
        raise _storage_unavailable() from error


def presign_object_download(key: str, lasts: timedelta, name: str, media_type: str = PDF_MEDIA_TYPE) -> str:
    """Return a temporary URL of a file; browsers save it under ``name``."""
    plain = "".join(one if one.isascii() and (one.isalnum() or one in "._-") else "_" for one in name)
    return s3_client().generate_presigned_url(
        "get_object",
        Params={
            "Bucket": settings().bucket_name,
            "Key": key,
            "ResponseContentType": media_type,
            "ResponseContentDisposition": f"inline; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}",
        },
        ExpiresIn=int(lasts.total_seconds()),
    )


def presign_object_upload(
    key: str, size: int, content_hash: str, lasts: timedelta, media_type: str = PDF_MEDIA_TYPE
) -> PresignedUpload:
    """Return a temporary upload URL for exactly the file of ``size`` bytes and ``content_hash`` (SHA-256 in hex).

    S3 rejects any other file; the caller verifies it again when accepting it.
    """
    checksum = base64.b64encode(bytes.fromhex(content_hash)).decode()
    url = s3_client().generate_presigned_url(
        "put_object",
        Params={
            "Bucket": settings().bucket_name,
            "Key": key,
            "ContentLength": size,
            "ContentType": media_type,
            "ChecksumSHA256": checksum,
        },
        ExpiresIn=int(lasts.total_seconds()),
    )
    # These headers are signed, and so is the length: a request that says otherwise is refused.
    return PresignedUpload(url, {"Content-Type": media_type, "x-amz-checksum-sha256": checksum})


def _is_not_found(error: ClientError) -> bool:
    return error.response.get("Error", {}).get("Code") in _NOT_FOUND_CODES


def _storage_unavailable() -> Unavailable:
    return Unavailable("The file storage did not answer. Try again.")
