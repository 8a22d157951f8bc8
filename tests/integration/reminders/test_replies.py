"""Replying to a reminder by the link in it, without signing in (R6)."""

import re
from datetime import date, timedelta
from typing import Any

import pytest

from chalicelib.entities.service import clear_entity_cache
from chalicelib.errors import Conflict, InvalidInput
from chalicelib.reminders.pauses import promises
from chalicelib.reminders.pauses import service as pauses
from chalicelib.reminders.replies import links
from chalicelib.reminders.replies import service as replies
from chalicelib.staff import service as staff
from chalicelib.table import keys, store
from chalicelib.table.items import EmailItem, InvoiceItem, ReplyLinkItem
from tests.aws_calls import Crash
from tests.integration.portal.visitor import Visitor
from tests.integration.reminders.replies import Post, give_link, link, text
from tests.integration.reminders.world import DUE, World, mails, rows
from tests.integration.service import rows as raw_rows

NOTED = "Thank you, we have recorded that"
GONE = "This link no longer works"


@pytest.fixture
def page(world: World, post: Post) -> str:
    """The page of a reminder of two invoices, to Ada; Sam and Tom are staff who look after customers."""
    context = world.service.context
    for name, role in (("Ann", "admin"), ("Sam", "agent"), ("Vic", "viewer")):
        staff.add_staff_member(context, f"{name.lower()}@vendor.example", name, role)
    world.issue("i1")
    world.issue("i2", lines=[line("Calls", 7000), line("Lines", 3000)])
    post.documents()
    return post.remind()


def line(description: str, net: int) -> dict[str, Any]:
    return {
        "description": description,
        "net_amount": net,
        "taxes": [{"name": "VAT", "rate": "20", "category": "S"}],
    }


def head(invoice_id: str) -> Any:
    return store.get_item(InvoiceItem, keys.invoice(invoice_id))


def told() -> list[Any]:
    """Return the mails to staff."""
    return [one for one in rows(EmailItem) if one.kind == "reply_received"]


def replied(world: World) -> list[dict[str, Any]]:
    events = world.service.all_of("/accounts/a1/audit-events")
    return [one for one in events if one["action"] == "reminder.replied"]


def only(world: World, post: Post) -> None:
    """Process everything, so that no plan is left."""
    world.plan()
    post.deliver()


def test_looking_changes_nothing_and_tells_of_that_mail_only(world: World, page: str) -> None:
    world.issue("secret-3")
    before = raw_rows()
    visitor = Visitor()
    seen = visitor.go(page)
    assert (seen.status, seen.heading) == (200, "Reply to the payment reminder")
    assert "I1" in seen.html
    assert "I2" in seen.html
    assert "SECRET-3" not in seen.html
    for answer in links.ANSWERS:
        asked = visitor.go(f"{page}/{answer}")
        assert asked.status == 200
        assert "SECRET-3" not in asked.html
        assert visitor.go(f"{page}/{answer}", "HEAD").status == 200
    assert "Calls" in visitor.go(f"{page}/problem?invoice=i2").html
    assert "SECRET-3" not in visitor.go(f"{page}/problem?invoice=secret-3").html
    assert raw_rows() == before
    assert visitor.go(f"{page}/nothing").status == 404


def test_plan_mail_and_page_tell_of_invoices_in_one_order(world: World, post: Post) -> None:
    for number in (10, 2, 1):
        world.issue(f"r0-{number}")
    world.issue("z1", due=DUE - timedelta(days=2))
    post.documents()
    ordered = ["Z1", "R0-1", "R0-2", "R0-10"]
    (plan,) = world.service.all_of("/reminders/plan?account_id=a1&days=60")
    planned = {told["on"]: [one["number"] for one in told["invoices"]] for told in plan["digests"]}
    assert planned["2026-03-09"] == ordered
    page = post.remind()
    (request,) = post.of("reminder")
    assert re.findall(r"^Invoice: (\S+)", text(request), re.MULTILINE) == ordered
    assert re.findall(r"<bdi>(Z1|R0-\d+)</bdi>", Visitor().go(page).html) == ordered


