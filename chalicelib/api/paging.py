"""Cursors: signed, and bound to the route, its query and the principal, so that they open nothing else."""

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from chalicelib.api.models import Query
from chalicelib.config import settings
from chalicelib.errors import InvalidInput

DEFAULT_LIMIT = 50
MAXIMUM_LIMIT = 100
_SIGNATURE_BYTES = 32


@dataclass(frozen=True)
class Pagination:
    """Which part of a list is asked for: at most ``limit`` items after ``after``.

    ``after`` is what the service returned for the page before, None for the first page.
    """

    limit: int = DEFAULT_LIMIT
    after: Any = None


class PageQuery(Query):
    """The query parameters of every paged list."""

    limit: int = Field(default=DEFAULT_LIMIT, ge=1, le=MAXIMUM_LIMIT, description="Maximum number of entries.")
    cursor: str | None = Field(default=None, description="`next_cursor` of the previous page.")


def sign_cursor(after: Any, binding: tuple[str, ...]) -> str:
    """Return the opaque cursor for ``after``, any JSON value, valid for ``binding`` only."""
    payload = json.dumps(after, separators=(",", ":"), ensure_ascii=False).encode()
    return _encode_base64(_signature(payload, binding) + payload)


def verify_cursor(cursor: str, binding: tuple[str, ...]) -> Any:
    """Return the value in ``cursor``. Raises InvalidInput naming ``cursor`` when it was not made for ``binding``."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except ValueError:
        raw = b""
    signature, payload = raw[:_SIGNATURE_BYTES], raw[_SIGNATURE_BYTES:]
    # The text is compared too: base64 has several spellings for the same bytes.
    genuine = hmac.compare_digest(signature, _signature(payload, binding))
    if not genuine or not hmac.compare_digest(_encode_base64(raw).encode(), cursor.encode()):
        raise InvalidInput.field(
            "cursor",
            "bad_cursor",
            "This cursor does not belong to this list. Start again without one, with the same parameters.",
        )
    return json.loads(payload)


def _encode_base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _signature(payload: bytes, binding: tuple[str, ...]) -> bytes:
    message = json.dumps([*binding, payload.decode("utf-8", "replace")]).encode()
    return hmac.new(settings().signing_key.encode(), b"cursor:" + message, hashlib.sha256).digest()
