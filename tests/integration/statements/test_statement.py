"""What an account owes, as staff, the billing system and the portal read it."""

from datetime import date, timedelta
from typing import Any

import pytest

from chalicelib.statements import api
from tests.aws_calls import counted
from tests.integration import people
from tests.integration.payments import ledger_checks
from tests.integration.service import Service

PATH = "/accounts/a1/statement"
TODAY = date(2026, 1, 31)


@pytest.fixture(autouse=True)
def account(service: Service) -> str:
    service.entity("other")
    account = service.account()
    service.bill_group("b1", account)
    service.bill_group("b2", account)
    return account


def late(days: int) -> date:
    return TODAY - timedelta(days=days)


def pay(service: Service, payment_id: str, amount: int, currency: str = "EUR", **allocations: int) -> None:
    spread = [{"invoice_id": invoice_id, "amount": part} for invoice_id, part in allocations.items()]
    body = {"amount": amount, "currency": currency, "received_on": "2026-01-30", "allocations": spread}
    service.put(f"/accounts/a1/payments/{payment_id}", **body)


def fill(service: Service) -> None:
    ledger_checks.issue("ancient", 1000, due_date=late(200), bill_group_id="b2", po_number="PO 7")
    ledger_checks.issue("old", 500, due_date=late(45))
    ledger_checks.issue("due", 300, due_date=TODAY)
    ledger_checks.issue("undated", 40, due_date=None)
    ledger_checks.issue("paid", 70, due_date=late(5))
    ledger_checks.issue("credit", 60, kind="credit_note", due_date=None)
    ledger_checks.issue("yen", 9, currency="JPY", due_date=late(1))
    ledger_checks.issue("beta", 8, entity_id="other", due_date=late(1))
    pay(service, "p1", 150, paid=70, old=50)


def test_figures_by_entity_and_currency(service: Service) -> None:
    assert service.get(PATH) == {
        "account_id": "a1", "account_name": "Customer", "as_of": "2026-01-31", "sections": [], "items_left_out": 0,
    }  # fmt: skip
    fill(service)
    told = service.get(PATH)
    assert [(one["entity_id"], one["currency"]) for one in told["sections"]] == [
        ("acme", "EUR"), ("acme", "JPY"), ("other", "EUR"),
    ]  # fmt: skip
    euro = told["sections"][0]
    assert euro["ageing"] == {
        "current": 340, "days_1_30": 0, "days_31_60": 450, "days_61_90": 0, "days_over_90": 1000,
    }  # fmt: skip
    figures = [euro[name] for name in ("owed", "overdue", "credit", "unallocated", "balance")]
    assert figures == [1790, 1360, 60, 30, 1700]
    items = [(one["invoice_id"], one["balance"], one["days_overdue"], one["age"]) for one in euro["open_items"]]
    assert items == [
        ("ancient", 1000, 200, "days_over_90"), ("old", 450, 45, "days_31_60"), ("due", 300, 0, "current"),
        ("credit", 60, 0, None), ("undated", 40, 0, "current"),
    ]  # fmt: skip
    assert euro["open_items"][0]["po_number"] == "PO 7"
    assert euro["open_payments"] == [
        {"payment_id": "p1", "received_on": "2026-01-30", "reference": None, "amount": 150, "unallocated": 30}
    ]
    assert [one["ageing"]["days_1_30"] for one in told["sections"][1:]] == [9, 8]


def test_one_entity_or_one_currency(service: Service) -> None:
    fill(service)
    by_currency = service.get(f"{PATH}?currency=jpy")["sections"]
    assert [(one["entity_id"], one["currency"]) for one in by_currency] == [("acme", "JPY")]
    by_entity = service.get(f"{PATH}?entity_id=other")["sections"]
    assert [(one["entity_id"], one["owed"]) for one in by_entity] == [("other", 8)]
    assert service.ask("GET", f"{PATH}?currency=euro").status == 422
    assert service.ask("GET", "/accounts/none/statement").status == 404


def test_today_is_where_the_account_is(service: Service) -> None:
    ledger_checks.issue("i1", 5, due_date=TODAY)
    service.clock.move(hours=13)
    assert service.get(PATH)["sections"][0]["overdue"] == 0
    service.account(time_zone="Pacific/Auckland")
    told = service.get(PATH)
    assert (told["as_of"], told["sections"][0]["overdue"]) == ("2026-02-01", 5)


def test_a_portal_user_reads_of_the_granted_bill_groups_alone(service: Service) -> None:
    fill(service)
    token = people.portal(service, "ann@customer.example", ["invoices"], ("b2", "a1"))
    (told,) = service.ask("GET", PATH, token=token).json["sections"]
    assert [one["invoice_id"] for one in told["open_items"]] == ["ancient"]
    assert (told["owed"], told["credit"], told["unallocated"], told["balance"]) == (1000, 0, None, 1000)
    assert told["open_payments"] == []
    assert service.ask("GET", "/accounts/a2/statement", token=token).status == 404
    people.admit("bea@customer.example", "b1", "a1", ["invoices"])
    people.admit("bea@customer.example", "b2", "a1", ["profile"])
    pairs = [("b1", "a1"), ("b2", "a1")]
    mixed = people.open_for(service, "portal_user", "bea@customer.example", pairs)
    seen: Any = service.ask("GET", PATH, token=mixed).json["sections"]
    assert "ancient" not in [one["invoice_id"] for section in seen for one in section["open_items"]]
    none = people.portal(service, "cy@customer.example", ["profile"], ("b1", "a1"))
    assert service.ask("GET", PATH, token=none).status == 403


def test_many_items_are_all_counted_and_some_listed(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "MAX_ITEMS", 3)
    for number in range(5):
        ledger_checks.issue(f"i{number}", 10, due_date=late(number))
    ledger_checks.issue("yen", 9, currency="JPY")
    told = service.get(PATH)
    assert [one["invoice_id"] for one in told["sections"][0]["open_items"]] == ["i4", "i3", "i2"]
    assert (told["sections"][0]["owed"], told["sections"][1]["owed"]) == (50, 9)
    assert (told["sections"][1]["open_items"], told["items_left_out"]) == ([], 3)


def test_reads_follow_what_is_open_and_not_what_was(service: Service) -> None:
    for number in range(10):
        ledger_checks.issue(f"i{number}", 10)
        pay(service, f"q{number}", 10, **{f"i{number}": 10})
    service.get(PATH)
    with counted() as calls:
        service.get(PATH)
    # The API key, the account, the pointers of open items and of payments: nothing is open. The entity is remembered.
    assert calls.reads == 4
    fill(service)
    with counted() as calls:
        service.get(PATH)
    assert calls.reads == 6
