"""From issue to the mail: who gets an invoice, by which mails, and why nobody does (I3, R9, C7, C8)."""

import hashlib
from typing import Any

import pytest

from chalicelib.entities import service as entities
from chalicelib.table import keys, store
from chalicelib.table.items import EntityItem
from tests.integration.deliveries.world import (
    World,
    attached,
    delivery_rows,
    mails,
    record_feedback,
    stored,
    subject,
    tasks,
    text_of,
)


def test_an_invoice_is_issued_made_and_mailed_to_each_of_its_contacts(world: World) -> None:
    ada, bob = world.contact("Ada", "invoicing", locale="de"), world.contact("Bob", "invoicing")
    world.contact("Cy", "accounts_payable")
    world.issue()
    assert world.work() == []
    first, second = sorted(world.invoice_mails, key=lambda one: one["Destination"]["ToAddresses"])
    assert first["Destination"] == {"ToAddresses": ["ada@example.com"]}
    assert second["Destination"] == {"ToAddresses": ["bob@example.com"]}
    # Each in the reader's own language (I8), naming the others (I3).
    assert (subject(first), subject(second)) == ("Rechnung I1 von Acme", "Invoice I1 from Acme")
    assert "Auch gesendet an: Bob Test\n" in text_of(first)
    assert "Also sent to: Ada Test\n" in text_of(second)
    (file,) = [content for key, content in stored().items() if key.startswith("documents/invoices/i1/")]
    assert attached(first) == attached(second) == {"invoice-I1.pdf": file}
    assert file.startswith(b"%PDF-")
    pdf = world.service.get("/invoices/i1")["pdf"]
    assert (pdf["sha256"], pdf["size"]) == (hashlib.sha256(file).hexdigest(), len(file))
    (delivery,) = world.deliveries()
    assert (delivery["reason"], delivery["outcome"], delivery["requested_by"]) == ("issued", "mailed", None)
    assert [(one["contact_id"], one["email"], one["status"], one["cc"]) for one in delivery["recipients"]] == [
        (ada, "ada@example.com", "sent", False),
        (bob, "bob@example.com", "sent", False),
    ]
    assert len({one["email_id"] for one in delivery["recipients"]}) == 2
    assert tasks("document") == tasks("delivery") == tasks("bulk_mail") == []


def test_all_share_an_email_where_the_entity_says_so(world: World) -> None:
    world.change_entity(invoice_addressing="together")
    world.contact("Ada", "invoicing", locale="de")
    world.contact("Bob", "invoicing")
    world.issue()
    world.work()
    (request,) = world.invoice_mails
    assert request["Destination"] == {"ToAddresses": ["ada@example.com", "bob@example.com"]}
    assert subject(request) == "Invoice I1 from Acme"
    assert "Also sent to" not in text_of(request)
    (delivery,) = world.deliveries()
    assert [(one["email"], one["status"]) for one in delivery["recipients"]] == [
        ("ada@example.com", "sent"),
        ("bob@example.com", "sent"),
    ]


def test_a_complaint_about_one_email_leaves_the_other_recipients_alone(world: World) -> None:
    world.contact("Ada", "invoicing")
    world.contact("Bob", "invoicing")
    world.issue()
    world.work()
    ada, _ = world.deliveries()[0]["recipients"]
    # A provider that does not know who complained names everybody at its domain.
    told = [{"emailAddress": "ada@example.com"}, {"emailAddress": "bob@example.com"}]
    record_feedback(ada["email_id"], "Complaint", "complaint", "complainedRecipients", told, ["ada@example.com"])
    (delivery,) = world.deliveries()
    assert [(one["email"], one["status"]) for one in delivery["recipients"]] == [
        ("ada@example.com", "complained"),
        ("bob@example.com", "sent"),
    ]
    world.taken.clear()
    world.service.clock.move(minutes=1)
    world.issue("i2")
    world.work()
    assert [one["Destination"]["ToAddresses"] for one in world.invoice_mails] == [["bob@example.com"]]


def test_the_rows_of_an_earlier_release_stay_readable(world: World) -> None:
    world.change_entity(invoice_addressing="together")
    ada, bob = world.contact("Ada", "invoicing"), world.contact("Bob", "invoicing")
    world.issue()
    world.hand("documents", world.messages("documents"))
    world.messages("bulk-mail")
    world.hand("deliveries", world.messages("deliveries"))
    (row,) = delivery_rows()
    row.recipients = [
        {name: one[name] for name in ("contact_id", "state", "email_id", "copy")} for one in row.recipients
    ]
    store.replace_item(row)
    (mail,) = mails()
    for one in mail.context["invoices"]:
        del one["others"]
    store.replace_item(mail)
    assert world.work() == []
    assert len(world.invoice_mails) == 1
    (delivery,) = world.deliveries()
    assert [(one["contact_id"], one["status"], one["cc"]) for one in delivery["recipients"]] == [
        (ada, "sent", False),
        (bob, "sent", False),
    ]


