"""The kinds of secret tokens, all of them: their form, how they are made, and how a log recognises them.

Only the hashes of random secrets are stored (DESIGN §4).
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass

SECRET_BYTES = 32
"""256 random bits."""
_RANDOM = "[A-Za-z0-9_-]{43}"
_ULID = "[0-9A-HJKMNP-TV-Z]{26}"
_MIN_TRACE_LENGTH = 8


@dataclass(frozen=True)
class TokenKind:
    """A kind of secret token. ``form`` is the regular expression of a whole one; its groups are the token's parts."""

    name: str
    prefix: str
    form: str

    @property
    def trace(self) -> str:
        """Return the regular expression by which a text shows such a token, also one that was cut off."""
        if self.prefix:
            return rf"\b{self.prefix}[A-Za-z0-9_-]{{{_MIN_TRACE_LENGTH},}}"
        return rf"(?<![A-Za-z0-9_-]){self.form}(?![A-Za-z0-9_-])"


API_KEY = TokenKind("API key", "cf_", rf"cf_({_ULID})_({_RANDOM})")
SESSION = TokenKind("session", "cs_", f"cs_{_RANDOM}")
SIGN_IN_LINK = TokenKind("sign-in link", "cl_", f"cl_{_RANDOM}")
SIGN_IN_FLOW = TokenKind("sign-in flow", "cw_", f"cw_{_RANDOM}")
PASSWORD_RESET = TokenKind("password reset link", "cp_", f"cp_{_RANDOM}")
REPLY = TokenKind("reply link", "", _RANDOM)
UNSUBSCRIBE = TokenKind(
    "unsubscribe link", "", rf"([A-Za-z0-9][A-Za-z0-9._-]{{0,63}})~({_ULID})~([a-z_]{{1,32}})~([A-Za-z0-9_-]{{22}})"
)
KNOWN_BROWSER = TokenKind("cookie of a known browser", "cb_", "cb_[A-Za-z0-9_-]{86,171}")
TOKEN_KINDS = (API_KEY, SESSION, SIGN_IN_LINK, SIGN_IN_FLOW, PASSWORD_RESET, REPLY, UNSUBSCRIBE, KNOWN_BROWSER)
"""What logs redact. A new kind is declared here; tests find one that is not."""


def new_secret(prefix: str = "") -> str:
    """Return 256 new random bits in base64url, behind the prefix of a kind."""
    return prefix + secrets.token_urlsafe(SECRET_BYTES)


def sha256_hex(token: str) -> str:
    """Return the SHA-256, in hex, of a random secret, or of what only names something.

    A secret of 256 random bits needs neither salt nor stretching.
    """
    return hashlib.sha256(token.encode()).hexdigest()


def token_matches_hash(token: str, stored_hash: str) -> bool:
    """Tell, in a time that does not depend on the answer, whether ``token`` has the stored hash."""
    return hmac.compare_digest(sha256_hex(token), stored_hash)
