"""Sending a mail from the outbox: claim, hand to SES once, note what came of it (I4); and the history of mails."""

import json
import random
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chalicelib import clock, ids
from chalicelib.call import Actor, Call
from chalicelib.config import settings
from chalicelib.duties import service as duties
from chalicelib.duties.queue import Message
from chalicelib.entities.rules import Entity
from chalicelib.errors import NotFound
from chalicelib.mail import message as texts
from chalicelib.mail import rules, ses
from chalicelib.mail.claims import Outgoing, Prepare, Ready, Withheld
from chalicelib.mail.feedback import write
from chalicelib.mail.message import Rendered
from chalicelib.observability import logger, metrics
from chalicelib.table import keys, store
from chalicelib.table.items import EmailContentItem, EmailItem, EntityItem
from chalicelib.table.keys import Key

_PAGES_LOOKED_THROUGH = 10

MAILER = Actor("system", "mailer", "Mailer")

# A rate limit of SES is per second: it has often passed before the mail need go back to the table.
_PAUSES_SECONDS = (0.5, 1.5)
_NONE: Mapping[str, Prepare] = {}


@dataclass(frozen=True)
class Content:
    """What an email said."""

    text: str
    html: str


@dataclass(frozen=True)
class Email:
    """An email of an account's history. Instants are UTC."""

    email_id: str
    account_id: str
    kind: str
    status: str
    entity_id: str
    locale: str
    created_at: datetime
    not_after: datetime
    to: tuple[str, ...]
    security: bool = False
    cc: tuple[str, ...] = ()
    reason: str | None = None
    subject: str | None = None
    bill_group_id: str | None = None
    contact_id: str | None = None
    sent_at: datetime | None = None
    attempts: int = 0
    events: tuple[rules.Event, ...] = ()


def deliver(message: Message, prepare: Mapping[str, Prepare] = _NONE) -> None:
    """Do what the email that ``message`` names needs now; usually, send it.

    ``prepare`` holds, by kind, what makes a mail's secrets when it is claimed. Returns when nothing more is to be
    done at present: it was sent, another consumer has it, it waits, or it is finished. Raises what stands in the way
    of this one mail (a template that fails, a table that does not answer).
    """
    claim = _Claim(message, ids.new_id("", clock.now()), prepare)
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

    def __init__(self, message: Message, claim_id: str, prepare: Mapping[str, Prepare]) -> None:
        self.message = message
        self.claim_id = claim_id
        self._prepare = prepare
        self._prepared: Ready | Withheld = Ready()

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
        return self._sealed(item, state, prepared, now, ours)

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

    def _sealed(
        self, item: EmailItem, state: rules.State, prepared: Ready, now: datetime, ours: bool
    ) -> _Claimed | None:
        item.entity_id = prepared.entity_id or item.entity_id
        item.locale = prepared.locale or item.locale
        item.to = list(prepared.to or item.to)
        item.cc = list(item.cc if prepared.cc is None else prepared.cc)
        entity_item = store.get(EntityItem, keys.entity(item.entity_id))
        if entity_item is None:
            raise LookupError("The issuing entity of an email is not here.")
        entity = store.load(Entity, entity_item)
        context = {**item.context, **prepared.context}
        rendered = texts.render(prepared.template or item.kind, item.locale, context, entity, item.created_at)
        of = settings()
        recipients = rules.recipients(
            of.mail_mode, tuple(item.to), tuple(item.cc), of.mail_redirect_to, of.mail_allowlist
        )
        item.subject = rendered.subject
        if not recipients.to:
            _finish(item, rules.capture(state, recipients.reason), self.message, rendered)
            return None
        envelope = ses.Envelope(
            email_id=item.email_id,
            kind=item.kind,
            sender_name=texts.clean(entity.sender_name or entity.name),
            sender_email=entity.sender_email,
            reply_to=entity.reply_to,
            to=recipients.to,
            cc=recipients.cc,
            subject=rendered.subject,
            text=rendered.text,
            html=rendered.html,
            headers={**prepared.headers, **_meant_for(recipients)},
            attachments=prepared.attachments,
        )
        # What SES would refuse to take as a request is found before the claim, so that it never looks like a lost
        # mail.
        try:
            ses.request_for(envelope)
        except ses.TooLarge:
            self._withhold(item, state, rules.TOO_LARGE)
            return None
        if not ours:
            write(item, rules.claim(state, now, self.claim_id))
            _commit(item, self.message, rendered=rendered, more=prepared.write)
        return _Claimed(item, envelope)


def _meant_for(recipients: rules.Recipients) -> dict[str, str]:
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
        _finish(item, after, message)
        return after
    if after != before:
        write(item, after)
        store.replace(item)
    if decision.until is not None:
        duties.defer(message.key, decision.until)
    return after


def _finish(item: EmailItem, state: rules.State, message: Message, rendered: Rendered | None = None) -> None:
    """Write the email's state, and delete its duty with it."""
    write(item, state)
    _commit(item, message, rendered=rendered, duty=message.key)


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


def list_emails(
    account_id: str, after: Any, limit: int, seen: Callable[[Email], bool] = lambda email: True
) -> tuple[list[Email], str | None]:
    """Return a page of an account's emails that the caller may see, newest first, and where the next one begins.

    Where most are not for the caller's eyes, a page may be short although another one follows. Raises NotFound.
    """
    if not store.batch([keys.account(account_id)]):
        raise NotFound()
    found: list[Email] = []
    for _ in range(_PAGES_LOOKED_THROUGH):
        listed = keys.email_listed(account_id, "")
        page = store.query_index(listed.pk, limit=limit - len(found), after=after, newest_first=True)
        found += [email for email in (store.load(Email, item) for item in page.items) if seen(email)]
        after = page.after
        if after is None or len(found) >= limit:
            break
    return found, after


def get_email(account_id: str, email_id: str) -> tuple[Email, Content | None]:
    """Return an email of the account, and what it said if that is known and may be shown. Raises NotFound."""
    found = store.batch([keys.email(email_id), keys.email_content(email_id)])
    item, content = found.get(keys.email(email_id)), found.get(keys.email_content(email_id))
    if item is None or item.account_id != account_id:
        raise NotFound()
    email = store.load(Email, item)
    if content is None or email.security:
        return email, None
    return email, Content(**json.loads(zlib.decompress(content.content)))
