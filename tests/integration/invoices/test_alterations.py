"""What becomes of an issued invoice: due date, void, uncollectible, disputed; and who may say so (I1, A9, A12)."""

from typing import Any

import pytest

from chalicelib.permissions import PORTAL_PERMISSIONS
from tests.integration import people
from tests.integration.invoices.invoices import body, customer
from tests.integration.invoices.test_issue import balances
from tests.integration.service import Service, code, faults, rows

ANN = "ann@customer.example"
NOTHING = ({"invoices": 0, "open": 0, "unallocated": 0}, {})


@pytest.fixture
def account(service: Service) -> str:
    account = customer(service)
    service.put("/invoices/i1", **body())
    return account


def pointers(beginning: str) -> list[str]:
    return [row["SK"]["S"] for row in rows() if f"{row['PK']['S']}|{row['SK']['S']}".startswith(beginning)]


def actions(service: Service, account: str) -> list[str]:
    found = service.get(f"{account}/audit-events")["items"]
    return sorted(one["action"] for one in found if one["resource_id"] == "i1")


def test_a_due_date_changes_and_nothing_of_what_the_invoice_says(service: Service, account: str) -> None:
    before = [row for row in rows() if row["SK"]["S"].startswith("CONTENT#")]
    assert service.ask("PATCH", "/invoices/i1", {"due_date": "2026-03-01"}).status == 428
    assert code(service.ask("PATCH", "/invoices/i1", {"due_date": "2026-03-01"}, if_match="2")) == (
        409,
        "stale_version",
    )
    assert service.patch("/invoices/i1", due_date="2026-03-01")["due_date"] == "2026-03-01"
    assert pointers("ACCOUNT#a1|OPEN#") == ["OPEN#acme#EUR#2026-03-01#i1"]
    assert service.patch("/invoices/i1", due_date="2026-03-01")["version"] == 2
    assert service.patch("/invoices/i1", due_date=None)["due_date"] is None
    assert pointers("ACCOUNT#a1|OPEN#") == ["OPEN#acme#EUR#9999-12-31#i1"]
    assert faults(service.ask("PATCH", "/invoices/i1", {"due_date": "2026-01-01"}, if_match="3")) == [
        ("due_date", "too_early")
    ]
    assert faults(service.ask("PATCH", "/invoices/i1", {"number": "2"}, if_match="3")) == [
        ("number", "unknown_field"),
        ("due_date", "required"),
    ]
    assert [row for row in rows() if row["SK"]["S"].startswith("CONTENT#")] == before
    event = service.get(f"{account}/audit-events")["items"]
    changed = [one["changes"] for one in event if one["action"] == "invoice.due_date_changed"]
    assert [{"field": "due_date", "before": "2026-02-14", "after": "2026-03-01"}] in changed


def test_a_void_invoice_is_owed_no_more_and_stays_so(service: Service, account: str) -> None:
    service.put("/invoices/i1/dispute", reason="amount")
    void = service.ask("POST", "/invoices/i1/void", {"reason": "Issued by mistake."}).json
    assert (void["status"], void["balance"], void["dispute"]) == ("void", 0, None)
    assert balances() == NOTHING
    assert pointers("ACCOUNT#a1|OPEN#") == pointers("DISPUTED#") == []
    again = service.ask("POST", "/invoices/i1/void")
    assert (again.status, again.json["version"]) == (200, void["version"])
    assert code(service.ask("PATCH", "/invoices/i1", {"due_date": "2026-03-01"}, if_match="3")) == (
        409,
        "invoice_is_void",
    )
    assert code(service.ask("PUT", "/invoices/i1", body(due_date="2026-03-01"))) == (409, "invoice_is_void")
    assert service.ask("PUT", "/invoices/i1", body()).json["status"] == "void"
    assert code(service.ask("DELETE", "/invoices/i1/uncollectible")) == (409, "invoice_is_void")
    assert code(service.ask("PUT", "/invoices/i1/dispute", {"reason": "amount"})) == (409, "invoice_is_void")
    assert code(service.ask("POST", "/invoices/i1/void", {}, if_match="1")) == (409, "stale_version")
    (event,) = [one for one in service.get(f"{account}/audit-events")["items"] if one["action"] == "invoice.voided"]
    assert {"field": "reason", "before": None, "after": "Issued by mistake."} in event["changes"]


def test_a_void_credit_note_credits_nothing(service: Service, account: str) -> None:
    service.put("/invoices/c1", **body("C1", kind="credit_note"))
    assert balances()[0]["unallocated"] == 12000
    assert service.ask("POST", "/invoices/c1/void").json["status"] == "void"
    assert balances()[0]["unallocated"] == 0


def test_an_invoice_is_given_up_and_collected_again(service: Service, account: str) -> None:
    given_up = service.ask("POST", "/invoices/i1/uncollectible", {"reason": "Insolvent."}).json
    assert (given_up["status"], given_up["balance"]) == ("uncollectible", 0)
    assert balances() == NOTHING
    again = service.ask("DELETE", "/invoices/i1/uncollectible").json
    assert (again["status"], again["balance"]) == ("open", 12000)
    assert balances() == ({"invoices": 1, "open": 12000, "unallocated": 0}, {"EUR": 12000})
    assert actions(service, account) == [
        "invoice.found_collectible",
        "invoice.found_uncollectible",
        "invoice.issued",
    ]


