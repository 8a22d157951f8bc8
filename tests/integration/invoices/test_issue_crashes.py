"""Issuing an invoice, killed at every AWS call and repeated: never half, never two (I4)."""

from contextlib import suppress
from typing import Any

import pytest

from chalicelib.invoices import queries
from tests.aws_calls import Crash, failing
from tests.integration.invoices.invoices import body, customer
from tests.integration.invoices.test_issue import balances
from tests.integration.service import Service, rows

# One read of the key, two of the rows that issuing needs, one transaction, messages for the PDF and the plan.
CALLS = 6
KEYED = {"idempotency_key": "issue-i1"}


@pytest.fixture
def place(service: Service) -> Service:
    customer(service)
    return service


def put(service: Service, **headers: str) -> Any:
    return service.ask("PUT", "/invoices/i1", body(), **headers)


def check(service: Service) -> None:
    kept = rows()
    beginnings = ["INVOICE#i1", "NUMBER#", "WORK#document"]
    found = {one: sum(row["PK"]["S"].startswith(one) for row in kept) for one in beginnings}
    assert found == {"INVOICE#i1": 2, "NUMBER#": 1, "WORK#document": 1}
    assert balances() == ({"invoices": 1, "open": 12000, "unallocated": 0}, {"EUR": 12000})
    issued = [row for row in kept if row.get("action", {}).get("S") == "invoice.issued"]
    assert len(issued) == 1
    assert queries.get_invoice_with_content("i1").invoice.version == 1


@pytest.mark.parametrize("how", ["before", "after", "lost"])
@pytest.mark.parametrize("number", range(CALLS))
@pytest.mark.parametrize("headers", [{}, KEYED], ids=["unkeyed", "keyed"])
def test_a_crash_leaves_neither_half_nor_two(place: Service, number: int, how: str, headers: dict[str, str]) -> None:
    with failing(number, how) as names, suppress(Crash):
        put(place, **headers)
    answer = put(place, **headers)
    assert answer.status in ((201,) if headers else (200, 201)), (names, answer.text)
    check(place)


def test_the_cases_cover_every_call(place: Service) -> None:
    with failing(-1, "before") as names:
        assert put(place).status == 201
    assert len(names) == CALLS
    assert names.count("dynamodb.TransactWriteItems") == 1
    assert [name for name in names if name.startswith("sqs.")] == ["sqs.SendMessageBatch"] * 2
