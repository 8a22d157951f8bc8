"""The PDF of an invoice: made once, read by a link of a minute, supplied by the billing system, rendered again."""

import hashlib
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from chalicelib.functions.invoices import render_invoice
from chalicelib.invoices.rules import Content
from chalicelib.table.items import AuditEventItem
from tests.aws import BUCKET, client
from tests.integration.deliveries.world import World, attached, delivery_rows, rows, stored, tasks
from tests.integration.people import portal
from tests.integration.service import code, faults

FILE = b"%PDF-1.4\n% as the billing system made it\n%%EOF\n"
HASH = hashlib.sha256(FILE).hexdigest()


def key_of(world: World) -> str:
    (key,) = [key for key in stored() if key.startswith("documents/invoices/i1/")]
    return key


def test_the_pdf_is_read_by_an_address_of_one_minute(world: World) -> None:
    world.issue(number="2026/001 ä")
    answer = world.service.ask("GET", "/invoices/i1/pdf")
    assert code(answer) == (409, "pdf_pending")
    assert answer.json["details"] == {"expected": "made"}
    world.work()
    answer = world.service.ask("GET", "/invoices/i1/pdf")
    assert answer.status == 302
    address = urlsplit(answer.headers["location"])
    assert address.path.removeprefix(f"/{BUCKET}").lstrip("/") == key_of(world)
    values = parse_qs(address.query)
    assert values["X-Amz-Expires"] == ["60"]
    assert values["response-content-type"] == ["application/pdf"]
    assert "invoice-2026-001-%C3%A4.pdf" in values["response-content-disposition"][0]


def test_a_portal_user_reads_it_with_the_permission_invoices(world: World) -> None:
    world.issue()
    world.work()
    for permissions, status in ((["invoices"], 302), (["emails"], 403)):
        token = portal(world.service, "pat@portal.example", permissions, ("g1", "a1"))
        assert world.service.ask("GET", "/invoices/i1/pdf", token=token).status == status


def test_it_is_made_once_and_of_the_same_bytes(world: World) -> None:
    world.issue()
    messages = world.messages("documents")
    world.hand("documents", messages)
    before = stored()
    world.hand("documents", messages)
    assert stored() == before
    assert len(before) == 1


def test_a_due_date_that_changes_leaves_the_pdf_as_it_is(world: World) -> None:
    world.issue()
    world.work()
    before = world.service.get("/invoices/i1")["pdf"]
    world.service.patch("/invoices/i1", due_date="2026-12-24")
    world.work()
    assert world.service.get("/invoices/i1")["pdf"] == before
    assert len(stored()) == 1


def test_a_change_while_it_is_made_is_stored(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from chalicelib.invoices.pdf import render

    world.contact("Ada", "invoicing")
    world.issue()
    real = render.render_invoice_pdf

    def slowly(content: Content) -> Any:
        world.service.patch("/invoices/i1", due_date="2026-12-24")
        return real(content)

    monkeypatch.setattr(render, "render_invoice_pdf", slowly)
    assert world.work() == []
    found = world.service.get("/invoices/i1")
    assert found["due_date"] == "2026-12-24"
    assert found["pdf"]["sha256"] is not None
    assert len(world.invoice_mails) == 1


# ---- Supplied PDFs. ----


def supply(world: World, content: bytes = FILE, *, size: int | None = None, **further: str) -> Any:
    wanted = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content) if size is None else size}
    return world.service.ask("PUT", "/invoices/i1/pdf", wanted, **further)


def upload(content: bytes, content_hash: str = HASH) -> None:
    client("s3").put_object(Bucket=BUCKET, Key=f"uploads/invoices/i1/{content_hash}.pdf", Body=content)


