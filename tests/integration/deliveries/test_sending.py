"""Sending an invoice on request (I3), through the API and from the console."""

from typing import Any

import pytest

from chalicelib.functions.invoices import resend_invoice
from chalicelib.table.items import AuditEventItem
from tests.integration.deliveries.world import World, attached, delivery_rows, mails, rows, subject, tasks, text_of
from tests.integration.people import portal
from tests.integration.service import code, faults


@pytest.fixture
def issued(world: World) -> World:
    """An invoice that was made, delivered to Ada, and forgotten by the test."""
    world.ada = world.contact("Ada", "invoicing")
    world.issue()
    world.work()
    world.taken.clear()
    world.service.clock.move(minutes=1)
    return world


def send(world: World, body: Any = None, **further: str) -> Any:
    return world.service.ask("POST", "/invoices/i1/send", body, **further)


def test_it_goes_to_all_invoicing_contacts_once_more(issued: World) -> None:
    answer = send(issued)
    assert answer.status == 202
    issued.work()
    (request,) = issued.invoice_mails
    assert request["Destination"] == {"ToAddresses": ["ada@example.com"]}
    assert list(attached(request)) == ["invoice-I1.pdf"]
    again, first = issued.deliveries()
    assert (first["reason"], again["reason"], again["outcome"]) == ("issued", "sent_again", "mailed")
    assert again["requested_by"] == {"kind": "api_key", "name": "billing"}
    assert again["delivery_id"] == answer.json["delivery_id"]
    assert [one["status"] for one in answer.json["recipients"]] == ["queued"]


def test_it_goes_to_named_contacts_and_a_cc_for_once(issued: World) -> None:
    bob, cy = issued.contact("Bob"), issued.contact("Cy", "accounts_payable")
    answer = send(issued, {"to": [bob, cy, bob], "cc": ["Boss@Elsewhere.example", "bob@example.com"]})
    assert answer.status == 202
    issued.work()
    found = {one["Destination"]["ToAddresses"][0].lower(): one for one in issued.invoice_mails}
    assert sorted(found) == ["bob@example.com", "boss@elsewhere.example", "cy@example.com"]
    for request in found.values():
        assert "CcAddresses" not in request["Destination"]
        assert "someone asked Acme to send" in text_of(request)
    assert "Also sent to: Bob Test, Cy Test\n" in text_of(found["boss@elsewhere.example"])
    assert "Also sent to: Cy Test, boss@elsewhere.example\n" in text_of(found["bob@example.com"]).lower().replace(
        "also sent to: cy test", "Also sent to: Cy Test"
    )
    recipients = issued.deliveries()[0]["recipients"]
    assert [(one["contact_id"], one["cc"], one["status"]) for one in recipients] == [
        (bob, False, "sent"),
        (cy, False, "sent"),
        (None, True, "sent"),
    ]
    (event,) = [one for one in rows(AuditEventItem) if one.action == "invoice.sent_again"]
    assert (event.resource_id, event.account_id, event.bill_group_id) == ("i1", "a1", "g1")
    assert {"field": "to", "before": None, "after": sorted([bob, cy])} in event.changes


def test_a_cc_who_is_a_contact_reads_the_email_in_an_own_language(issued: World) -> None:
    cy = issued.contact("Cy", locale="de")
    assert send(issued, {"cc": ["cy@example.com"]}).status == 202
    issued.work()
    ada, to_cy = sorted(issued.invoice_mails, key=lambda one: one["Destination"]["ToAddresses"])
    assert (subject(ada), subject(to_cy)) == ("Invoice I1 from Acme", "Rechnung I1 von Acme")
    # Who holds the role gets it for that, whoever is in Cc.
    assert "because you are a billing contact" in text_of(ada)
    assert "Also sent to: Cy Test\n" in text_of(ada)
    recipients = issued.deliveries()[0]["recipients"]
    assert [(one["contact_id"], one["cc"], one["status"]) for one in recipients] == [
        (issued.ada, False, "sent"),
        (cy, True, "sent"),
    ]


