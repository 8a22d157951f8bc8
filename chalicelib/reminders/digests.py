"""Digests: one for each account, issuing entity, currency and run, whatever is retried or run by two at once (R3, R5).

A digest is put once, together with its name among the account's unfinished ones, and so freezes which step of which
invoice it is to take. Then it takes them, some invoices a transaction; a step that somebody else has taken drops out.
Its mails are written last. Any worker can go on with a digest from wherever it stands, on its day; one that was left
unfinished is put anew on the day on which the account is reminded again, with what it had taken and what is due then.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from chalicelib import ids
from chalicelib.call import Call
from chalicelib.contacts.rules import Recipient
from chalicelib.mail import outbox
from chalicelib.reminders import emails, facts, planning
from chalicelib.reminders.facts import Around, Facts, Rows
from chalicelib.reminders.policy import TONES
from chalicelib.reminders.rules import LIVE, OFF, SHADOW, Decision
from chalicelib.table import keys, store
from chalicelib.table.items import AccountRemindersItem, DigestItem
from chalicelib.table.keys import Key

CLAIMING, MAILED, SHADOWED, EMPTY, STOPPED = "claiming", "mailed", "shadow", "empty", "stopped"
SENT = "sent"

_MAILS_A_TRANSACTION = 40


@dataclass(frozen=True)
class Chosen:
    """An invoice and the step that is to go out for it."""

    facts: Facts
    decision: Decision


@dataclass(frozen=True)
class LeftOver:
    """A digest of another day that was not finished, and those of its invoices whose step it has taken, as frozen."""

    digest: DigestItem
    taken: tuple[dict[str, Any], ...]


def freeze(
    call: Call, about: Around, chosen: Mapping[str, Sequence[Chosen]], left_over: Sequence[LeftOver] = ()
) -> tuple[Around, list[DigestItem]]:
    """Put today's digests, one for each currency; return them, and what holds for the account after that.

    One transaction. What is left over of other days goes into them. Raises Contended when somebody else is at work on
    the account.
    """
    of_account = _of_account(about)
    unfinished = [sk for sk in of_account.unfinished if sk not in {one.digest.sk for one in left_over}]
    transaction = store.Transaction(call)
    earlier = {one.digest.currency: one for one in left_over}
    made = []
    for currency in sorted({*chosen, *earlier}):
        before = earlier.get(currency)
        if before is not None:
            transaction.delete(before.digest)
        invoices = _invoices(before, chosen.get(currency, ()))
        if invoices:
            digest = _digest(call, about, currency, invoices, before)
            transaction.create(digest)
            unfinished.append(digest.sk)
            made.append(digest)
    of_account.unfinished = unfinished
    transaction.put(of_account, new=about.reminders is None)
    transaction.commit()
    return replace(about, reminders=of_account), made


def _invoices(before: LeftOver | None, chosen: Sequence[Chosen]) -> list[dict[str, Any]]:
    """Return what a digest freezes: what was taken before, unless a newer step of the same invoice has come (R5)."""
    taken = {one["invoice_id"]: one for one in (before.taken if before else ())}
    fresh = []
    for one in map(_frozen, chosen):
        older = taken.pop(one["invoice_id"], None)
        if older is not None:
            one["superseded"].append(older["step"])
        fresh.append(one)
    return [*taken.values(), *fresh]


def _digest(
    call: Call, about: Around, currency: str, invoices: list[dict[str, Any]], before: LeftOver | None
) -> DigestItem:
    strongest = max(invoices, key=lambda one: (TONES.index(one["tone"]), _days_over(one, about)))
    key = keys.digest(about.account.account_id, about.today, about.entity.entity_id, currency)
    return DigestItem(
        key.pk,
        key.sk,
        digest_id=before.digest.digest_id if before else ids.new_id(ids.DIGEST, call.now),
        account_id=about.account.account_id,
        entity_id=about.entity.entity_id,
        currency=currency,
        on=about.today,
        at=call.now,
        status=CLAIMING,
        shadow=about.mode == SHADOW or bool(before and before.digest.shadow),
        tone=strongest["tone"],
        template=strongest["template"],
        invoices=invoices,
    )


def _days_over(frozen: Mapping[str, Any], about: Around) -> int:
    return (about.today - date.fromisoformat(frozen["due_date"])).days


def _frozen(chosen: Chosen) -> dict[str, Any]:
    step, invoice = chosen.decision.step, chosen.facts.invoice
    if step is None or invoice.due_date is None:
        raise ValueError("Only an invoice with a step goes into a digest.")
    return {
        "invoice_id": invoice.invoice_id,
        "due_date": invoice.due_date.isoformat(),
        "step": step.name,
        "tone": step.tone,
        "template": step.template,
        "superseded": [one.name for one in chosen.decision.superseded],
        "next_on": chosen.decision.next_on.isoformat() if chosen.decision.next_on else None,
    }


def _of_account(about: Around) -> AccountRemindersItem:
    if about.reminders is not None:
        return about.reminders
    key = keys.account_reminders(about.account.account_id)
    return AccountRemindersItem(key.pk, key.sk, account_id=about.account.account_id)


def left_over(key: Key) -> LeftOver | None:
    """Read the digest of another day at ``key`` and what it has taken, one Query an invoice; None if there is none."""
    digest = store.get(DigestItem, key)
    if digest is None or digest.status != CLAIMING:
        return None
    taken = []
    for frozen in digest.invoices:
        rows = facts.rows_of(frozen["invoice_id"])
        if rows is not None and _taken_by(rows, frozen) == digest.digest_id:
            taken.append(frozen)
    return LeftOver(digest, tuple(taken))


def resume(call: Call, about: Around, key: Key) -> None:
    """Finish the digest of today at ``key`` from wherever it stands. Raises Contended."""
    digest = store.get(DigestItem, key)
    if digest is None or digest.status != CLAIMING:
        forget(about, key)
    else:
        finish(call, about, digest, {})


def finish(call: Call, about: Around, digest: DigestItem, known: Mapping[str, Facts]) -> Around:
    """Take the steps of a digest that are not taken yet, write its mails, and return what holds for the account then.

    ``known`` is what was found of its invoices when it was put; the others are read, one Query each. One transaction
    for each dozen or so, one for the mails. Raises Contended.
    """
    outcome = SHADOWED if digest.shadow or about.mode == SHADOW else SENT
    claimed: list[Rows] = []
    for part in planning.fitting(digest.invoices, lambda one: len(one["superseded"])):
        transaction = store.Transaction(call)
        writes = False
        for frozen in part:
            rows = known[frozen["invoice_id"]].rows if frozen["invoice_id"] in known else None
            rows = rows or facts.rows_of(frozen["invoice_id"])
            if rows is None:
                continue
            taken = _taken_by(rows, frozen)
            # Where reminders were switched off meanwhile, no further step is taken.
            if taken is None and about.mode != OFF and _still_stands(rows, frozen):
                _claim(transaction, call, about, rows, frozen, outcome, digest.digest_id)
                writes = True
            elif taken != digest.digest_id:
                continue
            claimed.append(rows)
        if writes:
            transaction.commit()
    return _write_mails(call, about, digest, claimed, known)


def _taken_by(rows: Rows, frozen: Mapping[str, Any]) -> str | None:
    due = date.fromisoformat(frozen["due_date"])
    for step in rows.steps:
        if step.due_date == due and step.step == frozen["step"]:
            return step.digest_id or step.outcome
    return None


def _still_stands(rows: Rows, frozen: Mapping[str, Any]) -> bool:
    """Tell whether an invoice may still be reminded of; what else has changed is found when the mail is sent."""
    due = date.fromisoformat(frozen["due_date"])
    return rows.invoice.due_date == due and rows.invoice.balance > 0 and rows.invoice.dispute is None


def _claim(
    transaction: store.Transaction,
    call: Call,
    about: Around,
    rows: Rows,
    frozen: Mapping[str, Any],
    outcome: str,
    digest_id: str,
) -> None:
    planning.record(transaction, call, rows, about, frozen["step"], outcome, digest_id)
    taken = {step.step: step for step in rows.steps if step.due_date == rows.invoice.due_date}
    for name in frozen["superseded"]:
        if name not in taken:
            planning.record(transaction, call, rows, about, name, planning.SUPERSEDED, digest_id)
        elif taken[name].digest_id == digest_id and taken[name].outcome != planning.SUPERSEDED:
            # This digest had taken it on another day, and was not finished.
            taken[name].outcome = planning.SUPERSEDED
            transaction.replace(taken[name])
    next_on = date.fromisoformat(frozen["next_on"]) if frozen["next_on"] else None
    planning.write(transaction, about, rows, next_on, None)


def _write_mails(
    call: Call, about: Around, digest: DigestItem, claimed: Sequence[Rows], known: Mapping[str, Facts]
) -> Around:
    """Write the mails of a digest, an own copy for each contact, and that it is finished (R3).

    One transaction; more where there are more contacts than fit one.
    """
    found = [known[rows.invoice.invoice_id] for rows in claimed if rows.invoice.invoice_id in known]
    if len(found) != len(claimed):
        found = facts.of_invoices(about, claimed)
    copies = copies_of(found) if about.mode != OFF else {}
    status = _status(about, digest, copies)
    told = {one["contact_id"] for one in digest.recipients}
    waiting = [one for one in copies.values() if one.contact.contact_id not in told]
    of_account = _of_account(about)
    while True:
        now, waiting = waiting[:_MAILS_A_TRANSACTION], waiting[_MAILS_A_TRANSACTION:]
        transaction = store.Transaction(call)
        recipients = [_told(transaction, call, about, digest, one, copies, status) for one in now]
        digest.recipients = [*digest.recipients, *recipients]
        if not waiting:
            digest.claimed = [rows.invoice.invoice_id for rows in claimed]
            digest.status = status
            of_account.unfinished = [sk for sk in of_account.unfinished if sk != digest.sk]
            if status in (MAILED, SHADOWED):
                of_account.last_reminded_on = max(of_account.last_reminded_on or about.today, about.today)
            transaction.put(of_account, new=about.reminders is None)
        transaction.replace(digest)
        transaction.commit()
        if not waiting:
            return replace(about, reminders=of_account)


def _status(about: Around, digest: DigestItem, copies: Mapping[str, "Copy"]) -> str:
    if about.mode == OFF:
        return STOPPED
    if not copies:
        return EMPTY
    return MAILED if about.mode == LIVE and not digest.shadow else SHADOWED


@dataclass(frozen=True)
class Copy:
    """One contact's own copy of a digest, and the invoices that it tells of (C8)."""

    contact: Recipient
    found: tuple[Facts, ...]


