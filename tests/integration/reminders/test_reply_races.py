"""Replies sent twice at once, on the real-process engine, and such as were cut short: each counts once (R6)."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from chalicelib import clock
from chalicelib.reminders.replies import service
from chalicelib.request_context import Actor, RequestContext
from chalicelib.table import keys, store
from chalicelib.table.items import AuditEventItem, EmailItem, InvoiceItem
from tests.engine import engine, engine_environment  # noqa: F401
from tests.integration.reminders.replies import TOKEN, give_link
from tests.integration.reminders.test_reminders_on_engine import MORNING, account, at_once, issue, vendor  # noqa: F401
from tests.integration.reminders.world import rows

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("vendor")]


@pytest.fixture
def reminded(vendor: None) -> list[str]:  # noqa: F811
    """Invoices that Ada was reminded of, more than fit one transaction."""
    account("a1", "g1")
    invoice_ids = [f"n{number:02d}" for number in range(23)]
    for invoice_id in invoice_ids:
        issue(invoice_id, "g1")
    clock.set_clock_source(lambda: MORNING)
    give_link(invoice_ids, "ada@a1.example", MORNING)
    return invoice_ids


def context(number: int = 0) -> RequestContext:
    # Each request is a moment of its own, as its ids are.
    return RequestContext(Actor("nobody", "", ""), MORNING + timedelta(milliseconds=number), f"reply-{number}")


def told() -> list[Any]:
    return [one for one in rows(EmailItem) if one.kind == "reply_received"]


def events() -> list[Any]:
    return [one for one in rows(AuditEventItem) if one.action == "reminder.replied"]


def promises(invoice_ids: list[str]) -> set[str]:
    heads = [store.get_item(InvoiceItem, keys.invoice(one)) for one in invoice_ids]
    return {head.promise["on"] for head in heads if head is not None and head.promise}


def test_one_of_several_days_at_once_counts_for_each_invoice(reminded: list[str]) -> None:
    days = [date(2026, 3, 12) + timedelta(days=number) for number in range(8)]
    at_once(lambda number: service.reply_promised(context(number), TOKEN, reminded[:3], days[number]))
    (mail,) = told()
    assert promises(reminded[:3]) == {event.changes[-1]["after"] for event in events()}
    assert len(events()) == 1
    assert mail.context["numbers"] == ["n00", "n01", "n02"]


def test_the_same_button_pressed_at_once(reminded: list[str]) -> None:
    at_once(lambda number: service.reply_paid(context(number), TOKEN, reminded[:1], date(2026, 3, 8), None))
    at_once(lambda number: service.reply_not_me(context(number), TOKEN, None))
    assert sorted(one.context["answer"] for one in told()) == ["not-me", "paid"]
    assert len(events()) == 2


def test_what_was_cut_short_goes_on_when_it_is_repeated(reminded: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    whole = service.pause_invoices

    def cut(at: RequestContext, invoice_ids: Any, *rest: Any) -> Any:
        if "n22" in invoice_ids:
            raise TimeoutError
        return whole(at, invoice_ids, *rest)

    monkeypatch.setattr(service, "pause_invoices", cut)
    with pytest.raises(TimeoutError):
        service.reply_paid(context(), TOKEN, reminded, date(2026, 3, 8), None)
    assert (len(events()), told()) == (1, [])
    monkeypatch.undo()
    again = replace(context(), now=MORNING + timedelta(minutes=1))
    service.reply_paid(again, TOKEN, reminded, date(2026, 3, 8), None)
    (mail,) = told()
    assert len(mail.context["numbers"]) == 23
    assert len(events()) == 2
