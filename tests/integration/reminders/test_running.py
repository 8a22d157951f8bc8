"""The run of an account: the right step, on the right morning, once, and a reason for everything else (R2–R5)."""

from collections.abc import Callable
from dataclasses import astuple
from datetime import date
from typing import Any

import pytest

from chalicelib.deliveries.rules import DeliveredTo, Delivery
from chalicelib.functions.reminders import send_due_reminders
from chalicelib.reminders.run import process_account
from chalicelib.table import keys, store
from chalicelib.table.items import DeliveryItem, EmailItem, PaymentsAsOfItem
from tests.integration.reminders.world import (
    DUE,
    World,
    digests,
    due_rows,
    mails,
    of_account,
    planning_tasks,
    sent,
    steps,
    to_come,
)


def test_an_invoice_is_planned_when_it_is_issued(world: World) -> None:
    world.issue()
    # The step of three days before falls on a Saturday.
    assert to_come() == {"i1": "2026-03-09"}
    assert due_rows() == ["2026-03-09T09:00:00.000Z#a1#acme"]
    assert planning_tasks() == []
    assert world.reasons() == []


def test_every_step_is_sent_on_its_morning(world: World) -> None:
    world.issue()
    assert world.days("2026-05-31") == [
        ("2026-03-09", "i1", "-3"),
        ("2026-03-11", "i1", "+1"),
        ("2026-03-17", "i1", "+7"),
        ("2026-03-24", "i1", "+14"),
        ("2026-04-09", "i1", "+30"),
    ]
    assert [one.tone for one in digests()] == ["friendly", "friendly", "neutral", "firm", "final"]
    assert [one.status for one in digests()] == ["mailed"] * 5
    assert len(mails()) == 5
    assert set(steps().values()) == {"sent"}
    assert to_come() == {} == dict.fromkeys(due_rows())
    assert world.state().next_on is None


def test_nothing_is_sent_before_the_morning(world: World) -> None:
    world.issue()
    world.at("2026-03-09T08:59")
    assert world.hour()["sent"]["handed_out"] == 0
    world.at("2026-03-09T09:00")
    assert world.hour()["sent"]["handed_out"] == 1
    assert sent() == [("2026-03-09", "i1", "-3")]


def test_a_message_that_is_processed_after_midnight_waits_for_the_next_morning(world: World) -> None:
    world.issue()
    world.at("2026-03-09T23:30")
    send_due_reminders({"confirm": True}, None)
    world.at("2026-03-10T00:10")
    assert world.remind() == []
    assert mails() == []
    assert due_rows() == ["2026-03-10T09:00:00.000Z#a1#acme"]
    world.at("2026-03-10T09:00")
    world.hour()
    assert sent() == [("2026-03-10", "i1", "-3")]


def test_a_contact_gets_an_own_copy_and_sees_who_else_got_it(world: World) -> None:
    bob = world.contact("Bob", "accounts_payable", locale="de")
    eve = world.contact("Eve", "invoicing")
    world.service.put(f"/accounts/a1/contacts/{eve}/preferences", reminders=True)
    world.issue()
    world.issue("i2", DUE)
    world.days("2026-03-09")
    (digest,) = digests()
    told = {one.to[0]: one for one in mails()}
    assert sorted(told) == ["ada@example.com", "bob@example.com", "eve@example.com"]
    assert told["bob@example.com"].locale == "de"
    assert {address: one.context["others"] for address, one in told.items()} == {
        "ada@example.com": ["Bob Test"],
        "bob@example.com": ["Ada Test"],
        "eve@example.com": ["Ada Test", "Bob Test"],
    }
    assert told["eve@example.com"].context["copy"] is True
    assert told["ada@example.com"].context["invoice_ids"] == ["i1", "i2"]
    assert sorted(one["email_id"] for one in digest.recipients) == sorted(one.email_id for one in mails())
    assert bob in {one["contact_id"] for one in digest.recipients}


def test_a_bill_group_may_narrow_its_reminders_to_some_contacts(world: World) -> None:
    bob = world.contact("Bob", "accounts_payable")
    world.service.bill_group("g2", "/accounts/a1", accounts_payable_contact_ids=[bob])
    world.issue("i1")
    world.issue("i2", bill_group_id="g2")
    world.days("2026-03-09")
    (digest,) = digests()
    assert digest.claimed == ["i1", "i2"]
    assert {one.to[0]: one.context["invoice_ids"] for one in mails()} == {
        "ada@example.com": ["i1"],
        "bob@example.com": ["i1", "i2"],
    }
    assert {one.to[0]: one.bill_group_id for one in mails()} == {"ada@example.com": "g1", "bob@example.com": None}