def test_a_delivery_to_as_many_as_an_account_can_name_is_one_transaction(world: World) -> None:
    for number in range(5):
        world.contact(f"Holder{number}", "invoicing")
    for number in range(30):
        contact_id = world.contact(f"Copy{number}")
        world.service.ask("PUT", f"/accounts/a1/contacts/{contact_id}/preferences", {"invoices": True})
    world.issue()
    assert world.work() == []
    assert len(world.invoice_mails) == 35
    body = {"cc": [f"cc{number}@elsewhere.example" for number in range(10)]}
    world.taken.clear()
    world.service.clock.move(minutes=1)
    answer = world.service.ask("POST", "/invoices/i1/send", body, idempotency_key="all")
    assert answer.status == 202
    assert world.work() == []
    assert len(world.invoice_mails) == 45
    assert {one["status"] for delivery in world.deliveries() for one in delivery["recipients"]} == {"sent"}


def test_a_bill_group_narrows_its_invoices_to_some(world: World) -> None:
    world.contact("Ada", "invoicing")
    bob = world.contact("Bob", "invoicing")
    world.service.put("/bill-groups/g1", invoicing_contact_ids=[bob])
    world.issue()
    world.work()
    assert [one["Destination"] for one in world.invoice_mails] == [{"ToAddresses": ["bob@example.com"]}]


def test_a_copy_is_a_mail_of_its_own_that_one_click_ends(world: World) -> None:
    world.contact("Ada", "invoicing")
    cy = world.contact("Cy")
    world.service.ask("PUT", f"/accounts/a1/contacts/{cy}/preferences", {"invoices": True})
    world.issue()
    world.work()
    first, second = sorted(world.invoice_mails, key=lambda one: one["Destination"]["ToAddresses"])
    headers = {one["Name"]: one["Value"] for one in second["Content"]["Simple"]["Headers"]}
    assert second["Destination"] == {"ToAddresses": ["cy@example.com"]}
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    link = headers["List-Unsubscribe"].strip("<>")
    text = second["Content"]["Simple"]["Body"]["Text"]["Data"]
    assert f"unsubscribe here: {link}" in text
    assert "List-Unsubscribe" not in {one["Name"] for one in first["Content"]["Simple"]["Headers"]}
    assert attached(first) == attached(second)
    (delivery,) = world.deliveries()
    assert [(one["email"], one["is_copy"]) for one in delivery["recipients"]] == [
        ("ada@example.com", False),
        ("cy@example.com", True),
    ]


def test_a_pdf_that_is_too_large_for_a_contact_is_announced_without_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "chalicelib.deliveries.rules.attachment_limit", lambda style: 100 if style.size_limit_kib else 10**7
    )
    world.contact("Ada", "invoicing")
    bob = world.contact("Bob", "invoicing")
    style = {"delivery_style": {"grouping": "one_per_mail", "pdf_only": False, "size_limit_kib": 100}}
    assert world.service.ask("PUT", f"/accounts/a1/contacts/{bob}/preferences", style).status == 200
    world.issue()
    world.work()
    found = {one["Destination"]["ToAddresses"][0]: one for one in world.invoice_mails}
    assert list(attached(found["ada@example.com"])) == ["invoice-I1.pdf"]
    assert attached(found["bob@example.com"]) == {}
    text = found["bob@example.com"]["Content"]["Simple"]["Body"]["Text"]["Data"]
    assert "The PDF file is too large for this email." in text
    assert "Open the customer portal" not in text


def _told_of_the_portal(world: World) -> dict[str, list[bool]]:
    url = world.service.get("/bill-groups/g1/portal-link")["url"]
    assert url
    bodies = {
        ",".join(one["Destination"]["ToAddresses"]): one["Content"]["Simple"]["Body"] for one in world.invoice_mails
    }
    return {to: [url in body[part]["Data"] for part in ("Html", "Text")] for to, body in bodies.items()}


def test_only_a_reader_who_may_enter_gets_the_link_to_the_portal(world: World) -> None:
    world.contact("Ada", "invoicing")
    world.contact("Bob", "invoicing")
    allowed = world.service.ask("POST", "/bill-groups/g1/access-rules", {"value": "bob@example.com"})
    assert allowed.status == 201, allowed.json
    world.issue()
    world.work()
    assert _told_of_the_portal(world) == {"ada@example.com": [False] * 2, "bob@example.com": [True] * 2}


