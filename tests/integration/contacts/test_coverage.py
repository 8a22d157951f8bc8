"""A role that reaches nobody any more: alarmed once an occurrence, and shown (C9)."""

import json
from contextlib import suppress as suppress_crash
from typing import Any

import pytest

from chalicelib.bill_groups import summary
from chalicelib.contacts import jobs, reachability
from chalicelib.request_context import Actor, RequestContext
from chalicelib.staff import service as members
from chalicelib.table import keys, store
from chalicelib.table.items import SuppressionItem
from chalicelib.tasks import service as tasks
from chalicelib.tasks.kinds import CheckRoleCoverage
from chalicelib.tasks.queue import TaskMessage
from tests.aws_calls import Crash, failing
from tests.integration.people import portal
from tests.integration.service import Service, rows

SYSTEM = Actor("system", "test", "test")


@pytest.fixture
def account(service: Service) -> str:
    return service.account()


def suppress(service: Service, email: str) -> None:
    """Let an address fail for good, and look at what follows."""
    key = keys.suppression(email)
    store.create_item(SuppressionItem(key.pk, key.sk, email=email, reason="permanent_bounce", since=service.clock.now))
    look(service, email)


def clear(service: Service, email: str) -> None:
    store.delete_item(keys.suppression(email))
    look(service, email)


def look(service: Service, email: str) -> None:
    service.clock.move(seconds=1)
    reachability.check_role_coverage(RequestContext(SYSTEM, service.clock.now, "test-correlation"), email)


def alarms() -> list[tuple[tuple[str, ...], bool, list[str]]]:
    """Return whom the alarms went to, whether as staff, and about which roles; sorted."""
    found = [row for row in rows() if row["cls"]["S"] == "email" and row["kind"]["S"] == "role_unreachable"]
    return sorted((tuple(_json(row["to"])), *_about(row)) for row in found)


def _about(row: dict[str, Any]) -> tuple[bool, list[str]]:
    context = _json(row["context"])
    return context["for_staff"], context["roles"]


def _json(value: dict[str, Any]) -> Any:
    return json.loads(value["S"])


def reachable(service: Service, account: str) -> dict[str, bool]:
    return {role: found["reachable"] for role, found in service.get(account)["role_coverage"].items()}


FALLBACK = (("billing@acme.example",), True)


def test_nobody_is_notified_while_one_holder_is_left(service: Service, account: str) -> None:
    for name in ("Ann", "Bob"):
        service.contact(account, name, "invoicing")
    service.contact(account, "Cy", "accounts_payable")
    key = keys.suppression("ann@example.com")
    store.create_item(
        SuppressionItem(key.pk, key.sk, email="ann@example.com", reason="complaint", since=service.clock.now)
    )
    before = rows()
    look(service, "ann@example.com")
    assert rows() == before
    assert reachable(service, account) == {"invoicing": True, "accounts_payable": True}


def test_staff_and_the_other_contacts_are_notified_once(service: Service, account: str) -> None:
    members.add_staff_member(service.context, "kim@vendor.example", "Kim", "admin")
    members.add_staff_member(service.context, "al@vendor.example", "Al", "agent")
    members.add_staff_member(service.context, "vic@vendor.example", "Vic", "viewer")
    ann = service.contact(account, "Ann", "invoicing")
    service.contact(account, "Cy", "accounts_payable", locale="de")
    service.contact(account, "Di")
    gone = service.contact(account, "Ed")
    service.ask("DELETE", f"{account}/contacts/{gone['contact_id']}")
    suppress(service, "di@example.com")
    assert alarms() == []
    suppress(service, "ann@example.com")
    about = ["invoicing"]
    assert alarms() == [
        (("al@vendor.example", "kim@vendor.example"), True, about),
        (("cy@example.com",), False, about),
    ]
    events = [one for one in service.all_of(f"{account}/audit-events") if one["action"] == "role.unreachable"]
    assert [(one["resource_id"], one["changes"]) for one in events] == [
        ("a1", [{"field": "invoicing.reachable", "before": True, "after": False}])
    ]
    assert reachable(service, account) == {"invoicing": False, "accounts_payable": True}
    before = rows()
    look(service, "ann@example.com")
    look(service, "di@example.com")
    assert rows() == before
    # The email to contacts does not name the failing address: it would outlast that person's erasure.
    mails = service.all_of(f"{account}/emails")
    told = [one for one in mails if one["kind"] == "role_unreachable"]
    assert [(one["to"], one["locale"]) for one in told] == [(["cy@example.com"], "de")]
    kept = [row for row in rows() if row["cls"]["S"] == "email" and row.get("account_id") == {"S": "a1"}]
    assert all(ann["email"] not in row["context"]["S"] for row in kept)


def test_without_staff_the_entitys_own_address_is_notified(service: Service, account: str) -> None:
    service.contact(account, "Ann", "invoicing", "accounts_payable")
    suppress(service, "ann@example.com")
    assert alarms() == [(*FALLBACK, ["invoicing", "accounts_payable"])]


def test_two_that_fail_at_once_are_one_alarm(service: Service, account: str) -> None:
    for name in ("Ann", "Bob"):
        service.contact(account, name, "invoicing")
        key = keys.suppression(f"{name.lower()}@example.com")
        store.create_item(SuppressionItem(key.pk, key.sk, email=key.pk, reason="complaint", since=service.clock.now))
    for name in ("ann", "bob", "ann"):
        look(service, f"{name}@example.com")
    assert len(alarms()) == 1


