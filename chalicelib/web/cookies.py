"""Cookies: read, and written so that only this host, over TLS, and no script gets them (A8)."""

import re

from chalicelib.web.pages import Cookie

FLOW = "__Host-flow"
SESSIONS = {"portal": "__Host-session", "admin": "__Host-staff"}
"""The cookie of the session in each area; somebody may be signed in to both."""

_VALUE = re.compile(r"[A-Za-z0-9._~-]*")
_LONGEST = 4096


def read(header: str | None) -> dict[str, str]:
    """Return our own cookies of a request; one that stands twice, or that we never write, is left out."""
    found: dict[str, list[str]] = {}
    for part in (header or "")[:_LONGEST].split(";"):
        name, _, value = part.strip().partition("=")
        if name.startswith("__Host-") and _VALUE.fullmatch(value):
            found.setdefault(name, []).append(value)
    return {name: values[0] for name, values in found.items() if len(values) == 1}


def write(cookie: Cookie) -> str:
    """Return the header that sets a cookie, or takes it away. Raises ValueError for a value that needs quoting."""
    if not _VALUE.fullmatch(cookie.value):
        raise ValueError("The value of a cookie has characters that it may not have.")
    seconds = cookie.seconds if cookie.value else 0
    return f"{cookie.name}={cookie.value}; Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite=Lax"
