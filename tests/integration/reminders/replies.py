"""A reminder that was mailed, and the link in it."""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import boto3

from chalicelib.config import settings
from chalicelib.documents import jobs as documents_jobs
from chalicelib.entities import service as entities
from chalicelib.mail import jobs as mail_jobs
from chalicelib.mail import ses
from tests.integration.deliveries.world import received
from tests.integration.reminders.world import World, mails

DONE: dict[str, Any] = {"batchItemFailures": []}


class Post:
    """What SES was asked to send, worked off by the functions that Lambda calls."""

    def __init__(self, world: World) -> None:
        boto3.client("sesv2").create_email_identity(EmailIdentity="billing@acme.example")
        self.world = world
        self.taken: list[dict[str, Any]] = []
        ses.client().meta.events.register("provide-client-params.sesv2.SendEmail", self._note)

    def end(self) -> None:
        ses.client().meta.events.unregister("provide-client-params.sesv2.SendEmail", self._note)

    def _note(self, params: dict[str, Any], **_: Any) -> None:
        self.taken.append(params)

    def documents(self) -> None:
        """Let the PDFs be made."""
        self._work(settings().documents_queue_url, documents_jobs.make_documents)

    def deliver(self) -> None:
        """Let the mails be sent."""
        self._work(settings().bulk_mail_queue_url, mail_jobs.deliver_bulk_mail)

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
        entities.forget_entities()
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
    found = re.search(r"https://\S+/portal/reply/[A-Za-z0-9_-]{43}", text(request))
    assert found, text(request)
    return urlsplit(found.group()).path
