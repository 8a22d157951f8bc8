"""Digests: one for each account, issuing entity, currency and run, whatever is retried or run concurrently (R3, R5).

A digest is created once, together with its name among the account's unfinished ones, and so freezes which step of which
invoice it will claim. Then it claims them, some invoices a transaction; a step that another worker has claimed drops
out. Its mails are written last. Any worker can resume a digest on its day; one that was left unfinished is created
again on the day on which the account is reminded next, with what it had claimed and what is due then.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from chalicelib import ids
from chalicelib.contacts.rules import Recipient
from chalicelib.mail import outbox
from chalicelib.reminders.policy.rules import TONES
from chalicelib.reminders.run import candidates, emails, planning
from chalicelib.reminders.run.account_context import AccountContext
from chalicelib.reminders.run.candidates import InvoiceFacts, InvoiceRows
from chalicelib.reminders.run.rules import LIVE, OFF, SHADOW, ReminderDecision, find_obstacle
from chalicelib.request_context import RequestContext
from chalicelib.table import keys, store
from chalicelib.table.items import AccountRemindersItem, DigestItem
from chalicelib.table.keys import Key

CLAIMING, MAILED, SHADOWED, EMPTY, STOPPED = "claiming", "mailed", "shadow", "empty", "stopped"
SENT = "sent"

_MAILS_PER_TRANSACTION = 40


@dataclass(frozen=True)
class DueReminder:
    """An invoice and the step that is to go out for it."""

    facts: InvoiceFacts
    decision: ReminderDecision


@dataclass(frozen=True)
class UnfinishedDigest:
    """A digest of another day that was not finished, and what it froze of the invoices whose step it has claimed."""

    digest: DigestItem
    claimed: tuple[dict[str, Any], ...]


def send_digests(
    context: RequestContext,
    about: AccountContext,
    reminders: Mapping[str, Sequence[DueReminder]],
    earlier: Sequence[Key],
    unfinished: Sequence[UnfinishedDigest],
) -> None:
    """Create today's digests, one for each currency, and finish them. Raises WriteConflict.

    ``earlier`` are the keys of all digests of other days that the account's row names as unfinished; what was found of
    them is in ``unfinished`` and continues in today's.
    """
    about, created = _create_digests(context, about, reminders, earlier, unfinished)
    known = {one.facts.invoice.invoice_id: one.facts for of_currency in reminders.values() for one in of_currency}
    for digest in created:
        about = _finish_digest(context, about, digest, known)


def _create_digests(
    context: RequestContext,
    about: AccountContext,
    reminders: Mapping[str, Sequence[DueReminder]],
    earlier: Sequence[Key],
    unfinished: Sequence[UnfinishedDigest],
) -> tuple[AccountContext, list[DigestItem]]:
    """Put the digests and their names among the unfinished ones, in one transaction."""
    of_account = _account_reminders(about)
    replaced = {key.sk for key in earlier}
    names = [sk for sk in of_account.unfinished if sk not in replaced]
    transaction = store.Transaction(context)
    by_currency = {one.digest.currency: one for one in unfinished}
    created = []
    for currency in sorted({*reminders, *by_currency}):
        before = by_currency.get(currency)
        if before is not None:
            transaction.delete(before.digest)
        invoices = _freeze_invoices(before, reminders.get(currency, ()))
        if invoices:
            digest = _new_digest(context, about, currency, invoices, before)
            transaction.create(digest)
            names.append(digest.sk)
            created.append(digest)
    of_account.unfinished = names
    transaction.put(of_account, new=about.reminders is None)
    transaction.commit()
    return replace(about, reminders=of_account), created


def _freeze_invoices(before: UnfinishedDigest | None, chosen: Sequence[DueReminder]) -> list[dict[str, Any]]:
    """Return what a digest freezes: what was taken before, unless a newer step of the same invoice has come (R5)."""
    taken = {one["invoice_id"]: one for one in (before.claimed if before else ())}
    fresh = []
    for one in map(_freeze_invoice, chosen):
        older = taken.pop(one["invoice_id"], None)
        if older is not None:
            one["superseded"].append(older["step"])
        fresh.append(one)
    return [*taken.values(), *fresh]


def _new_digest(
    context: RequestContext,
    about: AccountContext,
    currency: str,
    invoices: list[dict[str, Any]],
    before: UnfinishedDigest | None,
) -> DigestItem:
    strongest = max(invoices, key=lambda one: (TONES.index(one["tone"]), _days_overdue(one, about)))
    key = keys.digest(about.account.account_id, about.today, about.entity.entity_id, currency)
    return DigestItem(
        key.pk,
        key.sk,
        digest_id=before.digest.digest_id if before else ids.new_id(ids.DIGEST_PREFIX, context.now),
        account_id=about.account.account_id,
        entity_id=about.entity.entity_id,
        currency=currency,
        on=about.today,
        at=context.now,
        status=CLAIMING,
        shadow=about.mode == SHADOW or bool(before and before.digest.shadow),
        tone=strongest["tone"],
        template=strongest["template"],
        invoices=invoices,
    )


def _days_overdue(frozen: Mapping[str, Any], about: AccountContext) -> int:
    return (about.today - date.fromisoformat(frozen["due_date"])).days


def _freeze_invoice(chosen: DueReminder) -> dict[str, Any]:
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


def _account_reminders(about: AccountContext) -> AccountRemindersItem:
    if about.reminders is not None:
        return about.reminders
    key = keys.account_reminders(about.account.account_id)
    return AccountRemindersItem(key.pk, key.sk, account_id=about.account.account_id)


def load_unfinished_digest(key: Key) -> UnfinishedDigest | None:
    """Read the digest of another day at ``key`` and what it has claimed, one Query an invoice; None without one."""
    digest = store.get_item(DigestItem, key)
    if digest is None or digest.status != CLAIMING:
        return None
    taken = []
    for frozen in digest.invoices:
        rows = candidates.load_invoice_rows(frozen["invoice_id"])
        if rows is not None and _claimed_by(rows, frozen, digest) == digest.digest_id:
            taken.append(frozen)
    return UnfinishedDigest(digest, tuple(taken))


def resume_digest(context: RequestContext, about: AccountContext, key: Key) -> None:
    """Finish the digest of today at ``key`` from wherever it stands. Raises WriteConflict."""
    digest = store.get_item(DigestItem, key)
    if digest is None or digest.status != CLAIMING:
        _discard_unfinished_digest(about, key)
    else:
        _finish_digest(context, about, digest, {})


def _finish_digest(
    context: RequestContext, about: AccountContext, digest: DigestItem, known: Mapping[str, InvoiceFacts]
) -> AccountContext:
    """Claim the steps of a digest that are not claimed yet, write its mails, and return the account as it is then.

    ``known`` are facts of its invoices that were read when it was created; the others are read, one Query each. One
    transaction for about a dozen claims, one for the mails. Raises WriteConflict.
    """
    facts = _gather_facts(about, digest, known)
    claimed, to_claim = _select_claims(about, digest, facts)
    for part in planning.split_into_transactions(to_claim, lambda one: len(one["superseded"])):
        transaction = store.Transaction(context)
        for frozen in part:
            _claim(transaction, context, about, facts[frozen["invoice_id"]].rows, frozen, digest)
        transaction.commit()
    return _write_mails(context, about, digest, claimed)


def _gather_facts(
    about: AccountContext, digest: DigestItem, known: Mapping[str, InvoiceFacts]
) -> dict[str, InvoiceFacts]:
    ids = [frozen["invoice_id"] for frozen in digest.invoices]
    rows = [candidates.load_invoice_rows(one) for one in ids if one not in known]
    read = candidates.gather_invoice_facts(about, [one for one in rows if one is not None])
    return {**known, **{one.invoice.invoice_id: one for one in read}}


def _select_claims(
    about: AccountContext, digest: DigestItem, facts: Mapping[str, InvoiceFacts]
) -> tuple[list[InvoiceFacts], list[dict[str, Any]]]:
    """Return the invoices whose step the digest has or may claim, and what it froze of those that it still has to."""
    claimed, to_claim = [], []
    for frozen in digest.invoices:
        one = facts.get(frozen["invoice_id"])
        if one is None:
            continue
        claimed_by = _claimed_by(one.rows, frozen, digest)
        candidate = replace(one.candidate, claimed_due_date=date.fromisoformat(frozen["due_date"]))
        if claimed_by is None and find_obstacle(candidate, about.today) is None:
            to_claim.append(frozen)
        elif claimed_by != digest.digest_id:
            continue
        claimed.append(one)
    return claimed, to_claim


def _claimed_by(rows: InvoiceRows, frozen: Mapping[str, Any], digest: DigestItem) -> str | None:
    """Return the id of the digest that has the step, or what became of it otherwise; None while it can be claimed."""
    due = date.fromisoformat(frozen["due_date"])
    for step in rows.steps:
        if step.due_date == due and step.step == frozen["step"]:
            free = step.outcome == planning.WITHHELD and step.digest_id != digest.digest_id
            return None if free else step.digest_id or step.outcome
    return None


def _claim(
    transaction: store.Transaction,
    context: RequestContext,
    about: AccountContext,
    rows: InvoiceRows,
    frozen: Mapping[str, Any],
    digest: DigestItem,
) -> None:
    outcome = SHADOWED if digest.shadow or about.mode == SHADOW else SENT
    planning.record_reminder_step(transaction, context, rows, about, frozen["step"], outcome, digest.digest_id)
    used = {step.step: step for step in rows.steps if step.due_date == rows.invoice.due_date}
    for name in frozen["superseded"]:
        if name not in used:
            planning.record_reminder_step(
                transaction, context, rows, about, name, planning.SUPERSEDED, digest.digest_id
            )
        elif used[name].digest_id == digest.digest_id and used[name].outcome != planning.SUPERSEDED:
            # This digest had claimed it on another day, and was not finished.
            used[name].outcome = planning.SUPERSEDED
            transaction.replace(used[name])
    next_on = date.fromisoformat(frozen["next_on"]) if frozen["next_on"] else None
    planning.write_invoice_plan(transaction, about, rows, next_on, None)


def _write_mails(
    context: RequestContext, about: AccountContext, digest: DigestItem, claimed: Sequence[InvoiceFacts]
) -> AccountContext:
    """Write the mails of a digest, a copy for each contact, and that it is finished (R3).

    One transaction; more where there are more contacts than fit one.
    """
    copies = copies_by_contact(claimed) if about.mode != OFF else {}
    status = _final_status(about, digest, copies)
    written = {one["contact_id"] for one in digest.recipients}
    remaining = [one for one in copies.values() if one.contact.contact_id not in written]
    of_account = _account_reminders(about)
    while True:
        now, remaining = remaining[:_MAILS_PER_TRANSACTION], remaining[_MAILS_PER_TRANSACTION:]
        transaction = store.Transaction(context)
        recipients = [_enqueue_copy(transaction, context, about, digest, one, copies, status) for one in now]
        digest.recipients = [*digest.recipients, *recipients]
        if not remaining:
            digest.claimed = [one.invoice.invoice_id for one in claimed]
            digest.status = status
            of_account.unfinished = [sk for sk in of_account.unfinished if sk != digest.sk]
            if status in (MAILED, SHADOWED):
                of_account.last_reminded_on = max(of_account.last_reminded_on or about.today, about.today)
            transaction.put(of_account, new=about.reminders is None)
        transaction.replace(digest)
        transaction.commit()
        if not remaining:
            return replace(about, reminders=of_account)


def _final_status(about: AccountContext, digest: DigestItem, copies: Mapping[str, "DigestCopy"]) -> str:
    if about.mode == OFF:
        return STOPPED
    if not copies:
        return EMPTY
    return MAILED if about.mode == LIVE and not digest.shadow else SHADOWED


@dataclass(frozen=True)
class DigestCopy:
    """One contact's own copy of a digest, and the invoices that it names (C8)."""

    contact: Recipient
    found: tuple[InvoiceFacts, ...]


