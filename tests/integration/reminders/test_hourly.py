"""The hourly function: what it enqueues, what it leaves, and the report of a dry run (R8, R9)."""

from typing import Any

import pytest

from chalicelib import clock
from chalicelib.config import settings
from chalicelib.functions.reminders import send_due_reminders
from chalicelib.reminders.run import dispatch
from chalicelib.tasks import queue
from tests.aws import client
from tests.integration.reminders.world import World, digests, due_rows, mails, sent, steps
from tests.integration.service import rows


class Context:
    """Lambda's own, with a time that runs out."""

    def __init__(self, *milliseconds: int) -> None:
        self._left = list(milliseconds)

    def get_remaining_time_in_millis(self) -> int:
        return self._left.pop(0) if len(self._left) > 1 else self._left[0]


def several(world: World, count: int, time_zone: str = "Europe/London") -> None:
    """Let so many accounts have an invoice each; the last lives in ``time_zone``."""
    for number in range(count):
        world.service.account(f"b{number}", time_zone=time_zone if number == count - 1 else None)
        world.service.bill_group(f"h{number}", f"/accounts/b{number}")
        world.contact(f"Payer{number}", "accounts_payable", account_id=f"b{number}")
        world.issue(f"j{number}", bill_group_id=f"h{number}")


def send(context: Any = None, **event: Any) -> Any:
    answer = send_due_reminders({"confirm": True, **event}, context)
    return answer["sent"]


def waiting() -> int:
    return queue.count_pending_messages("reminder")


def test_every_account_gets_one_message(world: World) -> None:
    several(world, 3)
    world.at("2026-03-09T09:00")
    assert send() == {"handed_out": 3, "lost": 0, "on_their_way": 0, "left": 0, "held": {}}
    assert waiting() == 3
    # The rows stay until the runs are done, so that nothing depends on the queue.
    assert len(due_rows()) == 3
    world.remind()
    assert len(mails()) == 3
    assert {key[:10] for key in due_rows()} == {"2026-03-11"}
    assert send()["handed_out"] == 0


def test_what_there_is_no_time_for_is_left_to_the_next_hour(world: World) -> None:
    several(world, 3)
    world.at("2026-03-09T09:00")
    out_of_time = Context(900_000, *[900_000] * 8, 10_000)
    assert send(out_of_time) == {"handed_out": 0, "lost": 0, "on_their_way": 0, "left": 3, "held": {}}
    assert send(Context(900_000))["handed_out"] == 3