def test_currencies_and_entities_have_digests_of_their_own_on_the_same_day(world: World) -> None:
    world.service.entity("other", reminder_mail={"mode": "live"}, live_from="2026-01-01")
    world.service.bill_group("g2", "/accounts/a1", entity_id="other")
    world.issue("i1")
    world.issue("i2", currency="USD")
    world.issue("i3", bill_group_id="g2")
    world.days("2026-03-09")
    assert [(one.entity_id, one.currency, one.claimed) for one in digests()] == [
        ("acme", "EUR", ["i1"]),
        ("acme", "USD", ["i2"]),
        ("other", "EUR", ["i3"]),
    ]
    assert len(mails()) == 3


def test_the_highest_step_sets_the_tone(world: World) -> None:
    world.issue("i1", date(2026, 3, 11))
    world.at("2026-03-12T08:00")
    world.issue("i2", date(2026, 2, 23))
    world.at("2026-02-09T08:00")
    world.issue("i3", date(2026, 2, 26))
    world.at("2026-03-12T09:10")
    world.hour()
    assert sent() == [("2026-03-12", "i1", "+1"), ("2026-03-12", "i3", "+14")]
    assert digests()[0].tone == "firm"


def test_after_four_days_of_outage_the_newest_step_is_sent_once(world: World) -> None:
    world.issue()
    world.issue("i2", date(2026, 3, 12))
    # Nothing runs from the 9th to the 12th.
    world.at("2026-03-13T09:00")
    world.hour()
    world.hour()
    assert sent() == [("2026-03-13", "i1", "+1"), ("2026-03-13", "i2", "+1")]
    assert len(mails()) == 1
    assert steps() == {"-3": "superseded", "+1": "sent"}
    assert to_come() == {"i1": "2026-03-17", "i2": "2026-03-19"}
    assert world.days("2026-03-19") == [("2026-03-17", "i1", "+7"), ("2026-03-19", "i2", "+7")]


def test_steps_from_before_the_invoice_was_recorded_are_superseded(world: World) -> None:
    world.at("2026-03-18T12:00")
    world.issue()
    assert steps() == {"-3": "superseded", "+1": "superseded", "+7": "superseded"}
    assert to_come() == {"i1": "2026-03-24"}


def test_a_step_whose_day_is_today_is_sent_within_the_hour(world: World) -> None:
    world.at("2026-03-11T12:10")
    world.issue()
    assert due_rows() == ["2026-03-11T09:00:00.000Z#a1#acme"]
    world.at("2026-03-11T13:00")
    world.hour()
    assert sent() == [("2026-03-11", "i1", "+1")]


def test_a_due_date_that_was_changed_while_plans_were_not_made_counts_from_its_change(world: World) -> None:
    world.issue()
    world.at("2026-02-10T08:00")
    world.service.patch("/invoices/i1", due_date="2026-02-11")
    # The queue does not move for three days.
    world.at("2026-02-13T08:00")
    world.plan()
    assert to_come() == {"i1": "2026-02-13"}
    assert world.days("2026-02-13") == [("2026-02-13", "i1", "+1")]


def test_a_digest_of_the_day_that_is_there_already_moves_the_rest_to_another_day(world: World) -> None:
    world.issue()
    world.days("2026-03-09")
    world.at("2026-03-09T11:00")
    world.issue("i2", date(2026, 3, 12))
    world.hour()
    assert sent() == [("2026-03-09", "i1", "-3")]
    assert world.reasons("i2") == ["too_soon"]
    assert to_come()["i2"] == "2026-03-11"
    assert world.days("2026-03-11") == [("2026-03-11", "i1", "+1"), ("2026-03-11", "i2", "-3")]


def test_no_account_is_reminded_on_two_days_in_a_row(world: World) -> None:
    world.issue("i1")
    world.issue("i2", date(2026, 3, 13))
    assert world.days("2026-03-13") == [
        ("2026-03-09", "i1", "-3"),
        ("2026-03-11", "i1", "+1"),
        ("2026-03-11", "i2", "-3"),
    ]
    assert world.reasons("i2") == ["too_soon"]