def copies_by_contact(found: Sequence[InvoiceFacts]) -> dict[str, DigestCopy]:
    """Return, for each contact that can be reached, its copy of a digest of the invoices in ``found``."""
    copies: dict[str, DigestCopy] = {}
    for one in found:
        for contact in one.recipients:
            if not contact.suppressed:
                before = copies.get(contact.contact_id, DigestCopy(contact, ()))
                copies[contact.contact_id] = DigestCopy(before.contact, (*before.found, one))
    return copies


def _enqueue_copy(
    transaction: store.Transaction,
    context: RequestContext,
    about: AccountContext,
    digest: DigestItem,
    copy: DigestCopy,
    copies: Mapping[str, DigestCopy],
    status: str,
) -> dict[str, Any]:
    email_id = None
    if status == MAILED:
        others = tuple(
            other.contact.name
            for contact_id, other in copies.items()
            if contact_id != copy.contact.contact_id and not other.contact.copy
        )
        email_id = outbox.enqueue_mail(
            transaction, context, emails.reminder(about, digest, copy.contact, copy.found, others)
        )
    invoice_ids = [one.invoice.invoice_id for one in copy.found]
    return {"contact_id": copy.contact.contact_id, "email_id": email_id, "invoice_ids": invoice_ids}


def _discard_unfinished_digest(about: AccountContext, key: Key) -> None:
    """Remove a digest from the unfinished ones, if it is still among them. Raises WriteConflict."""
    of_account = about.reminders
    if of_account is None or key.sk not in of_account.unfinished:
        return
    of_account.unfinished = [sk for sk in of_account.unfinished if sk != key.sk]
    store.replace_item(of_account)
