"""Use cases of what becomes of an issued invoice: another due date, void, uncollectible, disputed (I1).

A dispute is raised by whoever may see the invoices, and resolved by the vendor alone.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from chalicelib.accounts.rules import Override
from chalicelib.audit import rules as audit_rules
from chalicelib.audit import service as audit
from chalicelib.audit.rules import Change
from chalicelib.call import Call
from chalicelib.errors import FieldError, Forbidden, Invalid, NotFound, StaleVersion
from chalicelib.invoices import changes, standing
from chalicelib.invoices.rules import Dispute, Invoice, local_date
from chalicelib.table import keys, store
from chalicelib.table.items import StaffItem

_NOT_AUDITED = frozenset({"version", "upstream", "content_hash", "content_parts", "recorded_at", "pdf"})


@dataclass(frozen=True)
class Written:
    """The invoice after a write, and whether the write issued it."""

    invoice: Invoice
    created: bool = False
    changed: bool = True
    """False when everything was so already, and nothing was written."""
    overrides: tuple[Override, ...] = ()
    """A due date that was changed here and that the billing system has now replaced."""


def change_due_date(call: Call, invoice_id: str, due_date: date | None, expected_version: int | None) -> Written:
    """Let an invoice fall due on another day, or on none. What it says, and its PDF, stay as they were issued (I1).

    Raises NotFound, StaleVersion, Invalid for a day before the issue, Conflict when the invoice is void.
    """
    return _change(
        call, invoice_id, lambda before: changes.due_on(before, due_date), "due_date_changed", expected=expected_version
    )


def void(call: Call, invoice_id: str, reason: str | None = None, expected_version: int | None = None) -> Written:
    """Make an invoice or credit note void. Raises NotFound, StaleVersion, Conflict when it is settled."""
    return _change(call, invoice_id, changes.voided, "voided", reason=reason, expected=expected_version)


def give_up(call: Call, invoice_id: str, reason: str | None = None, expected_version: int | None = None) -> Written:
    """Note that an invoice will not be paid. Raises NotFound, StaleVersion, Conflict when nothing is open of it."""
    return _change(
        call, invoice_id, changes.uncollectible, "found_uncollectible", reason=reason, expected=expected_version
    )


def collect_again(call: Call, invoice_id: str) -> Written:
    """Open an uncollectible invoice again. Raises NotFound, Conflict when it is void."""
    return _change(
        call,
        invoice_id,
        lambda before: changes.collectible(before, local_date(before, call.now)),
        "found_collectible",
    )


def dispute(call: Call, invoice_id: str, given: Mapping[str, Any]) -> Written:
    """Note that an invoice is disputed, as ``inputs.DisputeBody`` says; a further one changes what is disputed.

    Raises NotFound, Forbidden to a portal user who names the owner, Invalid, Conflict when the invoice is void.
    """
    owner = given.get("owner")
    if owner is not None:
        _check_owner(call, owner)
    raised = Dispute(
        reason=given["reason"],
        since=call.now,
        by=call.actor.name,
        note=given.get("note"),
        lines=tuple(sorted(set(given.get("lines") or ()))),
        amount=given.get("amount"),
        owner=owner,
    )
    return _change(call, invoice_id, lambda before: changes.disputed(before, raised), "disputed")


def resolve(call: Call, invoice_id: str) -> Written:
    """Note that an invoice is not disputed any more. Raises NotFound."""
    return _change(call, invoice_id, changes.resolved, "dispute_resolved", answer=204)


def _check_owner(call: Call, owner: str) -> None:
    if call.actor.kind == "portal_user":
        message = "Only the vendor says who looks after a dispute. Leave it out."
        raise Forbidden("field_is_the_vendors", message, fields=(FieldError("owner", "field_is_the_vendors", message),))
    member = store.get(StaffItem, keys.staff(owner))
    if member is None or member.status != "active":
        raise Invalid.field("owner", "unknown_staff", "This is no active member of staff. Correct the address.")


def _change(
    call: Call,
    invoice_id: str,
    decide: Callable[[Invoice], Invoice],
    action: str,
    *,
    reason: str | None = None,
    answer: int = 200,
    expected: int | None = None,
) -> Written:
    def attempt() -> Written:
        (item,) = store.gather(call, keys.invoice(invoice_id))
        if item is None:
            raise NotFound
        before = store.load(Invoice, item)
        if expected is not None and before.version != expected:
            raise StaleVersion(before.version)
        after = decide(before)
        if after == before:
            return Written(before, changed=False)
        return write(call, before, after, action, answer, reason)

    return store.deciding_again(attempt)


def write(
    call: Call, before: Invoice, after: Invoice, action: str | None, answer: int, reason: str | None = None
) -> Written:
    """Write what has become of an invoice: its row, all that follows from it, and the audit event of ``action``."""
    found = store.batch(standing.keys_needed_by(before)) if before.balance != after.balance else {}
    transaction = store.Transaction(call)
    (written,) = standing.write(transaction, found, [(before, after)])
    if action is not None:
        record(transaction, call, action, before, after, reason)
    transaction.answers(before.invoice_id, answer)
    transaction.commit()
    return Written(written)


def record(
    transaction: store.Transaction,
    call: Call,
    done: str,
    before: Invoice | None,
    after: Invoice,
    reason: str | None = None,
) -> None:
    """Add the audit event of what was done to an invoice or credit note."""
    told = audit_rules.changes(before, after, without=_NOT_AUDITED)
    if reason is not None:
        told = (*told, Change("reason", None, reason))
    audit.record(
        transaction,
        call,
        f"{after.kind}.{done}",
        after.kind,
        after.invoice_id,
        told,
        account_id=after.account_id,
        bill_group_id=after.bill_group_id,
    )
