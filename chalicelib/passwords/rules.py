"""User names, passwords and the back-off of tries, over plain values (A6)."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from chalicelib.errors import Conflict, Forbidden, InvalidInput
from chalicelib.tokens import PASSWORD_RESET

USER_NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{2,63}")
"""No @, so that nobody takes the email address of another person as a user name."""
MAX_USER_NAME_LENGTH = 64
MIN_PASSWORD_LENGTH, MAX_PASSWORD_LENGTH = 12, 128

TEMPORARY_LIFETIME = timedelta(hours=24)
TEMPORARY_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
"""Without look-alikes."""
TEMPORARY_GROUP_COUNT, TEMPORARY_GROUP_LENGTH = 5, 4
"""Twenty letters and digits: 99 bits."""

RESET_LIFETIME = timedelta(minutes=30)
RESET_PREFIX = PASSWORD_RESET.prefix

FAILURES_WITHOUT_BACKOFF = 5
"""Failures in a row after which each further try waits twice as long as the one before."""
MAX_BACKOFF = timedelta(minutes=15)
MAX_STORED_FAILURES = 20
FAILURE_WINDOW = timedelta(hours=24)


@dataclass(frozen=True)
class Credentials:
    """A contact's user name and the state of its password. Instants are UTC.

    ``state`` is ``set``, ``temporary``, ``waiting`` for the mail with the temporary password to be sent, or
    ``lapsed`` when the temporary password was not used in time.
    """

    user_name: str
    state: str
    temporary_until: datetime | None
    changed_at: datetime | None


def fold_user_name(user_name: str) -> str:
    """Return the normalised user name, by which it is unique."""
    return user_name.lower()


def check_user_name(user_name: str) -> str:
    """Return a valid user name. Raises InvalidInput."""
    if USER_NAME_PATTERN.fullmatch(user_name) is None:
        raise InvalidInput.field(
            "user_name",
            "bad_user_name",
            "A user name has 3 to 64 letters, digits and . _ + -, and begins with a letter or digit.",
        )
    return user_name


def normalise_password(password: str) -> str:
    """Return the normalised password (NFKC), independent of how a keyboard composes its letters."""
    return unicodedata.normalize("NFKC", password)


def check_password_length(password: str, field: str) -> None:
    """Raise InvalidInput for a password, normalised, that is too short or too long."""
    if len(password) < MIN_PASSWORD_LENGTH:
        raise InvalidInput.field(
            field,
            "too_short",
            f"A password needs at least {MIN_PASSWORD_LENGTH} characters. A short sentence works well.",
        )
    if len(password) > MAX_PASSWORD_LENGTH:
        raise InvalidInput.field(
            field, "too_long", f"A password can have at most {MAX_PASSWORD_LENGTH} characters. Shorten it."
        )


def get_password_state(
    *, has_password: bool, has_temporary: bool, temporary_until: datetime | None, waiting: bool, now: datetime
) -> str:
    """Return the state of a password, as ``Credentials`` names it."""
    if has_password:
        return "set"
    if waiting:
        return "waiting"
    if has_temporary and temporary_until is not None and now < temporary_until:
        return "temporary"
    return "lapsed"


def recent_instants(instants: Sequence[str], now: datetime) -> list[datetime]:
    """Return the failures that still count, as a row stores them, newest last."""
    found = [datetime.fromisoformat(instant) for instant in instants]
    return [instant for instant in found if now - instant < FAILURE_WINDOW][-MAX_STORED_FAILURES:]


def next_try_at(failures: Sequence[datetime]) -> datetime | None:
    """Return when the next try is allowed after these failures; None for now.

    The pause doubles with each failure up to 15 minutes, and never becomes a lock.
    """
    over = len(failures) - FAILURES_WITHOUT_BACKOFF
    if over < 0:
        return None
    return failures[-1] + min(timedelta(seconds=2.0**over), MAX_BACKOFF)


def wrong_password_error() -> Forbidden:
    """Return the single error for an unknown user name and for a wrong password."""
    return Forbidden("wrong_password", "The user name or password is wrong. Try again, or reset the password.")


def password_must_be_set_error() -> Forbidden:
    """Return the error for a temporary password: it only allows setting one's own."""
    return Forbidden(
        "password_must_be_set",
        "This password is temporary. Set your own with POST /v1/passwords, then sign in with that.",
    )


def no_user_name_error() -> Conflict:
    """Return the error of resetting the password of a contact without a user name."""
    return Conflict("no_user_name", "This contact has no user name. Add one first.")
