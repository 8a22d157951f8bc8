"""The plan and the history of an invoice, over HTTP and from the console; what was foretold is what happens (R7)."""

from datetime import timedelta
from typing import Any

import pytest

from chalicelib.functions.reminders import explain_reminders, plan_reminders
from chalicelib.reminders.outlook import plan
from tests.integration.invoices.invoices import body, customer
from tests.integration.reminders.world import DUE, World, sent
from tests.integration.service import code, faults
from tests.integration.service import rows as all_rows


def steps_of(found: list[Any]) -> list[tuple[str, str, str]]:
    return sorted(
        (one["on"], each["invoice_id"], each["step"])
        for account in found
        for one in account["digests"]
        for each in one["invoices"]
    )


@pytest.fixture
def busy(world: World) -> World:
    """Two customers, two currencies, and an invoice of the second customer to another entity."""
    world.service.entity("other", reminder_mail={"mode": "live"}, live_from="2026-01-01")
    customer(world.service, "a2", "g2")
    world.contact("Bob", "accounts_payable", account_id="a2")
    world.service.put("/bill-groups/g3", account_id="a2", entity_id="other", name="Third")
    world.issue("i1")
    world.issue("i2", currency="USD")
    world.issue("i3", bill_group_id="g2")
    world.issue("i4", bill_group_id="g3")
    return world


class TestPlan:
    def test_of_all_it_tells_each_account_once(self, busy: World) -> None:
        # A row of an earlier day is left where an invoice is put off.
        busy.service.put("/invoices/i1/reminder-pause", until="2026-03-12")
        busy.plan()
        whole = busy.service.all_of("/reminders/plan?days=60")
        accounts = [(one["account_id"], one["entity_id"]) for one in whole]
        assert sorted(accounts) == [("a1", "acme"), ("a2", "acme"), ("a2", "other")]
        assert steps_of(whole) == steps_of(busy.service.all_of("/reminders/plan?days=60", limit=1))
        assert len(steps_of(whole)) == len(set(steps_of(whole)))
        assert busy.days("2026-04-01") == [one for one in steps_of(whole) if one[0] <= "2026-04-01"]

    def test_who_reminds_an_account_keeps_the_others_waiting(self, busy: World) -> None:
        # The steps of i5, to another entity than i3 of the same account, come a day later.
        busy.issue("i5", DUE + timedelta(days=1), bill_group_id="g3")
        for entity_id in ("acme", "other"):
            busy.service.put(f"/reminder-policies/{entity_id}", minimum_gap_days=4, business_days_only=False)
        busy.plan()
        busy.at("2026-03-02T08:00")
        planned = steps_of(busy.service.all_of("/reminders/plan?days=22"))
        explained = sorted(
            (step["on"], invoice_id, step["step"])
            for invoice_id in ("i1", "i2", "i3", "i4", "i5")
            for step in busy.service.get(f"/invoices/{invoice_id}/reminders")["expected"]
        )
        assert [one for one in explained if one[0] <= "2026-03-23"] == planned
        assert busy.days("2026-03-23") == planned

    def test_what_a_digest_says(self, busy: World) -> None:
        (whole,) = busy.service.all_of("/reminders/plan?account_id=a1&days=60")
        first, *_ = whole.pop("digests")
        assert whole == {"account_id": "a1", "account_name": "Customer", "entity_id": "acme", "complete": True}
        (ada,) = busy.service.get("/accounts/a1/contacts")["items"]
        (told,) = first.pop("invoices")
        assert first == {
            "on": "2026-03-09",
            "currency": "EUR",
            "tone": "friendly",
            "outcome": "mailed",
            "total": 12000,
            "contacts": [{"contact_id": ada["contact_id"], "name": "Ada Test", "email": "ada@example.com"}],
        }
        assert told == {
            "invoice_id": "i1",
            "number": "I1",
            "due_date": "2026-03-10",
            "balance": 12000,
            "disputed": 0,
            "credit": 0,
            "asked": 12000,
            "step": "-3",
            "tone": "friendly",
        }

    def test_it_reaches_as_many_days_as_asked(self, busy: World) -> None:
        assert busy.service.all_of("/reminders/plan?days=30") == []
        busy.at("2026-03-02T08:00")
        near = busy.service.all_of("/reminders/plan?days=8&account_id=a1")
        assert steps_of(near) == [("2026-03-09", "i1", "-3"), ("2026-03-09", "i2", "-3")]
        (account,) = near
        assert [(one["currency"], one["total"]) for one in account["digests"]] == [("EUR", 12000), ("USD", 12000)]
        assert busy.service.all_of("/reminders/plan?days=7&account_id=a1") == []

    def test_by_account_and_entity(self, busy: World) -> None:
        busy.at("2026-03-02T08:00")
        path = "/reminders/plan?days=60"
        assert {one["entity_id"] for one in busy.service.all_of(f"{path}&account_id=a2")} == {"acme", "other"}
        for narrowed in (f"{path}&entity_id=other", f"{path}&entity_id=other&account_id=a2"):
            assert {one[1] for one in steps_of(busy.service.all_of(narrowed))} == {"i4"}
        assert code(busy.service.ask("GET", "/reminders/plan?account_id=none")) == (404, "not_found")
        assert faults(busy.service.ask("GET", "/reminders/plan?days=93")) == [("days", "too_large")]

    def test_one_who_has_more_than_is_looked_at(self, busy: World, monkeypatch: pytest.MonkeyPatch) -> None:
        busy.at("2026-03-02T08:00")
        monkeypatch.setattr(plan, "MAX_PLAN_INVOICES", 1)
        found = busy.service.all_of("/reminders/plan?account_id=a1")
        assert {one["complete"] for one in found} == {False}

    def test_shadow(self, busy: World) -> None:
        busy.service.put("/entities/acme", reminder_mail={"mode": "shadow"})
        busy.plan()
        found = busy.service.all_of("/reminders/plan?account_id=a1&days=60")
        assert {one["outcome"] for account in found for one in account["digests"]} == {"shadow"}