def test_already_paid_pauses_for_seven_days(world: World, post: Post, page: str) -> None:
    visitor = Visitor()
    fields = {"invoice-i1": "1", "on": "2026-03-09", "reference": "TX 77"}
    seen = visitor.post(f"{page}/paid", **fields)
    assert seen.heading == NOTED
    assert "You marked it as paid" in seen.html
    world.plan()
    pause = world.state("i1").pause
    assert (pause["until"], pause["reason"]) == (
        "2026-03-18",
        "The customer says that it was paid on 2026-03-09, TX 77",
    )
    assert world.state("i2").pause is None
    (event,) = replied(world)
    ada = mails()[0].contact_id
    assert (event["actor"]["kind"], event["actor"]["id"]) == ("contact", ada)
    (mail,) = told()
    assert (mail.to, mail.context["numbers"]) == (["ann@vendor.example", "sam@vendor.example"], ["I1"])
    before = raw_rows()
    again = visitor.post(f"{page}/paid", **{**fields, "on": "2026-03-01"})
    assert again.heading == NOTED
    assert raw_rows() == before
    post.deliver()
    (request,) = post.of("reply_received")
    assert "Ada Test at Customer says that the following is already paid" in text(request)
    assert "Reference: TX 77" in text(request)
    # The rest stays reminded, and so is this one when the pause is over and nothing has come.
    sent = [(day, invoice) for day, invoice, _ in world.days("2026-03-25")]
    assert sent == [("2026-03-17", "i2"), ("2026-03-19", "i1"), ("2026-03-24", "i1"), ("2026-03-24", "i2")]


def test_a_promise_within_the_limit_of_the_policy(world: World, post: Post, page: str) -> None:
    visitor = Visitor()
    fields = {"invoice-i1": "1", "invoice-i2": "1"}
    assert "A date from 11 March 2026 to 25 March 2026." in visitor.go(f"{page}/promised").html
    for day in ("2026-03-10", "2026-03-26", "soon", ""):
        refused = visitor.post(f"{page}/promised", on=day, **fields)
        assert (refused.status, "Choose one of these dates." in refused.html) == (422, True)
    assert told() == []
    seen = visitor.post(f"{page}/promised", on="2026-03-20", **fields)
    assert seen.heading == NOTED
    assert "Payment promised by 20 March 2026" in seen.html
    assert [head(one).promise["on"] for one in ("i1", "i2")] == ["2026-03-20"] * 2
    listed = world.service.get("/invoices?promised=true&entity=acme")["items"]
    assert sorted(one["invoice_id"] for one in listed) == ["i1", "i2"]
    only(world, post)
    assert {day for day, _, _ in world.days("2026-03-23")} == {"2026-03-23"}


def states(visitor: Visitor, page: str) -> dict[str, str]:
    """Return what the page says of each invoice."""
    shown = re.findall(r"<bdi>(I\d)</bdi>(?:<span class=\"state\">([^<]*)</span>)?", visitor.go(page).html)
    return dict(shown)


@pytest.mark.parametrize("minutes", [0, 5])
def test_the_newest_answer_stands(world: World, page: str, minutes: int) -> None:
    visitor = Visitor()
    promised, paid = "Payment promised by 20 March 2026", "You marked it as paid"
    visitor.post(f"{page}/promised", on="2026-03-20", **{"invoice-i1": "1"})
    assert states(visitor, page) == {"I1": promised, "I2": ""}
    world.service.clock.move(minutes=minutes)
    visitor.post(f"{page}/paid", on="2026-03-09", **{"invoice-i1": "1", "invoice-i2": "1"})
    assert states(visitor, page) == {"I1": paid, "I2": paid}
    world.service.clock.move(minutes=minutes)
    visitor.post(f"{page}/promised", on="2026-03-20", **{"invoice-i2": "1"})
    assert states(visitor, page) == {"I1": paid, "I2": promised}
    world.service.clock.move(minutes=minutes)
    visitor.post(f"{page}/problem", reason="quality", **{"invoice-i2": "1"})
    assert states(visitor, page) == {"I1": paid, "I2": "Problem reported"}


