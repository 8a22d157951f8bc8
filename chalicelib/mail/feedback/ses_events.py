"""SES events (Send, Delivery, Bounce, …), read from SNS and recorded on the email.

One transaction records an event: on the email, in the mail health counts, and, for a permanent bounce or a complaint,
on the addresses that are suppressed (I6).
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from datetime import UTC, datetime
from email.utils import parseaddr
from functools import partial
from typing import Any

from chalicelib import clock, ids
from chalicelib.mail import reports, rules
from chalicelib.mail.feedback import health, suppressions
from chalicelib.mail.rules import Event
from chalicelib.observability import logger, metrics
from chalicelib.request_context import Actor, RequestContext
from chalicelib.table import keys, store
from chalicelib.table.items import EmailItem

FEEDBACK_ACTOR = Actor("system", "mail_feedback", "Mail feedback")

_MAX_DETAIL_LENGTH = 300
_ADDRESS = re.compile(r"[^\s@<>,;\x00-\x1f\ud800-\udfff]+@[a-z0-9-]+(\.[a-z0-9-]+)+")
_EARLIEST, _LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(3000, 1, 1, tzinfo=UTC)
_MAX_RECIPIENTS_PER_TRANSACTION = 30
"""Addresses that one transaction may suppress: each takes at most three of its hundred rows."""

# SES's event type: our word, the object in the notification, its list of recipients, the detail to store.
_EVENT_TYPES: dict[str, tuple[str, str, str, tuple[str, ...]]] = {
    "Send": ("send", "send", "", ()),
    "Delivery": ("delivery", "delivery", "recipients", ("smtpResponse",)),
    "DeliveryDelay": ("delivery_delay", "deliveryDelay", "delayedRecipients", ("delayType",)),
    "Bounce": ("bounce", "bounce", "bouncedRecipients", ("bounceType", "bounceSubType")),
    "Complaint": ("complaint", "complaint", "complainedRecipients", ("complaintSubType", "complaintFeedbackType")),
    "Reject": ("reject", "reject", "", ("reason",)),
}


@dataclass(frozen=True)
class EmailReport:
    """An event and the email that it is about."""

    email_id: str
    event: Event


def parse_notification(message: str) -> EmailReport | None:
    """Parse one notification; None when it is irrelevant or not about an email of ours."""
    try:
        body = json.loads(message)
        kind = body.get("eventType") or body.get("notificationType")
        mail = body["mail"]
        email_id = mail["tags"]["email_id"][0]
        if kind not in _EVENT_TYPES or not ids.is_generated_id(ids.EMAIL_PREFIX, email_id):
            return None
        word, part, listed, details = _EVENT_TYPES[kind]
        about = body.get(part) or {}
        if word == "bounce":
            word = reports.PERMANENT_BOUNCE if about.get("bounceType") == "Permanent" else "transient_bounce"
        if about.get("complaintFeedbackType") == "not-spam":
            # The reader moved the email out of the spam folder: the opposite of a complaint.
            return None
        return EmailReport(
            email_id,
            Event(
                at=_parse_instant(about.get("timestamp") or mail["timestamp"]),
                kind=word,
                message_id=_storable(mail["messageId"]),
                detail=_storable(" ".join(str(about[name]) for name in details if about.get(name)))[
                    :_MAX_DETAIL_LENGTH
                ],
                recipients=tuple(
                    sorted(_parse_addresses(about.get(listed, []) if listed else mail.get("destination", [])))
                ),
            ),
        )
    except (AttributeError, KeyError, IndexError, OverflowError, RecursionError, TypeError, ValueError):
        return None


def _storable(value: Any) -> str:
    """Return a text that the table takes: JSON may hold halves of surrogate pairs, which UTF-8 cannot."""
    return str(value).encode("utf-8", "replace").decode()


def _parse_instant(text: str) -> str:
    moment = datetime.fromisoformat(text)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if not _EARLIEST <= moment < _LATEST:
        raise ValueError("This is no instant of an email.")
    return keys.format_instant(moment)


def _parse_addresses(listed: Any) -> list[str]:
    """Return addresses normalised: without names, in lower case; and without what is no address."""
    if not isinstance(listed, list):
        return []
    named = [one.get("emailAddress") if isinstance(one, Mapping) else one for one in listed]
    found = [(parseaddr(one)[1] or one).strip().lower() for one in named if isinstance(one, str)]
    return [address for address in found if _ADDRESS.fullmatch(address)]


def record_notification(message: str) -> None:
    """Record the notification ``message`` on its email. One about another email is logged and ignored."""
    report = parse_notification(message)
    if report is None:
        logger.info("A notification about a mail was ignored.")
        return
    logger.append_keys(email_id=report.email_id)
    for part in _split_report(report):
        store.retry_on_conflict(partial(_record_report, part))


def _split_report(report: EmailReport) -> Iterator[EmailReport]:
    """Split an event about more recipients than one transaction can suppress."""
    recipients = report.event.recipients
    if report.event.kind == reports.COMPLAINT:
        # A complaint is judged as a whole: one that names several suppresses nobody.
        yield report
        return
    for start in range(0, max(len(recipients), 1), _MAX_RECIPIENTS_PER_TRANSACTION):
        some = recipients[start : start + _MAX_RECIPIENTS_PER_TRANSACTION]
        yield EmailReport(report.email_id, replace(report.event, recipients=some))


def _record_report(report: EmailReport) -> None:
    item = store.get_item(EmailItem, keys.email(report.email_id))
    if item is None:
        logger.info("A notification about an email that is not here was ignored.")
        return
    before = store.from_item(rules.MailState, item)
    known = {*item.to, *item.cc} | ({before.redirected_to} if before.redirected_to else set())
    event = reports.restrict_to_recipients(report.event, known, before.recipient_count)
    after = rules.apply_event(before, event)
    if after == before:
        return
    apply_state(item, after)
    counted = health.count_changes(before, after)
    causes = suppressions.suppression_causes(item.email_id, before, after, event)
    fresh: list[str] = []
    if counted or causes:
        context = RequestContext(FEEDBACK_ACTOR, clock.utc_now(), item.correlation_id)
        transaction = store.Transaction(context)
        transaction.replace(item)
        health.add_counts(transaction, item, counted)
        fresh = suppressions.suppress_addresses(transaction, context, causes)
        transaction.commit()
    else:
        store.replace_item(item)
    _log_report(item.kind, before.status, after.status, len(fresh))
    if reports.names_several(report.event) and not event.recipients:
        logger.error("A complaint names several recipients, so none of them is suppressed: ask who complained.")
        metrics.add_metric(name="ComplaintUnclear", unit="Count", value=1)


def _log_report(kind: str, before: str, after: str, suppressed: int) -> None:
    if after != before:
        logger.info("The status of an email has changed.", extra={"status": after, "email_kind": kind})
        if after in {rules.BOUNCED, rules.COMPLAINED, rules.FAILED}:
            metrics.add_metric(name=f"Mail{after.capitalize()}", unit="Count", value=1)
    if suppressed:
        logger.warning("Addresses get no more mail until a person clears them.", extra={"suppressed": suppressed})
        metrics.add_metric(name="AddressesSuppressed", unit="Count", value=suppressed)


def apply_state(item: EmailItem, state: rules.MailState) -> None:
    """Set the attributes of ``item`` to ``state``."""
    for part in fields(state):
        value = getattr(state, part.name)
        if isinstance(value, tuple):
            value = [asdict(one) if is_dataclass(one) and not isinstance(one, type) else one for one in value]
        setattr(item, part.name, value)
