"""Notifications that are no notifications raise nothing."""

import json
from typing import Any

import pytest

from chalicelib.mail.feedback.ses_events import parse_notification

EMAIL_ID = "eml_01JAAAAAAAAAAAAAAAAAAAAAAA"


def notification(**more: Any) -> dict[str, Any]:
    return {
        "eventType": "Delivery",
        "mail": {"tags": {"email_id": [EMAIL_ID]}, "messageId": "m1", "timestamp": "2026-03-02T09:00:00Z"},
        "delivery": {"timestamp": "2026-03-02T09:00:01Z", "recipients": ["ana@acme.example"]},
        **more,
    }


@pytest.mark.parametrize(
    "message",
    [
        "[" * 100_000,
        '{"a":' * 100_000,
        "[]",
        "null",
        "7",
        '"text"',
        "",
        json.dumps(notification(delivery={"timestamp": "0001-01-01T00:00:00+14:00"})),
        json.dumps(notification(delivery={"timestamp": "0001-01-01T00:00:00Z"})),
        json.dumps(notification(delivery={"timestamp": "9999-12-31T23:59:59-14:00"})),
        json.dumps(notification(delivery={"timestamp": 7})),
        json.dumps(notification(delivery=[1])),
        json.dumps(notification(mail="x")),
    ],
)
def test_rubbish_is_ignored(message: str) -> None:
    assert parse_notification(message) is None


def test_halves_of_surrogate_pairs_do_not_reach_the_table() -> None:
    delivery = {"timestamp": "2026-03-02T09:00:01Z", "smtpResponse": "\ud800", "recipients": ["\ud800@x.example"]}
    found = parse_notification(json.dumps(notification(delivery=delivery)))
    assert found is not None
    assert found.event.recipients == ()
    found.event.detail.encode()