def test_what_was_said_elsewhere_later_stands(world: World, page: str) -> None:
    visitor = Visitor()
    visitor.post(f"{page}/paid", on="2026-03-09", **{"invoice-i1": "1"})
    world.service.clock.move(minutes=5)
    assert world.service.ask("PUT", "/invoices/i1/promise", {"on": "2026-03-20"}).status == 204
    assert states(visitor, page)["I1"] == "Payment promised by 20 March 2026"
    world.service.clock.move(days=10)
    assert states(visitor, page)["I1"] == "You marked it as paid"


def test_a_problem_with_lines_of_one_invoice(world: World, post: Post, page: str) -> None:
    visitor = Visitor(language="de")
    base = {"invoice-i2": "1", "only": "i2", "reason": "quantity", "line-2": "1", "note": "3,\nnot 10"}
    assert visitor.post(f"{page}/problem", **base, amount="x").status == 422
    assert visitor.post(f"{page}/problem", **base, amount="120,01").status == 422
    assert visitor.post(f"{page}/problem", **{**base, "reason": "?"}).status == 422
    assert head("i2").dispute is None
    assert visitor.post(f"{page}/problem", **base, amount="1.000,00").status == 422
    assert visitor.post(f"{page}/problem", **base, amount="30,50").status == 200
    dispute = head("i2").dispute
    assert (dispute["reason"], dispute["note"], dispute["lines"]) == ("quantity", "3,\nnot 10", [2])
    assert (dispute["amount"], dispute["owner"]) == (3050, "sam@vendor.example")
    assert head("i1").dispute is None
    world.plan()
    # The rest of it is still reminded of.
    assert {invoice for _, invoice, _ in world.days("2026-03-18")} == {"i1", "i2"}
    (mail,) = told()
    assert (mail.context["lines"], mail.context["amount"]) == ([2], "€30.50")


def test_a_problem_with_several_leaves_what_was_disputed_before(world: World, post: Post, page: str) -> None:
    world.service.ask("PUT", "/invoices/i1/dispute", {"reason": "tax"})
    seen = Visitor().post(f"{page}/problem", **{"invoice-i1": "1", "invoice-i2": "1", "reason": "duplicate"})
    assert seen.heading == NOTED
    assert (head("i1").dispute["reason"], head("i2").dispute["reason"]) == ("tax", "duplicate")
    only(world, post)


def test_send_again_to_registered_contacts_only(world: World, post: Post, page: str) -> None:
    world.contact("Ines", "invoicing")
    visitor = Visitor()
    fields = {"invoice-i1": "1", "to": "stranger@else.example"}
    assert visitor.post(f"{page}/send", **fields).status == 422
    refused = visitor.post(f"{page}/send", **{**fields, "to": "me"})
    assert (refused.status, "Email billing@acme.example" in refused.html) == (409, True)
    assert told() == []
    world.service.put("/entities/acme", invoice_mail={"mode": "live"})
    clear_entity_cache()
    assert visitor.post(f"{page}/send", **{**fields, "to": "me"}).heading == NOTED
    assert visitor.post(f"{page}/send", **{"invoice-i2": "1", "to": "invoicing"}).heading == NOTED
    before = raw_rows()
    visitor.post(f"{page}/send", **{**fields, "to": "invoicing"})
    assert raw_rows() == before
    post.deliver()
    whom = sorted(one["Destination"]["ToAddresses"][0] for one in post.of("invoice"))
    assert whom == ["ada@example.com", "ines@example.com"]
    assert sorted(mail.context["numbers"] for mail in told()) == [["I1"], ["I2"]]


