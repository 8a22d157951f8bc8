"""Audit events of an account, and the feed of changes."""

from typing import Any

import pytest

from chalicelib.accounts.service import put_account
from tests.integration.service import Service, code, faults, rows

BOTH = ["invoicing", "accounts_payable"]


@pytest.fixture
def account(service: Service) -> str:
    return service.account()


def address(account: str, contact: Any) -> str:
    return f"{account}/contacts/{contact['contact_id']}"


def live(service: Service, account: str) -> list[tuple[str, str]]:
    """Change everything there is once; return the expected events, oldest first."""

    def step() -> None:
        service.clock.move(seconds=1)

    expected = [("account.created", "a1")]
    step()
    service.put(account, name="Renamed")
    step()
    ann = service.contact(account, "Ann", *BOTH)["contact_id"]
    step()
    bee = service.contact(account, "Bee")["contact_id"]
    step()
    service.patch(f"{account}/contacts/{ann}", job_title="CFO")
    step()
    group = service.bill_group("b1", account, billing_contact_id=ann)
    step()
    service.patch(group, po_number="PO-1")
    step()
    service.put(f"{group}/subscriptions/s1", name="Phone", status="active")
    step()
    service.put(f"{group}/subscriptions/s1", status="ended")
    step()
    service.ask("DELETE", f"{group}/subscriptions/s1")
    step()
    service.ask("DELETE", f"{account}/contacts/{bee}")
    step()
    service.ask("POST", f"{account}/contacts/{bee}/restore")
    expected += [
        ("account.changed", "a1"),
        ("contact.created", ann),
        ("contact.created", bee),
        ("contact.changed", ann),
        ("bill_group.created", "b1"),
        ("bill_group.changed", "b1"),
        ("subscription.created", "s1"),
        ("subscription.changed", "s1"),
        ("subscription.deleted", "s1"),
        ("contact.deleted", bee),
        ("contact.restored", bee),
    ]
    return expected


@pytest.mark.parametrize("limit", [1, 5, 100])
def test_every_change_is_reported_newest_first(service: Service, account: str, limit: int) -> None:
    expected = live(service, account)
    found = service.all_of(f"{account}/audit-events", limit)
    assert [(event["action"], event["resource_id"]) for event in found] == expected[::-1]
    assert {event["account_id"] for event in found} == {"a1"}
    assert {(event["actor"]["kind"], event["actor"]["name"]) for event in found} == {("api_key", "billing")}
    assert all(event["correlation_id"] for event in found)
    groups = {event["resource_id"]: event["bill_group_id"] for event in found}
    assert (groups["b1"], groups["s1"], groups["a1"]) == ("b1", "b1", None)


def test_what_changed_is_reported_from_what_to_what(service: Service, account: str) -> None:
    ann = service.contact(account, "Ann", "invoicing", job_title="CFO")
    service.clock.move(minutes=1)
    body = {"job_title": None, "address": {"city": "Köln"}, "roles": ["accounts_payable"]}
    service.ask("PATCH", address(account, ann), body, if_match="1", X_Correlation_Id="correlation-1")
    event = service.get(f"{account}/audit-events?limit=1")["items"][0]
    whole = dict.fromkeys(["line1", "line2", "region", "postal_code", "country"]) | {"city": "Köln"}
    assert event["changes"] == [
        {"field": "address", "before": None, "after": whole},
        {"field": "job_title", "before": "CFO", "after": None},
        {"field": "roles", "before": ["invoicing"], "after": ["accounts_payable"]},
    ]
    assert (event["correlation_id"], event["at"]) == ("correlation-1", "2026-01-31T09:01:00Z")


def test_the_roles_that_a_successor_takes_are_reported(service: Service, account: str) -> None:
    ann, bee = service.contact(account, "Ann", *BOTH), service.contact(account, "Bee")
    service.clock.move(minutes=1)
    service.ask("DELETE", f"{address(account, ann)}?successor={bee['contact_id']}")
    told = {event["action"]: event for event in service.get(f"{account}/audit-events?limit=2")["items"]}
    roles = {"field": "roles", "before": sorted(BOTH), "after": []}
    assert roles in told["contact.deleted"]["changes"]
    assert told["contact.changed"]["resource_id"] == bee["contact_id"]
    assert told["contact.changed"]["changes"] == [{"field": "roles", "before": [], "after": sorted(BOTH)}]


