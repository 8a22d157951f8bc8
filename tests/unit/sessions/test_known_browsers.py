"""The cookie of a browser that has signed in before: genuine, in time, and of use for its own mailboxes only (A13)."""

from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.config import settings
from chalicelib.sessions.known_browsers import KnownBrowser, find_browser_id, recognise_browser, remember_browser

pytestmark = pytest.mark.usefixtures("environment")

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
ADA = "ada@customer.example"


def test_a_browser_is_known_for_the_mailbox_it_signed_in_to() -> None:
    browser = recognise_browser(remember_browser(None, ADA, NOW), NOW)
    assert browser is not None
    assert browser.knows(ADA)
    assert browser.knows("ada+invoices@customer.example")
    assert not browser.knows("eve@customer.example")
    assert find_browser_id(browser, ADA) == browser.browser_id
    assert find_browser_id(browser, "eve@customer.example") is None
    assert find_browser_id(None, ADA) is None
    assert KnownBrowser.from_json(browser.to_json()) == browser
    assert KnownBrowser.from_json(None) is None


def test_the_cookie_tells_no_address() -> None:
    token = remember_browser(None, ADA, NOW)
    assert len(token) == 89
    assert "ada" not in token.lower()
    assert remember_browser(None, ADA, NOW) != token


def test_a_browser_keeps_its_id_and_its_five_newest_mailboxes() -> None:
    browser: KnownBrowser | None = None
    token = ""
    for number in (*range(7), 3):
        token = remember_browser(browser, f"p{number}@customer.example", NOW)
        again = recognise_browser(token, NOW)
        assert again is not None
        assert browser is None or again.browser_id == browser.browser_id
        browser = again
    assert browser is not None
    assert [number for number in range(7) if browser.knows(f"p{number}@customer.example")] == [2, 3, 4, 5, 6]
    assert len(token) == 3 + 171


def test_it_is_known_for_180_days_since_the_last_sign_in() -> None:
    token = remember_browser(None, ADA, NOW)
    assert recognise_browser(token, NOW + timedelta(days=180, seconds=-1)) is not None
    assert recognise_browser(token, NOW + timedelta(days=180)) is None
    later = NOW + timedelta(days=100)
    renewed = remember_browser(recognise_browser(token, later), ADA, later)
    assert recognise_browser(renewed, NOW + timedelta(days=279)) is not None


def test_what_was_changed_is_not_genuine() -> None:
    token = remember_browser(None, ADA, NOW)
    for place in range(3, len(token) - 1):
        other = "A" if token[place] != "A" else "B"
        assert recognise_browser(token[:place] + other + token[place + 1 :], NOW) is None
    longer = remember_browser(recognise_browser(token, NOW), "eve@customer.example", NOW)
    assert recognise_browser(longer[: len(token)], NOW) is None


@pytest.mark.parametrize("token", [None, "", "cb_", "cb_" + "A" * 86, "cs_" + "A" * 43, "cb_" + "é" * 86, "A" * 89])
def test_what_is_no_cookie_of_ours(token: str | None) -> None:
    assert recognise_browser(token, NOW) is None


def test_a_cookie_is_of_one_deployment(monkeypatch: pytest.MonkeyPatch) -> None:
    token = remember_browser(None, ADA, NOW)
    monkeypatch.setenv("SIGNING_KEY", "x" * 40)
    settings.cache_clear()
    assert recognise_browser(token, NOW) is None