@pytest.mark.parametrize("all_enter", [False, True])
def test_an_email_to_several_has_the_link_if_each_may_enter(world: World, all_enter: bool) -> None:
    world.service.put("/entities/acme", invoice_addressing="together")
    entities.clear_entity_cache()
    world.contact("Ada", "invoicing")
    world.contact("Bob", "invoicing")
    for address in ["bob@example.com", *(["ada@example.com"] if all_enter else [])]:
        allowed = world.service.ask("POST", "/bill-groups/g1/access-rules", {"value": address})
        assert allowed.status == 201, allowed.json
    world.issue()
    world.work()
    assert _told_of_the_portal(world) == {"ada@example.com,bob@example.com": [all_enter] * 2}


def test_a_credit_note_is_called_so(world: World) -> None:
    world.contact("Ada", "invoicing")
    world.issue("c1", kind="credit_note")
    world.work()
    (request,) = world.invoice_mails
    assert subject(request) == "Credit note C1 from Acme"
    assert list(attached(request)) == ["credit-note-C1.pdf"]
    assert "Amount due" not in request["Content"]["Simple"]["Body"]["Text"]["Data"]


# How the entity's settings, the account's terms and the contacts decide: what was changed, and the outcome.
PREVENTED: dict[str, tuple[dict[str, Any], str]] = {
    "off": ({"invoice_mail": {"mode": "off"}}, "mail_off"),
    "shadow": ({"invoice_mail": {"mode": "shadow"}}, "shadow"),
    "not in the pilot": ({"invoice_mail": {"mode": "pilot", "pilot_account_ids": ["other"]}}, "shadow"),
    "before live_from": ({"live_from": "2026-01-16"}, "before_live_from"),
}


@pytest.mark.parametrize("case", PREVENTED)
def test_an_entity_that_has_not_gone_live_mails_nobody_and_says_why(world: World, case: str) -> None:
    ada = world.contact("Ada", "invoicing")
    fields, outcome = PREVENTED[case]
    world.service.account("other")
    world.change_entity(**fields)
    world.issue()
    assert world.work() == []
    assert mails() == []
    (delivery,) = world.deliveries()
    assert delivery["outcome"] == outcome
    planned = [(ada, "planned", None)] if outcome == "shadow" else []
    assert [(one["contact_id"], one["status"], one["email"]) for one in delivery["recipients"]] == planned
    # Going live later delivers nothing of before (R9).
    world.change_entity(invoice_mail={"mode": "live"}, live_from="2026-01-01")
    world.pass_time(30)
    assert mails() == []


def test_a_pilot_is_mailed(world: World) -> None:
    world.contact("Ada", "invoicing")
    world.change_entity(invoice_mail={"mode": "pilot", "pilot_account_ids": ["a1"]})
    world.issue()
    world.work()
    assert len(world.invoice_mails) == 1


def test_an_entity_mails_no_invoices_unless_told_to(world: World) -> None:
    world.service.entity("other")
    world.service.put(
        "/accounts/a9", entity_id="other", name="X", currency="EUR", payment_terms={"kind": "net", "days": 9}
    )
    world.service.put("/bill-groups/g9", account_id="a9", entity_id="other", name="G")
    world.service.contact("/accounts/a9", "Zoe", "invoicing")
    world.issue(bill_group_id="g9")
    world.work()
    assert [one["outcome"] for one in world.deliveries()] == ["mail_off"]
    assert mails() == []


def test_accounts_that_are_not_on_net_terms_have_the_portal_only(world: World) -> None:
    world.contact("Ada", "invoicing")
    world.service.put("/accounts/a1", payment_terms={"kind": "due_on_receipt"})
    world.issue()
    world.work()
    assert world.deliveries() == []
    world.issue("i2", deliver=True)
    world.work()
    assert [one["outcome"] for one in world.deliveries("i2")] == ["portal_only"]
    assert mails() == []


def test_an_invoice_that_is_not_to_be_delivered_is_made_all_the_same(world: World) -> None:
    world.contact("Ada", "invoicing")
    world.issue(deliver=False)
    world.work()
    assert world.service.get("/invoices/i1")["pdf"]["sha256"] is not None
    assert world.deliveries() == []
    assert mails() == []


def test_without_contacts_it_says_so(world: World) -> None:
    world.contact("Cy", "accounts_payable")
    world.issue()
    world.work()
    assert [one["outcome"] for one in world.deliveries()] == ["no_contacts"]


def test_a_void_invoice_is_not_delivered(world: World) -> None:
    world.contact("Ada", "invoicing")
    world.issue()
    assert world.service.ask("POST", "/invoices/i1/void").status == 200
    world.work()
    assert [one["outcome"] for one in world.deliveries()] == ["void"]
    assert mails() == []