def test_what_was_refused_is_not_told(service: Service, account: str) -> None:
    before = service.all_of(f"{account}/audit-events")
    service.ask("PUT", account, {"entity_id": "none"})
    service.ask("POST", f"{account}/contacts", {"email": "a@example.com"})
    assert service.all_of(f"{account}/audit-events") == before
    assert code(service.ask("GET", "/accounts/none/audit-events")) == (404, "not_found")


class TestChanges:
    def poll(self, service: Service, cursor: str | None, limit: int) -> Any:
        return service.get(f"/changes?limit={limit}" + (f"&cursor={cursor}" if cursor else ""))

    def to_the_end(self, service: Service, cursor: str | None, limit: int) -> tuple[list[Any], str]:
        found: list[Any] = []
        for _ in range(500):
            page = self.poll(service, cursor, limit)
            assert len(page["items"]) <= limit
            found += page["items"]
            cursor = page["cursor"]
            if not page["more"]:
                return found, str(cursor)
        raise AssertionError("There is always more.")

    @pytest.mark.parametrize("limit", [1, 5, 100])
    def test_each_once_in_the_order_in_which_they_were_made(self, service: Service, account: str, limit: int) -> None:
        expected = live(service, account)
        service.clock.move(seconds=31)
        found, cursor = self.to_the_end(service, None, limit)
        told = [(event["action"], event["resource_id"]) for event in found if event["account_id"] == "a1"]
        assert told == expected
        assert [event["audit_event_id"] for event in found] == sorted(event["audit_event_id"] for event in found)
        assert self.to_the_end(service, cursor, limit)[0] == []

    def test_a_change_is_reported_once_it_is_thirty_seconds_old(self, service: Service) -> None:
        service.clock.move(minutes=5)
        _, cursor = self.to_the_end(service, None, 100)
        service.account("new")
        service.clock.move(seconds=29, milliseconds=999)
        found, cursor = self.to_the_end(service, cursor, 100)
        assert found == []
        service.clock.move(milliseconds=2)
        found, cursor = self.to_the_end(service, cursor, 100)
        assert [event["resource_id"] for event in found] == ["new"]
        assert self.to_the_end(service, cursor, 100)[0] == []

    @pytest.mark.parametrize("limit", [1, 3, 100])
    def test_nothing_is_missed_or_doubled_while_writing_goes_on(self, service: Service, limit: int) -> None:
        service.clock.move(hours=14, minutes=58)
        _, cursor = self.to_the_end(service, None, 100)
        told: list[str] = []
        for number in range(40):
            service.account(f"n{number:02}")
            service.clock.move(seconds=7)
            page = self.poll(service, cursor, limit)
            assert page["cursor"] >= cursor
            told, cursor = told + [event["resource_id"] for event in page["items"]], page["cursor"]
        service.clock.move(seconds=31)
        found, _ = self.to_the_end(service, cursor, limit)
        told += [event["resource_id"] for event in found]
        assert told == [f"n{number:02}" for number in range(40)]

    def test_a_late_commit_within_a_request_is_not_missed(self, service: Service) -> None:
        service.clock.move(minutes=5)
        began = service.context
        service.clock.move(seconds=29)
        _, cursor = self.to_the_end(service, None, 100)
        put_account(began, "late", {"entity_id": "acme", "name": "Late", "currency": "EUR"})
        service.clock.move(minutes=1)
        found, _ = self.to_the_end(service, cursor, 100)
        assert [event["resource_id"] for event in found] == ["late"]

    def test_a_quiet_year_is_passed_in_steps(self, service: Service) -> None:
        _, cursor = self.to_the_end(service, None, 100)
        service.clock.move(days=300)
        service.account("later")
        service.clock.move(seconds=31)
        found, position = self.to_the_end(service, cursor, 100)
        assert [event["resource_id"] for event in found][-1] == "later"
        assert position > cursor

    @pytest.mark.parametrize(
        "cursor",
        [
            "nonsense",
            "zzz",
            "%20",
            "con_01JABCDEFGHJKMNPQRSTVWXYZ0",
            "aud_ZZZZZZZZZZZZZZZZZZZZZZZZZZ",
            "aud_7ZZZZZZZZZZZZZZZZZZZZZZZZZ",
            "aud_01JABCDEFGHJKMNPQRSTVWXYZ0%0A",
        ],
    )
    def test_a_bad_cursor_is_refused(self, service: Service, cursor: str) -> None:
        assert faults(service.ask("GET", f"/changes?cursor={cursor}")) == [("cursor", "bad_cursor")]

    def test_reading_writes_nothing(self, service: Service, account: str) -> None:
        service.clock.move(minutes=5)
        before = rows()
        self.to_the_end(service, None, 100)
        assert rows() == before
