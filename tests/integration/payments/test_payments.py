"""Payments as the billing system and staff record them: spread, taken back, reversed, and told."""

from dataclasses import replace
from typing import Any

import pytest

from chalicelib.invoices.rules import UNCOLLECTIBLE, VOID
from tests.aws_calls import counted
from tests.integration import people
from tests.integration.api.gateway import Answer
from tests.integration.payments import ledger_checks
from tests.integration.service import Service, code, faults, rows

PAYMENT = {"amount": 100, "currency": "EUR", "received_on": "2026-01-30"}
PATH = "/accounts/a1/payments"


@pytest.fixture
def account(service: Service) -> str:
    account = service.account()
    service.bill_group("b1", account)
    service.bill_group("b2", account)
    return account


def spread(**amounts: int) -> list[dict[str, Any]]:
    return [{"invoice_id": invoice_id, "amount": amount} for invoice_id, amount in amounts.items()]


def put(service: Service, payment_id: str = "p1", **fields: Any) -> Answer:
    return service.ask("PUT", f"{PATH}/{payment_id}", {**PAYMENT, **fields})


def test_a_payment_is_spread_over_invoices_and_the_rest_stays_unallocated(service: Service, account: str) -> None:
    ledger_checks.issue("i1", 50)
    ledger_checks.issue("i2", 80, bill_group_id="b2")
    made = put(service, method="bank_transfer", reference="RF18", note="?", allocations=spread(i1=50, i2=30))
    assert made.status == 201
    assert (made.json["status"], made.json["unallocated"], made.json["entity_id"]) == ("received", 20, "acme")
    assert made.json["allocations"] == spread(i1=50, i2=30)
    assert made.headers["etag"] == '"1"'
    one, two = ledger_checks.head("i1"), ledger_checks.head("i2")
    assert (one.status, one.balance, str(one.settled_on)) == ("paid", 0, "2026-01-30")
    assert (two.status, two.balance, two.settled_on) == ("part_paid", 50, None)
    ledger_checks.check(rows())
    assert service.get(f"{PATH}/p1") == made.json
    told = service.get("/invoices/i2/payments")["items"]
    assert told == [
        {"kind": "payment", "id": "p1", "amount": 30, "settled_on": "2026-01-30", "method": "bank_transfer",
         "reference": "RF18"},
    ]  # fmt: skip


def test_the_same_again_changes_nothing_and_other_content_is_refused(service: Service, account: str) -> None:
    ledger_checks.issue("i1", 50)
    ledger_checks.issue("i2", 50)
    body = {"allocations": spread(i1=10, i2=5), "note": None}
    assert put(service, **body).status == 201
    before = rows()
    again = put(service, allocations=spread(i2=5, i1=10))
    assert (again.status, rows()) == (200, before)
    for other in ({"amount": 101}, {"received_on": "2026-01-29"}, {"reference": "x"}, {"allocations": []}):
        assert code(put(service, **{**body, **other})) == (409, "payment_exists")
    assert rows() == before
    service.ask("POST", f"{PATH}/p1/reversal", {"reason": "returned"})
    again = put(service, **body)
    assert (again.status, again.json["status"]) == (200, "reversed")


