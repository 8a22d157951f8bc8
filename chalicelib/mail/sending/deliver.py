"""Send an email of the outbox: claim it, hand it to SES once, record the outcome (I4)."""

import json
import random
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from chalicelib import clock, ids
from chalicelib.config import settings
from chalicelib.entities.rules import Entity
from chalicelib.mail import rules
from chalicelib.mail.feedback import health
from chalicelib.mail.feedback.ses_events import apply_state
from chalicelib.mail.message import RenderedMail, render_mail, sanitize_values
from chalicelib.mail.recipients import SUPPRESSED, Recipients, choose_recipients
from chalicelib.mail.sending import ses
from chalicelib.mail.sending.late_binding import ClaimedMail, LoadPreparer, PreparedMail, WithheldMail
from chalicelib.observability import logger, metrics
from chalicelib.request_context import Actor, RequestContext
from chalicelib.table import keys, store
from chalicelib.table.items import EmailContentItem, EmailItem
from chalicelib.table.keys import Key
from chalicelib.table.suppressed import find_suppressed, suppression_keys
from chalicelib.tasks.kinds import SendEmail
from chalicelib.tasks.queue import TaskMessage
from chalicelib.tasks.service import complete_task, defer_task

MAILER = Actor("system", "mailer", "Mailer")

# SES limits the rate per second, so a short wait often suffices.
_RETRY_PAUSES_SECONDS = (0.5, 1.5)
_NO_PREPARERS: Mapping[str, LoadPreparer] = {}


class Pacer(Protocol):
    """Limits the rate of emails."""

    def wait_for_slot(self, recipients: int) -> datetime | None:
        """Wait until an email to so many recipients may be sent; or, if that is too far off, return when to retry
        (UTC)."""


def deliver_email(
    message: TaskMessage[SendEmail], prepare: Mapping[str, LoadPreparer] = _NO_PREPARERS, pace: Pacer | None = None
) -> None:
    """Process the task of an email: usually, send it.

    ``prepare`` loads, by kind, the function that creates secrets and attachments when the email is claimed; ``pace``
    limits the rate. Returns when nothing is left to do for now: it was sent, another consumer has it, it waits, or it
    is finished. Raises the failure of this one email (a template that fails, a table that does not answer).
    """
    claim = _ClaimAttempt(message, ids.new_id("", clock.utc_now()), prepare, pace)
    claimed = store.retry_on_conflict(claim.attempt)
    if claimed is None:
        return
    outcome = _send_with_retries(claimed.envelope)
    # The claimed email is usually still current; if not, it is read again.
    known = [claimed.item]
    settled = store.retry_on_conflict(
        lambda: _record_outcome(message, known.pop() if known else _read_email(message), claim.claim_id, outcome)
    )
    _log_outcome(settled, outcome)


@dataclass(frozen=True)
class _ClaimedEmail:
    """An email that was claimed for one attempt, and its final content."""

    item: EmailItem
    envelope: ses.Envelope


