"""What a portal user sees of an account: what belongs to the granted bill groups, and nothing of the vendor's (A9)."""

from typing import Any

import pytest

from chalicelib.mail import outbox
from chalicelib.mail.outbox import Mail
from chalicelib.table import keys, store
from chalicelib.table.items import BillGroupBalanceItem
from tests.integration import people
from tests.integration.service import Service, code

ANN = "ann@customer.example"


@pytest.fixture
def account(service: Service) -> str:
    account = service.account()
    for group in ("b1", "b2", "b3"):
        service.bill_group(group, account, po_number=group)
    service.bill_group("foreign", service.account("a2"))
    return account


def portal(service: Service, *permissions: str, groups: tuple[str, ...] = ("b1", "b2")) -> str:
    return people.portal(service, ANN, permissions, *((group, "a1") for group in groups))


def items(service: Service, path: str, token: str) -> list[Any]:
    answer = service.ask("GET", path, token=token)
    assert answer.status == 200, answer.text
    return answer.json["items"]


def test_lists_hold_what_is_granted(service: Service, account: str) -> None:
    token = portal(service, "profile")
    assert [one["account_id"] for one in items(service, "/accounts", token)] == ["a1"]
    assert [one["bill_group_id"] for one in items(service, f"{account}/bill-groups", token)] == ["b1", "b2"]
    first = service.ask("GET", f"{account}/bill-groups?limit=1", token=token).json
    again = service.ask("GET", f"{account}/bill-groups?limit=1&cursor={first['next_cursor']}", token=token).json
    assert [one["bill_group_id"] for one in first["items"] + again["items"]] == ["b1", "b2"]
    assert again["next_cursor"] is None
    assert code(service.ask("GET", "/accounts?q=customer", token=token)) == (403, "search_not_yours")
    for path in ("/accounts/a2", "/accounts/a2/bill-groups", "/bill-groups/b3", "/bill-groups/foreign/summary"):
        assert code(service.ask("GET", path, token=token)) == (404, "not_found")


def test_what_is_the_vendors_is_not_shown(service: Service, account: str) -> None:
    contact = service.contact(account, "Bee", job_title="CFO")
    service.bill_group("b3", account, billing_contact_id=contact["contact_id"])
    service.contact("/accounts/a2", "Bee")
    path = f"{account}/contacts/{contact['contact_id']}"
    service.ask("PUT", f"{path}/access", {"bill_groups": {"b1": {}, "b3": {}}})
    service.ask("PATCH", "/bill-groups/b1", {"po_number": "other"}, if_match="1")
    token = portal(service, "profile", "contacts")
    for read in (account, "/bill-groups/b1", path):
        assert service.ask("GET", read, token=token).json["differences"] == {}
    seen = service.ask("GET", path, token=token).json
    assert (list(seen["access"]), seen["billing_for"]) == (["b1"], [])
    changed = service.ask("PATCH", path, {"first_name": "B"}, token, if_match=str(seen["version"])).json
    assert changed["others"] == []
    assert code(service.ask("GET", f"{path}/shared-records", token=token)) == (403, "forbidden")
    for closed in ("/entities", "/entities/acme", "/bill-groups/b1/access-rules", "/bill-groups/b1/portal-link"):
        assert code(service.ask("GET", closed, token=token)) == (403, "forbidden")
    alone = portal(service, "profile", groups=("b2",))
    assert service.ask("GET", account, token=alone).json["role_coverage"] == {}


def test_mails_are_those_about_granted_bill_groups(service: Service, account: str) -> None:
    service.contact(account, "Bee")
    for number, (group, security) in enumerate((("b1", False), ("b3", False), ("b1", True), ("b2", False))):
        transaction = store.Transaction(service.context)
        outbox.enqueue_mail(
            transaction,
            service.context,
            Mail(
                kind="contact_added", entity_id="acme", account_id="a1", to=(f"{number}@example.com",), locale="en",
                lifetime=service.clock.now - service.clock.now.replace(hour=8), bill_group_id=group, security=security,
            ),
        )  # fmt: skip
        transaction.commit()
    everything = service.all_of(f"{account}/emails")
    assert len(everything) == 5
    token = portal(service, "emails")
    seen = items(service, f"{account}/emails", token)
    assert sorted(one["bill_group_id"] for one in seen) == ["b1", "b2"]
    for email in everything:
        answer = service.ask("GET", f"{account}/emails/{email['email_id']}", token=token)
        assert answer.status == (200 if email["email_id"] in {one["email_id"] for one in seen} else 404)
    both = portal(service, "emails", "contacts")
    assert {one["bill_group_id"] for one in items(service, f"{account}/emails", both)} == {"b1", "b2", None}
    assert code(service.ask("GET", f"{account}/emails", token=portal(service, "profile"))) == (403, "forbidden")


