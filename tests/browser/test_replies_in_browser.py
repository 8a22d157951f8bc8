"""Answering a reminder with a real browser: without scripts, readable by everybody (WCAG 2.2 AA), at 1200 and 320."""

from collections.abc import Iterator
from dataclasses import astuple
from typing import Any

import pytest

from chalicelib.clock import utc_now
from chalicelib.entities import service as entities
from chalicelib.reminders.run.mail_content import hash_reply_token
from chalicelib.table import keys, store
from chalicelib.table.items import EmailItem, ReplyLinkItem
from tests.browser.test_sign_in_in_browser import WIDTHS, look, open_page
from tests.integration.invoices.invoices import line
from tests.integration.reminders.world import LIVE
from tests.integration.service import Service

pytestmark = pytest.mark.browser

TOKEN = "A" * 43
"""What the mail would have brought."""
BROKEN = """cells => cells.filter(cell => {
    const text = document.createRange();
    text.selectNodeContents(cell);
    return new Set([...text.getClientRects()].map(box => box.top)).size > 1;
}).map(cell => cell.textContent)"""
"""Which cells have their text on more than one line."""


@pytest.fixture
def reminded(portal: Service) -> Iterator[Service]:
    """A customer who was reminded of three invoices, one of them with lines."""
    entities.clear_entity_cache()
    portal.entity("acme", **LIVE, support_email="help@acme.example")
    portal.put("/accounts/a1", name="Müller & Söhne Gebäudereinigungsgesellschaft mbH")
    contact = portal.contact("/accounts/a1", "Ada", "accounts_payable")
    bodies = {
        "i1": {"number": "2026-0001", "lines": [line(10000)], "total": 12000},
        "i2": {"number": "RE-2026-HAMBURG-000000000042", "lines": [line(700000), line(123456)], "total": 988147},
        "i3": {"number": "פ-77", "lines": [line(5000)], "total": 6000},
    }
    for invoice_id, body in bodies.items():
        portal.put(
            f"/invoices/{invoice_id}", bill_group_id="b1", issue_date="2026-01-05", due_date="2026-01-20",
            currency="EUR", deliver=False, **body,
        )  # fmt: skip
    # So that the pages show what is left after credit.
    portal.put("/accounts/a1/payments/p1", amount=1050, currency="EUR", received_on="2026-01-05")
    remind(contact, list(bodies))
    yield portal
    entities.clear_entity_cache()


def remind(contact: Any, invoice_ids: list[str]) -> None:
    """Write what a reminder that was sent leaves behind."""
    email, link = keys.email("eml_1"), keys.reply_link(hash_reply_token(TOKEN))
    store.create_item(
        EmailItem(
            email.pk, email.sk, email_id="eml_1", kind="reminder", status="sent", entity_id="acme", account_id="a1",
            to=[contact["email"]], locale="en", created_at=utc_now(), not_after=utc_now(), correlation_id="c",
        )
    )  # fmt: skip
    store.create_item(
        ReplyLinkItem(
            link.pk, link.sk, email_id="eml_1", account_id="a1", entity_id="acme", contact_id=contact["contact_id"],
            digest=[*astuple(keys.digest("a1", utc_now().date(), "acme", "EUR"))], invoice_ids=invoice_ids,
            until=utc_now().replace(year=2027),
        )
    )  # fmt: skip


def see_whole_dates(page: Any) -> None:
    """Check that no date or amount of the table breaks across lines."""
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        assert page.eval_on_selector_all("table.invoices tbody td", BROKEN) == []


@pytest.mark.parametrize("locale", ["en-US", "ar", "de", "ja", "pt-BR"])
def test_every_page_of_an_answer(browser: Any, address: str, reminded: Service, locale: str) -> None:
    page = open_page(browser, locale=locale)
    start = f"{address}/portal/reply/{TOKEN}"
    page.goto(start)
    look(page, f"{locale}-reply")
    see_whole_dates(page)
    for answer in ("paid", "promised", "problem", "not-me"):
        page.goto(f"{start}/{answer}")
        look(page, f"{locale}-reply-{answer}")
    page.goto(f"{start}/problem?invoice=i2")
    look(page, f"{locale}-reply-lines")
    page.click("main button")
    page.wait_for_selector("#reason-fault")
    look(page, f"{locale}-reply-fault")
    page.goto(f"{start}/paid")
    page.uncheck("[name=invoice-i1]")
    page.click("main button")
    page.wait_for_url("**?done=paid")
    look(page, f"{locale}-reply-done")
    see_whole_dates(page)
    page.goto(f"{start[:-1]}B")
    look(page, f"{locale}-reply-gone")


def test_it_works_without_scripts(browser: Any, address: str, reminded: Service) -> None:
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto(f"{address}/portal/reply/{TOKEN}")
    page.click("text=There is a problem")
    page.click("a:has-text('RE-2026-HAMBURG-000000000042')")
    page.select_option("#reason", "quantity")
    page.check("[name=line-2]")
    page.fill("#amount", "1,234.56")
    page.click("main button")
    page.wait_for_url("**?done=problem")
    dispute = reminded.get("/invoices/i2")["dispute"]
    assert (dispute["reason"], dispute["lines"], dispute["amount"]) == ("quantity", [2], 123456)
    assert reminded.get("/invoices/i1")["dispute"] is None
