"""Sending a mail from the outbox: claim, hand to SES once, note what came of it (I4)."""

import json
import random
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from chalicelib import clock, ids
from chalicelib.call import Actor, Call
from chalicelib.config import settings
from chalicelib.duties import service as duties
from chalicelib.duties.queue import Message
from chalicelib.entities.rules import Entity
from chalicelib.mail import health, rules, ses
from chalicelib.mail import message as texts
from chalicelib.mail import recipients as addressing
from chalicelib.mail.claims import Outgoing, Prepare, Ready, Withheld
from chalicelib.mail.feedback import write
from chalicelib.mail.message import Rendered
from chalicelib.mail.recipients import Recipients
from chalicelib.observability import logger, metrics
from chalicelib.table import keys, store
from chalicelib.table.items import EmailContentItem, EmailItem
from chalicelib.table.keys import Key

MAILER = Actor("system", "mailer", "Mailer")

# A rate limit of SES is per second: it has often passed before the mail need go back to the table.
_PAUSES_SECONDS = (0.5, 1.5)
_NONE: Mapping[str, Prepare] = {}


class Pace(Protocol):
    """Keeps mails from leaving too fast."""

    def turn(self, recipients: int) -> datetime | None:
        """Wait until a mail to so many may leave; or, if that is too far off, return when to try again (UTC)."""


def deliver(message: Message, prepare: Mapping[str, Prepare] = _NONE, pace: Pace | None = None) -> None:
    """Do what the email that ``message`` names needs now; usually, send it.

    ``prepare`` holds, by kind, what makes a mail's secrets and attachments when it is claimed; ``pace`` keeps mails
    back that would leave too fast. Returns when nothing more is to be done at present: it was sent, another consumer
    has it, it waits, or it is finished. Raises what stands in the way of this one mail (a template that fails, a table
    that does not answer).
    """
    claim = _Claim(message, ids.new_id("", clock.now()), prepare, pace)
    claimed = store.deciding_again(claim.attempt)
    if claimed is None:
        return
    outcome = _send(claimed.envelope)
    # The email as it was claimed is most often still the newest; if not, it is read again.
    known = [claimed.item]
    settled = store.deciding_again(
        lambda: _settle(message, known.pop() if known else _read(message), claim.claim_id, outcome)
    )
    _tell(settled, outcome)


@dataclass(frozen=True)
class _Claimed:
    """An email that was claimed for one attempt, and what is to be sent."""

    item: EmailItem
    envelope: ses.Envelope


class _Claim:
    """The claim of one email for one attempt. What is contended is decided afresh, with fresh secrets."""

    def __init__(self, message: Message, claim_id: str, prepare: Mapping[str, Prepare], pace: Pace | None) -> None:
        self.message = message
        self.claim_id = claim_id
        self._prepare = prepare
        self._pace = pace
        self._prepared: Ready | Withheld = Ready()
        self._chosen: Recipients | None = None

    def attempt(self) -> _Claimed | None:
        """Claim the email; None if nothing is to be sent now."""
        message = self.message
        now = clock.now()
        item = store.get(EmailItem, keys.email(message.subject))
        if item is None:
            logger.warning("There is a duty to send an email that is not here.")
            duties.done(message.key)
            return None
        state = store.load(rules.State, item)
        # The answer to our own claim may have been lost; then this is the second look at it, and the secrets whose
        # hashes were written are those of the look before.
        ours = state.status == rules.SENDING and state.claim_id == self.claim_id
        if not ours and not self._is_to_be_sent(item, state, now):
            return None
        if not ours and item.kind in self._prepare:
            self._prepared = self._prepare[item.kind](_outgoing(item), Call(MAILER, now, message.correlation_id))
        prepared = self._prepared
        if isinstance(prepared, Withheld):
            self._withhold(item, state, prepared.reason)
            return None
        return self._sealed(item, state, prepared, ours)

    def _is_to_be_sent(self, item: EmailItem, state: rules.State, now: datetime) -> bool:
        decision = rules.decide(state, now)
        if decision.action == "drop":
            duties.done(self.message.key)
        elif decision.action == "wait" and decision.until is not None:
            duties.defer(self.message.key, decision.until)
        elif decision.action == "expire":
            _finish(item, rules.expire(state), self.message)
            metrics.add_metric(name="MailExpired", unit="Count", value=1)
        return decision.action == "send"

    def _withhold(self, item: EmailItem, state: rules.State, reason: str) -> None:
        _finish(item, rules.withhold(state, reason), self.message)
        logger.info("A mail is withheld.", extra={"reason": reason})
        metrics.add_metric(name="MailWithheld", unit="Count", value=1)

    def _sealed(self, item: EmailItem, state: rules.State, prepared: Ready, ours: bool) -> _Claimed | None:
        item.entity_id = prepared.entity_id or item.entity_id
        item.locale = prepared.locale or item.locale
        item.to = list(prepared.to or item.to)
        item.cc = list(item.cc if prepared.cc is None else prepared.cc)
        entity, chosen = self._addressed(item, ours)
        state = rules.addressed(state, chosen)
        if chosen.reason == addressing.SUPPRESSED:
            self._withhold(item, state, chosen.reason)
            return None
        context = {**item.context, **prepared.context}
        rendered = texts.render(prepared.template or item.kind, item.locale, context, entity, item.created_at)
        item.subject = rendered.subject
        item.attachments = [
            {"name": ses.file_name(one.name), "media_type": one.media_type, "size": len(one.content)}
            for one in prepared.attachments
        ]
        kept = _without(rendered, prepared.secrets)
        if not chosen.to:
            _finish(item, rules.capture(state, chosen.reason), self.message, kept)
            return None
        envelope = _envelope(item, entity, chosen, prepared, rendered)
        # What SES would refuse to take as a request is found before the claim, so that it never looks like a lost
        # mail.
        try:
            ses.request_for(envelope)
        except ses.TooLarge:
            self._withhold(item, state, rules.TOO_LARGE)
            return None
        if ours:
            return _Claimed(item, envelope)
        return self._claimed_in_turn(item, state, prepared, kept, envelope)

    def _addressed(self, item: EmailItem, ours: bool) -> tuple[Entity, Recipients]:
        """Return the issuing entity, and who gets the mail; both are read in one go."""
        of = settings()
        addresses = [*item.to, *item.cc, *([of.mail_redirect_to] if of.mail_mode == "redirect" else [])]
        found = store.batch([keys.entity(item.entity_id), *(keys.suppression(one) for one in addresses)])
        entity_item = found.get(keys.entity(item.entity_id))
        if entity_item is None:
            raise LookupError("The issuing entity of an email is not here.")
        if self._chosen is None or not ours:
            self._chosen = addressing.choose(
                of.mail_mode,
                tuple(item.to),
                tuple(item.cc),
                suppressed=[one for one in addresses if keys.suppression(one) in found],
                redirect_to=of.mail_redirect_to,
                allowlist=of.mail_allowlist,
            )
        return store.load(Entity, entity_item), self._chosen

    def _claimed_in_turn(
        self, item: EmailItem, state: rules.State, prepared: Ready, kept: Rendered, envelope: ses.Envelope
    ) -> _Claimed | None:
        if self._pace is not None:
            later = self._pace.turn(state.recipient_count)
            if later is not None:
                duties.defer(self.message.key, later)
                return None
            # A claim that is contended is decided again, but its turn has come.
            self._pace = None
        write(item, rules.claim(state, clock.now(), self.claim_id))
        _commit(item, self.message, rendered=kept, more=prepared.write)
        return _Claimed(item, envelope)