def test_a_reason_that_comes_again_after_a_reminder_is_one_of_its_own(world: World) -> None:
    world.issue()
    for until in ("2026-03-10", "2026-03-17"):
        world.service.put("/invoices/i1/reminder-pause", until=until)
        world.plan()
        world.days("2026-03-11")
    assert sent() == [("2026-03-11", "i1", "+1")]
    assert [(one["code"], one["since"]) for one in world.state().reasons] == [
        ("paused_invoice", "2026-02-02"),
        ("paused_invoice", "2026-03-11"),
    ]


def test_shadow_plans_and_mails_nobody(world: World) -> None:
    world.service.put("/entities/acme", reminder_mail={"mode": "shadow"})
    world.issue()
    assert world.days("2026-03-11") == [("2026-03-09", "i1", "-3"), ("2026-03-11", "i1", "+1")]
    assert mails() == []
    assert [one.status for one in digests()] == ["shadow", "shadow"]
    assert steps() == {"-3": "shadow", "+1": "shadow"}
    assert digests()[0].recipients[0]["invoice_ids"] == ["i1"]


def test_a_pilot_mails_its_accounts_and_plans_the_others(world: World) -> None:
    world.service.put("/entities/acme", reminder_mail={"mode": "pilot", "pilot_account_ids": ["a1"]})
    world.service.account("a2")
    world.service.bill_group("g2", "/accounts/a2")
    world.contact("Zoe", "accounts_payable", account_id="a2")
    world.issue("i1")
    world.issue("i2", bill_group_id="g2")
    world.days("2026-03-09")
    assert [(one.account_id, one.status) for one in digests()] == [("a1", "mailed"), ("a2", "shadow")]
    assert [one.to for one in mails()] == [["ada@example.com"]]


def paid(world: World) -> None:
    world.pay()


def disputed(world: World) -> None:
    world.service.put("/invoices/i1/dispute", reason="amount")


def void(world: World) -> None:
    assert world.service.ask("POST", "/invoices/i1/void", {"reason": "Wrong."}).status == 200


def uncollectible(world: World) -> None:
    assert world.service.ask("POST", "/invoices/i1/uncollectible", {"reason": "Bankrupt."}).status == 200


def auto_pay(world: World) -> None:
    world.service.patch("/bill-groups/g1", auto_pay=True)


def credit(world: World) -> None:
    world.service.put("/accounts/a1/payments/p1", amount=12000, currency="EUR", received_on="2026-02-01")


def suppressed(world: World) -> None:
    world.suppress("ada@example.com")


def off(world: World) -> None:
    world.service.put("/entities/acme", reminder_mail={"mode": "off"})


def before_live(world: World) -> None:
    world.service.put("/entities/acme", live_from="2026-01-16")


SETTLED = {"paid": paid, "void": void, "uncollectible": uncollectible}
FOR_GOOD = {
    "disputed": disputed,
    "auto_pay": auto_pay,
    "reminders_off": off,
    "before_live": before_live,
}
FOR_NOW = {"covered_by_credit": credit, "all_suppressed": suppressed}


@pytest.mark.parametrize(("why", "change"), [*FOR_GOOD.items(), *FOR_NOW.items()])
def test_what_is_not_reminded_of_has_its_reason(world: World, why: str, change: Any) -> None:
    world.issue()
    change(world)
    world.at("2026-03-09T09:05")
    told = world.dry()
    world.hour()
    assert mails() == [] == digests()
    assert world.reasons() == [why]
    # The plan of what changed says so too, and no step is spent.
    assert steps() == {}
    assert to_come() == ({"i1": "2026-03-10"} if why in FOR_NOW else {})
    if why != "disputed":
        assert [one["code"] for one in told["not_sent"]] == [why]


@pytest.mark.parametrize(("why", "settle"), SETTLED.items())
def test_what_is_settled_is_looked_at_no_more_and_its_status_is_the_reason(
    world: World, why: str, settle: Callable[[World], None]
) -> None:
    world.issue()
    settle(world)
    world.at("2026-03-09T09:05")
    assert world.dry()["not_sent"] == []
    world.hour()
    assert (mails(), digests(), steps(), to_come(), due_rows()) == ([], [], {}, {}, [])
    shown = world.service.get("/invoices/i1/reminders")
    assert (shown["why_not"]["code"], shown["looked_at_on"]) == (why, None)


def test_without_a_contact_nothing_is_spent(aws: None) -> None:
    world = World.start()
    world.service.account("a2")
    world.service.bill_group("g2", "/accounts/a2")
    world.issue("i2", bill_group_id="g2")
    world.days("2026-03-11")
    assert world.reasons("i2") == ["no_contact"]
    assert steps("i2") == {}
    world.contact("Zoe", "accounts_payable", account_id="a2")
    world.service.clock.move(days=1)
    assert world.days("2026-03-12") == [("2026-03-12", "i2", "+1")]