def test_together_a_cc_is_on_the_email_to_all(issued: World) -> None:
    issued.change_entity(invoice_addressing="together")
    bob, cy = issued.contact("Bob"), issued.contact("Cy", "accounts_payable")
    send(issued, {"to": [bob, cy], "cc": ["boss@elsewhere.example"]})
    issued.work()
    (request,) = issued.invoice_mails
    assert request["Destination"] == {
        "ToAddresses": ["bob@example.com", "cy@example.com"],
        "CcAddresses": ["boss@elsewhere.example"],
    }
    recipients = issued.deliveries()[0]["recipients"]
    assert [(one["contact_id"], one["cc"], one["status"]) for one in recipients] == [
        (bob, False, "sent"),
        (cy, False, "sent"),
        (None, True, "sent"),
    ]


def test_sent_again_from_the_history_it_goes_to_those_who_are_left_and_had_it_in_cc(issued: World) -> None:
    issued.change_entity(invoice_addressing="together")
    bob, _ = issued.contact("Bob"), issued.contact("Cy")
    send(issued, {"to": [bob], "cc": ["cy@example.com"]})
    issued.work()
    email_id = issued.deliveries()[0]["recipients"][0]["email_id"]
    issued.suppress("bob@example.com")
    issued.taken.clear()
    answer = issued.service.ask("POST", f"/accounts/a1/emails/{email_id}/resend")
    assert (answer.status, answer.json["to"]) == (202, ["cy@example.com"])
    issued.work()
    assert [one["Destination"] for one in issued.invoice_mails] == [{"ToAddresses": ["cy@example.com"]}]
    text = issued.invoice_mails[0]["Content"]["Simple"]["Body"]["Text"]["Data"]
    assert "Bob Test" not in text


def test_an_email_about_a_void_invoice_alone_is_not_sent_again(issued: World) -> None:
    email_id = issued.deliveries()[0]["recipients"][0]["email_id"]
    assert issued.service.ask("POST", "/invoices/i1/void").status == 200
    before = len(mails())
    answer = issued.service.ask("POST", f"/accounts/a1/emails/{email_id}/resend")
    assert code(answer) == (409, "invoice_is_void")
    assert len(mails()) == before


def test_the_same_key_sends_once(issued: World) -> None:
    first = send(issued, idempotency_key="again")
    second = send(issued, idempotency_key="again")
    assert (second.status, second.json) == (202, first.json)
    issued.work()
    assert len(issued.invoice_mails) == 1
    assert len(delivery_rows()) == 2
    assert code(send(issued, {"cc": ["x@example.com"]}, idempotency_key="again")) == (422, "idempotency_key_reused")


def test_terms_age_and_style_do_not_hold_back_what_is_requested(issued: World) -> None:
    issued.service.put("/accounts/a1", payment_terms={"kind": "due_on_receipt"})
    issued.change_entity(live_from="2026-01-31")
    assert send(issued).status == 202
    issued.work()
    assert len(issued.invoice_mails) == 1


def test_what_cannot_be_sent_says_why(issued: World) -> None:
    stranger = "con_01KG9MFMM00000000000000000"
    assert faults(send(issued, {"to": [stranger]})) == [("to.0", "not_a_contact")]
    issued.suppress("ada@example.com")
    assert code(send(issued)) == (409, "no_reachable_contacts")
    assert code(send(issued, {"to": [issued.ada]})) == (409, "address_suppressed")
    assert code(send(issued, {"cc": ["ada@example.com"]})) == (409, "address_suppressed")
    for mode in ("off", "shadow"):
        issued.change_entity(invoice_mail={"mode": mode})
        assert code(send(issued)) == (409, "invoice_mail_not_live")
    issued.change_entity(invoice_mail={"mode": "live"})
    assert issued.service.ask("POST", "/invoices/i1/void").status == 200
    assert code(send(issued)) == (409, "invoice_is_void")
    assert issued.service.ask("POST", "/invoices/none/send").status == 404
    assert send(issued, {"to": []}).status == 422
    assert send(issued, {"cc": ["nobody"]}).status == 422
    assert send(issued, {"bcc": ["x@example.com"]}).status == 422
    assert len(delivery_rows()) == 1


def test_before_its_pdf_is_made_it_is_not_sent(world: World) -> None:
    world.contact("Ada", "invoicing")
    world.issue()
    answer = send(world)
    assert code(answer) == (409, "pdf_pending")
    assert "Try again in a few seconds" in answer.json["detail"]


