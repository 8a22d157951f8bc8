"""How long sessions live (A8, A10)."""

from datetime import datetime, timedelta

TOKEN_BYTES = 32
"""256 bits (A8)."""
LONGEST = {
    "portal_user": timedelta(hours=12),
    "staff": timedelta(hours=8),
    "preview": timedelta(minutes=30),
}
"""After this a session is over, however much it is used."""
CLIENT_CHARACTERS = 200
ACCOUNTS_TOLD = 20
"""How many accounts get an event in their own history when one person enters all of them at once."""


def token_of(random: str) -> str:
    """Return the bearer token of a session, of ``random``, 256 bits in base64url; access recognises its form."""
    return f"cs_{random}"


def ends_at(kind: str, opened_at: datetime) -> datetime:
    """Return when a session of this kind, opened at an instant, is over at the latest."""
    return opened_at + LONGEST[kind]


def client_of(text: str | None) -> str | None:
    """Return what a browser or client says it is, fit to be kept and shown; None when it says nothing."""
    if text is None:
        return None
    tidy = "".join(letter for letter in text if letter.isprintable()).strip()[:CLIENT_CHARACTERS]
    return tidy or None