def test_a_portal_user_changes_the_customers_fields_of_a_bill_group_only(service: Service, account: str) -> None:
    token = portal(service, "profile")
    before = service.get("/bill-groups/b1")
    for field, value in (
        ("name", "Mine"), ("contract_end", "2030-01-01"), ("auto_pay", True), ("next_billing_date", "2030-01-01"),
    ):  # fmt: skip
        refused = service.ask("PATCH", "/bill-groups/b1", {field: value, "po_number": "9"}, token, if_match="1")
        assert code(refused) == (403, "field_is_the_vendors")
        assert [fault["field"] for fault in refused.json["errors"]] == [field]
    assert service.get("/bill-groups/b1") == before
    answer = service.ask("PATCH", "/bill-groups/b1", {"po_number": "9"}, token, if_match="1")
    assert (answer.status, answer.json["po_number"]) == (200, "9")
    assert code(service.ask("PUT", "/bill-groups/b1", {"po_number": "8"}, token)) == (403, "forbidden")
    refused = service.ask("PATCH", "/bill-groups/b3", {"po_number": "8"}, token, if_match="1")
    assert code(refused) == (404, "not_found")
    refused = service.ask("PATCH", "/bill-groups/b1", {"po_number": "8"}, portal(service, "emails"), if_match="2")
    assert code(refused) == (403, "forbidden")


def test_the_summary_tells_what_the_permissions_allow(service: Service, account: str) -> None:
    service.contact(account, "Bee", "invoicing")
    answer = service.ask("GET", "/bill-groups/b1/summary", token=portal(service, "profile", "contacts"))
    assert answer.json["po_number"] == "b1"
    assert answer.json["contact_role_holders"] == {"invoicing": 1, "accounts_payable": 0}
    assert (answer.json["permissions"], answer.json["entity"]["name"]) == (["contacts", "profile"], "Acme")
    less = service.ask("GET", "/bill-groups/b1/summary", token=portal(service, "emails")).json
    assert (less["po_number"], less["contact_role_holders"]) == (None, {})


def test_access_removed_between_two_requests_ends_with_the_next(service: Service, account: str) -> None:
    token = portal(service, "profile", groups=("b1",))
    assert service.ask("GET", "/bill-groups/b1", token=token).status == 200
    people.expel(ANN, "b1")
    assert service.ask("GET", "/bill-groups/b1", token=token).status == 404
    assert service.ask("GET", "/me", token=token).status == 401


def test_before_the_contract_nobody_enters(service: Service, account: str) -> None:
    token = portal(service, "profile")
    owe("b1", EUR=100)
    service.bill_group("b1", account, contract_start="2026-02-01")
    assert code(service.ask("GET", "/bill-groups/b1/summary", token=token)) == (404, "not_found")
    assert service.ask("GET", "/bill-groups/b2/summary", token=token).status == 200
    service.bill_group("b1", account, contract_start="2026-01-31", contract_end="2026-01-31")
    assert service.ask("GET", "/bill-groups/b1/summary", token=token).status == 200


def test_after_the_contract_nobody_enters(service: Service, account: str) -> None:
    token = portal(service, "profile")
    service.bill_group("b1", account, contract_end="2026-01-30")
    assert service.ask("GET", "/bill-groups/b1/summary", token=token).status == 404
    assert service.ask("GET", "/bill-groups/b2/summary", token=token).status == 200


def owe(bill_group_id: str, **open_balances: int) -> None:
    """Write what is owed for a bill group as it is stored."""
    key = keys.bill_group_balance(bill_group_id)
    row = BillGroupBalanceItem(key.pk, key.sk, bill_group_id=bill_group_id)
    row.open_invoices, row.open_balances = len([owed for owed in open_balances.values() if owed]), open_balances
    row.save()


def test_after_the_contract_it_stays_open_for_reading_while_a_balance_is(service: Service, account: str) -> None:
    token = portal(service, "profile", "invoices")
    owe("b1", EUR=100, JPY=0)
    service.bill_group("b1", account, contract_end="2026-01-30")
    seen = service.ask("GET", "/bill-groups/b1/summary", token=token).json
    assert (seen["read_only"], seen["open_balances"], seen["open_invoices"]) == (True, {"EUR": 100}, 1)
    refused = service.ask("PATCH", "/bill-groups/b1", {"po_number": "9"}, token, if_match="2")
    assert code(refused) == (403, "forbidden")
    assert service.ask("PATCH", "/bill-groups/b2", {"po_number": "9"}, token, if_match="1").status == 200
    owe("b1", EUR=0)
    assert service.ask("GET", "/bill-groups/b1/summary", token=token).status == 404


def test_what_is_owed_is_reported_to_those_who_may_see_invoices(service: Service, account: str) -> None:
    owe("b1", EUR=100)
    told = service.ask("GET", "/bill-groups/b1/summary", token=portal(service, "profile")).json
    assert (told["open_balances"], told["open_invoices"]) == (None, None)
    told = service.ask("GET", "/bill-groups/b2/summary", token=portal(service, "invoices")).json
    assert (told["open_balances"], told["open_invoices"]) == ({}, 0)
