"""What holds reminders up or brings them back: pauses, promises, skipped steps, auto-pay failures (R2, R6)."""

from datetime import date
from typing import Any

import pytest

from chalicelib.errors import Conflict, InvalidInput
from chalicelib.reminders.pauses import promises, service
from chalicelib.table import keys, store
from chalicelib.table.items import InvoicePointerItem
from tests.integration.reminders.world import World, rows, sent, steps, to_come
from tests.integration.service import code, faults

PLACES = ("/invoices/i1", "/bill-groups/g1", "/accounts/a1")


def place(world: World, path: str) -> str:
    group = world.service.get("/invoices/i1")["bill_group_id"]
    return path.replace("g1", group) + "/reminder-pause"


def why(world: World, invoice_id: str = "i1") -> str | None:
    told = world.service.get(f"/invoices/{invoice_id}/reminders")["why_not"]
    return told["code"] if told else None


@pytest.mark.parametrize("path", PLACES)
class TestPauses:
    def test_until_a_day(self, world: World, path: str) -> None:
        world.issue()
        at = place(world, path)
        put = world.service.put(at, until="2026-03-12", reason="They asked for time.")
        world.plan()
        assert put["pause"]["until"] == "2026-03-12"
        assert put == world.service.get(at)
        assert to_come() == {"i1": "2026-03-13"}
        # Two steps came due meanwhile: the newer is sent, the older superseded.
        assert world.days("2026-03-18") == [("2026-03-13", "i1", "+1"), ("2026-03-17", "i1", "+7")]
        assert steps() == {"-3": "superseded", "+1": "sent", "+7": "sent"}

    def test_for_good_and_back(self, world: World, path: str) -> None:
        world.issue()
        at = place(world, path)
        assert world.service.put(at)["pause"]["until"] is None
        world.plan()
        assert to_come() == {}
        assert why(world) == f"paused_{at.split('/')[1].removesuffix('s').replace('-', '_')}"
        world.at("2026-03-12T12:00")
        assert world.service.ask("DELETE", at).status == 204
        world.plan()
        assert world.service.get(at) == {"pause": None}
        assert world.days("2026-03-13") == [("2026-03-12", "i1", "+1")]

    def test_the_same_again_writes_nothing(self, world: World, path: str) -> None:
        world.issue()
        at = place(world, path)
        first = world.service.put(at, until="2026-03-12")
        events = world.service.get("/accounts/a1/audit-events")["items"]
        world.service.clock.move(hours=1)
        assert world.service.put(at, until="2026-03-12") == first
        assert world.service.get("/accounts/a1/audit-events")["items"] == events
        assert "reminders.paused" in {one["action"] for one in events}
        world.plan()

    def test_refusals(self, world: World, path: str) -> None:
        world.issue()
        at = place(world, path)
        for until, fault in (("2026-01-31", "too_early"), ("2028-03-01", "too_late")):
            assert faults(world.service.ask("PUT", at, {"until": until})) == [("until", fault)]
        missing = at.rsplit("/", 2)[0] + "/nobody/reminder-pause"
        for method, body in (("GET", None), ("PUT", {}), ("DELETE", None)):
            assert code(world.service.ask(method, missing, body)) == (404, "not_found")


def test_a_pause_is_known_at_once_though_its_replanning_is_late(world: World) -> None:
    world.issue()
    world.service.put("/accounts/a1/reminder-pause", until="2026-03-09")
    world.at("2026-03-09T09:30")
    world.hour()
    assert sent() == []
    assert to_come() == {"i1": "2026-03-10"}
    world.plan()


class TestPauseAtLeast:
    def test_a_longer_pause_stays(self, world: World) -> None:
        for number in range(1, 4):
            world.issue(f"i{number}")
        world.pay("i3")
        world.service.put("/invoices/i1/reminder-pause")
        context, until = world.service.context, date(2026, 2, 9)
        assert service.pause_invoices(context, ["i1", "i2", "i3", "none"], until, "Said to be paid.") == ("i1", "i2")
        assert world.state("i1").pause["until"] is None
        assert world.state("i2").pause["until"] == "2026-02-09"
        world.plan()

    def test_what_else_is_written_comes_with_the_last_part(self, world: World) -> None:
        ids = [f"i{number}" for number in range(1, 24)]
        for invoice_id in ids:
            world.issue(invoice_id)
        parts: list[Any] = []
        done = service.pause_invoices(world.service.context, ids, date(2026, 2, 9), "Paid.", also=parts.append)
        assert done == tuple(ids)
        assert len(parts) == 1
        assert {world.state(one).pause["until"] for one in ids} == {"2026-02-09"}
        world.plan()