def test_each_occurrence_is_reported(service: Service, account: str) -> None:
    service.contact(account, "Ann", "invoicing")
    suppress(service, "ann@example.com")
    clear(service, "ann@example.com")
    assert reachable(service, account)["invoicing"]
    actions = [one["action"] for one in service.all_of(f"{account}/audit-events") if one["action"].startswith("role.")]
    assert sorted(actions) == ["role.reachable", "role.unreachable"]
    suppress(service, "ann@example.com")
    assert len(alarms()) == 2
    bob = service.contact(account, "Bob", "invoicing")
    suppress(service, "bob@example.com")
    assert len(alarms()) == 3
    # With one of those gone, of whom it was told, it is the same occurrence.
    service.ask("DELETE", f"{account}/contacts/{bob['contact_id']}")
    look(service, "ann@example.com")
    assert len(alarms()) == 3


def test_a_new_address_is_a_new_occurrence(service: Service, account: str) -> None:
    contact = service.contact(account, "Ann", "invoicing")
    suppress(service, "ann@example.com")
    service.patch(f"{account}/contacts/{contact['contact_id']}", email="ann@new.example")
    assert reachable(service, account)["invoicing"]
    suppress(service, "ann@new.example")
    assert len(alarms()) == 2


def test_every_account_of_the_address_is_looked_at(service: Service, account: str) -> None:
    other = service.account("a2", name="Second")
    third = service.account("a3", name="Third")
    for where, role in ((account, "invoicing"), (other, "accounts_payable")):
        service.contact(where, "Ann", role)
    service.contact(third, "Ann")
    suppress(service, "ann@example.com")
    assert alarms() == [(*FALLBACK, ["accounts_payable"]), (*FALLBACK, ["invoicing"])]


def test_the_nearest_are_notified_and_not_more_than_a_limit(
    service: Service, account: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reachability, "MAX_NOTIFIED_CONTACTS", 2)
    for name in ("Bob", "Cy", "Di"):
        service.contact(account, name)
        service.clock.move(milliseconds=1)
    service.contact(account, "Ann", "invoicing")
    owner = service.contact(account, "Eve")
    service.put(f"{account}/owner", contact_id=owner["contact_id"])
    suppress(service, "ann@example.com")
    assert [one for one in alarms() if not one[1]] == [
        (("bob@example.com",), False, ["invoicing"]),
        (("eve@example.com",), False, ["invoicing"]),
    ]


def test_the_portal_says_so(service: Service, account: str) -> None:
    contact = service.contact(account, "Ann", "invoicing")
    service.contact(account, "Cy", "accounts_payable")
    service.bill_group("b1", account)
    assert service.get("/bill-groups/b1/summary")["unreachable_roles"] == []
    suppress(service, "ann@example.com")
    assert service.get("/bill-groups/b1/summary")["unreachable_roles"] == ["invoicing"]
    sees = portal(service, "eve@customer.example", ["contacts"])
    blind = portal(service, "ed@customer.example", ["profile"])
    assert service.ask("GET", "/bill-groups/b1/summary", token=sees).json["unreachable_roles"] == ["invoicing"]
    assert service.ask("GET", "/bill-groups/b1/summary", token=blind).json["unreachable_roles"] == []
    # Somebody else who holds the role is given the benefit of the doubt, without another look.
    service.contact(account, "Bob", "invoicing")
    assert summary.get_bill_group_summary("b1").unreachable == ()
    service.patch(f"{account}/contacts/{contact['contact_id']}", roles=[])
    assert summary.get_bill_group_summary("b1").unreachable == ()


def test_the_job_does_it_once_and_ends_the_task(service: Service, account: str) -> None:
    service.contact(account, "Ann", "invoicing")
    key = keys.suppression("ann@example.com")
    store.create_item(
        SuppressionItem(key.pk, key.sk, email="ann@example.com", reason="complaint", since=service.clock.now)
    )
    transaction = store.Transaction(service.context)
    task = tasks.add_task(transaction, service.context, CheckRoleCoverage("ann@example.com"))
    transaction.commit()
    body = TaskMessage[CheckRoleCoverage]("coverage", "ann@example.com", task, "test-correlation").body()
    event = {"Records": [{"messageId": "1", "body": body}, {"messageId": "2", "body": body}]}
    for _ in range(2):
        assert jobs.check_coverage(event, None) == {"batchItemFailures": []}
    assert len(alarms()) == 1
    assert task not in store.batch_get_items([task])


@pytest.mark.parametrize("how", ["before", "after", "lost"])
@pytest.mark.parametrize("number", range(9))
def test_killed_at_any_call_it_alarms_once(service: Service, account: str, number: int, how: str) -> None:
    service.contact(account, "Ann", "invoicing")
    service.contact(account, "Cy", "accounts_payable")
    key = keys.suppression("ann@example.com")
    store.create_item(
        SuppressionItem(key.pk, key.sk, email="ann@example.com", reason="complaint", since=service.clock.now)
    )
    with failing(number, how), suppress_crash(Crash):
        look(service, "ann@example.com")
    look(service, "ann@example.com")
    assert alarms() == [(*FALLBACK, ["invoicing"]), (("cy@example.com",), False, ["invoicing"])]
    events = [one for one in service.all_of(f"{account}/audit-events") if one["action"] == "role.unreachable"]
    assert len(events) == 1
