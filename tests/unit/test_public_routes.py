"""What strangers can call is listed with its limit in docs/operations.md."""

import re
from pathlib import Path

from app import app

OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"


def test_every_public_route_and_page_is_listed_with_its_limit() -> None:
    table = OPERATIONS.read_text().partition("<!-- public: begin -->")[2].partition("<!-- public: end -->")[0]
    listed = set(re.findall(r"`((?:GET|POST|PUT|PATCH|DELETE) /[^`]*)`", table))
    routes = {f"{route.method} {route.path}" for route in app.json_api.all_routes() if route.may is None}
    pages = {f"{page.method} {page.pattern}" for page in app.html_pages.declared if page.may is None}
    assert listed == routes | pages
    assert all(row.count("|") == 3 and row.split("|")[2].strip() for row in table.strip().splitlines())