def test_staff_note_and_resolve_a_dispute(service: Service, account: str) -> None:
    staff = people.staff(service, "kim@vendor.example", "agent")
    sent = {"reason": "quantity", "note": "Only two.", "lines": [1, 1], "amount": 500, "owner": "kim@vendor.example"}
    disputed = service.ask("PUT", "/invoices/i1/dispute", sent, staff)
    assert disputed.status == 200, disputed.text
    since = "2026-01-31T09:00:00Z"
    assert disputed.json["dispute"] == {
        **sent, "lines": [1], "by": "Kim", "since": since, "disputed_amount": 500,
    }  # fmt: skip
    assert pointers("DISPUTED#") == ["i1"]
    service.clock.move(minutes=5)
    assert service.ask("PUT", "/invoices/i1/dispute", sent, staff).json["version"] == 2
    changed = service.put("/invoices/i1/dispute", reason="tax")["dispute"]
    assert (changed["by"], changed["since"], changed["owner"]) == ("Kim", since, "kim@vendor.example")
    assert service.ask("DELETE", "/invoices/i1/dispute").status == 204
    assert service.ask("DELETE", "/invoices/i1/dispute").status == 204
    assert service.get("/invoices/i1")["disputed"] is False
    assert pointers("DISPUTED#") == []
    assert actions(service, account) == [
        "invoice.dispute_resolved",
        "invoice.disputed",
        "invoice.disputed",
        "invoice.issued",
    ]


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({}, ("reason", "required")),
        ({"reason": "mood"}, ("reason", "unknown_value")),
        ({"reason": "other", "lines": [2]}, ("lines", "unknown_line")),
        ({"reason": "other", "amount": 12001}, ("amount", "too_large")),
        ({"reason": "other", "owner": "nobody@vendor.example"}, ("owner", "unknown_staff")),
    ],
)
def test_a_dispute_names_what_there_is(
    service: Service, account: str, sent: dict[str, Any], expected: tuple[str, str]
) -> None:
    assert faults(service.ask("PUT", "/invoices/i1/dispute", sent)) == [expected]


def test_credit_notes_are_neither_disputed_nor_given_up(service: Service, account: str) -> None:
    service.put("/invoices/c1", **body("C1", kind="credit_note"))
    assert code(service.ask("PUT", "/invoices/c1/dispute", {"reason": "other"})) == (409, "not_an_invoice")
    assert code(service.ask("POST", "/invoices/c1/uncollectible")) == (409, "not_an_invoice")


def test_a_portal_user_sees_and_disputes_the_invoices_of_the_granted_bill_groups_alone(
    service: Service, account: str
) -> None:
    service.bill_group("g2", account)
    service.put("/invoices/i2", **body("2", bill_group_id="g2"))
    customer(service, "a2", "g3")
    service.put("/invoices/i3", **body("3", bill_group_id="g3"))
    token = people.portal(service, ANN, PORTAL_PERMISSIONS, ("g1", "a1"))
    assert service.ask("GET", "/invoices/i1", token=token).json["number"] == "2026-001"
    listed = service.ask("GET", "/bill-groups/g1/invoices", token=token).json["items"]
    assert [one["invoice_id"] for one in listed] == ["i1"]
    for path in ("/invoices/i2", "/invoices/i3", "/invoices/none", "/bill-groups/g2/invoices"):
        assert code(service.ask("GET", path, token=token)) == (404, "not_found")
    disputed = service.ask("PUT", "/invoices/i1/dispute", {"reason": "amount"}, token)
    assert (disputed.status, disputed.json["dispute"]["by"]) == (200, ANN)
    for path in ("/invoices/i2/dispute", "/invoices/i3/dispute"):
        assert code(service.ask("PUT", path, {"reason": "amount"}, token)) == (404, "not_found")
    assert code(service.ask("GET", "/invoices", token=token)) == (403, "forbidden")
    assert code(service.ask("DELETE", "/invoices/i1/dispute", token=token)) == (403, "forbidden")
    assert code(service.ask("POST", "/invoices/i1/void", token=token)) == (403, "forbidden")
    assert service.get("/invoices/i2")["version"] == 1


def test_who_looks_after_a_dispute_is_the_vendors_affair(service: Service, account: str) -> None:
    people.staff(service, "kim@vendor.example", "agent")
    token = people.portal(service, ANN, ["invoices"], ("g1", "a1"))
    sent = {"reason": "amount", "owner": "kim@vendor.example"}
    assert code(service.ask("PUT", "/invoices/i1/dispute", sent, token)) == (403, "field_is_the_vendors")
    service.put("/invoices/i1/dispute", **sent)
    assert service.ask("GET", "/invoices/i1", token=token).json["dispute"]["owner"] is None
    told = service.ask("PUT", "/invoices/i1/dispute", {"reason": "tax"}, token).json["dispute"]
    assert told["owner"] is None
    assert service.get("/invoices/i1")["dispute"]["owner"] == "kim@vendor.example"


def test_access_to_an_invoice_ends_with_the_grant(service: Service, account: str) -> None:
    token = people.portal(service, ANN, ["invoices"], ("g1", "a1"))
    lacking = people.portal(service, "bob@customer.example", ["profile"], ("g1", "a1"))
    assert code(service.ask("GET", "/invoices/i1", token=lacking)) == (403, "forbidden")
    assert service.ask("GET", "/invoices/i1", token=token).status == 200
    people.expel(ANN, "g1")
    assert code(service.ask("GET", "/invoices/i1", token=token)) == (404, "not_found")


def test_after_the_contract_an_open_invoice_is_read_and_not_disputed(service: Service, account: str) -> None:
    token = people.portal(service, ANN, ["invoices"], ("g1", "a1"))
    service.put("/bill-groups/g1", contract_end="2026-01-30")
    assert service.ask("GET", "/invoices/i1", token=token).status == 200
    assert service.ask("PUT", "/invoices/i1/dispute", {"reason": "amount"}, token).status == 403
    service.ask("POST", "/invoices/i1/void")
    assert service.ask("GET", "/invoices/i1", token=token).status == 404