def test_a_portal_user_sends_to_contacts_only_and_not_without_end(issued: World) -> None:
    token = portal(issued.service, "pat@portal.example", ["invoices", "emails"], ("g1", "a1"))
    bob = issued.contact("Bob")
    stranger = issued.service.ask("POST", "/invoices/i1/send", {"cc": ["spy@elsewhere.example"]}, token=token)
    assert faults(stranger) == [("cc.0", "not_a_contact")]
    # One email each: the limit of what a portal user can cause (A13) counts emails.
    body = {"to": [bob]}
    for _ in range(20):
        answer = issued.service.ask("POST", "/invoices/i1/send", body, token=token)
        assert answer.status == 202, answer.text
        assert answer.json["requested_by"] == {"kind": "portal_user"}
        issued.service.clock.move(seconds=1)
    refused = issued.service.ask("POST", "/invoices/i1/send", body, token=token)
    assert code(refused) == (429, "too_many_sendings")
    assert 0 < int(refused.headers["retry-after"]) <= 3600
    assert send(issued).status == 202
    issued.service.clock.move(minutes=61)
    token = portal(issued.service, "pat@portal.example", ["invoices", "emails"], ("g1", "a1"))
    assert issued.service.ask("POST", "/invoices/i1/send", body, token=token).status == 202


def test_a_portal_user_needs_the_permission_invoices(issued: World) -> None:
    for permissions, statuses in ((["invoices"], (202, 200)), (["emails"], (403, 403))):
        token = portal(issued.service, "pat@portal.example", permissions, ("g1", "a1"))
        assert issued.service.ask("POST", "/invoices/i1/send", token=token).status == statuses[0]
        assert issued.service.ask("GET", "/invoices/i1/deliveries", token=token).status == statuses[1]


def test_an_invoice_of_another_bill_group_is_absent(issued: World) -> None:
    issued.service.bill_group("g2", "/accounts/a1")
    token = portal(issued.service, "pat@portal.example", ["invoices", "emails"], ("g2", "a1"))
    for method, path in (("POST", "send"), ("GET", "deliveries"), ("GET", "pdf")):
        assert issued.service.ask(method, f"/invoices/i1/{path}", token=token).status == 404


def test_the_history_is_paged_newest_first(issued: World) -> None:
    for _ in range(3):
        issued.service.clock.move(seconds=1)
        assert send(issued).status == 202
    found = issued.service.all_of("/invoices/i1/deliveries", limit=1)
    assert [one["reason"] for one in found] == ["sent_again"] * 3 + ["issued"]
    assert [one["at"] for one in found] == sorted((one["at"] for one in found), reverse=True)
    assert issued.service.ask("GET", "/invoices/none/deliveries").status == 404


def test_after_an_erasure_no_address_is_left(issued: World) -> None:
    ada = issued.ada
    assert issued.service.ask("POST", f"/accounts/a1/contacts/{ada}/erase", {"confirm": True}).status == 202
    issued.erase()
    (delivery,) = issued.deliveries()
    assert [one["email"] for one in delivery["recipients"]] == [None]
    assert "ada@example.com" not in str([vars(row)["attribute_values"] for row in delivery_rows()])


# ---- The console. ----


def test_the_console_shows_first_and_sends_when_confirmed(issued: World) -> None:
    shown = resend_invoice({"invoice_id": "i1", "cc": ["boss@elsewhere.example"]}, None)
    assert shown["dry_run"] is True
    assert shown["would_send"] == {
        "invoice_id": "i1",
        "number": "I1",
        "mails": [
            {"to": ["ada@example.com"], "cc": [], "pdf_attached": True},
            {"to": ["boss@elsewhere.example"], "cc": [], "pdf_attached": True},
        ],
        "cc": ["boss@elsewhere.example"],
        "suppressed": [],
    }
    assert tasks("bulk_mail") == []
    done = resend_invoice({"invoice_id": "i1", "confirm": True}, None)
    issued.work()
    assert len(issued.invoice_mails) == 1
    assert done["sent"]["email_ids"] == [one.email_id for one in mails() if one.created_at == issued.service.clock.now]


@pytest.mark.parametrize(
    "event",
    [{}, {"invoice_id": 1}, {"invoice_id": "i1", "confirm": "yes"}, {"invoice_id": "i1", "force": True}, [], "i1"],
)
def test_the_console_takes_nothing_else(issued: World, event: Any) -> None:
    answer = resend_invoice(event, None)
    assert "refused" in answer
    assert tasks("bulk_mail") == []


def test_the_console_says_what_is_not_there(issued: World) -> None:
    answer = resend_invoice({"invoice_id": "none", "confirm": True}, None)
    assert answer["refused"]["code"] == "not_found"
