"""Going live safely: runs that wait for staff, and old invoices released some accounts a day (R9)."""

from datetime import date
from typing import Any

import pytest

from chalicelib.functions.reminders import explain_reminders
from chalicelib.reminders.run import dispatch, dry_run, going_live
from chalicelib.table.items import EmailItem, ReminderRunItem, TaskItem
from tests.integration.invoices.invoices import customer
from tests.integration.people import open_for, staff
from tests.integration.reminders.world import DUE, World, of_account, rows, sent, steps, to_come
from tests.integration.service import code
from tests.integration.service import rows as all_rows


def accounts(world: World, number: int, **fields: Any) -> None:
    """Make further accounts, each with one invoice that is due when that of a1 is."""
    for one in range(2, number + 1):
        customer(world.service, f"a{one}", f"g-a{one}")
        world.contact(f"Payer{one}", "accounts_payable", account_id=f"a{one}")
        world.issue(f"i{one}", bill_group_id=f"g-a{one}", **fields)


def told() -> list[Any]:
    return [item for item in rows(EmailItem) if item.kind == "reminder_run_waits"]


def admin(world: World) -> str:
    staff(world.service, "ada@vendor.example", "admin")
    return open_for(world.service, "staff", "ada@vendor.example")


class TestRunsThatWait:
    @pytest.fixture
    def large(self, world: World) -> World:
        world.issue()
        accounts(world, 3)
        world.service.put("/reminder-policies/acme", run_limit=2)
        world.plan()
        world.at("2026-03-09T09:30")
        return world

    def test_a_run_over_its_limit_waits_and_staff_are_notified_once(self, large: World) -> None:
        staff(large.service, "ada@vendor.example", "admin")
        for _ in range(3):
            assert large.hour()["sent"]["held"] == {"acme": 3}
            large.service.clock.move(hours=1)
        assert sent() == []
        (mail,) = told()
        assert mail.to == ["ada@vendor.example"]
        assert mail.context == {"run": "acme/2026-03-09T09", "accounts": 3, "limit": 2}
        (run,) = large.service.all_of("/reminder-runs")
        assert run == large.service.all_of("/reminder-runs?entity_id=acme")[0]
        assert (run["run_hour"], run["status"], run["accounts"]) == ("2026-03-09T09", "waiting", 3)

    def test_what_was_paid_meanwhile_does_not_count(self, large: World) -> None:
        large.pay("i2")
        assert large.dry()["waiting_for_approval"] == {}
        assert large.hour()["sent"]["held"] == {}
        assert sorted(one[1] for one in sent()) == ["i1", "i3"]
        assert told() == []

    def test_only_accounts_of_the_pilot_count(self, large: World) -> None:
        pilot = {"mode": "pilot", "pilot_account_ids": ["a1", "a2", "a3"]}
        large.service.put("/entities/acme", reminder_mail=pilot)
        large.service.put("/reminder-policies/acme", run_limit=1)
        large.pay("i2")
        large.pay("i3")
        large.hour()
        assert [one[1] for one in sent()] == ["i1"]

    def test_accounts_that_nobody_could_look_at_count(self, large: World, monkeypatch: pytest.MonkeyPatch) -> None:
        large.pay("i3")
        monkeypatch.setattr(dispatch, "_MAX_ACCOUNTS_COUNTED", 1)
        assert large.hour()["sent"]["held"] == {"acme": 3}

    def test_why_an_invoice_is_not_reminded_of_tells_of_the_run_that_waits(self, large: World) -> None:
        assert large.service.get("/invoices/i1/reminders")["run_that_waits"] is None
        large.hour()
        told = large.service.get("/invoices/i1/reminders")
        assert (told["due_now"]["step"], told["run_that_waits"]) == ("-3", "2026-03-09T09")
        explained = explain_reminders({"invoice": "i1"}, None)
        assert explained["now"] == (
            "-3 is due: friendly; it waits with the run of 2026-03-09T09, which is larger than its limit, for a yes."
        )

    def test_a_yes_lets_it_go(self, large: World) -> None:
        token = admin(large)
        large.hour()
        at = "/reminder-runs/acme/2026-03-09T09"
        answer = large.service.ask("POST", f"{at}/approve", token=token)
        assert (answer.status, answer.json["status"]) == (200, "approved")
        assert answer.json["decided_by"] == "ada@vendor.example" or answer.json["decided_by"]
        assert large.service.ask("POST", f"{at}/approve", token=token).json == answer.json
        large.service.clock.move(hours=1)
        assert large.hour()["sent"]["held"] == {}
        assert len(sent()) == 3
        # The next day's run needs its own yes.
        large.at("2026-03-11T09:30")
        assert large.hour()["sent"]["held"] == {"acme": 3}
        assert [run["status"] for run in large.service.all_of("/reminder-runs")] == ["waiting", "approved"]
        assert len(told()) == 2

    def test_a_yes_is_for_what_was_seen(self, large: World) -> None:
        large.hour()
        going_live.approve_reminder_run(large.service.context, "acme", "2026-03-09T09")
        assert going_live.entities_awaiting_approval(large.service.context, {"acme": 5}) == {}
        assert going_live.entities_awaiting_approval(large.service.context, {"acme": 6}) == {"acme": 6}
        assert len(told()) == 2
        assert large.service.get("/reminder-runs/acme/2026-03-09T09")["accounts"] == 6

    def test_a_yes_lapses_and_a_run_that_shrinks_needs_none(self, large: World) -> None:
        large.hour()
        assert going_live.entities_awaiting_approval(large.service.context, {"acme": 1}, narrowed=True) == {}
        assert large.service.all_of("/reminder-runs")[0]["status"] == "waiting"
        assert going_live.entities_awaiting_approval(large.service.context, {"acme": 2}) == {}
        assert large.service.all_of("/reminder-runs")[0]["status"] == "lapsed"
        answer = large.service.ask("POST", "/reminder-runs/acme/2026-03-09T09/approve", token=admin(large))
        assert code(answer) == (409, "run_not_waiting")

    def test_a_dry_run_leaves_nothing_behind(self, large: World) -> None:
        before = all_rows()
        assert large.dry()["waiting_for_approval"] == {"acme": 3}
        assert all_rows() == before

    def test_a_dry_run_tells_what_a_yes_would_let_go(self, large: World) -> None:
        before = large.dry()
        assert (before["digests"], len(before["digests_that_wait"])) == ([], 3)
        large.hour()
        going_live.approve_reminder_run(large.service.context, "acme", "2026-03-09T09")
        after = large.dry()
        assert (after["digests"], after["digests_that_wait"]) == (before["digests_that_wait"], [])
        large.hour()
        assert [one[1] for one in sent()] == [one["invoices"][0]["invoice_id"] for one in after["digests"]]

    def test_where_a_dry_run_has_no_room_what_waits_is_left_out(
        self, large: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        large.service.entity("other", reminder_mail={"mode": "live"}, live_from="2026-01-01")
        large.service.bill_group("g9", "/accounts/a1", entity_id="other")
        large.at("2026-02-02T08:00")
        large.issue("i9", bill_group_id="g9")
        large.at("2026-03-09T09:30")
        monkeypatch.setattr(dry_run, "MAX_DRY_RUN_ACCOUNTS", 2)
        told = large.dry()
        assert [one["entity_id"] for one in told["digests"]] == ["other"]
        assert [one["entity_id"] for one in told["digests_that_wait"]] == ["acme"]
        assert (told["accounts_looked_at"], told["accounts_left_out"]) == (2, 2)

    def test_what_is_not_mailed_need_not_wait(self, large: World) -> None:
        large.service.put("/entities/acme", reminder_mail={"mode": "shadow"})
        large.plan()
        assert large.hour()["sent"]["held"] == {}
        assert set(steps("i1").values()) == {"shadow"}

    def test_only_pilot_accounts_count(self, large: World) -> None:
        large.service.put("/entities/acme", reminder_mail={"mode": "pilot", "pilot_account_ids": ["a1"]})
        large.plan()
        assert large.hour()["sent"]["held"] == {}
        assert (steps("i1"), steps("i2")) == ({"-3": "sent"}, {"-3": "shadow"})

    def test_keys_approve_nothing(self, large: World) -> None:
        large.hour()
        assert code(large.service.ask("POST", "/reminder-runs/acme/2026-03-09T09/approve")) == (403, "forbidden")
        assert large.service.all_of("/reminder-runs")[0]["status"] == "waiting"
        assert rows(ReminderRunItem)[0].decided_by is None


class TestRelease:
    @pytest.fixture
    def old(self, world: World) -> World:
        """Three accounts whose invoices are from before the entity went live."""
        world.service.put("/entities/acme", live_from="2026-02-01")
        world.issue()
        accounts(world, 3)
        world.issue("late", due=date(2026, 2, 20), issue_date="2026-02-01")
        world.at("2026-03-16T08:00")
        return world

    def release(self, world: World, number: int, token: str) -> Any:
        answer = world.service.ask("POST", "/reminder-policies/acme/release", {"accounts_a_day": number}, token)
        assert answer.status == 200, answer.text
        return answer.json

    def test_what_is_old_is_not_reminded_of(self, old: World) -> None:
        assert set(to_come()) == {"late"}
        assert old.reasons() == ["before_live"]

    def test_so_many_accounts_a_day_from_the_mildest_step_on(self, old: World) -> None:
        token = admin(old)
        self.release(old, 2, token)
        old.plan()
        assert old.service.get("/reminder-policies/acme/release")["released_today"] == 2
        assert of_account("a3") is None
        assert old.days("2026-03-16")[0] == ("2026-03-16", "i1", "+1")
        assert [one for one in sent() if one[1] != "late"] == [("2026-03-16", "i1", "+1"), ("2026-03-16", "i2", "+1")]
        old.service.clock.move(days=1)
        old.hour()
        old.plan()
        old.hour()
        assert ("2026-03-17", "i3", "+1") in sent()
        for _ in range(2):
            old.service.clock.move(days=1)
            old.hour()
            old.plan()
        found = old.service.get("/reminder-policies/acme/release")
        assert (found["released"], found["finished"]) == (3, True)
        assert [item for item in rows(TaskItem) if item.kind == "replanning"] == []
        # To stop what has come to its end changes nothing of that.
        token = open_for(old.service, "staff", "ada@vendor.example")
        for _ in range(2):
            stopped = self.release(old, 0, token)
            assert (stopped["accounts_a_day"], stopped["finished"]) == (0, True)
        # From then on the steps come as far apart as the policy has them.
        assert ("2026-03-23", "i1", "+7") in old.days("2026-03-23")
        token = open_for(old.service, "staff", "ada@vendor.example")
        assert self.release(old, 5, token)["finished"] is False

    def test_before_the_first_nothing_was_released(self, old: World) -> None:
        assert old.service.get("/reminder-policies/acme/release") == {
            "entity_id": "acme",
            "accounts_a_day": 0,
            "released": 0,
            "released_today": 0,
            "finished": False,
            "on": None,
        }
        assert code(old.service.ask("GET", "/reminder-policies/none/release")) == (404, "not_found")

    def test_it_can_be_stopped(self, old: World) -> None:
        token = admin(old)
        self.release(old, 1, token)
        old.plan()
        assert self.release(old, 0, token)["accounts_a_day"] == 0
        old.service.clock.move(days=1)
        old.hour()
        old.plan()
        assert old.service.get("/reminder-policies/acme/release")["released"] == 1

    def test_it_waits_while_reminders_are_off(self, old: World) -> None:
        token = admin(old)
        self.release(old, 1, token)
        old.plan()
        old.service.put("/entities/acme", reminder_mail={"mode": "off"})
        for _ in range(3):
            old.service.clock.move(days=1)
            old.hour()
            old.plan()
        stopped = old.service.get("/reminder-policies/acme/release")
        assert (stopped["released"], stopped["finished"]) == (1, False)
        old.service.put("/entities/acme", reminder_mail={"mode": "live"})
        old.service.clock.move(days=1)
        old.hour()
        old.plan()
        assert old.service.get("/reminder-policies/acme/release")["released"] == 2

    def test_it_needs_a_start(self, old: World) -> None:
        old.service.put("/entities/acme", reminder_mail={"mode": "shadow"})
        answer = old.service.ask("POST", "/reminder-policies/acme/release", {"accounts_a_day": 1}, admin(old))
        assert code(answer) == (409, "reminders_not_live")
        old.plan()

    def test_a_pilot_releases_its_accounts_only(self, old: World) -> None:
        old.service.put("/entities/acme", reminder_mail={"mode": "pilot", "pilot_account_ids": ["a2"]})
        self.release(old, 10, admin(old))
        old.plan()
        assert old.service.get("/reminder-policies/acme/release")["released"] == 1
        assert of_account("a2") is not None
        assert of_account("a2").released == {"acme": "2026-03-16"}  # type: ignore[union-attr]


def test_the_due_date_of_these_tests() -> None:
    assert date(2026, 3, 10) == DUE
