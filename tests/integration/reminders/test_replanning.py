"""A change that moves the reminders of many invoices plans all of them again, batch by batch (R8)."""

from typing import Any

import pytest

from chalicelib.functions.reminders import send_due_reminders
from chalicelib.reminders.run import planning_fan_out
from chalicelib.table.items import TaskItem
from chalicelib.tasks.queue import TaskMessage
from tests.aws_calls import counted
from tests.integration.invoices.invoices import customer
from tests.integration.reminders.world import World, due_rows, rows, sent, to_come

PAYMENT = {
    "entity_id": "acme",
    "amount": 12000,
    "currency": "EUR",
    "received_on": "2026-02-01",
    "allocations": [{"invoice_id": "i1", "amount": 12000}],
}


def tasks() -> list[Any]:
    return [item for item in rows(TaskItem) if item.kind in ("planning", "replanning")]


def test_modes_time_zones_and_calendars(world: World) -> None:
    world.issue()
    world.service.put("/entities/acme", reminder_mail={"mode": "off"})
    world.plan()
    assert to_come() == {}
    world.service.put("/entities/acme", reminder_mail={"mode": "live"})
    world.plan()
    assert to_come() == {"i1": "2026-03-09"}
    world.service.put("/entities/acme", time_zone="America/Sao_Paulo")
    world.plan()
    assert "2026-03-09T12:00:00.000Z#a1#acme" in due_rows()
    world.service.put("/accounts/a1", time_zone="Asia/Kathmandu")
    world.plan()
    assert "2026-03-09T03:15:00.000Z#a1#acme" in due_rows()
    # In Egypt a Sunday is a day as any other.
    world.service.put("/accounts/a1", country="EG")
    world.plan()
    assert to_come() == {"i1": "2026-03-08"}
    world.service.put("/entities/acme", live_from="2026-01-16")
    world.plan()
    assert to_come() == {}
    assert tasks() == []


class TestWhatIsSettled:
    """Half of the accounts of a run had paid meanwhile: each was read whole for nothing."""

    def test_a_payment_takes_its_plan_along(self, world: World) -> None:
        world.issue()
        world.issue("i2")
        world.pay(amount=2000)
        assert to_come() == {"i1": "2026-03-09", "i2": "2026-03-09"}
        world.pay(amount=10000)
        assert to_come() == {"i2": "2026-03-09"}

    def test_a_payment_that_is_taken_back_plans_again(self, world: World) -> None:
        world.issue()
        world.service.put("/accounts/a1/payments/p1", **PAYMENT)
        assert to_come() == {}
        assert world.service.ask("POST", "/accounts/a1/payments/p1/reversal", {"reason": "Returned."}).status == 200
        world.plan()
        assert to_come() == {"i1": "2026-03-09"}

    @pytest.mark.parametrize("end", ["void", "uncollectible"])
    def test_so_does_what_ends_it_otherwise(self, world: World, end: str) -> None:
        world.issue()
        assert world.service.ask("POST", f"/invoices/i1/{end}", {}).status == 200
        assert to_come() == {}

    def test_a_run_reads_no_more_of_the_account(self, world: World) -> None:
        world.issue()
        world.pay()
        world.at("2026-03-09T09:00")
        send_due_reminders({"confirm": True}, None)
        with counted() as calls:
            assert world.remind() == []
        assert calls.reads == 3
        assert (due_rows(), sent()) == ([], [])


def test_what_moves_nothing_plans_nothing(world: World) -> None:
    world.issue()
    world.service.put("/entities/acme", colour="#123456")
    world.service.put("/accounts/a1", name="Renamed")
    world.service.put("/bill-groups/g1", **{"account_id": "a1", "entity_id": "acme", "name": "Renamed"})
    assert tasks() == []


def test_only_the_invoices_of_a_bill_group(world: World) -> None:
    world.service.bill_group("g2", "/accounts/a1")
    world.issue()
    world.issue("i2", bill_group_id="g2")
    world.service.patch("/bill-groups/g2", auto_pay=True)
    (task,) = tasks()
    planning_fan_out.handle_replanning_task(TaskMessage("replanning", task.subject, task.key, "c"))
    assert [item.subject for item in tasks()] == ["i2"]
    world.sweep()
    world.plan()
    assert to_come() == {"i1": "2026-03-09"}


@pytest.mark.parametrize("subject", ["entity acme", "account a1"])
def test_part_by_part(world: World, subject: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning_fan_out, "INVOICES_PER_MESSAGE", 3)
    monkeypatch.setattr(planning_fan_out, "_INVOICES_PER_TASK", 2)
    ids = [f"i{number}" for number in range(1, 9)]
    for invoice_id in ids:
        world.issue(invoice_id)
    world.pay("i4", 100)
    steps = [{"offset": 20, "tone": "friendly"}]
    path = "/reminder-policies/acme" if subject.startswith("entity") else "/accounts/a1/reminder-policy"
    world.service.put(path, steps=steps)
    (task,) = tasks()
    assert task.subject == subject
    rounds = 0
    while left := [item for item in tasks() if item.kind == "replanning"]:
        (task,) = left
        message = TaskMessage("replanning", task.subject, task.key, "c")
        planning_fan_out.handle_replanning_task(message)
        planning_fan_out.handle_replanning_task(message)
        rounds += 1
    planned = [one for item in tasks() for one in item.subject.split()]
    assert (sorted(planned), rounds) == (ids, 3)
    world.plan()
    world.sweep()
    assert set(to_come().values()) == {"2026-03-30"}
    assert tasks() == []


def test_an_owner_that_is_gone_or_has_nothing(world: World) -> None:
    customer(world.service, "a2", "g-a2")
    world.service.put("/accounts/a2/reminder-policy", send_at="10:00")
    world.service.put("/bill-groups/g-a2/reminder-policy", promise_limit_days=2)
    assert world.plan() == []
    assert tasks() == []
