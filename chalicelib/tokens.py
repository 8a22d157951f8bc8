"""Random secrets: only their hashes are stored (DESIGN §4)."""

import hashlib
import hmac

SECRET_BYTES = 32
"""256 random bits."""


def sha256_hex(token: str) -> str:
    """Return the SHA-256, in hex, of a random secret, or of what only names something.

    A secret of 256 random bits needs neither salt nor stretching.
    """
    return hashlib.sha256(token.encode()).hexdigest()


def token_matches_hash(token: str, stored_hash: str) -> bool:
    """Tell, in a time that does not depend on the answer, whether ``token`` has the stored hash."""
    return hmac.compare_digest(sha256_hex(token), stored_hash)
