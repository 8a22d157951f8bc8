"""A reminder is prepared when it is claimed: invoices settled or on hold meanwhile are left out (R2, R3, I6)."""

import re
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from chalicelib.config import settings
from chalicelib.entities import service as entities
from chalicelib.functions.mail import deliver_bulk_mail
from chalicelib.functions.reminders import explain_reminders
from chalicelib.reminders.run import mail_content
from chalicelib.table import keys, store
from chalicelib.table.items import EntityItem, Item, ReplyLinkItem
from tests.aws import BUCKET, client
from tests.integration.deliveries.world import attached, received, subject
from tests.integration.portal.visitor import Visitor
from tests.integration.reminders.replies import DONE, Post, link, text
from tests.integration.reminders.world import World, mails, rows, steps, to_come
from tests.integration.service import rows as raw_rows

AT = "2026-03-11T09:30"


def hold(world: World) -> None:
    """Let the digest be written, and its mails wait."""
    entities.clear_entity_cache()
    world.at(AT)
    world.hour()


def ask(world: World, method: str, path: str, body: Any = None) -> None:
    answer = world.service.ask(method, path, body)
    assert answer.status in (200, 201, 202, 204), answer.text


def test_a_reminder_lists_the_oldest_invoices_and_sums_up_the_others(
    world: World, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail_content, "MAX_LISTED_INVOICES", 2)
    for number in (4, 3, 2, 1):
        world.issue(f"i{number}")
    post.documents()
    hold(world)
    post.deliver()
    (ada,) = post.of("reminder")
    assert subject(ada) == "Reminder: invoices to pay, €480.00"
    assert text(ada).index("Invoice: I1\n") < text(ada).index("Invoice: I2\n")
    assert "Invoice: I3" not in text(ada)
    assert "and 2 more invoices, €240.00 in total\nThe reply page lists all invoices." in text(ada)
    assert "Total to pay: €480.00" in text(ada)
    page = Visitor().go(link(ada)).html
    assert all(number in page for number in ("I1", "I2", "I3", "I4"))


def test_each_contact_gets_its_own_copy_with_its_own_link(world: World, post: Post) -> None:
    world.contact("Bob", "accounts_payable", locale="de")
    world.issue("i1")
    world.issue("i2", total=24000, lines=[{"description": "More", "net_amount": 20000, "taxes": [VAT]}])
    post.documents()
    hold(world)
    post.deliver()
    ada, bob = sorted(post.of("reminder"), key=lambda one: one["Destination"]["ToAddresses"][0])
    assert subject(ada) == "Reminder: invoices to pay, €360.00"
    assert "Invoice: I1" in text(ada)
    assert "This reminder also went to Bob Test." in text(ada)
    assert text(bob).startswith("Guten Tag Bob Test,")
    assert sorted(attached(ada)) == ["invoice-I1.pdf", "invoice-I2.pdf"]
    assert link(ada) != link(bob)
    kept = {item.pk for item in rows(ReplyLinkItem)}
    hashes = {mail_content.hash_reply_token(link(one).rpartition("/")[2]) for one in (ada, bob)}
    assert kept == {keys.reply_link(one).pk for one in hashes}
    # Nothing in the table holds the secret, the history of mails included.
    shown = str([world.service.get(f"/accounts/a1/emails/{mail.email_id}") for mail in mails()])
    assert "/portal/reply/…" in shown
    assert all(link(one).rpartition("/")[2] not in shown + str(raw_rows()) for one in (ada, bob))


VAT = {"name": "VAT", "rate": "20", "category": "S"}


def move_due_date(world: World) -> None:
    version = world.service.ask("GET", "/invoices/i1").headers["etag"].strip('"')
    answer = world.service.ask("PATCH", "/invoices/i1", {"due_date": "2026-04-30"}, if_match=version)
    assert answer.status == 200, answer.text