class _ClaimAttempt:
    """The claim of one email for one attempt. A write conflict makes it decide again, with new secrets."""

    def __init__(
        self, message: TaskMessage[SendEmail], claim_id: str, prepare: Mapping[str, LoadPreparer], pace: Pacer | None
    ) -> None:
        self.message = message
        self.claim_id = claim_id
        self._prepare = prepare
        self._pace = pace
        self._prepared: PreparedMail | WithheldMail = PreparedMail()
        self._chosen: Recipients | None = None

    def attempt(self) -> _ClaimedEmail | None:
        """Claim the email; None if there is nothing to send now."""
        message = self.message
        now = clock.utc_now()
        item = store.get_item(EmailItem, keys.email(message.task.email_id))
        if item is None:
            logger.warning("A task names an email that does not exist.")
            complete_task(message.key)
            return None
        state = store.from_item(rules.MailState, item)
        # The response to our own claim may have been lost; then this is its second attempt, and the secrets whose
        # hashes were written are those of the first.
        ours = state.status == rules.SENDING and state.claim_id == self.claim_id
        if not ours and not self._should_send(item, state, now):
            return None
        if not ours and item.kind in self._prepare:
            prepare = self._prepare[item.kind]()
            self._prepared = prepare(_to_claimed_mail(item), RequestContext(MAILER, now, message.correlation_id))
        prepared = self._prepared
        if isinstance(prepared, WithheldMail):
            self._withhold(item, state, prepared.reason, prepared.write)
            return None
        return self._prepare_and_claim(item, state, prepared, ours)

    def _should_send(self, item: EmailItem, state: rules.MailState, now: datetime) -> bool:
        decision = rules.decide(state, now)
        if decision.action == "drop":
            complete_task(self.message.key)
        elif decision.action == "wait" and decision.until is not None:
            defer_task(self.message.key, decision.until)
        elif decision.action == "expire":
            _finish(item, rules.expire(state), self.message)
            metrics.add_metric(name="MailExpired", unit="Count", value=1)
        return decision.action == "send"

    def _withhold(
        self, item: EmailItem, state: rules.MailState, reason: str, write: Callable[[store.Transaction], None]
    ) -> None:
        _finish(item, rules.withhold(state, reason), self.message, more=write)
        logger.info("A mail is withheld.", extra={"reason": reason})
        metrics.add_metric(name="MailWithheld", unit="Count", value=1)

    def _prepare_and_claim(
        self, item: EmailItem, state: rules.MailState, prepared: PreparedMail, ours: bool
    ) -> _ClaimedEmail | None:
        item.entity_id = prepared.entity_id or item.entity_id
        item.contact_id = prepared.contact_id or item.contact_id
        item.locale = prepared.locale or item.locale
        item.to = list(prepared.to or item.to)
        item.cc = list(item.cc if prepared.cc is None else prepared.cc)
        entity, chosen = self._read_entity_and_recipients(item, ours)
        state = rules.with_recipients(state, chosen)
        if chosen.reason == SUPPRESSED:
            self._withhold(item, state, chosen.reason, prepared.write_unsent)
            return None
        context = {**item.context, **prepared.context}
        rendered = render_mail(prepared.template or item.kind, item.locale, context, entity, item.created_at)
        item.subject = rendered.subject
        item.attachments = [
            {"name": ses.attachment_file_name(one.name), "media_type": one.media_type, "size": len(one.content)}
            for one in prepared.attachments
        ]
        kept = _redact_secrets(rendered, prepared.secrets)
        if not chosen.to:
            _finish(item, rules.capture(state, chosen.reason), self.message, kept)
            return None
        envelope = _build_envelope(item, entity, chosen, prepared, rendered)
        # An invalid SES request is detected before the claim, so that it never looks like a lost
        # mail.
        try:
            ses.build_request(envelope)
        except ses.MailTooLarge:
            self._withhold(item, state, rules.TOO_LARGE, prepared.write_unsent)
            return None
        if ours:
            return _ClaimedEmail(item, envelope)
        return self._claim_with_slot(item, state, prepared, kept, envelope)

    def _read_entity_and_recipients(self, item: EmailItem, ours: bool) -> tuple[Entity, Recipients]:
        """Return the issuing entity and the recipients; one read for both."""
        of = settings()
        addresses = [*item.to, *item.cc, *([of.mail_redirect_to] if of.mail_mode == "redirect" else [])]
        found = store.batch_get_items([keys.entity(item.entity_id), *suppression_keys(addresses)])
        entity_item = found.get(keys.entity(item.entity_id))
        if entity_item is None:
            raise LookupError("The issuing entity of an email is not here.")
        if self._chosen is None or not ours:
            self._chosen = choose_recipients(
                of.mail_mode,
                tuple(item.to),
                tuple(item.cc),
                suppressed=find_suppressed(addresses, found),
                redirect_to=of.mail_redirect_to,
                allowlist=of.mail_allowlist,
            )
        return store.from_item(Entity, entity_item), self._chosen

    def _claim_with_slot(
        self,
        item: EmailItem,
        state: rules.MailState,
        prepared: PreparedMail,
        kept: RenderedMail,
        envelope: ses.Envelope,
    ) -> _ClaimedEmail | None:
        if self._pace is not None:
            later = self._pace.wait_for_slot(state.recipient_count)
            if later is not None:
                defer_task(self.message.key, later)
                return None
            # After a write conflict the claim is decided again, but its send slot is reserved.
            self._pace = None
        apply_state(item, rules.claim(state, clock.utc_now(), self.claim_id))
        _commit(item, self.message, rendered=kept, more=prepared.write)
        return _ClaimedEmail(item, envelope)


def _redact_secrets(rendered: RenderedMail, secrets: Sequence[str]) -> RenderedMail:
    """Return the content for the history, without secrets."""
    text, html = rendered.text, rendered.html
    for secret in secrets:
        text, html = text.replace(secret, "…"), html.replace(secret, "…")
    return RenderedMail(rendered.subject, text, html)


