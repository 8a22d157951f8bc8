"""What SES reports about mails (Send, Delivery, Bounce, …), read from SNS and noted on the email.

One transaction notes it: on the email, in the counts of mail health, and, for a permanent bounce or a complaint, on the
addresses that get no more mail (I6).
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from datetime import UTC, datetime
from email.utils import parseaddr
from functools import partial
from typing import Any

from chalicelib import clock, ids
from chalicelib.call import Actor, Call
from chalicelib.mail import health, reports, rules, suppressions
from chalicelib.mail.rules import Event
from chalicelib.observability import logger, metrics
from chalicelib.table import keys, store
from chalicelib.table.items import EmailItem

FEEDBACK = Actor("system", "mail_feedback", "Mail feedback")

_LONGEST_DETAIL = 300
_RECIPIENTS_AT_ONCE = 30
"""Whom one transaction may suppress: each takes two rows of the hundred that it can hold."""

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
            word = reports.PERMANENT_BOUNCE if about.get("bounceType") == "Permanent" else "transient_bounce"
        if about.get("complaintFeedbackType") == "not-spam":
            # Somebody took the mail out of the folder for spam: the opposite of a complaint.
            return None
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
    """Return addresses as we write them: without names, in lower case."""
    named = [str(one.get("emailAddress", "")) if isinstance(one, Mapping) else str(one) for one in listed or []]
    return [(parseaddr(one)[1] or one).strip().lower() for one in named]


def record(message: str) -> None:
    """Note the notification ``message`` on its email. One about no email of ours is ignored with a log line."""
    report = parse(message)
    if report is None:
        logger.info("A notification about a mail was ignored.")
        return
    logger.append_keys(email_id=report.email_id)
    for part in _parts(report):
        store.deciding_again(partial(_note, part))


def _parts(report: Report) -> Iterator[Report]:
    """Divide a report about more recipients than one transaction can suppress."""
    recipients = report.event.recipients
    for start in range(0, max(len(recipients), 1), _RECIPIENTS_AT_ONCE):
        some = recipients[start : start + _RECIPIENTS_AT_ONCE]
        yield Report(report.email_id, replace(report.event, recipients=some))


def _note(report: Report) -> None:
    item = store.get(EmailItem, keys.email(report.email_id))
    if item is None:
        logger.info("A notification about an email that is not here was ignored.")
        return
    before = store.load(rules.State, item)
    known = {*item.to, *item.cc} | ({before.redirected_to} if before.redirected_to else set())
    event = reports.narrowed(report.event, known, before.recipient_count)
    after = rules.report(before, event)
    if after == before:
        return
    write(item, after)
    counted = health.difference(before, after)
    causes = suppressions.causes(item.email_id, before, after, event)
    fresh: list[str] = []
    if counted or causes:
        call = Call(FEEDBACK, clock.now(), item.correlation_id)
        transaction = store.Transaction(call)
        transaction.replace(item)
        health.add(transaction, item, counted)
        fresh = suppressions.add(transaction, call, causes)
        transaction.commit()
    else:
        store.replace(item)
    _tell(item.kind, before.status, after.status, len(fresh))


def _tell(kind: str, before: str, after: str, suppressed: int) -> None:
    if after != before:
        logger.info("The status of an email has changed.", extra={"status": after, "email_kind": kind})
        if after in {rules.BOUNCED, rules.COMPLAINED, rules.FAILED}:
            metrics.add_metric(name=f"Mail{after.capitalize()}", unit="Count", value=1)
    if suppressed:
        logger.warning("Addresses get no more mail until a person clears them.", extra={"suppressed": suppressed})
        metrics.add_metric(name="AddressesSuppressed", unit="Count", value=suppressed)


def write(item: EmailItem, state: rules.State) -> None:
    """Set the attributes of ``item`` to ``state``."""
    for part in fields(state):
        value = getattr(state, part.name)
        if isinstance(value, tuple):
            value = [asdict(one) if is_dataclass(one) and not isinstance(one, type) else one for one in value]
        setattr(item, part.name, value)