def test_not_me_tells_staff_and_closes_the_link(world: World, post: Post, page: str) -> None:
    visitor = Visitor()
    seen = visitor.post(f"{page}/not-me", note="Ask Bea")
    assert seen.heading == NOTED
    assert "What would you like to tell us?" not in seen.html
    (mail,) = told()
    assert mail.context["note"] == "Ask Bea"
    before = raw_rows()
    visitor.post(f"{page}/not-me", note="Ask Bea")
    visitor.post(f"{page}/paid", **{"invoice-i1": "1", "on": "2026-03-09"})
    assert raw_rows() == before
    # While the role is held, its mail goes on (C7).
    assert [day for day, _, _ in world.days("2026-03-17")][:1] == ["2026-03-17"]


def test_not_me_stops_copies(world: World, post: Post) -> None:
    bob = world.contact("Bob")
    world.service.put(f"/accounts/a1/contacts/{bob}/preferences", reminders=True)
    world.issue("i1")
    post.remind()
    request = next(one for one in post.of("reminder") if one["Destination"]["ToAddresses"] == ["bob@example.com"])
    Visitor().post(f"{link(request)}/not-me")
    assert world.service.get(f"/accounts/a1/contacts/{bob}/preferences")["reminders"] is False
    (mail,) = told()
    assert mail.to == ["billing@acme.example"], "there is no staff"


ANSWERED: tuple[tuple[str, dict[str, str]], ...] = (
    ("paid", {"on": "2026-03-09"}),
    ("promised", {"on": "2026-03-12"}),
    ("problem", {"reason": "other"}),
    ("send", {"to": "me"}),
)


def test_nothing_is_done_for_an_invoice_of_another_mail(world: World, page: str) -> None:
    world.issue("i3")
    before = raw_rows()
    visitor = Visitor()
    for answer, fields in ANSWERED:
        assert visitor.post(f"{page}/{answer}", **{"invoice-i3": "1"}, **fields).status == 422
    assert raw_rows() == before
    assert visitor.post(f"{page}/paid", on="2026-03-09", **{"invoice-i1": "1", "invoice-i3": "1"}).heading == NOTED
    (mail,) = told()
    assert mail.context["numbers"] == ["I1"]
    world.plan()
    assert (world.state("i1").pause is None, world.state("i3").pause is None) == (False, True)
    # By a link of its own it can be answered for.
    own = give_link(["i3"], "ada@example.com", world.service.clock.now)
    assert visitor.post(f"{own}/paid", on="2026-03-09", **{"invoice-i3": "1"}).heading == NOTED
    world.plan()
    assert world.state("i3").pause is not None


def test_an_answer_is_for_invoices_of_its_link_alone(world: World, page: str) -> None:
    """Whatever the page lets through, the use case looks at the link."""
    world.issue("i3")
    context, token, day = world.service.context, page.rpartition("/")[2], date(2026, 3, 12)
    before = raw_rows()
    for answer in (
        lambda chosen: replies.reply_paid(context, token, chosen, day, None),
        lambda chosen: replies.reply_promised(context, token, chosen, day),
        lambda chosen: replies.reply_problem(context, token, chosen, "other", None),
        lambda chosen: replies.reply_send_again(context, token, chosen, replies.TO_ME),
    ):
        with pytest.raises(Conflict) as refusal:
            answer(["i3"])
        assert refusal.value.code == "nothing_to_answer"
    assert raw_rows() == before
    replies.reply_promised(context, token, ["i1", "i3"], day)
    assert head("i1").promise["on"] == "2026-03-12"
    assert head("i3").promise is None