@pytest.mark.parametrize(
    "happens",
    [
        lambda world: world.pay("i1"),
        lambda world: ask(world, "PUT", "/invoices/i1/dispute", {"reason": "amount"}),
        lambda world: ask(world, "PUT", "/invoices/i1/reminder-pause", {"until": "2026-03-20"}),
        lambda world: ask(world, "POST", "/invoices/i1/void", {}),
        lambda world: ask(world, "PUT", "/invoices/i1/promise", {"on": "2026-03-13"}),
        lambda world: ask(world, "POST", "/invoices/i1/uncollectible", {}),
        move_due_date,
    ],
    ids=["paid", "disputed", "paused", "void", "promised", "uncollectible", "due-another-day"],
)
def test_what_is_settled_or_held_up_before_it_is_sent_leaves_the_mail(
    world: World, post: Post, happens: Callable[[World], None]
) -> None:
    world.issue("i1")
    world.issue("i2")
    post.documents()
    hold(world)
    happens(world)
    post.deliver()
    (request,) = post.of("reminder")
    assert subject(request) == "Reminder: invoice I2 was due on 10 March 2026"
    assert "Invoice: I1" not in text(request)
    assert list(attached(request)) == ["invoice-I2.pdf"]
    (kept,) = rows(ReplyLinkItem)
    assert kept.invoice_ids == ["i2"]
    world.plan()


def test_nothing_left_is_not_sent(world: World, post: Post) -> None:
    world.issue("i1")
    hold(world)
    world.pay("i1")
    post.deliver()
    assert post.of("reminder") == []
    (mail,) = mails()
    assert (mail.status, mail.reason) == ("failed", "nothing_left")
    assert rows(ReplyLinkItem) == []
    assert steps() == {"+1": "sent", "-3": "superseded"}
    world.plan()
    assert steps() == {"+1": "withheld", "-3": "superseded"}
    assert to_come() == {}


def taken(world: World, invoice_id: str = "i1") -> list[Any]:
    """Return what the history of an invoice says of steps that a digest took: outcome, and how its copies stand."""
    found = world.service.get(f"/invoices/{invoice_id}/reminders")["taken"]
    return [
        (one["step"], one["outcome"], sorted(copy["status"] for copy in one["copies"]))
        for one in found
        if one["outcome"] != "superseded"
    ]


def test_a_step_of_which_nobody_was_told_is_told_as_withheld_and_comes_again(world: World, post: Post) -> None:
    world.issue("i1")
    hold(world)
    ask(world, "PUT", "/invoices/i1/dispute", {"reason": "amount"})
    post.deliver()
    world.plan()
    assert taken(world) == [("+1", "withheld", ["withheld"])]
    assert explain_reminders({"invoice": "i1"}, None)["done"][-1]["outcome"].startswith("withheld at the last look")
    ask(world, "DELETE", "/invoices/i1/dispute")
    world.plan()
    assert [one["step"] for one in world.service.get("/invoices/i1/reminders")["steps_left"]] == [
        "+1",
        "+7",
        "+14",
        "+30",
    ]
    # The account counts as reminded on that day, so the step waits for the minimum gap.
    assert to_come() == {"i1": "2026-03-13"}
    world.at("2026-03-13T09:30")
    world.hour()
    post.deliver()
    assert len(post.of("reminder")) == 1
    assert taken(world) == [("+1", "sent", ["sent"])]


def test_a_newer_step_takes_the_place_of_one_that_was_withheld(world: World, post: Post) -> None:
    world.issue("i1")
    hold(world)
    ask(world, "PUT", "/invoices/i1/dispute", {"reason": "amount"})
    post.deliver()
    ask(world, "DELETE", "/invoices/i1/dispute")
    world.at("2026-03-17T09:30")
    world.plan()
    world.hour()
    post.deliver()
    world.plan()
    assert taken(world) == [("+1", "withheld", ["withheld"]), ("+7", "sent", ["sent"])]
    history = world.service.get("/invoices/i1/reminders")
    assert [one["step"] for one in history["steps_left"]] == ["+14", "+30"]


def test_a_step_of_which_one_contact_was_told_is_sent(world: World, post: Post) -> None:
    world.contact("Bob", "accounts_payable")
    world.issue("i1")
    world.issue("i2")
    hold(world)
    records = received(settings().queue_urls["bulk_mail"])
    while not post.of("reminder"):
        assert deliver_bulk_mail({"Records": [records.pop(0)]}, None) == DONE
    world.pay("i1")
    assert deliver_bulk_mail({"Records": records}, None) == DONE
    world.plan()
    assert taken(world, "i1") == [("+1", "sent", ["sent", "withheld"])]
    assert taken(world, "i2") == [("+1", "sent", ["sent", "sent"])]
    assert steps("i1")["+1"] == "sent"


