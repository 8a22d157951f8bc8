"""Contacts who want their invoices together: held for a while, then sent in as few mails as they take (C7)."""

from typing import Any

import pytest

from chalicelib.deliveries import rules
from chalicelib.table.items import BundleItem
from tests.integration.deliveries.world import World, attached, delivery_rows, mails, rows, subject, tasks, text_of
from tests.integration.people import portal

TOGETHER = {"grouping": "together", "pdf_only": False, "size_limit_kib": None}


def together(world: World, name: str, *roles: str, **style: Any) -> str:
    """Add a contact that wants its invoices together."""
    contact_id = world.contact(name, *roles)
    body: dict[str, Any] = {"delivery_style": {**TOGETHER, **style}}
    if not roles:
        body["invoices"] = True
    answer = world.service.ask("PUT", f"/accounts/a1/contacts/{contact_id}/preferences", body)
    assert answer.status == 200, answer.text
    return contact_id


def states(world: World, invoice_id: str) -> list[tuple[str, str]]:
    (delivery,) = world.deliveries(invoice_id)
    return sorted((one["contact_id"], one["status"]) for one in delivery["recipients"])


def test_invoices_of_half_an_hour_go_in_one_mail(world: World) -> None:
    ada, bob = together(world, "Ada", "invoicing"), world.contact("Bob", "invoicing")
    for number in range(3):
        world.issue(f"i{number}")
        assert world.work() == []
        world.pass_time(3)
    assert [one["Destination"]["ToAddresses"] for one in world.invoice_mails] == [["bob@example.com"]] * 3
    assert states(world, "i0") == sorted([(ada, "waiting"), (bob, "sent")])
    world.pass_time(33)
    request = world.invoice_mails[-1]
    assert request["Destination"] == {"ToAddresses": ["ada@example.com"]}
    assert subject(request) == "3 invoices from Acme"
    assert list(attached(request)) == ["invoice-I0.pdf", "invoice-I1.pdf", "invoice-I2.pdf"]
    assert len(world.invoice_mails) == 4
    assert states(world, "i2") == sorted([(ada, "sent"), (bob, "sent")])
    # Each names the other (I3), once for all documents of the bundle.
    assert text_of(request).count("Also sent to: Bob Test") == 1
    assert "Also sent to: Ada Test" in text_of(world.invoice_mails[0])
    assert rows(BundleItem) == tasks("delivery") == []


def test_one_alone_is_waiting_and_then_mailed_as_usual(world: World) -> None:
    together(world, "Ada", "invoicing")
    world.issue()
    world.work()
    assert [one["outcome"] for one in world.deliveries()] == ["waiting"]
    assert mails() == []
    world.pass_time(33)
    assert [subject(one) for one in world.invoice_mails] == ["Invoice I1 from Acme"]
    assert [one["outcome"] for one in world.deliveries()] == ["mailed"]


def test_a_full_bundle_goes_at_once_and_what_comes_after_it_by_the_next(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "MAX_BUNDLE_SIZE", 2)
    together(world, "Ada", "invoicing")
    for number in range(5):
        world.issue(f"i{number}")
    world.work()
    assert [subject(one) for one in world.invoice_mails] == ["2 invoices from Acme"] * 2
    world.pass_time(33)
    assert [subject(one) for one in world.invoice_mails] == ["2 invoices from Acme"] * 2 + ["Invoice I4 from Acme"]
    assert {row.outcome for row in delivery_rows()} == {"mailed"}
    world.pass_time(60)
    assert len(world.invoice_mails) == 3
    assert rows(BundleItem) == tasks("delivery") == []


def test_invoices_that_pile_up_before_a_bundle_is_sent_are_spread_over_several(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "MAX_BUNDLE_SIZE", 2)
    together(world, "Ada", "invoicing")
    for number in range(5):
        world.issue(f"i{number}")
    world.hand("documents", world.messages("documents"))
    # All are held before any message of a full bundle is seen.
    deliveries = world.messages("deliveries")
    assert world.hand("deliveries", deliveries) == []
    world.work()
    world.pass_time(60)
    sent = [name for one in world.invoice_mails for name in attached(one)]
    assert sorted(sent) == [f"invoice-I{number}.pdf" for number in range(5)]
    assert rows(BundleItem) == tasks("delivery") == []


