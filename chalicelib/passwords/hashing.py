"""Password hashing by argon2id, and the check of new passwords against easy guesses."""

from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from chalicelib.errors import InvalidInput
from chalicelib.passwords import rules

_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_MIN_STRENGTH_SCORE = 3
"""zxcvbn's score below which fewer than 10^8 guesses are needed."""
_MAX_SCORED_LENGTH = 72


def hash_password(password: str) -> str:
    """Return the hash of a password that is normalised; about 40 milliseconds of work, by intent."""
    return _HASHER.hash(password)


def verify_password(password: str, stored: str | None) -> bool:
    """Tell whether a password has the stored hash. It takes as long when there is none."""
    try:
        return _HASHER.verify(stored or _dummy_hash(), password) and stored is not None
    except (VerificationError, InvalidHashError):
        return False


@cache
def _dummy_hash() -> str:
    return _HASHER.hash("a password that nobody has")


def check_new_password(password: str, field: str, *known: str) -> str:
    """Return a new password, normalised. Raises InvalidInput when it is too short, too long, or easy to guess.

    ``known`` are words that guessers would try for this person: the user name, the email address.
    """
    # Its lists of words take a tenth of a second to read, and few requests need them.
    from zxcvbn import zxcvbn  # type: ignore[import-untyped]

    tidy = rules.normalise_password(password)
    rules.check_password_length(tidy, field)
    words = [word for text in known for word in (text, *text.replace("@", ".").split("."))]
    if zxcvbn(tidy[:_MAX_SCORED_LENGTH], user_inputs=words)["score"] < _MIN_STRENGTH_SCORE:
        raise InvalidInput.field(field, "too_common", "This password is too easy to guess. Choose another one.")
    return tidy
