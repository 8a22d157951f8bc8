"""Digests: one for each account, issuing entity, currency and run, whatever is retried or run by two at once (R3, R5).

A digest is put once, together with its name among the account's unfinished ones, and so freezes which step of which
invoice it is to take. Then it takes them, some invoices a transaction; a step that somebody else has taken drops out.
Its mails are written last, all at once. Any worker can go on with a digest from wherever it stands.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from chalicelib import ids
from chalicelib.call import Call
from chalicelib.mail import outbox
from chalicelib.reminders import emails, facts, planning
from chalicelib.reminders.facts import Around, Facts, Rows
from chalicelib.reminders.policy import TONES
from chalicelib.reminders.rules import OFF, SHADOW, Decision
from chalicelib.table import keys, store
from chalicelib.table.items import AccountRemindersItem, DigestItem
from chalicelib.table.keys import Key

CLAIMING, MAILED, SHADOWED, EMPTY = "claiming", "mailed", "shadow", "empty"
SENT = "sent"

MOST_INVOICES = 500
"""Of one digest; more wait for another day."""
_ROWS_A_TRANSACTION = 90
_ROWS_AN_INVOICE = 5


@dataclass(frozen=True)
class Chosen:
    """An invoice and the step that is to go out for it."""

    facts: Facts
    decision: Decision


def freeze(call: Call, about: Around, currency: str, chosen: Sequence[Chosen]) -> bool:
    """Put the digest of a currency and today; False if there is one already. One transaction.

    Raises Contended when somebody else is at work on the account.
    """
    account_id, entity_id = about.account.account_id, about.entity.entity_id
    key = keys.digest(account_id, about.today, entity_id, currency)
    if store.batch([key]):
        return False
    strongest = max(chosen, key=lambda one: (TONES.index(_tone(one)), _days_over(one, about)))
    digest = DigestItem(
        key.pk,
        key.sk,
        digest_id=ids.new_id(ids.DIGEST, call.now),
        account_id=account_id,
        entity_id=entity_id,
        currency=currency,
        on=about.today,
        at=call.now,
        status=CLAIMING,
        tone=_tone(strongest),
        template=strongest.decision.step.template if strongest.decision.step else None,
        invoices=[_frozen(one) for one in chosen],
    )
    of_account = _of_account(about)
    of_account.unfinished = [*of_account.unfinished, key.sk]
    transaction = store.Transaction(call)
    transaction.create(digest)
    transaction.put(of_account, new=about.reminders is None)
    transaction.commit()
    return True


def _tone(chosen: Chosen) -> str:
    return chosen.decision.step.tone if chosen.decision.step else TONES[0]


def _days_over(chosen: Chosen, about: Around) -> int:
    due = chosen.facts.invoice.due_date
    return (about.today - due).days if due else 0


def _frozen(chosen: Chosen) -> dict[str, Any]:
    step, invoice = chosen.decision.step, chosen.facts.invoice
    if step is None or invoice.due_date is None:
        raise ValueError("Only an invoice with a step goes into a digest.")
    return {
        "invoice_id": invoice.invoice_id,
        "due_date": invoice.due_date.isoformat(),
        "step": step.name,
        "tone": step.tone,
        "superseded": [one.name for one in chosen.decision.superseded],
        "next_on": chosen.decision.next_on.isoformat() if chosen.decision.next_on else None,
    }


def _of_account(about: Around) -> AccountRemindersItem:
    if about.reminders is not None:
        return about.reminders
    key = keys.account_reminders(about.account.account_id)
    return AccountRemindersItem(key.pk, key.sk, account_id=about.account.account_id)


def finish(call: Call, about: Around, key: Key) -> None:
    """Take the steps of the digest at ``key`` that are not taken yet, and write its mails.

    One Query an invoice, one transaction for each dozen or so, one for the mails. Raises Contended.
    """
    digest = store.get(DigestItem, key)
    if digest is None or digest.status != CLAIMING:
        _forget(call, about, key)
        return
    outcome = SHADOWED if about.mode == SHADOW else SENT
    claimed: list[Rows] = []
    # Where reminders were switched off meanwhile, no step is taken.
    for part in _parts(digest.invoices) if about.mode != OFF else ():
        transaction = store.Transaction(call)
        writes = False
        for frozen in part:
            rows = facts.rows_of(frozen["invoice_id"])
            if rows is None:
                continue
            taken = _taken_by(rows, frozen)
            if taken == digest.digest_id:
                claimed.append(rows)
            elif taken is None and _still_stands(rows, frozen):
                _claim(transaction, call, about, rows, frozen, outcome, digest.digest_id)
                claimed.append(rows)
                writes = True
        if writes:
            transaction.commit()
    _write_mails(call, about, digest, claimed)


def _parts(invoices: Sequence[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    """Divide the invoices of a digest so that each part fits a transaction."""
    part: list[Mapping[str, Any]] = []
    rows = 0
    for frozen in invoices:
        wanted = _ROWS_AN_INVOICE + len(frozen["superseded"])
        if part and rows + wanted > _ROWS_A_TRANSACTION:
            yield part
            part, rows = [], 0
        part.append(frozen)
        rows += wanted
    if part:
        yield part


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
    for name in frozen["superseded"]:
        if name not in rows.spent:
            planning.record(transaction, call, rows, about, name, planning.SUPERSEDED, digest_id)
    next_on = date.fromisoformat(frozen["next_on"]) if frozen["next_on"] else None
    planning.write(transaction, about, rows, next_on, None)


def _write_mails(call: Call, about: Around, digest: DigestItem, claimed: Sequence[Rows]) -> None:
    """Write the mails of a digest, an own copy for each contact, and that it is finished; one transaction (R3)."""
    found = facts.of_invoices(about, claimed) if claimed else []
    copies = _copies(found)
    transaction = store.Transaction(call)
    digest.claimed = [rows.invoice.invoice_id for rows in claimed]
    digest.status = EMPTY if not claimed else SHADOWED if about.mode == SHADOW else MAILED
    digest.recipients = []
    for contact_id, (contact, of_contact) in copies.items():
        others = tuple(one.name for other, (one, _) in copies.items() if other != contact_id and not one.copy)
        mail = emails.reminder(about, digest, contact, of_contact, others)
        email_id = outbox.enqueue(transaction, call, mail) if digest.status == MAILED else None
        invoice_ids = [one.invoice.invoice_id for one in of_contact]
        digest.recipients = [
            *digest.recipients,
            {"contact_id": contact_id, "email_id": email_id, "invoice_ids": invoice_ids},
        ]
    transaction.replace(digest)
    of_account = _of_account(about)
    of_account.unfinished = [sk for sk in of_account.unfinished if sk != digest.sk]
    if claimed:
        of_account.last_reminded_on = max(of_account.last_reminded_on or about.today, about.today)
    transaction.put(of_account, new=about.reminders is None)
    transaction.commit()


def _copies(found: Sequence[Facts]) -> dict[str, tuple[Any, list[Facts]]]:
    """Return, for each contact that can be reached, the invoices that it is told of (C8)."""
    copies: dict[str, tuple[Any, list[Facts]]] = {}
    for one in found:
        for contact in one.recipients:
            if not contact.suppressed:
                copies.setdefault(contact.contact_id, (contact, []))[1].append(one)
    return copies


def _forget(call: Call, about: Around, key: Key) -> None:
    """Strike a digest off the unfinished ones, if it is still among them."""
    of_account = about.reminders
    if of_account is None or key.sk not in of_account.unfinished:
        return
    of_account.unfinished = [sk for sk in of_account.unfinished if sk != key.sk]
    store.replace(of_account)