def test_messages_that_the_queue_does_not_take_are_sent_in_the_next_hour(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.issue()
    world.at("2026-03-09T09:00")
    monkeypatch.setattr(queue, "send_task_messages", lambda kind, messages: len(messages))
    assert send() == {"handed_out": 0, "lost": 1, "on_their_way": 0, "left": 0, "held": {}}
    monkeypatch.undo()
    assert send()["handed_out"] == 1


def test_a_queue_that_is_behind_gets_only_what_has_come_due_since(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    several(world, 2, "Atlantic/Azores")
    world.at("2026-03-09T09:00")
    assert send()["handed_out"] == 1
    monkeypatch.setattr(dispatch, "_BACKLOG", 0)
    # The Azores are an hour behind.
    world.at("2026-03-09T10:00")
    assert send() == {"handed_out": 1, "lost": 0, "on_their_way": 1, "left": 0, "held": {}}
    assert waiting() == 2


def test_a_message_that_comes_twice_finds_the_work_done(world: World) -> None:
    world.issue()
    world.at("2026-03-09T09:00")
    send()
    send()
    assert waiting() == 2
    assert world.remind() == []
    assert len(mails()) == len(digests()) == 1


def test_a_run_over_its_limit_waits_and_what_is_below_goes(world: World) -> None:
    several(world, 3)
    world.service.put("/reminder-policies/acme", run_limit=2)
    world.plan()
    world.at("2026-03-09T09:00")
    told = world.dry()
    assert told["waiting_for_approval"] == {"acme": 3}
    assert told["digests"] == []
    # A dry run shows what an approval would send.
    assert [one["account_id"] for one in told["digests_that_wait"]] == ["b0", "b1", "b2"]
    assert [one["invoices"][0]["step"] for one in told["digests_that_wait"]] == ["-3", "-3", "-3"]
    assert (told["accounts_looked_at"], told["accounts_left_out"]) == (3, 0)
    assert send() == {"handed_out": 0, "lost": 0, "on_their_way": 0, "left": 0, "held": {"acme": 3}}
    assert send(account_id="b1")["handed_out"] == 1


class TestDryRun:
    def test_it_tells_exactly_what_a_real_run_then_sends(self, world: World) -> None:
        bob = world.contact("Bob", "accounts_payable")
        world.service.bill_group("g2", "/accounts/a1", accounts_payable_contact_ids=[bob])
        world.issue("i1")
        world.issue("i2", bill_group_id="g2")
        world.issue("i3", currency="USD")
        world.issue("i4")
        world.service.put("/invoices/i4/dispute", reason="amount")
        world.at("2026-03-11T09:00")
        before = rows()
        told = world.dry()
        assert rows() == before
        assert waiting() == 0
        world.hour()
        assert [(one["account_id"], one["currency"], one["tone"], one["outcome"]) for one in told["digests"]] == [
            (one.account_id, one.currency, one.tone, one.status) for one in digests()
        ]
        for promised, digest in zip(told["digests"], digests(), strict=True):
            assert [(one["invoice_id"], one["step"], one["superseded"]) for one in promised["invoices"]] == [
                (one["invoice_id"], one["step"], one["superseded"]) for one in digest.invoices
            ]
            assert [(one["contact_id"], one["invoice_ids"]) for one in promised["contacts"]] == [
                (one["contact_id"], one["invoice_ids"]) for one in digest.recipients
            ]
        assert [(one["invoice_id"], one["code"]) for one in told["not_sent"]] == [("i4", "disputed")]
        assert world.reasons("i4") == ["disputed"]
        first = told["digests"][0]
        assert first["total"] == 24000
        assert first["invoices"][0] == {
            "invoice_id": "i1",
            "number": "I1",
            "due_date": "2026-03-10",
            "amount": 12000,
            "disputed": 0,
            "covered_by_credit": 0,
            "step": "+1",
            "tone": "friendly",
            "template": None,
            "superseded": ["-3"],
        }
        assert sorted(one["email"] for one in first["contacts"]) == ["ada@example.com", "bob@example.com"]

    def test_its_clock_can_be_moved(self, world: World) -> None:
        world.issue()
        assert world.dry()["digests"] == []
        told = world.dry(as_of="2026-03-25T10:00:00+01:00")
        assert told["as_of"] == "2026-03-25T09:00:00+00:00"
        assert [one["invoices"][0]["step"] for one in told["digests"]] == ["+14"]
        assert told["digests"][0]["on"] == "2026-03-25"
        assert steps() == {}

    def test_it_says_when_sending_begins(self, world: World) -> None:
        world.issue()
        told = world.dry(as_of="2026-03-10T07:00:00Z")
        assert told["digests"] == []
        assert told["accounts_waiting"] == [
            {"account_id": "a1", "entity_id": "acme", "why": "Sending begins at 2026-03-10T09:00:00+00:00."}
        ]

    def test_it_can_be_narrowed(self, world: World) -> None:
        several(world, 2)
        world.service.entity("other")
        world.at("2026-03-09T09:00")
        assert [one["account_id"] for one in world.dry(account_id="b1")["digests"]] == ["b1"]
        assert world.dry(entity_id="other")["digests"] == []

    @pytest.mark.parametrize("confirm", [{}, {"confirm": True}])
    def test_what_it_is_narrowed_to_has_to_be_there(self, world: World, confirm: dict[str, Any]) -> None:
        several(world, 1)
        world.at("2026-03-09T09:00")
        for event, fields in (
            ({"entity_id": "acne"}, ["entity_id"]),
            ({"account_id": "none"}, ["account_id"]),
            ({"entity_id": "acme", "account_id": "none"}, ["account_id"]),
            ({"entity_id": "acne", "account_id": "none"}, ["entity_id", "account_id"]),
        ):
            told = send_due_reminders({**event, **confirm}, None)
            assert told["refused"]["code"] == "not_found"
            assert [one["field"] for one in told["errors"]] == fields
        assert waiting() == 0

    @pytest.mark.parametrize("event", [{"as_of": "yesterday"}, {"confrim": True}, {"confirm": "yes"}])
    def test_what_it_does_not_understand_it_refuses(self, world: World, event: dict[str, Any]) -> None:
        assert send_due_reminders(event, None)["refused"]["code"] == "invalid_body"


class TestAnotherTime:
    def test_elsewhere_a_real_run_is_of_now(self, world: World) -> None:
        world.issue()
        answer = send_due_reminders({"confirm": True, "as_of": "2026-03-09T09:00:00Z"}, None)
        assert answer["errors"] == [
            {
                "field": "as_of",
                "code": "not_with_confirm",
                "message": "Only a dry run can be of another time. Leave it out.",
            }
        ]
        assert mails() == []

    def test_in_the_local_service_it_may_be_of_any_time(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DEPLOYMENT", "local")
        settings.cache_clear()
        world.issue()
        answer = send_due_reminders({"confirm": True, "as_of": "2026-03-09T09:00:00Z"}, None)
        assert answer["sent"]["handed_out"] == 1
        assert sent() == [("2026-03-09", "i1", "-3")]
        assert clock.utc_now() < mails()[0].created_at
        assert waiting() == 0
        settings.cache_clear()


def test_the_number_of_messages_that_wait_is_unknown_where_the_queue_does_not_answer(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    client("sqs").delete_queue(QueueUrl=settings().queue_urls["reminders"])
    assert waiting() == 0
