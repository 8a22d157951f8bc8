"""Payments of invoices that are really issued, changed and voided: after any requests, the ledger agrees."""

import random
from typing import Any

import pytest

from tests.integration.invoices.invoices import body, customer
from tests.integration.payments import ledger_checks
from tests.integration.service import Service, code, rows

PATH = "/accounts/a1/payments"


@pytest.fixture(autouse=True)
def account(service: Service) -> str:
    account = customer(service)
    service.bill_group("g2", account)
    return account


def spread(**amounts: int) -> list[dict[str, Any]]:
    return [{"invoice_id": invoice_id, "amount": amount} for invoice_id, amount in amounts.items()]


def payment(amount: int, **allocations: int) -> dict[str, Any]:
    return {
        "amount": amount,
        "currency": "EUR",
        "received_on": "2026-01-30",
        "allocations": spread(**allocations),
    }


def test_from_issue_to_paid_and_back(service: Service) -> None:
    service.put("/invoices/i1", **body("1"))
    service.put("/invoices/i2", **body("2", bill_group_id="g2"))
    ledger_checks.check(rows())
    made = service.put(f"{PATH}/p1", **payment(15000, i1=12000, i2=2000))
    assert made["unallocated"] == 1000
    one, two = service.get("/invoices/i1"), service.get("/invoices/i2")
    assert (one["status"], one["balance"], one["settled_on"], one["overdue"]) == ("paid", 0, "2026-01-30", False)
    assert (two["status"], two["paid"], two["balance"]) == ("part_paid", 2000, 10000)
    (section,) = service.get("/accounts/a1/statement")["sections"]
    assert (section["owed"], section["unallocated"], section["balance"]) == (10000, 1000, 9000)
    assert code(service.ask("POST", "/invoices/i1/void", {"reason": "A mistake."}))[0] == 409
    service.ask("DELETE", f"{PATH}/p1/allocations/i1")
    answer = service.ask("POST", "/invoices/i1/void", {"reason": "A mistake."})
    assert (answer.status, answer.json["status"]) == (200, "void")
    ledger_checks.check(rows())
    service.ask("POST", f"{PATH}/p1/reversal", {"reason": "Returned."})
    assert service.get("/invoices/i2")["status"] == "open"
    ledger_checks.check(rows())


def test_a_credit_note_that_is_issued_lowers_what_is_to_be_paid_once_it_is_applied(service: Service) -> None:
    service.put("/invoices/i1", **body("1"))
    service.put("/invoices/c1", **body("C1", 5000, kind="credit_note"))
    (section,) = service.get("/accounts/a1/statement")["sections"]
    assert (section["owed"], section["credit"], section["balance"]) == (12000, 6000, 6000)
    applied = service.ask("POST", "/invoices/c1/applications", {"applications": spread(i1=6000)})
    assert (applied.status, applied.json["status"]) == (200, "paid")
    (section,) = service.get("/accounts/a1/statement")["sections"]
    assert (section["owed"], section["credit"], section["balance"]) == (6000, 0, 6000)
    assert code(service.ask("POST", "/invoices/c1/void", {"reason": "A mistake."}))[0] == 409
    ledger_checks.check(rows())


def test_whether_the_due_date_moves_or_an_invoice_is_given_up(service: Service) -> None:
    service.put("/invoices/i1", **body("1"))
    service.put(f"{PATH}/p1", **payment(2000, i1=2000))
    service.patch("/invoices/i1", due_date="2026-05-01")
    ledger_checks.check(rows())
    assert service.ask("POST", "/invoices/i1/uncollectible", {"reason": "Insolvent."}).status == 200
    ledger_checks.check(rows())
    assert service.ask("POST", f"{PATH}/p1/reversal", {"reason": "Returned."}).status == 200
    ledger_checks.check(rows())
    assert service.ask("DELETE", "/invoices/i1/uncollectible").status in (200, 204)
    assert service.get("/invoices/i1")["balance"] == 12000
    ledger_checks.check(rows())


def anything(chance: random.Random, number: int) -> tuple[str, str, dict[str, Any] | None]:
    """Return some request that the billing system or staff might send."""
    invoice_id, payment_id = f"i{chance.randrange(5)}", f"p{chance.randrange(5)}"
    amount = chance.choice((1, 1000, 6000, 12000))
    part = {invoice_id: amount}
    return chance.choice(
        [
            ("PUT", f"/invoices/{invoice_id}", body(invoice_id, bill_group_id=chance.choice(("g1", "g2")))),
            ("PUT", f"/invoices/c{number}", body(f"c{number}", 3000, kind="credit_note")),
            ("PUT", f"{PATH}/{payment_id}", payment(chance.choice((1000, 9000)))),
            ("PUT", f"{PATH}/q{number}", payment(12000, **part)),
            ("POST", f"{PATH}/{payment_id}/allocations", {"allocations": spread(**part)}),
            ("POST", f"/invoices/{invoice_id}/payments", {name: value for name, value in payment(amount).items()
                                                          if name != "allocations"}),
            ("POST", f"/invoices/c{chance.randrange(number + 1)}/applications", {"applications": spread(**part)}),
            ("DELETE", f"/invoices/c{chance.randrange(number + 1)}/applications/{invoice_id}", None),
            ("DELETE", f"{PATH}/{payment_id}/allocations/{invoice_id}", None),
            ("POST", f"{PATH}/{payment_id}/reversal", {"reason": "Returned."}),
            ("POST", f"/invoices/{invoice_id}/void", {"reason": "A mistake."}),
            ("POST", f"/invoices/{invoice_id}/uncollectible", {"reason": "Insolvent."}),
            ("DELETE", f"/invoices/{invoice_id}/uncollectible", None),
        ]
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
def test_whatever_is_requested(service: Service, seed: int) -> None:
    chance = random.Random(seed)
    statuses = set()
    for number in range(80):
        answer = service.ask(*anything(chance, number))
        assert answer.status in (200, 201, 204, 404, 409, 422), answer.text
        statuses.add(answer.status)
        if number % 8 == 0:
            ledger_checks.check(rows())
    ledger_checks.check(rows())
    assert {200, 201, 409, 422} <= statuses