def test_what_was_left_out_of_a_mail_is_told_as_withheld(world: World, post: Post) -> None:
    for number in range(1, 24):
        world.issue(f"i{number}")
    hold(world)
    for number in range(2, 24):
        world.pay(f"i{number}")
    post.deliver()
    world.plan()
    assert taken(world, "i1") == [("+1", "sent", ["sent"])]
    assert {steps(f"i{number}")["+1"] for number in range(2, 24)} == {"withheld"}


def test_a_step_is_not_spent_when_no_address_can_be_reached(world: World, post: Post) -> None:
    world.issue("i1")
    hold(world)
    world.suppress("ada@example.com")
    post.deliver()
    world.plan()
    assert steps()["+1"] == "withheld"
    world.at("2026-03-13T09:30")
    world.hour()
    assert (world.reasons()[-1], to_come()) == ("all_suppressed", {"i1": "2026-03-16"})


def to_whom(post: Post) -> list[str]:
    return sorted(one["Destination"]["ToAddresses"][0] for one in post.of("reminder"))


def test_the_successor_gets_the_copy_of_a_contact_that_is_gone(world: World, post: Post) -> None:
    (ada,) = world.service.get("/accounts/a1/contacts")["items"]
    bob = world.contact("Bob", locale="de")
    world.issue("i1")
    hold(world)
    ask(world, "DELETE", f"/accounts/a1/contacts/{ada['contact_id']}?successor={bob}")
    post.deliver()
    assert to_whom(post) == ["bob@example.com"]
    (request,) = post.of("reminder")
    assert text(request).startswith("Guten Tag Bob Test,")
    assert Visitor().go(link(request)).status == 200
    ((mail),) = mails()
    assert (mail.contact_id, mail.to, mail.locale) == (bob, ["bob@example.com"], "de")
    history = world.service.get("/invoices/i1/reminders")["taken"][-1]
    assert [(one["contact_id"], one["status"]) for one in history["copies"]] == [(bob, "sent")]


def test_each_copy_is_handed_over_once_and_never_to_who_has_one(world: World, post: Post) -> None:
    old = [world.contact(name, "accounts_payable") for name in ("Bob", "Carl")]
    dora = world.contact("Dora")
    world.issue("i1")
    hold(world)
    for contact_id in old:
        world.service.patch(f"/accounts/a1/contacts/{contact_id}", roles=[])
    world.service.patch(f"/accounts/a1/contacts/{dora}", roles=["accounts_payable"])
    post.deliver()
    assert to_whom(post) == ["ada@example.com", "dora@example.com"]
    assert sorted(mail.reason or "" for mail in mails()) == ["", "", "no_contacts"]
    world.plan()
    assert steps()["+1"] == "sent"


def test_a_copy_is_handed_over_only_for_the_bill_groups_of_its_new_reader(world: World, post: Post) -> None:
    (ada,) = world.service.get("/accounts/a1/contacts")["items"]
    bob = world.contact("Bob", "accounts_payable")
    world.service.bill_group("g2", "/accounts/a1", accounts_payable_contact_ids=[bob])
    world.issue("i1")
    world.issue("i2", bill_group_id="g2")
    hold(world)
    carl = world.contact("Carl", "accounts_payable")
    world.service.patch("/bill-groups/g2", accounts_payable_contact_ids=[bob, ada["contact_id"]])
    world.service.patch(f"/accounts/a1/contacts/{bob}", roles=[])
    post.deliver()
    told = {one["Destination"]["ToAddresses"][0]: text(one) for one in post.of("reminder")}
    # Ada has her own copy; Carl gets Bob's, without the invoice of the bill group that others look after.
    assert sorted(told) == ["ada@example.com", "carl@example.com"]
    assert "I2" not in told["carl@example.com"]
    assert carl