def test_whom_no_mail_reaches_is_left_out_and_told(world: World) -> None:
    world.contact("Ada", "invoicing")
    bob = world.contact("Bob", "invoicing")
    world.suppress("bob@example.com")
    world.issue()
    world.work()
    assert [one["Destination"]["ToAddresses"] for one in world.invoice_mails] == [["ada@example.com"]]
    (delivery,) = world.deliveries()
    assert (bob, "unreachable") in [(one["contact_id"], one["status"]) for one in delivery["recipients"]]
    world.suppress("ada@example.com")
    world.issue("i2")
    world.work()
    (delivery,) = world.deliveries("i2")
    assert delivery["outcome"] == "no_reachable_contacts"
    assert len(delivery["recipients"]) == 2


def test_a_task_that_comes_twice_delivers_once(world: World) -> None:
    world.contact("Ada", "invoicing")
    world.issue()
    messages = world.messages("documents")
    for _ in range(2):
        assert world.hand("documents", messages) == []
    messages = world.messages("deliveries")
    for _ in range(2):
        assert world.hand("deliveries", messages) == []
    world.work()
    assert len(mails()) == len(world.invoice_mails) == len(delivery_rows()) == 1


# ---- What changes between the decision and the sending. ----


def queued(world: World) -> list[dict[str, Any]]:
    """Issue an invoice, deliver it, and return the message of its mail."""
    world.contact("Ada", "invoicing")
    world.contact("Bob", "invoicing")
    world.issue()
    world.hand("documents", world.messages("documents"))
    world.messages("bulk-mail")  # Those of the contacts.
    world.hand("deliveries", world.messages("deliveries"))
    return world.messages("bulk-mail")


def test_an_invoice_that_was_voided_meanwhile_is_not_sent(world: World) -> None:
    messages = queued(world)
    assert world.service.ask("POST", "/invoices/i1/void").status == 200
    world.hand("bulk-mail", messages)
    assert world.invoice_mails == []
    assert [(one.status, one.reason) for one in mails()] == [("failed", "void")] * 2
    assert [one["status"] for one in world.deliveries()[0]["recipients"]] == ["failed", "failed"]


def test_switching_the_mail_off_stops_what_is_queued(world: World) -> None:
    messages = queued(world)
    world.change_entity(invoice_mail={"mode": "off"})
    world.hand("bulk-mail", messages)
    assert world.invoice_mails == []
    assert [(one.status, one.reason) for one in mails()] == [("failed", "invoice_mail_not_live")] * 2


def test_a_contact_that_was_deleted_meanwhile_gets_nothing(world: World) -> None:
    messages = queued(world)
    contacts = {one["email"]: one["contact_id"] for one in world.service.get("/accounts/a1/contacts")["items"]}
    assert world.service.ask("DELETE", f"/accounts/a1/contacts/{contacts['ada@example.com']}").status in (200, 204)
    world.hand("bulk-mail", messages)
    assert [one["Destination"] for one in world.invoice_mails] == [{"ToAddresses": ["bob@example.com"]}]


def test_a_contact_whose_address_changed_meanwhile_gets_it_there(world: World) -> None:
    messages = queued(world)
    contacts = {one["email"]: one["contact_id"] for one in world.service.get("/accounts/a1/contacts")["items"]}
    world.service.patch(f"/accounts/a1/contacts/{contacts['ada@example.com']}", email="new@example.com")
    world.hand("bulk-mail", messages)
    addressed = sorted(one["Destination"]["ToAddresses"] for one in world.invoice_mails)
    assert addressed == [["bob@example.com"], ["new@example.com"]]


def test_what_is_paid_meanwhile_is_reported_so(world: World) -> None:
    messages = queued(world)
    paid = {"amount": 12000, "currency": "EUR", "received_on": "2026-01-31", "entity_id": "acme"}
    allocated = {"allocations": [{"invoice_id": "i1", "amount": 12000}]}
    assert world.service.ask("PUT", "/accounts/a1/payments/p1", {**paid, **allocated}).status == 201
    world.hand("bulk-mail", messages)
    text = world.invoice_mails[0]["Content"]["Simple"]["Body"]["Text"]["Data"]
    assert "Already paid" in text
    assert "Amount due" not in text


def test_going_live_counts_at_once_whatever_a_process_remembers(world: World) -> None:
    world.change_entity(invoice_mail={"mode": "off"})
    world.contact("Ada", "invoicing")
    entities.get_cached_entity("acme", world.service.clock.now)
    key = keys.entity("acme")
    item = store.get_item(EntityItem, key)
    assert item is not None
    # Another process writes this; what is remembered here stays.
    item.invoice_mail = {"mode": "live", "pilot_account_ids": []}
    store.replace_item(item)
    world.issue()
    world.work()
    assert len(world.invoice_mails) == 1
