"""Payments and credit notes under concurrency, on the real-process engine: the ledger always agrees."""

import os
from collections import Counter
from collections.abc import Callable
from datetime import date
from typing import Any

import boto3
import pytest

from chalicelib.config import settings
from chalicelib.payments import credit_notes, queries, service
from tests.engine import engine, engine_environment
from tests.integration.contacts.test_races import _fresh, account, at_once
from tests.integration.payments import ledger_checks

__all__ = ["_fresh", "engine", "engine_environment"]

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("engine_environment", "_fresh")]

ROUNDS = 20 if os.environ.get("COUNTERFOIL_PROOF") else 2
THREADS = 12


def race(work: Callable[[int], Any]) -> Counter[str]:
    return at_once(work, THREADS)


def rows() -> list[dict[str, Any]]:
    pages = boto3.client("dynamodb").get_paginator("scan").paginate(TableName=settings().table_name)
    return [row for page in pages for row in page["Items"]]


def spread(**amounts: int) -> list[dict[str, Any]]:
    return [{"invoice_id": invoice_id, "amount": amount} for invoice_id, amount in amounts.items()]


def pay(payment_id: str, amount: int, **allocations: int) -> None:
    given = {
        "amount": amount,
        "currency": "EUR",
        "received_on": date(2026, 1, 30),
        "allocations": spread(**allocations),
    }
    service.record_payment(ledger_checks.context(), "a1", payment_id, given)


@pytest.fixture
def _account(_fresh: None) -> None:
    account("a1")


pytestmark.append(pytest.mark.usefixtures("_account"))


@pytest.mark.parametrize("number", range(ROUNDS))
def test_an_invoice_is_never_paid_twice(number: int) -> None:
    ledger_checks.issue("i1", 30)
    outcomes = race(lambda thread: pay(f"p{thread}", 10, i1=10))
    assert outcomes == {"done": 3, "invalid": THREADS - 3}
    assert ledger_checks.head("i1").status == "paid"
    ledger_checks.check(rows())


@pytest.mark.parametrize("number", range(ROUNDS))
def test_the_same_payment_sent_by_many_is_one(number: int) -> None:
    ledger_checks.issue("i1", 30)
    outcomes = race(lambda thread: pay("p1", 10, i1=10))
    assert outcomes == {"done": THREADS}
    assert (ledger_checks.head("i1").paid, len(queries.list_payments("a1", None, 10)[0])) == (10, 1)
    ledger_checks.check(rows())


@pytest.mark.parametrize("number", range(ROUNDS))
def test_a_payment_is_never_spent_twice(number: int) -> None:
    for thread in range(THREADS):
        ledger_checks.issue(f"i{thread}", 10)
    pay("p1", 40)
    outcomes = race(
        lambda thread: service.allocate_payment(ledger_checks.context(), "a1", "p1", spread(**{f"i{thread}": 10}))
    )
    assert outcomes == {"done": 4, "invalid": THREADS - 4}
    assert queries.get_payment("a1", "p1").unallocated == 0
    ledger_checks.check(rows())


@pytest.mark.parametrize("number", range(ROUNDS))
def test_payments_credit_notes_and_reversals_at_once_leave_books_that_agree(number: int) -> None:
    for invoice in range(3):
        ledger_checks.issue(f"i{invoice}", 50, bill_group_id=f"b{invoice}")
    ledger_checks.issue("c1", 60, kind="credit_note")
    pay("p1", 60, i0=20, i1=20)

    def work(thread: int) -> None:
        invoice_id = f"i{thread % 3}"
        if thread % 4 == 0:
            pay(f"q{thread}", 25, **{invoice_id: 20})
        elif thread % 4 == 1:
            credit_notes.apply_credit_note(ledger_checks.context(), "c1", spread(**{invoice_id: 15}))
        elif thread == 2:
            service.reverse_payment(ledger_checks.context(), "a1", "p1", "returned")
        elif thread % 4 == 2:
            service.deallocate_payment(ledger_checks.context(), "a1", "p1", "i0")
        else:
            service.allocate_payment(ledger_checks.context(), "a1", "p1", spread(**{invoice_id: 5}))

    outcomes = race(work)
    assert set(outcomes) <= {"done", "invalid", "not_found", "payment_reversed"}
    assert queries.get_payment("a1", "p1").status == "reversed"
    ledger_checks.check(rows())


@pytest.mark.parametrize("number", range(ROUNDS))
def test_a_reversal_in_parts_and_allocations_in_between(number: int) -> None:
    for invoice in range(45):
        ledger_checks.issue(f"i{invoice}", 2)
    pay("p1", 120, **{f"i{invoice}": 2 for invoice in range(20)})
    for start in (20, 40):
        part = {f"i{invoice}": 2 for invoice in range(start, min(start + 20, 45))}
        service.allocate_payment(ledger_checks.context(), "a1", "p1", spread(**part))

    def work(thread: int) -> None:
        if thread % 3 == 0:
            service.reverse_payment(ledger_checks.context(), "a1", "p1", "returned")
        else:
            service.allocate_payment(ledger_checks.context(), "a1", "p1", spread(**{f"i{thread}": 1}))

    outcomes = race(work)
    assert outcomes["done"] >= THREADS // 3
    assert set(outcomes) <= {"done", "invalid", "payment_reversed"}
    payment = queries.get_payment("a1", "p1")
    assert (payment.status, payment.allocations) == ("reversed", {})
    ledger_checks.check(rows())