def _build_envelope(
    item: EmailItem, entity: Entity, chosen: Recipients, prepared: PreparedMail, rendered: RenderedMail
) -> ses.Envelope:
    return ses.Envelope(
        email_id=item.email_id,
        kind=item.kind,
        sender_name=sanitize_values(entity.sender_name or entity.name),
        sender_email=entity.sender_email,
        reply_to=entity.reply_to,
        to=chosen.to,
        cc=chosen.cc,
        subject=rendered.subject,
        text=rendered.text,
        html=rendered.html,
        headers={**prepared.headers, **_original_recipients_header(chosen)},
        attachments=prepared.attachments,
    )


def _original_recipients_header(recipients: Recipients) -> dict[str, str]:
    """Return the header with the original recipients of a redirected email, as far as a header can hold them."""
    if not recipients.meant_for:
        return {}
    return {"X-Original-To": ", ".join(recipients.meant_for)[: ses.MAX_HEADER_LENGTH]}


def _to_claimed_mail(item: EmailItem) -> ClaimedMail:
    return ClaimedMail(
        email_id=item.email_id,
        kind=item.kind,
        to=tuple(item.to),
        entity_id=item.entity_id,
        account_id=item.account_id,
        locale=item.locale,
        context=item.context,
        cc=tuple(item.cc),
        bill_group_id=item.bill_group_id,
        contact_id=item.contact_id,
        resent=item.resent_from is not None,
        perhaps_sent=item.status in (rules.SENDING, rules.UNKNOWN),
    )


def _send_with_retries(envelope: ses.Envelope) -> rules.SendOutcome:
    outcome = ses.send(envelope)
    for seconds in _RETRY_PAUSES_SECONDS:
        if not (outcome.kind == "refused_for_now" and outcome.soon):
            break
        # The delay only spreads the senders; it needs no strong randomness.
        time.sleep(seconds * random.uniform(0.5, 1.5))  # noqa: S311
        outcome = ses.send(envelope)
    return outcome


def _read_email(message: TaskMessage[SendEmail]) -> EmailItem:
    item = store.get_item(EmailItem, keys.email(message.task.email_id))
    if item is None:
        raise LookupError("An email has gone while it was being sent.")
    return item


def _record_outcome(
    message: TaskMessage[SendEmail], item: EmailItem, claim_id: str, outcome: rules.SendOutcome
) -> rules.MailState:
    """Record the outcome of the attempt, together with SES events received meanwhile, and update the task."""
    now = clock.utc_now()
    before = store.from_item(rules.MailState, item)
    after = rules.apply_outcome(before, claim_id, outcome, now)
    decision = rules.decide(after, now)
    if decision.action == "drop":
        _finish(item, after, message, before=before)
        return after
    if after != before:
        apply_state(item, after)
        store.replace_item(item)
    if decision.until is not None:
        defer_task(message.key, decision.until)
    return after


def _finish(
    item: EmailItem,
    state: rules.MailState,
    message: TaskMessage[SendEmail],
    rendered: RenderedMail | None = None,
    before: rules.MailState | None = None,
    more: Callable[[store.Transaction], None] | None = None,
) -> None:
    """Write the email's state, update the mail health counts, delete its task with it, and write ``more``."""
    apply_state(item, state)
    counted = health.count_changes(before, state) if before else {}

    def write(transaction: store.Transaction) -> None:
        health.add_counts(transaction, item, counted)
        if more is not None:
            more(transaction)

    _commit(item, message, rendered=rendered, task_key=message.key, more=write)


def _commit(
    item: EmailItem,
    message: TaskMessage[SendEmail],
    *,
    rendered: RenderedMail | None = None,
    task_key: Key | None = None,
    more: Callable[[store.Transaction], None] | None = None,
) -> None:
    transaction = store.Transaction(RequestContext(MAILER, clock.utc_now(), message.correlation_id))
    transaction.replace(item)
    if rendered is not None and not item.security:
        key = keys.email_content(item.email_id)
        transaction.overwrite(EmailContentItem(key.pk, key.sk, content=_pack_content(rendered)))
    if task_key is not None:
        transaction.delete_unconditionally(task_key)
    if more is not None:
        more(transaction)
    transaction.commit()


def _log_outcome(state: rules.MailState, outcome: rules.SendOutcome) -> None:
    logger.info("A mail was handed to SES.", extra={"outcome": outcome.kind, "reason": outcome.reason})
    metrics.add_metric(
        name={
            "accepted": "MailSent",
            "refused": "MailRefused",
            "refused_for_now": "MailRefusedForNow",
            "unknown": "MailUnknown",
        }[outcome.kind],
        unit="Count",
        value=1,
    )
    if state.status == rules.FAILED:
        logger.error("A mail has failed.", extra={"reason": state.reason})


def _pack_content(rendered: RenderedMail) -> bytes:
    return zlib.compress(json.dumps({"text": rendered.text, "html": rendered.html}, ensure_ascii=False).encode())
