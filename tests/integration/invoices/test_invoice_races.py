"""Issuing and changing invoices under concurrency, on the real-process engine (I1)."""

import os
from collections import Counter
from collections.abc import Callable
from datetime import date
from typing import Any

import boto3
import pytest

from chalicelib.bill_groups import service as bill_groups
from chalicelib.config import settings
from chalicelib.invoices import lifecycle, queries, service
from chalicelib.invoices.inputs import InvoiceBody
from chalicelib.table import keys, store
from tests.engine import engine, engine_environment
from tests.integration.contacts.test_races import _fresh, account, at_once, context
from tests.integration.invoices.invoices import body

__all__ = ["_fresh", "engine", "engine_environment"]

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("engine_environment", "_fresh", "_customer")]

ROUNDS = 20 if os.environ.get("COUNTERFOIL_PROOF") else 2
THREADS = 12


@pytest.fixture
def _customer(_fresh: None) -> None:
    account_id = account("a1")
    bill_groups.put_bill_group(context(), "g1", {"account_id": account_id, "entity_id": "acme", "name": "Group"})


def race(work: Callable[[int], Any]) -> Counter[str]:
    return at_once(work, THREADS)


def issue(invoice_id: str, number: str, **fields: Any) -> None:
    given = InvoiceBody.model_validate(body(number, **fields), strict=False).given()
    service.issue_invoice(context(), invoice_id, given)


def count(beginning: str) -> int:
    pages = boto3.client("dynamodb").get_paginator("scan").paginate(TableName=settings().table_name)
    keys_of_rows = [f"{row['PK']['S']}|{row['SK']['S']}" for page in pages for row in page["Items"]]
    return sum(key.startswith(beginning) for key in keys_of_rows)


def balance() -> tuple[int, int]:
    key = keys.account_balance("a1", "acme", "EUR")
    row = store.batch_get_items([key])[key]
    return int(row.open_invoices), int(row.open_balance)


@pytest.mark.parametrize("number", range(ROUNDS))
def test_the_same_invoice_sent_by_many_is_one(number: int) -> None:
    assert race(lambda thread: issue("i1", "1")) == {"done": THREADS}
    assert balance() == (1, 12000)
    assert count("INVOICE#") == 2, "a head and its content"
    assert (count("WORK#document"), count("NUMBER#"), count("ACCOUNT#a1|OPEN#")) == (1, 1, 1)


@pytest.mark.parametrize("number", range(ROUNDS))
def test_of_those_who_want_one_number_one_gets_it(number: int) -> None:
    outcomes = race(lambda thread: issue(f"i{thread}", "INV-1" if thread % 2 else "inv-1"))
    assert outcomes == {"done": 1, "number_taken": THREADS - 1}
    assert balance() == (1, 12000)
    assert count("INVOICE#") == 2


@pytest.mark.parametrize("number", range(ROUNDS))
def test_of_different_contents_of_one_invoice_one_is_issued(number: int) -> None:
    outcomes = race(lambda thread: issue("i1", f"{thread}"))
    assert outcomes == {"done": 1, "invoice_exists": THREADS - 1}
    assert (count("NUMBER#"), balance()) == (1, (1, 12000))


@pytest.mark.parametrize("number", range(ROUNDS))
def test_many_invoices_of_one_account_at_once_are_all_in_its_balance(number: int) -> None:
    assert race(lambda thread: issue(f"i{thread}", f"{thread}")) == {"done": THREADS}
    assert balance() == (THREADS, THREADS * 12000)


@pytest.mark.parametrize("number", range(ROUNDS))
def test_void_uncollectible_dispute_and_due_date_at_once(number: int) -> None:
    issue("i1", "1")

    def work(thread: int) -> None:
        if thread % 4 == 0:
            lifecycle.mark_void(context(), "i1")
        elif thread % 4 == 1:
            lifecycle.mark_uncollectible(context(), "i1")
        elif thread % 4 == 2:
            lifecycle.record_dispute(context(), "i1", {"reason": "other"})
        else:
            lifecycle.change_due_date(context(), "i1", date(2026, 3, thread), None)

    outcomes = race(work)
    assert set(outcomes) <= {"done", "invoice_is_void", "invoice_not_open"}
    head = queries.get_invoice_head("i1")
    assert (head.status, head.dispute) == ("void", None)
    assert balance() == (0, 0)
    assert (count("ACCOUNT#a1|OPEN#"), count("DISPUTED#")) == (0, 0)