class TestPromises:
    def test_reminders_go_on_the_day_after(self, world: World) -> None:
        world.issue()
        assert world.service.ask("PUT", "/invoices/i1/promise", {"on": "2026-03-16", "by": "Ada"}).status == 204
        world.plan()
        assert to_come() == {"i1": "2026-03-17"}
        assert why(world) == "paused_promise"
        assert [one["invoice_id"] for one in world.service.all_of("/invoices?promised=true")] == ["i1"]
        assert world.service.get("/invoices/i1")["promised_on"] == "2026-03-16"
        assert world.days("2026-03-18") == [("2026-03-17", "i1", "+7")]
        # A broken promise is still listed; a fulfilled one is not.
        assert len(world.service.all_of("/invoices?promised=true")) == 1
        world.pay()
        assert world.service.all_of("/invoices?promised=true") == []
        assert [item for item in rows(InvoicePointerItem) if item.pk.startswith("PROMISED")] == []

    def test_earliest_first_and_moved(self, world: World) -> None:
        for number, day in (("i1", "2026-03-20"), ("i2", "2026-03-18")):
            world.issue(number)
            world.service.ask("PUT", f"/invoices/{number}/promise", {"on": day})
        assert [one["invoice_id"] for one in world.service.all_of("/invoices?promised=true", limit=1)] == ["i2", "i1"]
        world.service.ask("PUT", "/invoices/i1/promise", {"on": "2026-03-17"})
        assert [one["invoice_id"] for one in world.service.all_of("/invoices?promised=true")] == ["i1", "i2"]
        world.plan()
        assert world.service.ask("DELETE", "/invoices/i1/promise").status == 204
        world.plan()
        assert [one["invoice_id"] for one in world.service.all_of("/invoices?promised=true")] == ["i2"]
        assert to_come()["i1"] == "2026-03-09"
        actions = [one["action"] for one in world.service.get("/accounts/a1/audit-events")["items"]]
        assert (actions.count("invoice.promised"), actions.count("invoice.promise_taken_back")) == (3, 1)

    def test_refusals(self, world: World) -> None:
        world.issue()
        for day, fault in (("2026-02-01", "too_early"), ("2028-03-01", "too_late")):
            assert faults(world.service.ask("PUT", "/invoices/i1/promise", {"on": day})) == [("on", fault)]
        assert code(world.service.ask("PUT", "/invoices/none/promise", {"on": "2026-03-01"})) == (404, "not_found")
        world.pay()
        assert code(world.service.ask("PUT", "/invoices/i1/promise", {"on": "2026-03-01"})) == (
            409,
            "invoice_not_open",
        )

    def test_within_what_the_policies_let(self, world: World) -> None:
        world.issue()
        world.issue("i2")
        world.pay("i2")
        group = world.service.get("/invoices/i1")["bill_group_id"]
        context = world.service.context
        assert promises.promise_window("a1", "acme", [group], context) == promises.PromiseWindow(
            date(2026, 2, 2), date(2026, 2, 16)
        )
        world.service.put(f"/bill-groups/{group}/reminder-policy", promise_limit_days=3)
        allowed = promises.promise_window("a1", "acme", [group], context)
        assert allowed.last == date(2026, 2, 5)
        with pytest.raises(InvalidInput):
            promises.record_promises(context, ["i1"], date(2026, 2, 6), "Ada", allowed)
        parts: list[Any] = []
        done = promises.record_promises(context, ["i1", "i2"], date(2026, 2, 5), "Ada", allowed, parts.append)
        assert (done, len(parts)) == (("i1",), 1)
        with pytest.raises(Conflict):
            promises.record_promises(context, ["i2"], date(2026, 2, 5), "Ada", allowed, parts.append)
        assert len(parts) == 1
        world.plan()


class TestSkip:
    def test_the_next_step_is_skipped(self, world: World) -> None:
        world.issue()
        told = world.service.ask("POST", "/invoices/i1/reminder-skip").json
        assert [(one["step"], one["outcome"]) for one in told["taken"]] == [("-3", "skipped")]
        assert told["steps_left"][0]["step"] == "+1"
        assert to_come() == {"i1": "2026-03-11"}
        assert world.days("2026-03-12") == [("2026-03-11", "i1", "+1")]

    def test_what_it_supersedes_is_not_sent_in_its_place(self, world: World) -> None:
        world.issue()
        world.at("2026-03-12T12:00")
        world.service.ask("POST", "/invoices/i1/reminder-skip")
        assert steps() == {"-3": "superseded", "+1": "skipped"}
        assert world.days("2026-03-18") == [("2026-03-17", "i1", "+7")]

    def test_none_is_left(self, world: World) -> None:
        world.issue()
        for _ in range(5):
            assert world.service.ask("POST", "/invoices/i1/reminder-skip").status == 200
        assert code(world.service.ask("POST", "/invoices/i1/reminder-skip")) == (409, "no_step_left")
        assert to_come() == {}


class TestAutoPay:
    @pytest.fixture
    def paying(self, world: World) -> World:
        world.issue()
        group = world.service.get("/invoices/i1")["bill_group_id"]
        world.service.patch(f"/bill-groups/{group}", auto_pay=True)
        world.plan()
        return world

    def test_it_is_not_reminded_of_until_it_fails(self, paying: World) -> None:
        assert to_come() == {}
        assert paying.days("2026-03-11") == []
        assert paying.service.ask("PUT", "/invoices/i1/auto-pay-failure", {"failed_on": "2026-03-11"}).status == 204
        paying.plan()
        assert paying.service.get("/invoices/i1/reminders")["auto_pay_failure"] == {
            "failed_on": "2026-03-11",
            "reason": None,
        }
        assert paying.days("2026-03-12") == [("2026-03-11", "i1", "+1")]
        assert paying.service.ask("DELETE", "/invoices/i1/auto-pay-failure").status == 204
        paying.plan()
        assert (to_come(), why(paying)) == ({}, "auto_pay")

    def test_refusals(self, paying: World) -> None:
        at = "/invoices/i1/auto-pay-failure"
        assert faults(paying.service.ask("PUT", at, {"failed_on": "2026-02-05"})) == [("failed_on", "too_late")]
        paying.pay()
        assert code(paying.service.ask("PUT", at, {"failed_on": "2026-02-01"})) == (409, "nothing_open")
        paying.plan()


def test_a_pause_of_an_account_leaves_what_else_is_known_of_it(world: World) -> None:
    world.issue()
    world.days("2026-03-09")
    world.service.put("/accounts/a1/reminder-pause", until="2026-03-20")
    world.plan()
    found = store.batch_get_items([keys.account_reminders("a1")])[keys.account_reminders("a1")]
    assert found.last_reminded_on == date(2026, 3, 9)
