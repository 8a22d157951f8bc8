"""The page by which somebody stops optional mail, without signing in (C7)."""

from chalicelib.contacts import unsubscribing
from chalicelib.contacts.unsubscribing import Subscription
from chalicelib.errors import NotFound
from chalicelib.web import Page, PageRequest, Pages

pages = Pages()


def _shown(found: Subscription) -> Page:
    return Page("contacts/unsubscribe.html", {"known": True, "subscription": found}, brand=found.entity)


def _unknown() -> Page:
    return Page("contacts/unsubscribe.html", {"known": False}, status=404)


@pages.get("/portal/unsubscribe/{token}", public=True)
def show(request: PageRequest) -> Page:
    """Ask whether the mails are to stop; mail programs that follow every link change nothing."""
    try:
        return _shown(unsubscribing.find(request.call, request.path["token"]))
    except NotFound:
        return _unknown()


@pages.post("/portal/unsubscribe/{token}", public=True, from_anywhere=True)
def stop(request: PageRequest) -> Page:
    """Stop the mails: by the page's button, or by the mail program for its reader (RFC 8058)."""
    try:
        return _shown(unsubscribing.unsubscribe(request.call, request.path["token"]))
    except NotFound:
        return _unknown()
