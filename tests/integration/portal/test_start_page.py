"""The start page and the files at fixed addresses, which anybody may request."""

import pytest

from app import app
from chalicelib import config
from tests.integration.portal.visitor import Visitor
from tests.integration.service import Service


def test_the_start_page_links_what_exists(portal: Service) -> None:
    seen = Visitor().go("/")
    assert seen.status == 200
    for path in ("/portal", "/admin", "/v1/openapi.json"):
        assert f'href="{path}"' in seen.html
        assert path in app.routes
    assert "/inbox" not in seen.html


def test_only_the_local_service_has_an_inbox(portal: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEPLOYMENT", config.LOCAL_DEPLOYMENT)
    config.settings.cache_clear()
    assert 'href="/inbox"' in Visitor().go("/").html


def test_no_crawler_indexes_anything(portal: Service) -> None:
    seen = Visitor().go("/robots.txt")
    assert (seen.status, seen.html) == (200, "User-agent: *\nDisallow: /\n")
    assert seen.headers["content-type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_browsers_get_an_icon(portal: Service, method: str) -> None:
    seen = Visitor().go("/favicon.ico", method)
    assert (seen.status, seen.headers["content-type"]) == (200, "image/svg+xml")
    assert 'href="/favicon.ico"' in Visitor().go("/portal/sign-in").html