def test_where_nobody_holds_the_role_the_step_waits_for_somebody(world: World, post: Post) -> None:
    (ada,) = world.service.get("/accounts/a1/contacts")["items"]
    world.issue("i1")
    hold(world)
    ask(world, "DELETE", f"/accounts/a1/contacts/{ada['contact_id']}")
    post.deliver()
    assert [mail.reason for mail in mails()] == ["no_contacts"]
    world.plan()
    assert steps()["+1"] == "withheld"
    world.at("2026-03-13T09:30")
    world.hour()
    assert world.reasons()[-1] == "no_contact"
    world.contact("Bob", "accounts_payable")
    world.at("2026-03-16T09:30")
    world.hour()
    post.deliver()
    assert to_whom(post) == ["bob@example.com"]
    assert steps()["+1"] == "sent"


def test_unallocated_credit_covers_it(world: World, post: Post) -> None:
    world.issue("i1")
    hold(world)
    given = {"entity_id": "acme", "amount": 12000, "currency": "EUR", "received_on": "2026-03-11"}
    ask(world, "PUT", "/accounts/a1/payments/p1", given)
    post.deliver()
    assert [mail.reason for mail in mails()] == ["nothing_left"]


def give_credit(world: World, amount: int) -> None:
    given = {"entity_id": "acme", "amount": amount, "currency": "EUR", "received_on": "2026-02-01"}
    ask(world, "PUT", "/accounts/a1/payments/p1", given)


def in_order(found: str, *parts: str) -> bool:
    """Tell whether a text has all parts, in this order."""
    return re.search(".*".join(map(re.escape, parts)), found, re.DOTALL) is not None


def test_what_is_left_after_credit_is_asked_for_and_the_credit_is_shown(world: World, post: Post) -> None:
    world.issue("i1")
    give_credit(world, 6000)
    hold(world)
    post.deliver()
    (request,) = post.of("reminder")
    told = text(request)
    assert in_order(told, "Open amount: €120.00", "Your credit: -€60.00", "Total to pay: €60.00")
    html = request["Content"]["Simple"]["Body"]["Html"]["Data"]
    assert in_order(html, "€120.00", "-€60.00", "€60.00")
    page = Visitor().go(link(request)).html
    assert in_order(page, "€120.00", "Your credit", "-€60.00", "Total to pay", "€60.00")
    form = Visitor().go(f"{link(request)}/promised").html
    assert in_order(form, "€120.00", "Your credit", "-€60.00", "Total to pay", "€60.00")


def test_credit_of_the_day_counts_on_the_earliest_due_of_all_open_invoices(world: World, post: Post) -> None:
    world.issue("i0", date(2026, 3, 9), currency="USD")
    world.issue("i1", date(2026, 3, 9))
    world.issue("i2")
    hold(world)
    give_credit(world, 13000)
    post.deliver()
    told = {subject(one): text(one) for one in post.of("reminder")}
    euros = next(one for one in told.values() if "I2" in one)
    assert "I1" not in euros
    assert in_order(euros, "Open amount: €120.00", "Your credit: -€10.00", "Total to pay: €110.00")
    dollars = next(one for one in told.values() if "I0" in one)
    assert "Total to pay: US$120.00" in dollars
    assert "Your credit" not in dollars


def test_the_undisputed_part_is_asked_for_and_the_disputed_shown_apart(world: World, post: Post) -> None:
    world.issue("i1")
    world.issue("i2")
    ask(world, "PUT", "/invoices/i1/dispute", {"reason": "amount", "amount": 5000})
    world.plan()
    give_credit(world, 2000)
    hold(world)
    post.deliver()
    (request,) = post.of("reminder")
    assert subject(request) == "Reminder: invoices to pay, €170.00"
    assert in_order(
        text(request),
        *("Invoice: I1", "Open amount: €120.00", "Disputed amount: €50.00", "Invoice: I2", "Open amount: €120.00"),
        *("Disputed amount: -€50.00", "Your credit: -€20.00", "Total to pay: €170.00"),
    )
    page = Visitor().go(link(request)).html
    assert in_order(page, "Disputed amount", "-€50.00", "Your credit", "-€20.00", "Total to pay", "€170.00")


