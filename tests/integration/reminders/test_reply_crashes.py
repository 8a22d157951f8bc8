"""A crash or a lost response at every AWS call of a reply, which is then repeated: it counts once, staff hear once."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from chalicelib.entities.service import clear_entity_cache
from chalicelib.reminders.pauses import service as pauses
from chalicelib.reminders.replies import service as replies
from chalicelib.staff import service as staff
from chalicelib.table.items import (
    AuditEventItem,
    ContactItem,
    DeliveryItem,
    EmailItem,
    InvoiceItem,
    InvoiceRemindersItem,
    Item,
    ReplyLinkItem,
    TaskItem,
)
from tests.integration.portal.visitor import Seen, Visitor
from tests.integration.reminders.replies import Post, give_link
from tests.integration.reminders.test_reminder_crashes import HOW, Faults
from tests.integration.reminders.test_replies import NOTED
from tests.integration.reminders.world import World, planning_tasks, rows
from tests.integration.service import rows as raw_rows

GET, BATCH, QUERY = "dynamodb.GetItem", "dynamodb.BatchGetItem", "dynamodb.Query"
COMMIT, HINT = "dynamodb.TransactWriteItems", "sqs.SendMessageBatch"
# The page finds what the link is about, with the entity, and so does the reply, which remembers the entity.
FIND = (GET, BATCH, GET, GET, BATCH)
STAFF = (QUERY, BATCH)
# The link once more, whom to tell, what was mailed before (A13), and all of it in one transaction.
TELL = (GET, *STAFF, BATCH, COMMIT, HINT)
# The invoice and its contact, and what was mailed before; an email to staff in the same transaction reads it no more.
TO_ME = (GET, BATCH, BATCH, BATCH)
TELL_TOO = (GET, *STAFF, COMMIT, HINT)
ANN = "ann@vendor.example"
BOTH = {"invoice-i1": "1", "invoice-i2": "1"}
INVOICES = ("i1", "i2")


@dataclass(frozen=True)
class Reply:
    """One answer, its calls, and its effects: in the table, the audit, and by email."""

    answer: str
    fields: Mapping[str, str]
    calls: tuple[str, ...]
    effect: Mapping[str, Mapping[str, str]]
    audit: Mapping[str, int]
    by: str = "ada@example.com"
    sent_to: tuple[str, ...] = ()
    in_a_part: int = pauses.MAX_INVOICES_PER_TRANSACTION
    """How many invoices are written in one transaction."""


def each(value: str) -> dict[str, str]:
    return dict.fromkeys(INVOICES, value)


REPLIES = {
    "paid": Reply(
        "paid",
        {**BOTH, "on": "2026-03-09", "reference": "TX 77"},
        (*FIND, BATCH, *TELL, HINT),
        {"paused": each("2026-03-18")},
        {"reminders.paused": 2, "reminder.replied": 1},
    ),
    "promised": Reply(
        "promised",
        {**BOTH, "on": "2026-03-20"},
        (*FIND, BATCH, BATCH, *TELL, HINT),
        {"promised": each("2026-03-20")},
        {"invoice.promised": 2, "reminder.replied": 1},
    ),
    "promised, in parts": Reply(
        "promised",
        {**BOTH, "on": "2026-03-20"},
        (*FIND, BATCH, BATCH, GET, COMMIT, HINT, BATCH, *TELL, HINT),
        {"promised": each("2026-03-20")},
        {"invoice.promised": 2, "reminder.replied": 2},
        in_a_part=1,
    ),
    "problem": Reply(
        "problem",
        {**BOTH, "reason": "amount", "note": "Too much"},
        (*FIND, *STAFF, BATCH, *TELL, HINT),
        {"disputed": each("amount")},
        {"invoice.disputed": 2, "reminder.replied": 1},
    ),
    "send to me": Reply(
        "send",
        {**BOTH, "to": "me"},
        (*FIND, *TO_ME, GET, COMMIT, HINT, *TO_ME, *TELL_TOO, HINT),
        {"sent": each("1")},
        {"invoice.sent_again": 2, "reminder.replied": 2},
        sent_to=("ada@example.com", "ada@example.com"),
    ),
    "not me": Reply("not-me", {"note": "Ask Bea"}, (*FIND, GET, *TELL), {}, {"reminder.replied": 1}),
    "not me, a copy": Reply(
        "not-me",
        {},
        (*FIND, GET, BATCH, COMMIT, *TELL),
        {"copies": {"bob@example.com": "False"}},
        {"contact.preferences_changed": 1, "reminder.replied": 1},
        by="bob@example.com",
    ),
}
CASES = [
    pytest.param(name, number, how, id=f"{name}-{number}-{reply.calls[number]}-{how}")
    for name, reply in REPLIES.items()
    for number in range(len(reply.calls))
    for how in HOW
]


def page_of(reply: Reply, world: World) -> str:
    """Give the contact the link of a reminder of its invoices; return its page. Ann is staff."""
    staff.add_staff_member(world.service.context, ANN, "Ann", "admin")
    if reply.by == "bob@example.com":
        bob = world.contact("Bob")
        world.service.put(f"/accounts/a1/contacts/{bob}/preferences", reminders=True)
    for invoice_id in INVOICES:
        world.issue(invoice_id)
    if reply.answer == "send":
        world.service.put("/entities/acme", invoice_mail={"mode": "live"})
        Post.documents()
    world.at("2026-03-11T09:30")
    clear_entity_cache()
    return give_link(INVOICES, reply.by, world.service.clock.now)


def answered(reply: Reply, page: str, *, follow: bool = True) -> Seen:
    return Visitor().post(f"{page}/{reply.answer}", follow=follow, **reply.fields)


def effect(every: list[Item]) -> dict[str, dict[str, str]]:
    """Return all rows about replies that were given."""
    heads = rows(InvoiceItem, every)
    sent = Counter(one.invoice_id for one in rows(DeliveryItem, every) if one.reason == "sent_again")
    preferences = {one.email: one.preferences for one in rows(ContactItem, every)}
    found: dict[str, dict[str, str]] = {
        "paused": {one.invoice_id: one.pause["until"] for one in rows(InvoiceRemindersItem, every) if one.pause},
        "promised": {one.invoice_id: one.promise["on"] for one in heads if one.promise},
        "disputed": {one.invoice_id: one.dispute["reason"] for one in heads if one.dispute},
        "sent": {invoice_id: str(number) for invoice_id, number in sent.items()},
        "copies": {one: str(of["reminders"]) for one, of in preferences.items() if of.get("reminders") is False},
    }
    return {name: of for name, of in found.items() if of}


@pytest.mark.parametrize(("name", "number", "how"), CASES)
def test_a_reply_counts_once_however_it_was_cut_short(
    world: World, monkeypatch: pytest.MonkeyPatch, name: str, number: int, how: str
) -> None:
    reply = REPLIES[name]
    page = page_of(reply, world)
    monkeypatch.setattr(replies, "MAX_INVOICES_PER_TRANSACTION", reply.in_a_part)
    monkeypatch.setattr(pauses, "MAX_INVOICES_PER_TRANSACTION", reply.in_a_part)
    made = Faults.run(lambda: answered(reply, page, follow=False), number, how)
    assert made == (reply.calls if how == "lost" else reply.calls[: number + 1])
    world.service.clock.move(minutes=1)
    assert answered(reply, page).heading == NOTED
    whole = raw_rows()
    assert answered(reply, page).heading == NOTED
    assert raw_rows() == whole, "the same once more changes something"
    every = list(Item.scan())
    assert effect(every) == reply.effect
    (kept,) = rows(ReplyLinkItem, every)
    assert sorted(one for used in kept.used for one in used["invoice_ids"]) == [*INVOICES]
    assert Counter(one.action for one in rows(AuditEventItem, every) if one.actor_kind == "contact") == reply.audit
    mails = rows(EmailItem, every)
    (told,) = [one for one in mails if one.kind == "reply_received"]
    assert (told.to, told.context["numbers"]) == ([ANN], [one.upper() for one in INVOICES])
    assert sorted(one.to[0] for one in mails if one.kind == "invoice") == sorted(reply.sent_to)
    # Each email has a task, which remains although the message to the queue may be lost.
    waiting = {one.subject for one in rows(TaskItem, every) if one.kind == "bulk_mail"}
    assert {one.email_id for one in mails if one.status == "queued"} <= waiting
    world.sweep()
    assert planning_tasks() == []