def test_a_size_limit_spreads_them_over_several_mails(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    together(world, "Ada", "invoicing", size_limit_kib=100)
    world.issue("i0")
    world.work()
    size = world.service.get("/invoices/i0")["pdf"]["size"]
    monkeypatch.setattr(rules, "attachment_limit", lambda style: size * 2 + 2000)
    for number in range(1, 4):
        world.issue(f"i{number}")
    world.work()
    world.pass_time(33)
    assert [len(attached(one)) for one in world.invoice_mails] == [2, 2]


def test_copies_are_bundled_too_and_can_be_ended(world: World) -> None:
    world.contact("Ada", "invoicing")
    together(world, "Cy")
    world.issue("i0")
    world.issue("i1")
    world.work()
    world.pass_time(33)
    request = world.invoice_mails[-1]
    assert request["Destination"] == {"ToAddresses": ["cy@example.com"]}
    assert "List-Unsubscribe" in {one["Name"] for one in request["Content"]["Simple"]["Headers"]}


def test_a_void_invoice_is_left_out_of_its_bundle(world: World) -> None:
    ada = together(world, "Ada", "invoicing")
    world.issue("i0")
    world.issue("i1")
    world.work()
    assert world.service.ask("POST", "/invoices/i0/void").status == 200
    world.pass_time(33)
    assert [list(attached(one)) for one in world.invoice_mails] == [["invoice-I1.pdf"]]
    # Since nobody got it, it is decided again.
    assert [one["outcome"] for one in world.deliveries("i0")] == ["void"]
    assert states(world, "i1") == [(ada, "sent")]


def test_the_successor_of_a_deleted_contact_gets_what_waited_for_it(world: World) -> None:
    ada = together(world, "Ada", "invoicing")
    bob = world.contact("Bob")
    world.issue()
    world.work()
    answer = world.service.ask("DELETE", f"/accounts/a1/contacts/{ada}?successor={bob}")
    if answer.status not in (200, 204):
        assert world.service.ask("DELETE", f"/accounts/a1/contacts/{ada}").status in (200, 204)
        world.service.patch(f"/accounts/a1/contacts/{bob}", roles=["invoicing"])
    world.pass_time(33)
    assert [one["Destination"]["ToAddresses"] for one in world.invoice_mails] == [["bob@example.com"]]
    assert states(world, "i1") == [(bob, "sent")]


def test_who_is_left_out_of_a_bundle_is_reported_where_others_got_the_invoice(world: World) -> None:
    ada, bob = together(world, "Ada", "invoicing"), world.contact("Bob", "invoicing")
    world.issue()
    world.work()
    world.suppress("ada@example.com")
    world.pass_time(33)
    assert len(world.invoice_mails) == 1
    assert states(world, "i1") == sorted([(ada, "left_out"), (bob, "sent")])


def test_a_bundle_of_several_bill_groups_is_seen_by_who_may_see_each(world: World) -> None:
    together(world, "Ada", "invoicing")
    world.service.bill_group("g2", "/accounts/a1")
    world.issue("i0")
    world.issue("i1", bill_group_id="g2")
    world.work()
    world.pass_time(33)
    assert len(world.invoice_mails) == 1
    (mail,) = mails()
    address = f"/accounts/a1/emails/{mail.email_id}"
    one = portal(world.service, "pat@portal.example", ["emails", "contacts"], ("g1", "a1"))
    both = portal(world.service, "pam@portal.example", ["emails"], ("g1", "a1"), ("g2", "a1"))
    assert world.service.ask("GET", address, token=one).status == 404
    assert world.service.ask("GET", address, token=both).status == 200
