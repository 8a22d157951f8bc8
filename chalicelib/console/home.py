"""The home page of the console."""

from chalicelib.sign_in import service
from chalicelib.web import Page, PageRequest, Pages

console_home_pages = Pages()


@console_home_pages.get("/admin", may="me.read")
def show_home(request: PageRequest) -> Page:
    """Show staff that they are signed in, with their name and role."""
    return Page("console/home/home.html", brand=service.find_brand_entity(None, request.context.now))