def test_disputed_lines_are_not_asked_for_with_their_tax(world: World, post: Post) -> None:
    lines = [{"description": text, "net_amount": net, "taxes": [VAT]} for text, net in (("A", 3000), ("B", 7000))]
    world.issue("i1", lines=lines)
    ask(world, "PUT", "/invoices/i1/dispute", {"reason": "quality", "lines": [1]})
    world.plan()
    assert world.service.get("/invoices/i1")["dispute"]["disputed_amount"] == 3600
    hold(world)
    (digest,) = world.service.all_of("/reminders/plan?account_id=a1&days=60")[0]["digests"][:1]
    post.deliver()
    (request,) = post.of("reminder")
    assert in_order(text(request), "Disputed amount: €36.00", "Total to pay: €84.00")
    (planned,) = digest["invoices"]
    assert (digest["total"], planned["balance"], planned["disputed"], planned["asked"]) == (8400, 12000, 3600, 8400)
    history = world.service.get("/invoices/i1/reminders")
    assert history["amount"] == {"balance": 12000, "disputed": 3600, "credit": 0, "asked": 8400}


@pytest.mark.parametrize(("amount", "sent"), [(11999, 1), (12000, 0)])
def test_a_dispute_of_a_part_keeps_nothing_else_back(world: World, post: Post, amount: int, sent: int) -> None:
    world.issue("i1")
    hold(world)
    ask(world, "PUT", "/invoices/i1/dispute", {"reason": "amount", "amount": amount})
    post.deliver()
    assert len(post.of("reminder")) == sent
    world.plan()


def test_once_the_undisputed_part_is_paid_it_rests_and_begins_again_when_the_payment_is_reversed(world: World) -> None:
    world.issue("i1")
    ask(world, "PUT", "/invoices/i1/dispute", {"reason": "amount", "amount": 5000})
    world.plan()
    paid = {"amount": 7000, "currency": "EUR", "received_on": "2026-02-02"}
    paid["allocations"] = [{"invoice_id": "i1", "amount": 7000}]
    ask(world, "PUT", "/accounts/a1/payments/p1", paid)
    world.at(AT)
    world.hour()
    assert (mails(), world.reasons(), to_come()) == ([], ["disputed"], {})
    ask(world, "POST", "/accounts/a1/payments/p1/reversal", {"reason": "Returned."})
    world.plan()
    world.hour()
    assert len(mails()) == 1


@pytest.mark.parametrize("level", ["bill-groups/g1", "accounts/a1"])
def test_a_pause_above_it_holds_it_back(world: World, post: Post, level: str) -> None:
    world.issue("i1")
    hold(world)
    ask(world, "PUT", f"/{level}/reminder-pause", {})
    post.deliver()
    assert [mail.reason for mail in mails()] == ["nothing_left"]
    world.plan()


def test_who_holds_the_role_no_more_gets_none(world: World, post: Post) -> None:
    bob = world.contact("Bob", "accounts_payable")
    carl = world.contact("Carl", "accounts_payable")
    world.issue("i1")
    hold(world)
    world.service.patch(f"/accounts/a1/contacts/{bob}", roles=[])
    ask(world, "DELETE", f"/accounts/a1/contacts/{carl}")
    post.deliver()
    assert [one["Destination"]["ToAddresses"] for one in post.of("reminder")] == [["ada@example.com"]]
    assert sorted(mail.reason or "" for mail in mails()) == ["", "no_contacts", "no_contacts"]


def test_a_copy_can_be_stopped_by_the_mail(world: World, post: Post) -> None:
    bob = world.contact("Bob")
    world.service.put(f"/accounts/a1/contacts/{bob}/preferences", reminders=True)
    world.issue("i1")
    hold(world)
    post.deliver()
    copy = next(one for one in post.of("reminder") if one["Destination"]["ToAddresses"] == ["bob@example.com"])
    headers = {one["Name"]: one["Value"] for one in copy["Content"]["Simple"]["Headers"]}
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert headers["List-Unsubscribe"].strip("<>") in text(copy)
    assert "you chose to get copies" in text(copy)


