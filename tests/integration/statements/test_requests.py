"""Statements of account as PDF: requested, rendered, read and emailed."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from chalicelib.request_context import Actor, RequestContext
from chalicelib.statements import render, rules
from chalicelib.statements.content import unpack_statement_content
from chalicelib.table import keys, store
from chalicelib.table.items import EmailItem, StatementItem
from chalicelib.tasks import service as task_service
from chalicelib.tasks.kinds import CreateStatementPdf
from tests.integration.deliveries.world import World, attached, rows, stored, subject, tasks
from tests.integration.people import portal
from tests.integration.service import Service, code, faults
from tests.integration.service import rows as table

PATH = "/accounts/a1/statements"


def ask(world: World, token: str | None = None, **body: Any) -> Any:
    return world.service.ask("POST", PATH, body, token)


def asked(world: World, **body: Any) -> str:
    answer = ask(world, **body)
    assert answer.status == 202, answer.text
    found: str = answer.json["statement_id"]
    return found


def read(world: World, statement_id: str) -> Any:
    return world.service.get(f"{PATH}/{statement_id}")


def pdf_of(world: World, statement_id: str) -> bytes:
    (content,) = (content for key, content in stored().items() if statement_id in key)
    return content


def text_of(pdf: bytes, folder: Path) -> str:
    file = folder / "statement.pdf"
    file.write_bytes(pdf)
    return subprocess.run(["pdftotext", "-layout", file, "-"], capture_output=True, check=True, text=True).stdout


def mails(world: World) -> list[dict[str, Any]]:
    return [one for one in world.taken if {"Name": "kind", "Value": "statement"} in one["EmailTags"]]


def test_requested_made_and_read(world: World, tmp_path: Path) -> None:
    world.issue("i1", due_date="2026-01-16")
    world.issue("i2", number="2026-0002", po_number="PO 7")
    answer = ask(world)
    assert answer.status == 202
    made = answer.json
    assert (made["entity_id"], made["currency"], made["as_of"], made["status"]) == (
        "acme",
        "EUR",
        "2026-01-31",
        "pending",
    )
    assert (made["sha256"], made["send_to"], made["email_ids"]) == (None, [], [])
    address = f"{PATH}/{made['statement_id']}/pdf"
    assert code(world.service.ask("GET", address)) == (409, "pdf_pending")
    assert world.work() == []
    found = read(world, made["statement_id"])
    pdf = pdf_of(world, made["statement_id"])
    assert (found["status"], found["size"]) == ("made", len(pdf))
    led = world.service.ask("GET", address)
    assert led.status == 302
    assert f"documents/statements/{made['statement_id']}/{found['sha256']}.pdf" in led.headers["location"]
    told = text_of(pdf, tmp_path)
    for part in ("Statement of account", "Customer", "I1", "2026-0002", "PO 7", "€240.00", "€120.00"):
        assert part in told, told
    assert tasks("document") == []
    assert mails(world) == []
    events = [one["action"] for one in world.service.all_of("/accounts/a1/audit-events")]
    assert events.count("statement.requested") == 1


def test_the_figures_are_those_of_when_it_was_requested(world: World, tmp_path: Path) -> None:
    world.issue("i1")
    statement_id = asked(world)
    world.issue("i2")
    world.work()
    told = text_of(pdf_of(world, statement_id), tmp_path)
    assert "I1" in told
    assert "I2" not in told


def test_nothing_is_open(world: World, tmp_path: Path) -> None:
    statement_id = asked(world, currency="USD")
    world.work()
    assert "No open items." in text_of(pdf_of(world, statement_id), tmp_path)


def test_only_a_reader_who_may_enter_gets_the_link_to_the_portal(world: World) -> None:
    world.issue("i1", due_date="2026-01-20")
    ann, bob = world.contact("Ann"), world.contact("Bob")
    allowed = world.service.ask("POST", "/bill-groups/g1/access-rules", {"value": "bob@example.com"})
    assert allowed.status == 201, allowed.json
    asked(world, send_to=[ann, bob])
    world.work()
    texts = {
        one["Destination"]["ToAddresses"][0]: one["Content"]["Simple"]["Body"]["Text"]["Data"] for one in mails(world)
    }
    assert "Open the customer portal" not in texts["ann@example.com"]
    assert "Open the customer portal: http" in texts["bob@example.com"]


def test_mailed_to_each_in_their_own_language(world: World) -> None:
    world.issue("i1", due_date="2026-01-20")
    ann = world.contact("Ann")
    bob = world.contact("Bob", locale="de")
    gone = world.contact("Cy")
    small = world.contact("Di")
    style = {"delivery_style": {"size_limit_kib": 100}}
    world.service.put(f"/accounts/a1/contacts/{small}/preferences", **style)
    statement_id = asked(world, send_to=[ann, bob, gone, small, ann])
    world.service.ask("DELETE", f"/accounts/a1/contacts/{gone}")
    assert world.work() == []
    found = read(world, statement_id)
    assert found["send_to"] == [ann, bob, gone, small]
    assert len(found["email_ids"]) == 3
    by_address = {one["Destination"]["ToAddresses"][0]: one for one in mails(world)}
    assert sorted(by_address) == ["ann@example.com", "bob@example.com", "di@example.com"]
    assert subject(by_address["ann@example.com"]) == "Statement of account for Customer, 31 January 2026"
    assert subject(by_address["bob@example.com"]) == "Kontoübersicht von Customer, 31. Januar 2026"
    pdf = pdf_of(world, statement_id)
    for one in by_address.values():
        assert attached(one) == {"statement-2026-01-31.pdf": pdf}
    text = by_address["ann@example.com"]["Content"]["Simple"]["Body"]["Text"]["Data"]
    assert "Balance to pay: €120.00" in text
    assert "Overdue: €120.00" in text


def test_a_pdf_beyond_the_contacts_limit_stays_here(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.issue("i1")
    ann = world.contact("Ann")
    monkeypatch.setattr("chalicelib.statements.mail_content.attachment_limit", lambda style: 10)
    asked(world, send_to=[ann])
    world.work()
    (mail,) = mails(world)
    assert attached(mail) == {}
    assert "too large for this email" in mail["Content"]["Simple"]["Body"]["Text"]["Data"]


def test_the_mail_is_withheld_once_the_contact_has_gone_or_mail_is_not_live(world: World) -> None:
    ann, bob = world.contact("Ann"), world.contact("Bob")
    statement_id = asked(world, send_to=[ann, bob])
    world.hand("documents", world.messages("documents"))
    world.service.ask("DELETE", f"/accounts/a1/contacts/{ann}")
    waiting = world.messages("bulk-mail")
    world.hand("bulk-mail", waiting[:1])
    world.change_entity(invoice_mail={"mode": "shadow"})
    world.hand("bulk-mail", waiting)
    of_statement = [item for item in rows(EmailItem) if item.email_id in read(world, statement_id)["email_ids"]]
    assert {"no_contacts", "invoice_mail_not_live"} >= {item.reason for item in of_statement if item.status == "failed"}
    assert [item.reason for item in of_statement if item.contact_id == ann] == ["no_contacts"]


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ({"entity_id": "nobody"}, ("entity_id", "unknown_entity")),
        ({"send_to": ["con_" + "0" * 26]}, ("send_to.0", "not_a_contact")),
        ({"currency": "XXXX"}, ("currency", "bad_currency")),
    ],
)
def test_what_cannot_be_requested(world: World, body: dict[str, Any], fault: tuple[str, str]) -> None:
    before = table()
    assert faults(ask(world, **body)) == [fault]
    assert table() == before


def test_nobody_is_mailed_before_mail_is_live_or_at_an_address_that_fails(world: World) -> None:
    ann = world.contact("Ann")
    world.suppress("ann@example.com")
    assert code(ask(world, send_to=[ann])) == (409, "address_suppressed")
    world.change_entity(invoice_mail={"mode": "shadow"})
    assert code(ask(world, send_to=[ann])) == (409, "invoice_mail_not_live")
    assert ask(world).status == 202


def test_too_much_for_a_pdf(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "MAX_PDF_ITEMS", 1)
    world.issue("i1")
    world.issue("i2")
    assert code(ask(world)) == (409, "statement_too_long")


def test_portal_users_get_what_their_bill_groups_owe(world: World, tmp_path: Path) -> None:
    service = world.service
    service.bill_group("g2", "/accounts/a1")
    world.issue("i1")
    world.issue("i2", bill_group_id="g2")
    pay = {"amount": 700, "currency": "EUR", "received_on": "2026-01-30"}
    service.put("/accounts/a1/payments/p1", **pay)
    eve = portal(service, "eve@customer.example", ["invoices"], ("g1", "a1"))
    whole = asked(world)
    made = ask(world, eve)
    assert made.status == 202
    world.work()
    own = f"{PATH}/{made.json['statement_id']}"
    assert service.ask("GET", own, token=eve).json["status"] == "made"
    assert service.ask("GET", f"{own}/pdf", token=eve).status == 302
    told = text_of(pdf_of(world, made.json["statement_id"]), tmp_path)
    assert "I1" in told
    assert "I2" not in told
    assert "€120.00" in told
    for token in (eve, portal(service, "ed@customer.example", ["invoices"], ("g2", "a1"))):
        assert service.ask("GET", f"{PATH}/{whole}", token=token).status == 404
        assert service.ask("GET", f"{PATH}/{whole}/pdf", token=token).status == 404
    other = portal(service, "ed@customer.example", ["invoices"], ("g2", "a1"))
    assert service.ask("GET", own, token=other).status == 404
    assert (
        service.ask("GET", own, token=portal(service, "al@customer.example", ["profile"], ("g1", "a1"))).status == 403
    )


def test_who_mails_from_the_portal_needs_the_permission_and_asks_not_too_often(world: World) -> None:
    ann = world.contact("Ann")
    eve = portal(world.service, "eve@customer.example", ["invoices"], ("g1", "a1"))
    assert ask(world, eve, send_to=[ann]).status == 403
    may = portal(world.service, "mo@customer.example", ["invoices", "emails"], ("g1", "a1"))
    assert ask(world, may, send_to=[ann]).status == 202
    for _ in range(rules.PORTAL_USER_REQUEST_LIMIT - 1):
        assert ask(world, eve).status == 202
    refused = ask(world, eve)
    assert code(refused) == (429, "too_many_statements")
    assert int(refused.headers["retry-after"]) <= 3600
    assert ask(world).status == 202
    for _ in range(2):
        world.service.clock.move(minutes=40)
        world.service.ask("GET", "/accounts/a1/statement", token=eve)
    assert ask(world, eve).status == 202


def test_its_mail_is_seen_by_who_may_see_all_that_it_tells_of(world: World) -> None:
    service = world.service
    service.bill_group("g2", "/accounts/a1")
    ann = world.contact("Ann")
    world.issue("i1")
    asked(world, send_to=[ann])
    part = portal(service, "eve@customer.example", ["invoices", "emails", "contacts"], ("g1", "a1"))
    assert ask(world, part, send_to=[ann]).status == 202
    world.work()
    both = [("g1", "a1"), ("g2", "a1")]
    whole = portal(service, "mo@customer.example", ["emails"], *both)
    seen = {}
    for name, token in (("part", part), ("whole", whole)):
        listed = service.ask("GET", "/accounts/a1/emails", token=token).json["items"]
        seen[name] = len([one for one in listed if one["kind"] == "statement"])
    assert seen == {"part": 1, "whole": 2}


def test_of_another_account_it_is_not_there(world: World) -> None:
    statement_id = asked(world)
    world.service.account("a2")
    assert world.service.ask("GET", f"/accounts/a2/statements/{statement_id}").status == 404


def test_a_repeated_request_asks_once(world: World) -> None:
    first = world.service.ask("POST", PATH, {}, idempotency_key="k")
    again = world.service.ask("POST", PATH, {}, idempotency_key="k")
    assert (again.status, again.json) == (202, first.json)
    assert len(rows(StatementItem)) == 1


def test_the_same_figures_are_the_same_file(world: World) -> None:
    world.issue("i1")
    statement_id = asked(world)
    (message,) = [one for one in world.messages("documents") if "statement/" in one["body"]]
    assert world.hand("documents", [message, message]) == []
    assert world.hand("documents", [message]) == []
    item = store.get_item(StatementItem, keys.statement(statement_id))
    assert item is not None
    assert render.render_statement_pdf(unpack_statement_content(item.content)) == pdf_of(world, statement_id)
    assert len([key for key in stored() if statement_id in key]) == 1


def test_a_task_about_a_statement_that_is_not_there_ends(world: World) -> None:
    context = RequestContext(Actor("system", "test", "test"), world.service.clock.now, "test-correlation")
    transaction = store.Transaction(context)
    task_service.add_task(transaction, context, CreateStatementPdf("sta_" + "0" * 26))
    transaction.commit()
    assert world.work() == []
    assert tasks("document") == []


def test_the_day_is_that_of_the_account(service: Service) -> None:
    service.entity(time_zone="Pacific/Auckland")
    service.account(time_zone=None)
    service.clock.move(hours=6)
    assert service.get("/accounts/a1/statement")["as_of"] == "2026-02-01"