class TestHistory:
    def test_all_that_is_known(self, world: World) -> None:
        world.issue()
        world.days("2026-03-11")
        world.service.ask("POST", "/invoices/i1/reminder-skip")
        world.service.put("/invoices/i1/reminder-pause", until="2026-03-20", reason="They wait for a credit.")
        world.plan()
        told = world.service.get("/invoices/i1/reminders")
        assert [(one["step"], one["outcome"]) for one in told["taken"]] == [
            ("-3", "sent"),
            ("+1", "sent"),
            ("+7", "skipped"),
        ]
        assert [[copy["status"] for copy in one["copies"]] for one in told["taken"]] == [["queued"], ["queued"], []]
        assert told["why_not"]["code"] == "paused_invoice"
        assert told["pause"]["reason"] == "They wait for a credit."
        assert told["due_now"] is None
        assert [(one["on"], one["step"]) for one in told["expected"]] == [("2026-03-24", "+14"), ("2026-04-09", "+30")]
        assert [one["step"] for one in told["steps_left"]] == ["+14", "+30"]
        assert told["reasons"][-1]["text"] == "Reminders for this invoice are paused."
        # The pause itself is enough of a reason; its step would have come on the 24th anyway.
        assert told["looked_at_on"] == "2026-03-24"

    def test_steps_of_one_day_come_in_their_order(self, world: World) -> None:
        offsets = [-3, 5, 10, 15]
        given = [{"offset": offset, "tone": "friendly"} for offset in offsets]
        world.service.put("/reminder-policies/acme", steps=given, repeat_every_days=5, repeat_at_most=10)
        world.issue()
        # Nothing has run for months: all steps are taken on one day.
        world.at("2026-06-01T09:30")
        world.hour()
        expected = ["-3", "+5", "+10", "+15", *(f"+15.{number}" for number in range(1, 11))]
        assert [one["step"] for one in world.service.get("/invoices/i1/reminders")["taken"]] == expected
        assert [one["step"] for one in explain_reminders({"invoice": "i1"}, None)["done"]] == expected

    def test_what_is_due_now(self, world: World) -> None:
        world.issue()
        world.at("2026-03-09T08:00")
        told = world.service.get("/invoices/i1/reminders")
        assert (told["due_now"]["step"], told["why_not"], told["mode"]) == ("-3", None, "live")

    def test_what_is_paid_has_no_steps_to_come_and_none_to_skip(self, world: World) -> None:
        world.issue()
        assert explain_reminders({"invoice": "i1"}, None)["steps_left"] != []
        world.pay()
        told = world.service.get("/invoices/i1/reminders")
        assert (told["steps_left"], told["expected"], told["why_not"]["code"]) == ([], [], "paid")
        assert explain_reminders({"invoice": "i1"}, None)["steps_left"] == []
        assert code(world.service.ask("POST", "/invoices/i1/reminder-skip")) == (409, "no_step_left")
        world.plan()

    def test_without_a_due_date_or_paid(self, world: World) -> None:
        world.service.put("/invoices/i9", **body("I9", due_date=None, deliver=False))
        world.plan()
        assert world.service.get("/invoices/i9/reminders")["why_not"]["code"] == "no_due_date"
        world.issue()
        world.pay()
        assert world.service.get("/invoices/i1/reminders")["why_not"]["code"] == "paid"
        assert code(world.service.ask("GET", "/invoices/none/reminders")) == (404, "not_found")


