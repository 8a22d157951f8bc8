"""Browsers that have signed in before: an allowance of their own, by a signed cookie (A13).

A stranger who asks again and again in somebody's name uses up the limits of strangers, not those of the owner's
browser. The cookie gives no access. It names a browser and the mailboxes that it has signed in to, as hashes, and is
of use for these mailboxes only.
"""

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from chalicelib.config import settings
from chalicelib.mailboxes import mailbox_of
from chalicelib.tokens import KNOWN_BROWSER

LIFETIME = timedelta(days=180)
"""Since the last sign-in in the browser."""
MAX_MAILBOXES = 5
"""Mailboxes of one browser; the newest stay."""

_ID_BYTES, _END_BYTES, _MAILBOX_BYTES, _SIGNATURE_BYTES = 12, 4, 16, 32
_TOKEN = re.compile(KNOWN_BROWSER.form)


@dataclass(frozen=True)
class KnownBrowser:
    """A browser whose cookie is genuine. ``mailboxes`` are the hashes of those that it has signed in to."""

    browser_id: str
    mailboxes: tuple[str, ...]

    def knows(self, email: str) -> bool:
        """Tell whether the browser has signed in to the mailbox of an address."""
        own = _hash_mailbox(email)
        return any(hmac.compare_digest(own, other) for other in self.mailboxes)

    def to_json(self) -> dict[str, Any]:
        """Return the browser as an email keeps it until it is prepared."""
        return {"id": self.browser_id, "mailboxes": list(self.mailboxes)}

    @classmethod
    def from_json(cls, value: dict[str, Any] | None) -> Self | None:
        """Return the browser that ``to_json`` gave; None for None."""
        return None if value is None else cls(str(value["id"]), tuple(map(str, value["mailboxes"])))


def find_browser_id(browser: KnownBrowser | None, email: str) -> str | None:
    """Return the id of a browser that knows the mailbox of ``email``, None for any other and for none."""
    return browser.browser_id if browser is not None and browser.knows(email) else None


def recognise_browser(token: str | None, now: datetime) -> KnownBrowser | None:
    """Return the browser of a cookie; None when the cookie is absent, not genuine or too old."""
    if token is None or _TOKEN.fullmatch(token) is None:
        return None
    encoded = token.removeprefix(KNOWN_BROWSER.prefix)
    raw = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
    signature, signed = raw[:_SIGNATURE_BYTES], raw[_SIGNATURE_BYTES:]
    if not hmac.compare_digest(signature, _sign(signed)):
        return None
    browser_id, rest = signed[:_ID_BYTES], signed[_ID_BYTES:]
    ends_at = datetime.fromtimestamp(int.from_bytes(rest[:_END_BYTES]), UTC)
    hashes = rest[_END_BYTES:]
    if ends_at <= now:
        return None
    parts = [hashes[start : start + _MAILBOX_BYTES] for start in range(0, len(hashes), _MAILBOX_BYTES)]
    return KnownBrowser(browser_id.hex(), tuple(part.hex() for part in parts))


def remember_browser(browser: KnownBrowser | None, email: str, now: datetime) -> str:
    """Return the cookie of a browser that has just signed in to the mailbox of ``email``."""
    own = _hash_mailbox(email)
    others = [one for one in (browser.mailboxes if browser else ()) if one != own]
    signed = b"".join((
        bytes.fromhex(browser.browser_id) if browser else secrets.token_bytes(_ID_BYTES),
        int((now + LIFETIME).timestamp()).to_bytes(_END_BYTES),
        *map(bytes.fromhex, [own, *others][:MAX_MAILBOXES]),
    ))  # fmt: skip
    return KNOWN_BROWSER.prefix + base64.urlsafe_b64encode(_sign(signed) + signed).rstrip(b"=").decode()


def _hash_mailbox(email: str) -> str:
    text = f"known browser mailbox:{mailbox_of(email)}"
    return hmac.new(settings().signing_key.encode(), text.encode(), hashlib.sha256).hexdigest()[: 2 * _MAILBOX_BYTES]


def _sign(signed: bytes) -> bytes:
    return hmac.new(settings().signing_key.encode(), b"known browser:" + signed, hashlib.sha256).digest()
