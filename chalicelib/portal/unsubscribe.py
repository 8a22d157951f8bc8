"""The page that stops optional mail, without signing in (C7)."""

from chalicelib.contacts import unsubscribe_links
from chalicelib.contacts.unsubscribe_links import MailSubscription
from chalicelib.errors import NotFound
from chalicelib.web import Page, PageRequest, Pages

unsubscribe_pages = Pages()


def _unsubscribe_page(found: MailSubscription) -> Page:
    return Page("portal/unsubscribe/unsubscribe.html", {"known": True, "subscription": found}, brand=found.entity)


def _unknown_link_page() -> Page:
    return Page("portal/unsubscribe/unsubscribe.html", {"known": False}, status=404)


@unsubscribe_pages.get("/portal/unsubscribe/{token}", public=True)
def show_unsubscribe(request: PageRequest) -> Page:
    """Ask whether the mails shall stop; a mail program that follows every link changes nothing."""
    try:
        return _unsubscribe_page(unsubscribe_links.get_mail_subscription(request.context, request.path["token"]))
    except NotFound:
        return _unknown_link_page()


@unsubscribe_pages.post("/portal/unsubscribe/{token}", public=True, from_anywhere=True)
def submit_unsubscribe(request: PageRequest) -> Page:
    """Stop the mails, by the page's button or by the one-click request of a mail program (RFC 8058)."""
    try:
        return _unsubscribe_page(unsubscribe_links.unsubscribe(request.context, request.path["token"]))
    except NotFound:
        return _unknown_link_page()