def test_what_may_not_be_spread_is_refused_by_field_and_nothing_is_written(service: Service, account: str) -> None:
    service.entity("other")
    service.account("a2")
    ledger_checks.issue("i1", 50)
    ledger_checks.issue("foreign", 50, account_id="a2")
    ledger_checks.issue("beta", 50, entity_id="other")
    ledger_checks.issue("yen", 50, currency="JPY")
    ledger_checks.issue("credit", 50, kind="credit_note")
    ledger_checks.change(void := ledger_checks.issue("void", 50), replace(void, status=VOID))
    before = rows()
    for wanted, fault in (
        (spread(i1=51), ("allocations.0.amount", "more_than_balance")),
        (spread(none=1), ("allocations.0.invoice_id", "unknown_invoice")),
        (spread(foreign=1), ("allocations.0.invoice_id", "unknown_invoice")),
        (spread(beta=1), ("allocations.0.invoice_id", "other_entity")),
        (spread(yen=1), ("allocations.0.invoice_id", "other_currency")),
        (spread(credit=1), ("allocations.0.invoice_id", "not_an_invoice")),
        (spread(void=1), ("allocations.0.invoice_id", "invoice_not_open")),
        (spread(i1=0), ("allocations.0.amount", "too_small")),
    ):
        assert [fault] == faults(put(service, allocations=wanted))
    assert faults(put(service, amount=49, allocations=spread(i1=50))) == [("allocations", "more_than_is_left")]
    assert faults(put(service, received_on="2026-02-02")) == [("received_on", "in_the_future")]
    assert faults(put(service, entity_id="none")) == [("entity_id", "unknown")]
    for wrong in ({"amount": 0}, {"amount": 1.5}, {"amount": "5"}, {"currency": "EURO"}, {"received_on": None}):
        assert put(service, **wrong).status == 422
    assert service.ask("PUT", "/accounts/none/payments/p1", PAYMENT).status == 404
    assert rows() == before


def test_a_payment_on_the_morning_of_the_earliest_zone_is_accepted(service: Service, account: str) -> None:
    service.clock.move(hours=1)
    assert put(service, received_on="2026-02-01").status == 201


def test_more_is_allocated_later_and_taken_back(service: Service, account: str) -> None:
    ledger_checks.issue("i1", 50)
    ledger_checks.issue("i2", 80)
    put(service, allocations=spread(i1=20))
    service.clock.move(days=1)
    more = service.ask("POST", f"{PATH}/p1/allocations", {"allocations": spread(i1=30, i2=50)})
    assert (more.status, more.json["allocations"], more.json["unallocated"]) == (200, spread(i1=50, i2=50), 0)
    assert str(ledger_checks.head("i1").settled_on) == "2026-01-30"
    ledger_checks.check(rows())
    refused = service.ask("POST", f"{PATH}/p1/allocations", {"allocations": spread(i2=1)})
    assert faults(refused) == [("allocations", "more_than_is_left")]
    assert service.ask("DELETE", f"{PATH}/p1/allocations/i1").status == 204
    ledger_checks.check(rows())
    one = ledger_checks.head("i1")
    assert (one.status, one.balance, one.settled_on) == ("open", 50, None)
    assert service.get(f"{PATH}/p1")["unallocated"] == 50
    assert service.ask("DELETE", f"{PATH}/p1/allocations/i1").status == 404
    assert service.ask("DELETE", f"{PATH}/none/allocations/i2").status == 404
    assert service.ask("POST", f"{PATH}/none/allocations", {"allocations": spread(i2=1)}).status == 404


def test_a_reversal_opens_the_invoices_again_and_stands(service: Service, account: str) -> None:
    ledger_checks.issue("i1", 50)
    ledger_checks.issue("i2", 80, prepaid=10)
    put(service, allocations=spread(i1=50, i2=40))
    reversed_ = service.ask("POST", f"{PATH}/p1/reversal", {"reason": "Direct debit returned"})
    assert reversed_.status == 200
    assert (reversed_.json["status"], reversed_.json["allocations"], reversed_.json["unallocated"]) == (
        "reversed",
        [],
        0,
    )
    assert reversed_.json["reversal"]["reason"] == "Direct debit returned"
    assert [(ledger_checks.head(one).status, ledger_checks.head(one).balance) for one in ("i1", "i2")] == [
        ("open", 50),
        ("part_paid", 70),
    ]
    ledger_checks.check(rows())
    before = rows()
    again = service.ask("POST", f"{PATH}/p1/reversal", {"reason": "Again"})
    assert (again.json, rows()) == (reversed_.json, before)
    refused = service.ask("POST", f"{PATH}/p1/allocations", {"allocations": spread(i1=1)})
    assert code(refused) == (409, "payment_reversed")
    assert service.get("/invoices/i1/payments")["items"] == []
    assert service.ask("POST", f"{PATH}/none/reversal", {"reason": "x"}).status == 404