def _without(rendered: Rendered, secrets: Sequence[str]) -> Rendered:
    """Return what the history keeps of a mail: what it said, but for the secrets in it."""
    text, html = rendered.text, rendered.html
    for secret in secrets:
        text, html = text.replace(secret, "…"), html.replace(secret, "…")
    return Rendered(rendered.subject, text, html)


def _envelope(item: EmailItem, entity: Entity, chosen: Recipients, prepared: Ready, rendered: Rendered) -> ses.Envelope:
    return ses.Envelope(
        email_id=item.email_id,
        kind=item.kind,
        sender_name=texts.clean(entity.sender_name or entity.name),
        sender_email=entity.sender_email,
        reply_to=entity.reply_to,
        to=chosen.to,
        cc=chosen.cc,
        subject=rendered.subject,
        text=rendered.text,
        html=rendered.html,
        headers={**prepared.headers, **_meant_for(chosen)},
        attachments=prepared.attachments,
    )


def _meant_for(recipients: Recipients) -> dict[str, str]:
    """Return the header that says whom a mail was meant for that others get, as far as a header can hold it."""
    if not recipients.meant_for:
        return {}
    return {"X-Original-To": ", ".join(recipients.meant_for)[: ses.LONGEST_HEADER]}


def _outgoing(item: EmailItem) -> Outgoing:
    return Outgoing(
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
    )


def _send(envelope: ses.Envelope) -> rules.Outcome:
    outcome = ses.send(envelope)
    for seconds in _PAUSES_SECONDS:
        if not (outcome.kind == "refused_for_now" and outcome.soon):
            break
        # The pause only spreads the senders; it needs no strong randomness.
        time.sleep(seconds * random.uniform(0.5, 1.5))  # noqa: S311
        outcome = ses.send(envelope)
    return outcome


def _read(message: Message) -> EmailItem:
    item = store.get(EmailItem, keys.email(message.subject))
    if item is None:
        raise LookupError("An email has gone while it was being sent.")
    return item


def _settle(message: Message, item: EmailItem, claim_id: str, outcome: rules.Outcome) -> rules.State:
    """Note what came of the attempt, beside whatever SES has reported meanwhile, and take care of the duty."""
    now = clock.now()
    before = store.load(rules.State, item)
    after = rules.settle(before, claim_id, outcome, now)
    decision = rules.decide(after, now)
    if decision.action == "drop":
        _finish(item, after, message, before=before)
        return after
    if after != before:
        write(item, after)
        store.replace(item)
    if decision.until is not None:
        duties.defer(message.key, decision.until)
    return after


def _finish(
    item: EmailItem,
    state: rules.State,
    message: Message,
    rendered: Rendered | None = None,
    before: rules.State | None = None,
) -> None:
    """Write the email's state, count what it changes in mail health, and delete its duty with it."""
    write(item, state)
    counted = health.difference(before, state) if before else {}
    _commit(item, message, rendered=rendered, duty=message.key, more=lambda it: health.add(it, item, counted))


def _commit(
    item: EmailItem,
    message: Message,
    *,
    rendered: Rendered | None = None,
    duty: Key | None = None,
    more: Callable[[store.Transaction], None] | None = None,
) -> None:
    transaction = store.Transaction(Call(MAILER, clock.now(), message.correlation_id))
    transaction.replace(item)
    if rendered is not None and not item.security:
        key = keys.email_content(item.email_id)
        transaction.overwrite(EmailContentItem(key.pk, key.sk, content=_packed(rendered)))
    if duty is not None:
        transaction.erase(duty)
    if more is not None:
        more(transaction)
    transaction.commit()


def _tell(state: rules.State, outcome: rules.Outcome) -> None:
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


def _packed(rendered: Rendered) -> bytes:
    return zlib.compress(json.dumps({"text": rendered.text, "html": rendered.html}, ensure_ascii=False).encode())