def test_credit_counts_on_the_earliest_due_and_what_is_open_is_reminded_of(world: World) -> None:
    world.issue("i1", date(2026, 2, 20))
    world.issue("i2", date(2026, 3, 12))
    world.issue("i3", date(2026, 6, 1))
    world.at("2026-03-09T08:00")
    credit(world)
    assert world.days("2026-03-10")[0][1:] == ("i2", "-3")
    assert world.reasons("i1") == ["covered_by_credit"]
    assert steps("i1") == {}


def test_an_invoice_whose_deliveries_have_all_failed_is_not_reminded_of(world: World) -> None:
    world.issue()
    email = EmailItem(
        *astuple(keys.email("eml_1")),
        email_id="eml_1",
        kind="invoice",
        status="failed",
        entity_id="acme",
        account_id="a1",
        locale="en",
        to=["inv@example.com"],
        correlation_id="test-correlation",
        created_at=world.service.clock.now,
        not_after=world.service.clock.now,
    )
    store.create_item(email)
    to = DeliveredTo("con_1", "mailed", "eml_1")
    delivery = Delivery("del_1", "i1", "issued", "mailed", world.service.clock.now, (to,))
    store.create_item(store.to_item(DeliveryItem, keys.delivery("i1", "del_1"), delivery))
    world.days("2026-03-10")
    assert world.reasons() == ["deliveries_failed"]
    email.status = "sent"
    store.replace_item(email)
    assert world.days("2026-03-11") == [("2026-03-11", "i1", "+1")]


def test_the_run_waits_for_the_report_of_payments(world: World) -> None:
    world.issue()
    key = keys.payments_as_of("acme")
    world.at("2026-03-05T18:00")
    reported = PaymentsAsOfItem(key.pk, key.sk, entity_id="acme", as_of=world.service.clock.now)
    store.create_item(reported)
    world.at("2026-03-09T09:00")
    world.hour()
    world.at("2026-03-09T10:00")
    world.hour()
    assert world.reasons() == ["payments_not_current"]
    assert mails() == []
    assert due_rows() == ["2026-03-09T09:00:00.000Z#a1#acme"]
    reported.as_of = world.service.clock.now
    store.replace_item(reported)
    world.at("2026-03-09T11:00")
    world.hour()
    assert sent() == [("2026-03-09", "i1", "-3")]


def test_more_invoices_than_one_digest_holds_wait_for_another_day(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_account, "MAX_INVOICES_PER_ROUND", 3)
    for number in range(5):
        world.issue(f"i{number}")
    assert len(world.days("2026-03-09")) == 3
    later = [code for number in range(5) for code in world.reasons(f"i{number}")]
    assert later == ["too_soon", "too_soon"]
    assert world.days("2026-03-13") == [
        *(("2026-03-11", f"i{number}", "+1") for number in range(3)),
        *(("2026-03-13", f"i{number}", "+1") for number in range(3, 5)),
    ]
    assert sorted({one[1] for one in sent()}) == [f"i{number}" for number in range(5)]


def test_a_long_digest_takes_its_steps_in_several_transactions(world: World) -> None:
    for number in range(20):
        world.issue(f"i{number:02d}")
    world.days("2026-03-09")
    (digest,) = digests()
    assert len(digest.claimed) == 20
    assert len(mails()) == 1


def test_what_an_account_was_reminded_of_is_recorded(world: World) -> None:
    world.issue()
    world.days("2026-03-09")
    noted = of_account()
    assert noted is not None
    assert noted.last_reminded_on == date(2026, 3, 9)


def test_an_invoice_that_is_paid_and_reopened_is_planned_again(world: World) -> None:
    world.issue()
    world.service.put(
        "/accounts/a1/payments/p1",
        amount=12000,
        currency="EUR",
        received_on="2026-02-02",
        allocations=[{"invoice_id": "i1", "amount": 12000}],
    )
    world.days("2026-03-09")
    assert to_come() == {}
    world.at("2026-03-12T10:00")
    answer = world.service.ask("POST", "/accounts/a1/payments/p1/reversal", {"reason": "Returned."})
    assert answer.status == 200, answer.text
    world.plan()
    world.at("2026-03-12T11:00")
    world.hour()
    assert sent() == [("2026-03-12", "i1", "+1")]
    assert steps() == {"-3": "superseded", "+1": "sent"}
