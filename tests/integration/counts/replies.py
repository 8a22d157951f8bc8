"""What it costs when a contact replies to a reminder of one invoice by the link in it, and to tell staff."""

from collections.abc import Callable
from typing import Any

from chalicelib import clock
from chalicelib.config import settings
from chalicelib.entities import service as entities
from chalicelib.functions.documents import make_documents
from chalicelib.functions.mail import deliver_bulk_mail
from chalicelib.request_context import Actor, RequestContext
from chalicelib.staff import service as staff
from chalicelib.table.items import EmailItem, Item
from tests.aws_calls import Calls, counted
from tests.integration.counts.deliveries import process_message
from tests.integration.portal.visitor import Seen, Visitor

NOTED = "Thank you, we have recorded that"


def count_replies(found: dict[str, Calls], service: Callable[..., Any], page: str) -> None:
    """Count each reply to the reminder with the reply page ``page``; one staff member is notified."""
    staff.add_staff_member(
        RequestContext(Actor("console", "test", "test"), clock.utc_now(), "counts-0001"),
        "sam@acme.example",
        "Sam",
        "admin",
    )
    process_message(settings().queue_urls["documents"], "r1", make_documents)
    entities.clear_entity_cache()
    entities.get_cached_entity("acme", clock.utc_now())

    def seen(name: str, visit: Callable[[], Seen], status: int) -> None:
        with counted() as found[name]:
            shown = visit()
        assert shown.status == status, shown.html

    def reply(name: str, answer: str, **fields: str) -> None:
        headers = {"Origin": settings().public_url, "Sec-Fetch-Site": "same-origin"}
        sent = {"invoice-r1": "1", **fields}
        seen(name, lambda: Visitor().post(f"{page}/{answer}", follow=False, headers=headers, **sent), 303)
        assert Visitor().go(f"{page}?done={answer}").heading == NOTED

    seen("open the page to reply to a reminder of one invoice", lambda: Visitor().go(page), 200)
    seen("open its form for a promise", lambda: Visitor().go(f"{page}/promised"), 200)
    reply("reply with a promise to pay", "promised", on="2026-01-20")
    (told,) = [one for one in Item.scan() if isinstance(one, EmailItem) and one.kind == "reply_received"]
    sent = process_message(settings().queue_urls["bulk_mail"], told.email_id, deliver_bulk_mail)
    found["notify a staff member by email, alone in its batch"] = sent
    reply("reply that it is already paid", "paid", on="2026-01-14")
    seen("open its form for a problem, with the invoice's lines", lambda: Visitor().go(f"{page}/problem"), 200)
    reply("reply that there is a problem", "problem", reason="amount")
    reply("request the invoice again by reply", "send", to="me")
    reply("reply that it is not for the reader", "not-me")
