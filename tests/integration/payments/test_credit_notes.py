"""Credit notes spread over invoices, and taken back."""

from dataclasses import replace
from typing import Any

import pytest

from chalicelib.invoices.rules import VOID
from tests.integration.payments import ledger_checks
from tests.integration.service import Service, code, faults, rows


@pytest.fixture(autouse=True)
def account(service: Service) -> str:
    account = service.account()
    service.bill_group("b1", account)
    ledger_checks.issue("c1", 100, kind="credit_note", due_date=None)
    ledger_checks.issue("i1", 50)
    ledger_checks.issue("i2", 80, bill_group_id="b2")
    return account


def applications(**amounts: int) -> dict[str, Any]:
    return {"applications": [{"invoice_id": invoice_id, "amount": amount} for invoice_id, amount in amounts.items()]}


def test_a_credit_note_is_applied_and_taken_back(service: Service) -> None:
    applied = service.ask("POST", "/invoices/c1/applications", applications(i1=50, i2=20), idempotency_key="k1")
    assert (applied.status, applied.json["balance"], applied.json["status"]) == (200, 30, "part_paid")
    assert applied.json["applications"] == applications(i1=50, i2=20)["applications"]
    assert service.get("/invoices/c1/applications") == applied.json
    assert service.ask("GET", "/invoices/i1/applications").status == 404
    assert applied.headers["etag"] == f'"{applied.json["version"]}"'
    one = ledger_checks.head("i1")
    assert (one.status, one.credited, one.paid, str(one.settled_on)) == ("paid", 50, 0, "2026-01-31")
    ledger_checks.check(rows())
    before = rows()
    again = service.ask("POST", "/invoices/c1/applications", applications(i1=50, i2=20), idempotency_key="k1")
    assert (again.json, rows()) == (applied.json, before)
    assert service.get("/invoices/i1/payments")["items"][0]["kind"] == "credit_note"
    full = service.ask("POST", "/invoices/c1/applications", applications(i2=30))
    assert (full.json["status"], full.json["balance"]) == ("paid", 0)
    ledger_checks.check(rows())
    assert service.ask("DELETE", "/invoices/c1/applications/i2").status == 204
    assert (ledger_checks.head("c1").balance, ledger_checks.head("i2").balance) == (50, 80)
    ledger_checks.check(rows())
    assert service.ask("DELETE", "/invoices/c1/applications/i2").status == 404
    events = [one for one in service.all_of("/accounts/a1/audit-events") if one["resource_kind"] == "credit_note"]
    assert sorted(one["action"] for one in events) == ["credit_note.applied"] * 2 + ["credit_note.withdrawn"]


def test_what_may_not_be_applied_is_refused(service: Service) -> None:
    before = rows()
    for wanted, fault in (
        (applications(i1=51), ("applications.0.amount", "more_than_balance")),
        (applications(c1=1), ("applications.0.invoice_id", "not_an_invoice")),
        (applications(none=1), ("applications.0.invoice_id", "unknown_invoice")),
        (applications(i1=50, i2=51), ("applications", "more_than_is_left")),
    ):
        assert faults(service.ask("POST", "/invoices/c1/applications", wanted)) == [fault]
    assert code(service.ask("POST", "/invoices/i1/applications", applications(i2=1))) == (409, "not_a_credit_note")
    assert service.ask("POST", "/invoices/none/applications", applications(i2=1)).status == 404
    assert service.ask("POST", "/invoices/c1/applications", {"applications": []}).status == 422
    assert rows() == before
    note = ledger_checks.head("c1")
    ledger_checks.change(note, replace(note, status=VOID))
    assert code(service.ask("POST", "/invoices/c1/applications", applications(i1=1))) == (409, "credit_note_not_open")


def test_payments_and_credit_notes_of_one_id_are_apart(service: Service) -> None:
    body = {"amount": 10, "currency": "EUR", "received_on": "2026-01-30"}
    allocations = [{"invoice_id": "i1", "amount": 10}]
    service.put("/accounts/a1/payments/c1", **body, allocations=allocations)
    service.ask("POST", "/invoices/c1/applications", applications(i1=40))
    settled = service.get("/invoices/i1/payments")["items"]
    assert [(one["kind"], one["id"], one["amount"]) for one in settled] == [
        ("credit_note", "c1", 40),
        ("payment", "c1", 10),
    ]
    ledger_checks.check(rows())
    assert ledger_checks.head("i1").status == "paid"
    service.ask("DELETE", "/invoices/c1/applications/i1")
    assert (ledger_checks.head("i1").balance, ledger_checks.head("i1").paid) == (40, 10)
    ledger_checks.check(rows())
