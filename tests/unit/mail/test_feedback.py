"""Reading what SES reports."""

import json
from typing import Any

import pytest

from chalicelib.mail.feedback import ses_events
from chalicelib.mail.rules import Event

EMAIL_ID = "eml_01JAAAAAAAAAAAAAAAAAAAAAAA"


def notification(kind: str, **parts: Any) -> str:
    mail = {
        "timestamp": "2026-03-02T09:00:00.123Z",
        "messageId": "m-1",
        "destination": ["a@example.com"],
        "tags": {"email_id": [EMAIL_ID], "ses:caller-identity": ["mailer"]},
    }
    return json.dumps({"eventType": kind, "mail": mail, **parts})


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (notification("Send", send={}), Event("2026-03-02T09:00:00.123Z", "send", "m-1", "", ("a@example.com",))),
        (
            notification(
                "Delivery",
                delivery={
                    "timestamp": "2026-03-02T09:00:05Z",
                    "recipients": ["a@example.com"],
                    "smtpResponse": "250 ok",
                },
            ),
            Event("2026-03-02T09:00:05.000Z", "delivery", "m-1", "250 ok", ("a@example.com",)),
        ),
        (
            notification(
                "Bounce",
                bounce={
                    "bounceType": "Permanent",
                    "bounceSubType": "General",
                    "bouncedRecipients": [{"emailAddress": "a@example.com", "diagnosticCode": "550"}],
                    "timestamp": "2026-03-02T09:00:06+00:00",
                },
            ),
            Event("2026-03-02T09:00:06.000Z", "permanent_bounce", "m-1", "Permanent General", ("a@example.com",)),
        ),
        (
            notification("Bounce", bounce={"bounceType": "Undetermined", "bouncedRecipients": []}),
            Event("2026-03-02T09:00:00.123Z", "transient_bounce", "m-1", "Undetermined"),
        ),
        (
            notification("Complaint", complaint={"complainedRecipients": [{"emailAddress": "a@example.com"}]}),
            Event("2026-03-02T09:00:00.123Z", "complaint", "m-1", "", ("a@example.com",)),
        ),
        (
            notification("DeliveryDelay", deliveryDelay={"delayType": "MailboxFull", "delayedRecipients": []}),
            Event("2026-03-02T09:00:00.123Z", "delivery_delay", "m-1", "MailboxFull"),
        ),
        (
            notification("Reject", reject={"reason": "Bad content"}),
            Event("2026-03-02T09:00:00.123Z", "reject", "m-1", "Bad content", ("a@example.com",)),
        ),
    ],
)
def test_each_kind_of_event_is_read(message: str, expected: Event) -> None:
    assert ses_events.parse_notification(message) == ses_events.EmailReport(EMAIL_ID, expected)


@pytest.mark.parametrize(
    "message",
    [
        "",
        "Successfully validated SNS topic for Amazon SES event publishing.",
        "[]",
        "null",
        "{}",
        json.dumps({"eventType": "Send", "mail": {"tags": {}}}),
        json.dumps({"eventType": "Send", "mail": {"tags": {"email_id": []}}}),
        json.dumps({"eventType": "Send", "mail": {"tags": {"email_id": [7]}, "timestamp": "x", "messageId": "m"}}),
        notification("Open", open={}),
        notification("Send").replace(EMAIL_ID, "eml_of somebody else"),
        notification("Send").replace("2026-03-02T09:00:00.123Z", "yesterday"),
    ],
)
def test_what_is_not_about_a_mail_of_ours_is_ignored(message: str) -> None:
    assert ses_events.parse_notification(message) is None
