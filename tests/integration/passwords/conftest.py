from dataclasses import dataclass
from typing import Any

import pytest

from chalicelib.functions.mail import MAIL_PREPARERS
from chalicelib.mail.rules import SendOutcome
from chalicelib.mail.sending import deliver as mail
from chalicelib.mail.sending import ses
from chalicelib.tasks.queue import TaskMessage
from tests.aws import client
from tests.integration.people import admit, staff
from tests.integration.service import Service


@dataclass
class Person:
    """A contact who may have a user name, the staff member who sees to it, and the mails that leave."""

    service: Service
    contact_id: str
    staff: str
    path: str
    mails: list[ses.Envelope]

    def ask(self, method: str, path: str, body: Any = None, token: str | None = None) -> Any:
        """Ask as staff, or with another token."""
        return self.service.ask(method, path, body, token or self.staff)

    def enable(self, user_name: str = "Ann.Example", **more: str) -> Any:
        return self.ask("PUT", f"{self.path}/credentials", {"user_name": user_name, **more})

    def sign_in(self, password: str, user_name: str = "ann.example") -> Any:
        return self.service.ask("POST", "/sessions", {"user_name": user_name, "password": password})

    def change(self, current: str, new: str, user_name: str = "ann.example") -> Any:
        body = {"user_name": user_name, "current_password": current, "password": new}
        return self.service.ask("POST", "/passwords", body)

    def deliver(self) -> list[ses.Envelope]:
        """Deliver what waits in the queue of mail about passwords; return what was sent by it."""
        before = len(self.mails)
        queue = client("sqs").get_queue_url(QueueName="password_mail")["QueueUrl"]
        while True:
            got = client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
            if not got:
                return self.mails[before:]
            for one in got:
                mail.deliver_email(TaskMessage.parse(one["Body"]), MAIL_PREPARERS)
                client("sqs").delete_message(QueueUrl=queue, ReceiptHandle=one["ReceiptHandle"])


@pytest.fixture
def person(service: Service, monkeypatch: pytest.MonkeyPatch) -> Person:
    account = service.account()
    service.bill_group("b1", account)
    ann = service.contact(account, "Ann")
    admit("ann@example.com", "b1", "a1", ["profile", "contacts"])
    mails: list[ses.Envelope] = []

    def send(envelope: ses.Envelope) -> SendOutcome:
        mails.append(envelope)
        return SendOutcome("accepted", message_id=f"m{len(mails)}")

    monkeypatch.setattr(ses, "send", send)
    token = staff(service, "kim@vendor.example", "admin")
    made = Person(service, ann["contact_id"], token, f"{account}/contacts/{ann['contact_id']}", mails)
    made.deliver()
    return made