class TestConsole:
    def test_explain(self, world: World) -> None:
        world.issue()
        world.days("2026-03-11")
        before = all_rows()
        told = explain_reminders({"invoice": "i1"}, None)
        assert told["done"][0]["outcome"] == "sent"
        assert told["steps_left"][0] == "+7, neutral, from 2026-03-17"
        assert told["now"] == "The next step is not due yet. (not_yet)"
        assert told["expected"][0] == "2026-03-17: +7, neutral"
        assert all_rows() == before
        assert explain_reminders({"invoice": "none"}, None)["refused"]["code"] == "not_found"
        assert explain_reminders({}, None)["errors"][0]["field"] == "invoice"
        assert explain_reminders({"invoice": "i1", "confirm": True}, None)["errors"][0]["field"] == "confirm"

    def test_plan(self, busy: World) -> None:
        before = all_rows()
        told = plan_reminders({"days": 60, "as_of": "2026-03-02T08:00:00Z"}, None)
        assert told["go_on_with"] is None
        assert next(iter(told["by_day"])) == "2026-03-09"
        every = busy.service.all_of("/reminders/plan?days=88")
        assert told["invoices"] == len(steps_of(every))
        assert told["by_day"]["2026-03-09"][0]["contacts"] == ["Ada Test <ada@example.com>"]
        one = plan_reminders({"days": 60, "account_id": "a2", "entity_id": "other"}, None)
        assert {each["entity_id"] for day in one["by_day"].values() for each in day} == {"other"}
        assert all_rows() == before
        for event, field in (
            ({"days": 0}, "days"),
            ({"as_of": "yesterday"}, "as_of"),
            ({"as_of": "0001-01-01T00:00:00+14:00"}, "as_of"),
            ({"as_of": "9999-12-31T23:00:00-12:00"}, "as_of"),
            ({"go_on_with": ["x"]}, "go_on_with"),
            ({"go_on_with": [0, ""]}, "go_on_with"),
            ({"go_on_with": [0, "zzz"]}, "go_on_with"),
            ({"go_on_with": [-1, None]}, "go_on_with"),
            ({"go_on_with": [10**6, None]}, "go_on_with"),
            ({"go_on_with": [0, None], "account_id": "a1"}, "go_on_with"),
            ({"entity_id": "none"}, "entity_id"),
            ({"account_id": "a1", "entity_id": "none"}, "entity_id"),
            ({"account_id": "none"}, "account_id"),
        ):
            assert plan_reminders(event, None)["errors"][0]["field"] == field

    def test_a_plan_that_has_no_time_says_where_to_go_on(self, busy: World) -> None:
        class Hurried:
            def get_remaining_time_in_millis(self) -> int:
                return 1000

        busy.at("2026-03-02T08:00")
        found, event = 0, {"days": 60}
        for _ in range(20):
            told = plan_reminders(event, Hurried())
            found += told["digests"]
            if told["go_on_with"] is None:
                break
            event = {"days": 60, "go_on_with": told["go_on_with"]}
        assert found == plan_reminders({"days": 60}, None)["digests"]


def test_nothing_was_sent_by_looking(busy: World) -> None:
    busy.service.all_of("/reminders/plan")
    assert sent() == []
