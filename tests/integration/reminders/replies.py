"""A reminder that was mailed, and the link in it."""

import re
from collections.abc import Callable, Sequence
from dataclasses import astuple
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import boto3

from chalicelib.config import settings
from chalicelib.entities import service as entities
from chalicelib.functions.documents import make_documents
from chalicelib.functions.mail import deliver_bulk_mail
from chalicelib.mail.sending import ses
from chalicelib.reminders.run.mail_content import REPLY_PATH, hash_reply_token
from chalicelib.table import keys, store
from chalicelib.table.items import EmailItem, ReplyLinkItem
from tests.integration.deliveries.world import received
from tests.integration.reminders.world import World, mails

DONE: dict[str, Any] = {"batchItemFailures": []}
TOKEN = "A" * 43
"""The secret of a link that ``give_link`` gives out."""


class Post:
    """The emails handed to SES, processed by the functions that Lambda calls."""

    def __init__(self, world: World) -> None:
        boto3.client("sesv2").create_email_identity(EmailIdentity="billing@acme.example")
        self.world = world
        self.taken: list[dict[str, Any]] = []
        ses.client().meta.events.register("provide-client-params.sesv2.SendEmail", self._note)

    def end(self) -> None:
        ses.client().meta.events.unregister("provide-client-params.sesv2.SendEmail", self._note)

    def _note(self, params: dict[str, Any], **_: Any) -> None:
        self.taken.append(params)

    @classmethod
    def documents(cls) -> None:
        """Let the PDFs be made."""
        cls._work(settings().queue_urls["documents"], make_documents)

    def deliver(self) -> None:
        """Let the mails be sent."""
        self._work(settings().queue_urls["bulk_mail"], deliver_bulk_mail)

    @staticmethod
    def _work(url: str, function: Callable[..., Any]) -> None:
        while records := received(url):
            for start in range(0, len(records), 10):
                assert function({"Records": records[start : start + 10]}, None) == DONE

    def of(self, kind: str) -> list[dict[str, Any]]:
        """Return what SES was asked to send of a kind."""
        return [one for one in self.taken if {"Name": "kind", "Value": kind} in one["EmailTags"]]

    def remind(self, at: str = "2026-03-11T09:30") -> str:
        """Let what is due be reminded of and sent; return the path of the link in the newest reminder."""
        entities.clear_entity_cache()
        self.world.at(at)
        self.world.hour()
        self.deliver()
        assert mails()[-1].status == "sent", mails()[-1].reason
        return link(self.of("reminder")[-1])


def text(request: dict[str, Any]) -> str:
    """Return the text of a mail."""
    found: str = request["Content"]["Simple"]["Body"]["Text"]["Data"]
    return found


def link(request: dict[str, Any]) -> str:
    """Return the path of the reply link in a reminder."""
    found = re.search(r"https?://\S+/portal/reply/[A-Za-z0-9_-]{43}", text(request))
    assert found, text(request)
    return urlsplit(found.group()).path


def give_link(invoice_ids: Sequence[str], email: str, now: datetime, account_id: str = "a1") -> str:
    """Give a contact the link of a reminder of some invoices, as if it had been mailed; return its path."""
    (contact,) = [
        one for one in store.query_items(keys.account(account_id).pk, "CONTACT#", limit=9).items if one.email == email
    ]
    mail, row = keys.email("eml_1"), keys.reply_link(hash_reply_token(TOKEN))
    store.create_item(
        EmailItem(
            mail.pk, mail.sk, email_id="eml_1", kind="reminder", status="sent", entity_id="acme", account_id=account_id,
            to=[email], locale="en", created_at=now, not_after=now, correlation_id="c",
        )
    )  # fmt: skip
    store.create_item(
        ReplyLinkItem(
            row.pk, row.sk, email_id="eml_1", account_id=account_id, entity_id="acme", contact_id=contact.contact_id,
            digest=[*astuple(keys.digest(account_id, now.date(), "acme", "EUR"))], invoice_ids=list(invoice_ids),
            until=now + timedelta(days=60),
        )
    )  # fmt: skip
    return f"{REPLY_PATH}/{TOKEN}"