@pytest.mark.parametrize(("remembered", "now", "sent"), [("off", "live", 1), ("live", "off", 0)])
def test_what_the_entity_says_counts_at_once(world: World, post: Post, remembered: str, now: str, sent: int) -> None:
    world.issue("i1")
    hold(world)
    world.service.put("/entities/acme", reminder_mail={"mode": remembered})
    entities.get_cached_entity("acme", world.service.clock.now)
    # Another process writes this; what is remembered here stays.
    row = store.get_item(EntityItem, keys.entity("acme"))
    assert row is not None
    row.reminder_mail = {"mode": now, "pilot_account_ids": []}
    store.replace_item(row)
    post.deliver()
    assert len(post.of("reminder")) == sent


def test_the_entity_went_off(world: World, post: Post) -> None:
    world.issue("i1")
    hold(world)
    world.service.put("/entities/acme", reminder_mail={"mode": "off"})
    entities.clear_entity_cache()
    post.deliver()
    assert [mail.reason for mail in mails()] == ["reminders_not_live"]
    world.plan()


def test_pdfs_are_attached_up_to_a_size(world: World, post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    world.issue("i1")
    world.issue("i2")
    post.documents()
    (size,) = {item.pdf["size"] for item in rows(Item) if getattr(item, "pdf", None) and item.invoice_id == "i1"}
    monkeypatch.setattr(mail_content, "MAX_ATTACHED_BYTES", size)
    hold(world)
    post.deliver()
    (request,) = post.of("reminder")
    assert list(attached(request)) == ["invoice-I1.pdf"]


def allow(world: World, address: str, *permissions: str) -> None:
    rule = {"value": address, **({"permissions": list(permissions)} if permissions else {})}
    ask(world, "POST", "/bill-groups/g1/access-rules", rule)


def bodies(request: dict[str, Any]) -> tuple[str, str]:
    body = request["Content"]["Simple"]["Body"]
    return body["Html"]["Data"], body["Text"]["Data"]


def test_only_a_reader_who_may_enter_is_told_of_the_portal(
    world: World, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.contact("Bob", "accounts_payable")
    world.contact("Cy", "accounts_payable")
    allow(world, "bob@example.com", "invoices")
    allow(world, "cy@example.com", "profile")
    world.issue("i1")
    post.documents()
    monkeypatch.setattr(mail_content, "MAX_ATTACHED_BYTES", 1)
    hold(world)
    post.deliver()
    by_reader = {one["Destination"]["ToAddresses"][0]: bodies(one) for one in post.of("reminder")}
    portal, files = world.service.get("/bill-groups/g1/portal-link")["url"], "are in the customer portal"
    assert portal
    # Who may enter, but not see invoices, gets the link without the promise of the files.
    told = {reader: [(portal in one, files in one) for one in both] for reader, both in by_reader.items()}
    assert told == {
        "ada@example.com": [(False, False)] * 2,
        "bob@example.com": [(True, True)] * 2,
        "cy@example.com": [(True, False)] * 2,
    }


@pytest.mark.parametrize("content", [None, b"%PDF-of-something-else"])
def test_a_pdf_that_is_lost_holds_no_reminder_up(
    world: World, post: Post, content: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    world.issue("i1")
    world.issue("i2")
    post.documents()
    (key,) = {item.pdf["key"] for item in rows(Item) if getattr(item, "pdf", None) and item.invoice_id == "i1"}
    if content is None:
        client("s3").delete_object(Bucket=BUCKET, Key=key)
    else:
        client("s3").put_object(Bucket=BUCKET, Key=key, Body=content)
    hold(world)
    post.deliver()
    (request,) = post.of("reminder")
    assert list(attached(request)) == ["invoice-I2.pdf"]
    assert "Invoice: I1" in text(request)
    (told,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert told.invoice_id == "i1"  # type: ignore[attr-defined]


def test_a_copy_that_is_sent_again_has_a_link_of_its_own(world: World, post: Post) -> None:
    world.issue("i1")
    hold(world)
    post.deliver()
    (mail,) = mails()
    ask(world, "POST", f"/accounts/a1/emails/{mail.email_id}/resend")
    post.deliver()
    first, second = post.of("reminder")
    assert link(first) != link(second)
    assert len(rows(ReplyLinkItem)) == 2
