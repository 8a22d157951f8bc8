"""docs/api.md says what the routes declare."""

from infra import api_docs


def test_the_page_is_what_the_routes_declare() -> None:
    assert api_docs.PAGE.read_text() == api_docs.page(), "Write it again: python -m infra.api_docs"
