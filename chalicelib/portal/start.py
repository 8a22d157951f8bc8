"""The start page of the deployment: the ways to the portal, the console and the API."""

from chalicelib.config import settings
from chalicelib.web import Page, PageRequest, Pages

start_pages = Pages()


@start_pages.get("/", public=True)
def show_start(request: PageRequest) -> Page:
    """Link what exists; the inbox exists only in the local service."""
    return Page("portal/start/start.html", {"is_local": settings().is_local})
