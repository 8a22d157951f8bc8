"""Payments crash at every AWS call and are repeated: recorded, allocated and reversed once, never partly."""

from typing import Any

import pytest

from chalicelib.payments import rules
from tests.aws_calls import Crash, counted, failing
from tests.integration.payments import ledger_checks
from tests.integration.service import Service, rows

HOW = ("before", "after", "lost")
PATH = "/accounts/a1/payments"


def spread(**amounts: int) -> list[dict[str, Any]]:
    return [{"invoice_id": invoice_id, "amount": amount} for invoice_id, amount in amounts.items()]


PAYMENT = {"amount": 50, "currency": "EUR", "received_on": "2026-01-30", "allocations": spread(i0=2, i1=1)}


@pytest.fixture(autouse=True)
def account(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    # So that a reversal of three invoices is done in two parts.
    monkeypatch.setattr(rules, "MAX_INVOICES_PER_WRITE", 2)
    service.bill_group("b1", service.account())
    for number in range(3):
        ledger_checks.issue(f"i{number}", 2)
    ledger_checks.issue("c1", 10, kind="credit_note")


def try_(service: Service, number: int, how: str, *request: Any, **headers: str) -> bool:
    """Send a request whose call ``number`` fails; tell whether there was such a call."""
    with failing(number, how) as names:
        try:
            service.ask(*request, **headers)
        except Crash:
            return True
        return len(names) > number


def completed(service: Service, number: int, how: str, *request: Any) -> bool:
    """Send a request whose call ``number`` fails, then the same again; check the books in between and after."""
    there = try_(service, number, how, *request, idempotency_key="once")
    ledger_checks.check(rows())
    answer = service.ask(*request, idempotency_key="once")
    assert answer.status in (200, 201, 204), answer.text
    ledger_checks.check(rows())
    return there


def everything() -> list[tuple[str, int, str]]:
    # Which of the calls are transactions; the first is the read of the key. A reversal has two parts.
    writes = {"put": [3], "allocate": [3], "deallocate": [3], "pay": [3], "apply": [3], "reverse": [4, 8]}
    found = []
    for name, transactions in writes.items():
        for number in range(transactions[-1] + 1):
            found += [(name, number, how) for how in (HOW if number in transactions else HOW[:1])]
    return found


REQUESTS: dict[str, tuple[Any, ...]] = {
    "put": ("PUT", f"{PATH}/p1", PAYMENT),
    "allocate": ("POST", f"{PATH}/p1/allocations", {"allocations": spread(i1=1, i2=2)}),
    "deallocate": ("DELETE", f"{PATH}/p1/allocations/i0"),
    "pay": ("POST", "/invoices/i0/payments", {"amount": 3, "currency": "EUR", "received_on": "2026-01-30"}),
    "apply": ("POST", "/invoices/c1/applications", {"applications": spread(i1=1, i2=2)}),
    "reverse": ("POST", f"{PATH}/p1/reversal", {"reason": "returned"}),
}
AFTER: dict[str, dict[str, int]] = {
    "put": {"i0": 2, "i1": 1},
    "allocate": {"i0": 2, "i1": 2, "i2": 2},
    "deallocate": {"i1": 1},
    "pay": {"i0": 2},
    "apply": {"i1": 1, "i2": 2},
    "reverse": {},
}


def prepare(service: Service, name: str) -> None:
    if name in ("allocate", "deallocate", "reverse"):
        service.put(f"{PATH}/p1", **PAYMENT)
    if name == "reverse":
        body = {"allocations": spread(i2=2)}
        assert service.ask("POST", f"{PATH}/p1/allocations", body).status == 200


@pytest.mark.parametrize(("name", "number", "how"), everything())
def test_once_whatever_fails(service: Service, name: str, number: int, how: str) -> None:
    prepare(service, name)
    assert completed(service, number, how, *REQUESTS[name])
    heads = [ledger_checks.head(f"i{number}") for number in range(3)]
    assert {one.invoice_id: one.paid + one.credited for one in heads if one.paid + one.credited} == AFTER[name]
    recorded = service.all_of(PATH)
    assert len(recorded) == (0 if name == "apply" else 1)


def test_there_are_no_further_calls(service: Service) -> None:
    prepare(service, "reverse")
    with counted() as calls:
        assert service.ask(*REQUESTS["reverse"]).status == 200
    assert len(calls.names) == 11
