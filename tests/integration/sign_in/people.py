"""Reading the mails of a sign-in as a person would."""

import re
from dataclasses import dataclass
from typing import Any

from chalicelib.config import settings
from chalicelib.functions.mail import deliver_urgent_mail
from chalicelib.mail.sending import ses
from tests.integration.mail.conftest import work

LINK = re.compile(r"(https?://\S+)/(portal|admin)/sign-in/(cl_[A-Za-z0-9_-]{43})")
CODE = re.compile(r"^([2-9A-Z]{4}-[2-9A-Z]{4})$", re.MULTILINE)


@dataclass(frozen=True)
class Mail:
    """A mail that arrived."""

    to: str
    subject: str
    text: str
    html: str

    @property
    def link(self) -> str:
        found = LINK.search(self.text)
        assert found, self.text
        return found.group(3)

    @property
    def address(self) -> str:
        found = LINK.search(self.text)
        assert found, self.text
        return found.group()

    @property
    def code(self) -> str:
        found = CODE.search(self.text)
        assert found, self.text
        return found.group(1)


class Inbox:
    """What SES was handed."""

    def __init__(self) -> None:
        self.mails: list[Mail] = []
        ses.client().meta.events.register("provide-client-params.sesv2.SendEmail", self._note)

    def _note(self, params: dict[str, Any], **_: Any) -> None:
        simple = params["Content"]["Simple"]
        body = simple["Body"]
        (to,) = params["Destination"]["ToAddresses"]
        self.mails.append(Mail(to, simple["Subject"]["Data"], body["Text"]["Data"], body["Html"]["Data"]))

    def fetch(self) -> list[Mail]:
        """Let the consumer work, and return what has come since the last time."""
        known = len(self.mails)
        assert work(deliver_urgent_mail, settings().queue_urls["urgent_mail"]) == []
        return self.mails[known:]

    def newest(self) -> Mail:
        (mail,) = self.fetch()
        return mail