def test_a_supplied_pdf_is_stored_as_it_came_and_delivered(world: World) -> None:
    world.contact("Ada", "invoicing")
    world.issue(pdf="supplied")
    world.work()
    pending = world.service.ask("GET", "/invoices/i1/pdf")
    assert code(pending) == (409, "pdf_pending")
    assert "PUT /v1/invoices/i1/pdf" in pending.json["detail"]
    first = supply(world)
    assert (first.status, first.json["status"], first.json["sha256"]) == (202, "awaiting_upload", None)
    where = first.json["upload"]
    assert f"uploads/invoices/i1/{HASH}.pdf" in where["url"]
    assert "x-amz-checksum-sha256" in where["headers"]
    assert "content-length" in parse_qs(urlsplit(where["url"]).query)["X-Amz-SignedHeaders"][0]
    assert world.work() == []
    upload(FILE)
    second = supply(world)
    assert (second.status, second.json["status"], second.json["sha256"], second.json["upload"]) == (
        200, "kept", HASH, None,
    )  # fmt: skip
    world.work()
    (request,) = world.invoice_mails
    assert attached(request) == {"invoice-I1.pdf": FILE}
    assert world.service.get("/invoices/i1")["pdf"]["source"] == "supplied"
    assert [one.action for one in rows(AuditEventItem) if one.action.startswith("invoice.pdf")] == [
        "invoice.pdf_supplied"
    ]


def test_supplying_it_again_changes_nothing_and_another_is_refused(world: World) -> None:
    world.issue(pdf="supplied")
    supply(world)
    upload(FILE)
    assert supply(world).status == 200
    before = world.service.get("/invoices/i1")
    assert supply(world).status == 200
    assert world.service.get("/invoices/i1") == before
    assert code(supply(world, b"%PDF-1.7 other")) == (409, "pdf_exists")


def test_a_repeated_key_is_answered_alike(world: World) -> None:
    world.issue(pdf="supplied")
    upload(FILE)
    first, second = supply(world, idempotency_key="k"), supply(world, idempotency_key="k")
    assert (first.status, first.json) == (second.status, second.json)


def test_what_is_uploaded_must_be_what_was_announced(world: World) -> None:
    world.issue(pdf="supplied")
    upload(FILE + b"x")
    assert faults(supply(world)) == [("size", "wrong_size")]
    upload(FILE[:-1] + b"x")
    assert faults(supply(world)) == [("sha256", "wrong_hash")]
    other = b"PK\x03\x04 no PDF at all"
    upload(other, hashlib.sha256(other).hexdigest())
    assert faults(supply(world, other)) == [("sha256", "not_a_pdf")]
    assert world.service.get("/invoices/i1")["pdf"]["sha256"] is None
    # What was wrong is gone, and the way is free.
    assert stored() == {}
    assert supply(world).json["status"] == "awaiting_upload"


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({"sha256": HASH.upper(), "size": 1}, "sha256"),
        ({"sha256": "../" + HASH[3:], "size": 1}, "sha256"),
        ({"sha256": HASH, "size": 0}, "size"),
        ({"sha256": HASH, "size": 10 * 1024 * 1024 + 1}, "size"),
        ({"sha256": HASH}, "size"),
    ],
)
def test_what_is_announced_must_be_possible(world: World, wanted: dict[str, Any], field: str) -> None:
    world.issue(pdf="supplied")
    refused = world.service.ask("PUT", "/invoices/i1/pdf", wanted)
    assert [name for name, _ in faults(refused)] == [field]


def test_a_pdf_that_is_made_here_is_not_supplied(world: World) -> None:
    world.issue()
    assert code(supply(world)) == (409, "pdf_is_made")
    assert world.service.ask("PUT", "/invoices/none/pdf", {"sha256": HASH, "size": 1}).status == 404


def test_a_supplied_pdf_that_was_lost_can_be_sent_again(world: World) -> None:
    world.contact("Ada", "invoicing")
    world.issue(pdf="supplied")
    upload(FILE)
    supply(world)
    world.work()
    client("s3").delete_object(Bucket=BUCKET, Key=f"documents/invoices/i1/{HASH}.pdf")
    client("s3").delete_object(Bucket=BUCKET, Key=f"uploads/invoices/i1/{HASH}.pdf")
    assert supply(world).json["status"] == "awaiting_upload"
    upload(FILE)
    assert supply(world).json["status"] == "kept"
    assert stored()[f"documents/invoices/i1/{HASH}.pdf"] == FILE
    world.work()
    assert len(delivery_rows()) == len(world.invoice_mails) == 1


