"""The cookie of a browser that has signed in before (A13)."""

from chalicelib.sessions import known_browsers
from chalicelib.sessions.known_browsers import KnownBrowser
from chalicelib.web import Cookie, PageRequest
from chalicelib.web.cookies import BROWSER_COOKIE


def find_known_browser(request: PageRequest) -> KnownBrowser | None:
    """Return the browser that asks, if it has signed in before."""
    return known_browsers.recognise_browser(request.cookies.get(BROWSER_COOKIE), request.context.now)


def build_browser_cookie(request: PageRequest, email: str) -> Cookie:
    """Return the cookie of the browser that has just signed in to the mailbox of ``email``."""
    token = known_browsers.remember_browser(find_known_browser(request), email, request.context.now)
    return Cookie(BROWSER_COOKIE, token, int(known_browsers.LIFETIME.total_seconds()))