def test_a_reversal_over_many_invoices_is_done_in_parts_that_each_stand(service: Service, account: str) -> None:
    for number in range(45):
        ledger_checks.issue(f"i{number}", 2, bill_group_id=f"b{number % 2 + 1}")
    first, *rest = [list(range(start, min(start + 20, 45))) for start in (0, 20, 40)]
    put(service, amount=90, allocations=spread(**{f"i{number}": 2 for number in first}))
    for part in rest:
        body = {"allocations": spread(**{f"i{number}": 2 for number in part})}
        assert service.ask("POST", f"{PATH}/p1/allocations", body).status == 200
    ledger_checks.check(rows())
    refused = put(service, "p2", allocations=spread(**{f"i{number}": 1 for number in range(21)}))
    assert ("allocations", "too_many_invoices") in faults(refused)
    answer = service.ask("POST", f"{PATH}/p1/reversal", {"reason": "x"}, idempotency_key="k1")
    assert (answer.status, answer.json["status"], answer.json["allocations"]) == (200, "reversed", [])
    ledger_checks.check(rows())
    before = rows()
    again = service.ask("POST", f"{PATH}/p1/reversal", {"reason": "x"}, idempotency_key="k1")
    assert (again.json, rows()) == (answer.json, before)


def test_one_invoice_is_paid_under_an_id_of_ours(service: Service, account: str) -> None:
    ledger_checks.issue("i1", 50)
    part = service.ask("POST", "/invoices/i1/payments", {**PAYMENT, "amount": 20}, idempotency_key="k1")
    assert (part.status, part.json["allocations"], part.json["account_id"]) == (201, spread(i1=20), "a1")
    assert part.json["payment_id"].startswith("pay_")
    again = service.ask("POST", "/invoices/i1/payments", {**PAYMENT, "amount": 20}, idempotency_key="k1")
    assert (again.status, again.json) == (201, part.json)
    over = service.ask("POST", "/invoices/i1/payments", PAYMENT)
    assert (over.json["allocations"], over.json["unallocated"]) == (spread(i1=30), 70)
    ledger_checks.check(rows())
    assert service.get(f"{PATH}/{over.json['payment_id']}") == over.json
    assert code(service.ask("POST", "/invoices/i1/payments", PAYMENT)) == (409, "nothing_is_open")
    ledger_checks.issue("i2", 50)
    assert faults(service.ask("POST", "/invoices/i2/payments", {**PAYMENT, "currency": "USD"})) == [
        ("currency", "other_currency")
    ]
    ledger_checks.issue("c1", 50, kind="credit_note")
    assert code(service.ask("POST", "/invoices/c1/payments", PAYMENT)) == (409, "not_an_invoice")
    assert service.ask("POST", "/invoices/none/payments", PAYMENT).status == 404


def test_payments_are_listed_by_day_and_those_with_something_left_apart(service: Service, account: str) -> None:
    ledger_checks.issue("i1", 500)
    for number, day in enumerate(("2026-01-03", "2026-01-01", "2026-01-02")):
        put(service, f"p{number}", received_on=day, allocations=spread(i1=100 - number))
    everything = service.all_of(PATH, limit=2)
    assert [one["payment_id"] for one in everything] == ["p0", "p2", "p1"]
    left = service.all_of(f"{PATH}?unallocated=true", limit=1)
    assert [(one["payment_id"], one["unallocated"]) for one in left] == [("p1", 1), ("p2", 2)]
    assert service.ask("GET", "/accounts/none/payments").status == 404
    assert service.ask("GET", f"{PATH}?unallocated=perhaps").status == 422


def test_what_payments_did_is_audited(service: Service, account: str) -> None:
    ledger_checks.issue("i1", 50)
    put(service, allocations=spread(i1=20))
    service.ask("POST", f"{PATH}/p1/allocations", {"allocations": spread(i1=5)})
    service.ask("DELETE", f"{PATH}/p1/allocations/i1")
    service.ask("POST", f"{PATH}/p1/reversal", {"reason": "x"})
    events = [one for one in service.all_of("/accounts/a1/audit-events") if one["resource_kind"] == "payment"]
    assert sorted(one["action"] for one in events) == [
        "payment.allocated", "payment.deallocated", "payment.recorded", "payment.reversed",
    ]  # fmt: skip
    more = next(one for one in events if one["action"] == "payment.allocated")
    assert more["changes"] == [{"field": "allocations", "before": {"i1": 20}, "after": {"i1": 25}}]
    assert more["bill_group_id"] == "b1"