# ---- The console function render_invoice. ----


@pytest.fixture
def made(world: World) -> World:
    world.contact("Ada", "invoicing")
    world.issue()
    world.work()
    return world


def test_a_pdf_that_is_there_is_left_alone(made: World) -> None:
    shown = render_invoice({"invoice_id": "i1"}, None)
    assert (shown["dry_run"], shown["unchanged"]["in_the_bucket"]) == (True, "whole")
    assert "confirm" not in shown["next"]
    answer = render_invoice({"invoice_id": "i1", "confirm": True}, None)
    assert answer["unchanged"]["in_the_bucket"] == "whole"


@pytest.mark.parametrize(("harm", "found"), [("remove", "missing"), ("alter", "different")])
def test_a_pdf_that_is_missing_or_altered_is_rendered_again_byte_by_byte(made: World, harm: str, found: str) -> None:
    before = stored()
    if harm == "remove":
        client("s3").delete_object(Bucket=BUCKET, Key=key_of(made))
    else:
        client("s3").put_object(Bucket=BUCKET, Key=key_of(made), Body=b"%PDF-1.7 forged")
    harmed = stored()
    shown = render_invoice({"invoice_id": "i1"}, None)
    assert (shown["dry_run"], shown["would_keep"]["in_the_bucket"]) == (True, found)
    assert shown["would_keep"]["is_what_was_issued"] is True
    assert stored() == harmed
    assert "kept" in render_invoice({"invoice_id": "i1", "confirm": True}, None)
    assert stored() == before
    made.work()
    assert len(made.invoice_mails) == 1


def test_an_invoice_whose_pdf_was_never_made_gets_one_and_is_delivered(world: World) -> None:
    world.contact("Ada", "invoicing")
    world.issue()
    world.messages("documents")
    assert "kept" in render_invoice({"invoice_id": "i1", "confirm": True}, None)
    world.pass_time(9)
    assert len(world.invoice_mails) == 1
    assert tasks("document") == []


def test_another_pdf_than_was_issued_is_only_kept_on_demand(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from chalicelib.invoices.pdf import render

    before = made.service.get("/invoices/i1")["pdf"]["sha256"]
    client("s3").delete_object(Bucket=BUCKET, Key=key_of(made))
    real = render.render_invoice
    monkeypatch.setattr(render, "render_invoice", lambda *given, **named: real(*given, **named) + b"\n")
    refused = render_invoice({"invoice_id": "i1", "confirm": True}, None)
    assert refused["refused"]["code"] == "pdf_differs"
    assert stored() == {}
    answer = render_invoice({"invoice_id": "i1", "confirm": True, "replace": True}, None)
    after = made.service.get("/invoices/i1")["pdf"]["sha256"]
    assert answer["kept"]["rendered_sha256"] == after != before
    (event,) = [one for one in rows(AuditEventItem) if one.action == "invoice.pdf_restored"]
    assert event.changes == [{"field": "pdf.sha256", "before": before, "after": after}]
    made.work()
    assert len(made.invoice_mails) == 1


def test_a_supplied_pdf_is_not_rendered(world: World) -> None:
    world.issue(pdf="supplied")
    answer = render_invoice({"invoice_id": "i1", "confirm": True}, None)
    assert answer["refused"]["code"] == "pdf_is_supplied"


@pytest.mark.parametrize("event", [{}, {"invoice_id": "i1", "confirm": 1}, {"invoice_id": "i1", "x": 1}, None, "i1"])
def test_the_console_takes_nothing_else(made: World, event: Any) -> None:
    assert "refused" in render_invoice(event, None)


def test_the_console_says_what_is_not_there(world: World) -> None:
    assert render_invoice({"invoice_id": "none"}, None)["refused"]["code"] == "not_found"