def test_lines_and_amounts_are_of_one_invoice(world: World, page: str) -> None:
    context, token = world.service.context, page.rpartition("/")[2]
    for lines, amount in (((1,), None), ((), 100)):
        with pytest.raises(InvalidInput) as refusal:
            replies.reply_problem(context, token, ["i1", "i2"], "amount", None, lines, amount)
        assert [(one.field, one.code) for one in refusal.value.fields] == [("invoices", "one_only")]
    assert (head("i1").dispute, head("i2").dispute) == (None, None)
    replies.reply_problem(context, token, ["i2"], "amount", None, (1,), 100)
    assert (head("i1").dispute, head("i2").dispute["amount"]) == (None, 100)


@pytest.mark.parametrize("day", ["2026-03-13", "2024-03-10", "soon", ""])
def test_what_is_no_day_of_a_payment(world: World, page: str, day: str) -> None:
    before = raw_rows()
    refused = Visitor().post(f"{page}/paid", on=day, **{"invoice-i1": "1"})
    assert (refused.status, 'name="on"' in refused.html) == (422, True)
    assert raw_rows() == before


@pytest.mark.parametrize("day", ["2026-03-12", "2024-03-11"])
def test_the_last_and_the_first_day_of_a_payment(world: World, page: str, day: str) -> None:
    """Where the reader is, it may be tomorrow already."""
    assert Visitor().post(f"{page}/paid", on=day, **{"invoice-i1": "1"}).heading == NOTED


