"""Simulated outcomes of an email: the events that the SES stand-in publishes."""

import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

_SIMULATOR = "simulator.amazonses.com"


def of(recipients: list[str]) -> Iterable[tuple[Any, list[str]]]:
    """An outcome: a function that creates the event, and the recipients it is about."""
    groups: dict[str, list[str]] = {}
    for recipient in recipients:
        local, _, domain = recipient.lower().rpartition("@")
        groups.setdefault(local.partition("+")[0] if domain == _SIMULATOR else "", []).append(recipient)
    bounced = {"bounce": _bounce("General"), "suppressionlist": _bounce("OnAccountSuppressionList")}
    for name, of_group in groups.items():
        if name in bounced:
            yield bounced[name], of_group
            continue
        yield _delivery, of_group
        if name == "complaint":
            yield _complaint, of_group


def _delivery(recipients: list[str], now: datetime) -> dict[str, Any]:
    told = {
        "timestamp": now.isoformat(),
        "processingTimeMillis": 200,
        "recipients": recipients,
        "smtpResponse": "250 2.6.0 Message received",
        "reportingMTA": "local.example",
    }
    return {"eventType": "Delivery", "delivery": told}


def _bounce(kind: str, bounce_type: str = "Permanent") -> Any:
    def event(recipients: list[str], now: datetime) -> dict[str, Any]:
        bounced = [
            {
                "emailAddress": recipient,
                "action": "failed",
                "status": "5.1.1",
                "diagnosticCode": "smtp; 550 5.1.1 user unknown",
            }
            for recipient in recipients
        ]
        told = {
            "feedbackId": secrets.token_hex(16),
            "bounceType": bounce_type,
            "bounceSubType": kind,
            "bouncedRecipients": bounced,
            "timestamp": now.isoformat(),
            "reportingMTA": "dns; local.example",
        }
        return {"eventType": "Bounce", "bounce": told}

    return event


def _complaint(recipients: list[str], now: datetime) -> dict[str, Any]:
    told = {
        "feedbackId": secrets.token_hex(16),
        "complaintSubType": None,
        "complainedRecipients": [{"emailAddress": recipient} for recipient in recipients],
        "timestamp": now.isoformat(),
        "complaintFeedbackType": "abuse",
        "userAgent": "local",
    }
    return {"eventType": "Complaint", "complaint": told}


def _delay(recipients: list[str], now: datetime) -> dict[str, Any]:
    told = {
        "timestamp": now.isoformat(),
        "delayType": "MailboxFull",
        "delayedRecipients": [{"emailAddress": recipient, "status": "4.2.2"} for recipient in recipients],
        "expirationTime": (now + timedelta(hours=12)).isoformat(),
    }
    return {"eventType": "DeliveryDelay", "deliveryDelay": told}


def _reject(recipients: list[str], now: datetime) -> dict[str, Any]:
    return {"eventType": "Reject", "reject": {"reason": "Bad content"}}


SIMULATED = {
    "bounce": _bounce("General"),
    "transient": _bounce("MailboxFull", "Transient"),
    "complaint": _complaint,
    "delay": _delay,
    "reject": _reject,
}
"""The outcomes that the inbox offers."""