def test_an_uncollectible_invoice_takes_no_payment_and_stays_so_when_one_is_reversed(
    service: Service, account: str
) -> None:
    ledger_checks.issue("i1", 50)
    put(service, allocations=spread(i1=20))
    part = ledger_checks.head("i1")
    ledger_checks.change(part, replace(part, status=UNCOLLECTIBLE))
    refused = service.ask("POST", f"{PATH}/p1/allocations", {"allocations": spread(i1=5)})
    assert faults(refused) == [("allocations.0.invoice_id", "invoice_not_open")]
    assert service.ask("POST", f"{PATH}/p1/reversal", {"reason": "x"}).status == 200
    assert (ledger_checks.head("i1").status, ledger_checks.head("i1").paid) == (UNCOLLECTIBLE, 0)
    ledger_checks.check(rows())


def test_a_portal_user_sees_what_settled_an_invoice_of_theirs_and_no_payment_as_a_whole(
    service: Service, account: str
) -> None:
    ledger_checks.issue("i1", 50)
    ledger_checks.issue("i2", 80, bill_group_id="b2")
    put(service, allocations=spread(i1=20, i2=70))
    token = people.portal(service, "ann@customer.example", ["invoices"], ("b1", "a1"))
    seen = service.ask("GET", "/invoices/i1/payments", token=token)
    assert [(one["id"], one["amount"]) for one in seen.json["items"]] == [("p1", 20)]
    assert service.ask("GET", "/invoices/i2/payments", token=token).status == 404
    for method, path, body in (
        ("GET", PATH, None), ("GET", f"{PATH}/p1", None), ("PUT", f"{PATH}/p2", PAYMENT),
        ("POST", "/invoices/i1/payments", PAYMENT), ("POST", f"{PATH}/p1/reversal", {"reason": "x"}),
    ):  # fmt: skip
        assert service.ask(method, path, body, token=token).status == 403
    elsewhere = people.portal(service, "bea@customer.example", ["profile"], ("b1", "a1"))
    assert service.ask("GET", "/invoices/i1/payments", token=elsewhere).status == 403


def test_a_write_reads_twice_and_writes_one_transaction(service: Service, account: str) -> None:
    for number in range(20):
        ledger_checks.issue(f"i{number}", 5, bill_group_id=f"b{number}")
    wanted = spread(**{f"i{number}": 5 for number in range(20)})
    with counted() as calls:
        assert put(service, allocations=wanted).status == 201
    # One read more is that of the API key.
    assert (calls.reads, calls.writes) == (3, 1)
    with counted() as calls:
        assert put(service, allocations=wanted).status == 200
    assert (calls.reads, calls.writes) == (2, 0)
    ledger_checks.check(rows())
    assert {ledger_checks.head(f"i{number}").status for number in range(20)} == {"paid"}
    with counted() as calls:
        assert service.ask("POST", f"{PATH}/p1/reversal", {"reason": "x"}).status == 200
    assert (calls.reads, calls.writes) == (4, 1)
    ledger_checks.check(rows())


def test_a_portal_whose_contract_ended_closes_when_the_last_invoice_is_paid(service: Service, account: str) -> None:
    ledger_checks.issue("i1", 50)
    service.bill_group("b1", account, contract_end="2026-01-30")
    token = people.portal(service, "ann@customer.example", ["invoices"], ("b1", "a1"))
    seen = service.ask("GET", "/bill-groups/b1/summary", token=token)
    assert (seen.status, seen.json["open_balances"], seen.json["read_only"]) == (200, {"EUR": 50}, True)
    assert service.ask("GET", "/invoices/i1/payments", token=token).status == 200
    put(service, allocations=spread(i1=50))
    assert service.ask("GET", "/bill-groups/b1/summary", token=token).status == 404
    service.ask("POST", f"{PATH}/p1/reversal", {"reason": "returned"})
    assert service.ask("GET", "/bill-groups/b1/summary", token=token).status == 200
