"""Cookies: parsed, and set for this host only, over TLS, hidden from scripts (A8)."""

import re

from chalicelib.web.pages import Cookie

FLOW_COOKIE = "__Host-flow"
BROWSER_COOKIE = "__Host-browser"
"""Stays after a sign-out: it opens nothing, and lets a browser that has signed in before ask for emails (A13)."""
SESSION_COOKIES = {"portal": "__Host-session", "admin": "__Host-staff"}
"""The cookie of the session in each area; somebody may be signed in to both."""

_VALUE_PATTERN = re.compile(r"[A-Za-z0-9._~-]*")
_MAX_HEADER_LENGTH = 4096


def parse_cookies(header: str | None) -> dict[str, str]:
    """Return our own cookies of a request; one that occurs twice, or that we never set, is left out."""
    found: dict[str, list[str]] = {}
    for part in (header or "")[:_MAX_HEADER_LENGTH].split(";"):
        name, _, value = part.strip().partition("=")
        if name.startswith("__Host-") and _VALUE_PATTERN.fullmatch(value):
            found.setdefault(name, []).append(value)
    return {name: values[0] for name, values in found.items() if len(values) == 1}


def format_set_cookie(cookie: Cookie) -> str:
    """Return the header that sets or deletes a cookie. Raises ValueError for a value that needs quoting."""
    if not _VALUE_PATTERN.fullmatch(cookie.value):
        raise ValueError("The value of a cookie has characters that it may not have.")
    seconds = cookie.seconds if cookie.value else 0
    return f"{cookie.name}={cookie.value}; Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite=Lax"
