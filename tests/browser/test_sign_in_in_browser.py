"""Signing in with a real browser: without scripts, with the keyboard, readable by everybody (WCAG 2.2 AA)."""

import os
from pathlib import Path
from typing import Any

import pytest

from tests.integration.service import Service
from tests.integration.sign_in.conftest import admit
from tests.integration.sign_in.people import Inbox

pytestmark = pytest.mark.browser

PICTURES = os.environ.get("PICTURES")
"""A folder for a picture of each page, to look at."""
WIDTHS = (1200, 320)
ADA = "ada@customer.example"


def look(page: Any, name: str) -> None:
    """Check the page as it stands, at both widths, and take its picture if pictures are wanted."""
    from axe_playwright_python.sync_playwright import Axe

    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{name} scrolls sideways"
        if PICTURES:
            page.screenshot(path=Path(PICTURES) / f"{name}-{width}.png", full_page=True)
    results = Axe().run(page)
    faults = results.response["violations"]
    assert not faults, f"{name}: {[(one['id'], [node['html'] for node in one['nodes']]) for one in faults]}"


def open_page(browser: Any, **options: Any) -> Any:
    # Axe runs as a script that the test brings along; the pages have none, and their policy would refuse it.
    return browser.new_context(bypass_csp=True, **options).new_page()


@pytest.mark.parametrize(
    ("locale", "direction", "colour"),
    [("en-GB", "ltr", "#0b5fff"), ("ar", "rtl", "#f5d90a"), ("de", "ltr", "#ffffff"), ("ja", "ltr", "#111111")],
)
def test_every_page_of_the_way_in(
    browser: Any, address: str, portal: Service, inbox: Inbox, locale: str, direction: str, colour: str
) -> None:
    portal.entity("acme", colour=colour)
    portal.patch("/bill-groups/b1", next_billing_date="2026-02-28", billing_frequency="monthly", po_number="PO-4711")
    page = open_page(browser, locale=locale)
    page.goto(f"{address}/portal")
    assert page.evaluate("document.documentElement.dir") == direction
    look(page, f"{locale}-ask")
    page.fill("#email", "nobody")
    page.click("main button")
    look(page, f"{locale}-ask-fault")
    page.fill("#email", ADA)
    page.keyboard.press("Enter")
    page.wait_for_url("**/portal/check")
    look(page, f"{locale}-check")
    page.fill("#code", "2222-2222")
    page.keyboard.press("Enter")
    page.wait_for_selector("#code-fault")
    look(page, f"{locale}-check-fault")
    mail = inbox.newest()
    other = open_page(browser, locale=locale)
    other.goto(mail.address)
    look(other, f"{locale}-elsewhere")
    page.goto(mail.address)
    look(page, f"{locale}-confirm")
    page.click("main button")
    page.wait_for_url("**/portal/b/b1")
    look(page, f"{locale}-summary")
    page.goto(f"{address}/portal/b/b2")
    look(page, f"{locale}-missing")
    page.goto(f"{address}/portal/b/b1")
    page.click("header button")
    page.wait_for_url("**/portal/signed-out")
    look(page, f"{locale}-signed-out")


def test_the_choice_among_several_bill_groups_and_staff(
    browser: Any, address: str, portal: Service, inbox: Inbox
) -> None:
    portal.bill_group("b2", portal.account("a2", name="Müller & Söhne GmbH"), name="Niederlassung Süd")
    admit(portal, ADA, "b2", "a2")
    page = open_page(browser)
    page.goto(f"{address}/portal")
    page.fill("#email", ADA)
    page.keyboard.press("Enter")
    page.wait_for_url("**/portal/check")
    page.fill("#code", inbox.newest().code)
    page.keyboard.press("Enter")
    page.wait_for_selector(".choices")
    look(page, "choose")
    page.goto(f"{address}/admin")
    look(page, "staff-ask")
    page.fill("#email", "sam@vendor.example")
    page.keyboard.press("Enter")
    page.wait_for_url("**/admin/check")
    page.goto(inbox.newest().address)
    page.click("main button")
    page.wait_for_url("**/admin")
    look(page, "staff")


def test_it_works_without_scripts_and_by_keyboard_alone(
    browser: Any, address: str, portal: Service, inbox: Inbox
) -> None:
    refused: list[str] = []
    page = browser.new_context(java_script_enabled=False).new_page()
    page.on("console", lambda message: refused.append(message.text))
    page.goto(f"{address}/portal")
    page.keyboard.press("Tab")
    assert page.locator(".skip:focus").count() == 1
    page.keyboard.press("Tab")
    page.keyboard.type(ADA)
    page.keyboard.press("Enter")
    page.wait_for_url("**/portal/check")
    page.goto(inbox.newest().address)
    for _ in range(2):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**/portal/b/b1")
    assert refused == []
    (session,) = [one for one in page.context.cookies() if one["name"] == "__Host-session"]
    assert (session["httpOnly"], session["secure"], session["sameSite"]) == (True, True, "Lax")