def copies_of(found: Sequence[Facts]) -> dict[str, Copy]:
    """Return, for each contact that can be reached, its copy of a digest of the invoices in ``found``."""
    copies: dict[str, Copy] = {}
    for one in found:
        for contact in one.recipients:
            if not contact.suppressed:
                before = copies.get(contact.contact_id, Copy(contact, ()))
                copies[contact.contact_id] = Copy(before.contact, (*before.found, one))
    return copies


def _told(
    transaction: store.Transaction,
    call: Call,
    about: Around,
    digest: DigestItem,
    copy: Copy,
    copies: Mapping[str, Copy],
    status: str,
) -> dict[str, Any]:
    email_id = None
    if status == MAILED:
        others = tuple(
            other.contact.name
            for contact_id, other in copies.items()
            if contact_id != copy.contact.contact_id and not other.contact.copy
        )
        email_id = outbox.enqueue(transaction, call, emails.reminder(about, digest, copy.contact, copy.found, others))
    invoice_ids = [one.invoice.invoice_id for one in copy.found]
    return {"contact_id": copy.contact.contact_id, "email_id": email_id, "invoice_ids": invoice_ids}


def forget(about: Around, key: Key) -> None:
    """Strike a digest off the unfinished ones, if it is still among them. Raises Contended."""
    of_account = about.reminders
    if of_account is None or key.sk not in of_account.unfinished:
        return
    of_account.unfinished = [sk for sk in of_account.unfinished if sk != key.sk]
    store.replace(of_account)
