"""What SES reports about mails (Send, Delivery, Bounce, …), read from SNS and noted on the email."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any

from chalicelib import ids
from chalicelib.mail import rules
from chalicelib.mail.rules import Event
from chalicelib.observability import logger, metrics
from chalicelib.table import keys, store
from chalicelib.table.items import EmailItem

_LONGEST_DETAIL = 300

# SES's event type: our word, the object in the notification, its list of recipients, what is worth keeping of it.
_TYPES: dict[str, tuple[str, str, str, tuple[str, ...]]] = {
    "Send": ("send", "send", "", ()),
    "Delivery": ("delivery", "delivery", "recipients", ("smtpResponse",)),
    "DeliveryDelay": ("delivery_delay", "deliveryDelay", "delayedRecipients", ("delayType",)),
    "Bounce": ("bounce", "bounce", "bouncedRecipients", ("bounceType", "bounceSubType")),
    "Complaint": ("complaint", "complaint", "complainedRecipients", ("complaintSubType", "complaintFeedbackType")),
    "Reject": ("reject", "reject", "", ("reason",)),
}


@dataclass(frozen=True)
class Report:
    """An event and the email that it is about."""

    email_id: str
    event: Event


def parse(message: str) -> Report | None:
    """Read the text of one notification; None when it is not about a mail of ours or of no interest."""
    try:
        body = json.loads(message)
        kind = body.get("eventType") or body.get("notificationType")
        mail = body["mail"]
        email_id = mail["tags"]["email_id"][0]
        if kind not in _TYPES or not ids.is_own_id(ids.EMAIL, email_id):
            return None
        word, part, listed, details = _TYPES[kind]
        about = body.get(part) or {}
        if word == "bounce":
            word = "permanent_bounce" if about.get("bounceType") == "Permanent" else "transient_bounce"
        return Report(
            email_id,
            Event(
                at=_instant(about.get("timestamp") or mail["timestamp"]),
                kind=word,
                message_id=str(mail["messageId"]),
                detail=" ".join(str(about[name]) for name in details if about.get(name))[:_LONGEST_DETAIL],
                recipients=tuple(sorted(_addresses(about.get(listed, []) if listed else mail.get("destination", [])))),
            ),
        )
    except (AttributeError, KeyError, IndexError, TypeError, ValueError):
        return None


def _instant(text: str) -> str:
    moment = datetime.fromisoformat(text)
    return keys.instant(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def _addresses(listed: Any) -> list[str]:
    return [str(one.get("emailAddress", "")) if isinstance(one, Mapping) else str(one) for one in listed or []]


def record(message: str) -> None:
    """Note the notification ``message`` on its email. One about no email of ours is ignored with a log line."""
    report = parse(message)
    if report is None:
        logger.info("A notification about a mail was ignored.")
        return
    logger.append_keys(email_id=report.email_id)
    store.deciding_again(lambda: _note(report))


def _note(report: Report) -> None:
    item = store.get(EmailItem, keys.email(report.email_id))
    if item is None:
        logger.info("A notification about an email that is not here was ignored.")
        return
    state = store.load(rules.State, item)
    # Of a mail whose recipients were erased, no report brings them back.
    event = report.event if item.to or item.cc else replace(report.event, detail="", recipients=())
    after = rules.report(state, event)
    if after == state:
        return
    write(item, after)
    store.replace(item)
    if after.status != state.status:
        logger.info("The status of an email has changed.", extra={"status": after.status, "email_kind": item.kind})
    if after.status != state.status and after.status in {rules.BOUNCED, rules.COMPLAINED, rules.FAILED}:
        metrics.add_metric(name=f"Mail{after.status.capitalize()}", unit="Count", value=1)


def write(item: EmailItem, state: rules.State) -> None:
    """Set the attributes of ``item`` to ``state``."""
    for part in fields(state):
        setattr(item, part.name, getattr(state, part.name))
    item.events = [asdict(event) for event in state.events]