def test_twenty_invoices_at_most_are_sent_at_once(world: World, page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    world.service.put("/entities/acme", invoice_mail={"mode": "live"})
    clear_entity_cache()
    monkeypatch.setattr(replies, "MAX_RESENT_INVOICES", 1)
    visitor = Visitor()
    before = raw_rows()
    assert visitor.post(f"{page}/send", to="me", **{"invoice-i1": "1", "invoice-i2": "1"}).status == 422
    assert raw_rows() == before
    assert visitor.post(f"{page}/send", to="me", **{"invoice-i1": "1"}).heading == NOTED


def test_a_void_invoice_is_not_sent_again(world: World, page: str) -> None:
    world.service.put("/entities/acme", invoice_mail={"mode": "live"})
    clear_entity_cache()
    assert world.service.ask("POST", "/invoices/i1/void", {"reason": "A mistake."}).status == 200
    visitor = Visitor()
    seen = visitor.post(f"{page}/send", to="me", **{"invoice-i1": "1"})
    assert (seen.status, seen.heading) == (200, "Reply to the payment reminder")
    assert told() == []
    assert visitor.post(f"{page}/send", to="me", **{"invoice-i2": "1"}).heading == NOTED


def test_there_is_no_other_answer(world: World, page: str) -> None:
    fields = {"invoice-i1": "1", "on": "2026-03-12", "reason": "other", "to": "me"}
    before = raw_rows()
    assert Visitor().post(f"{page}/nothing", **fields).status == 404
    assert raw_rows() == before
    assert Visitor().post(f"{page}/problem", **fields).heading == NOTED


def test_a_link_that_was_not_given_out(world: World, page: str) -> None:
    visitor = Visitor()
    last = page[:-1] + ("A" if page[-1] != "A" else "B")
    for strange in ("/portal/reply/" + "A" * 43, "/portal/reply/x", page[:-1], last, f"{page}A"):
        for path in (strange, f"{strange}/paid"):
            assert (visitor.go(path).status, visitor.go(path).heading) == (404, GONE)
        told_by = visitor.post(f"{strange}/paid", on="2026-03-09", **{"invoice-i1": "1"})
        assert (told_by.status, told_by.heading) == (404, GONE)
    assert told() == []
    assert visitor.post(f"{page}/paid", on="2026-03-09", **{"invoice-i1": "1"}).heading == NOTED


def test_a_link_ends_after_sixty_days(world: World, page: str) -> None:
    visitor = Visitor()
    world.service.clock.move(days=59, hours=23, minutes=59, seconds=59)
    assert visitor.go(page).status == 200
    world.service.clock.move(seconds=1)
    assert (visitor.go(page).status, visitor.go(page).heading) == (404, GONE)


def test_a_link_is_for_the_address_that_its_mail_went_to(world: World, page: str) -> None:
    visitor = Visitor()
    ada = mails()[0].contact_id
    world.service.patch(f"/accounts/a1/contacts/{ada}", email="else@example.com")
    assert (visitor.go(page).status, visitor.go(page).heading) == (404, GONE)
    world.service.patch(f"/accounts/a1/contacts/{ada}", email="ada@example.com")
    assert visitor.go(page).status == 200


def test_the_link_of_a_contact_that_was_deleted(world: World, page: str) -> None:
    visitor = Visitor()
    path = f"/accounts/a1/contacts/{mails()[0].contact_id}"
    assert world.service.ask("DELETE", path).status == 204
    assert (visitor.go(page).status, visitor.go(page).heading) == (404, GONE)
    assert visitor.post(f"{page}/paid", on="2026-03-09", **{"invoice-i1": "1"}).status == 404
    assert told() == []
    assert world.service.ask("POST", f"{path}/restore").status == 200
    assert visitor.go(page).status == 200


def test_a_form_of_another_site_does_nothing(world: World, page: str) -> None:
    headers = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    seen = Visitor().post(f"{page}/paid", headers=headers, **{"invoice-i1": "1", "on": "2026-03-09"})
    assert seen.status == 403
    assert told() == []
    assert Visitor().post(f"{page}/paid", **{"invoice-i1": "1", "on": "2026-03-09"}).heading == NOTED


def test_what_was_paid_meanwhile_needs_no_answer(world: World, post: Post, page: str) -> None:
    world.pay("i1")
    world.pay("i2")
    visitor = Visitor()
    seen = visitor.go(page)
    assert "It is already paid" not in seen.html
    assert "Send the invoice again" in seen.html
    assert visitor.go(f"{page}/paid").heading == "Reply to the payment reminder"
    assert visitor.post(f"{page}/paid", **{"invoice-i1": "1", "on": "2026-03-09"}).heading == (
        "Reply to the payment reminder"
    )
    assert told() == []
    only(world, post)


def test_many_invoices_are_answered_for_in_parts(world: World, post: Post) -> None:
    for number in range(23):
        world.issue(f"n{number:02d}")
    page = post.remind()
    chosen = {f"invoice-n{number:02d}": "1" for number in range(23)}
    assert Visitor().post(f"{page}/promised", on="2026-03-20", **chosen).heading == NOTED
    assert {head(f"n{number:02d}").promise["on"] for number in range(23)} == {"2026-03-20"}
    (mail,) = told()
    assert len(mail.context["numbers"]) == 23
    (kept,) = rows(ReplyLinkItem)
    assert [len(one["invoice_ids"]) for one in kept.used] == [20, 3]
    only(world, post)


@pytest.mark.parametrize(
    ("answer", "module", "function"), [("paid", replies, "pause_invoices"), ("promised", promises, "record_promises")]
)
def test_staff_hear_of_what_was_cut_short_when_only_that_is_repeated(
    world: World, page: str, monkeypatch: pytest.MonkeyPatch, answer: str, module: Any, function: str
) -> None:
    real, calls = getattr(module, function), []

    def dying(*given: Any) -> Any:
        calls.append(given)
        if len(calls) > 1:
            raise Crash
        return real(*given)

    on = "2026-03-10" if answer == "paid" else "2026-03-20"
    visitor = Visitor()
    with monkeypatch.context() as cut:
        for divided in (pauses, replies):
            cut.setattr(divided, "MAX_INVOICES_PER_TRANSACTION", 1)
        cut.setattr(module, function, dying)
        with pytest.raises(Crash):
            visitor.post(f"{page}/{answer}", on=on, **{"invoice-i1": "1", "invoice-i2": "1"})
    assert told() == []
    for _ in range(2):
        assert visitor.post(f"{page}/{answer}", on=on, **{"invoice-i1": "1"}).heading == NOTED
        (mail,) = told()
        assert mail.context["numbers"] == ["I1"]
