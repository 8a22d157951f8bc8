"""Use cases of an issued invoice: change its due date, void, write off, dispute (I1).

Anyone who may see an invoice may dispute it; only the vendor resolves a dispute.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from chalicelib.audit.rules import FieldChange, diff_fields
from chalicelib.audit.service import record_audit_event
from chalicelib.errors import FieldError, Forbidden, InvalidInput, NotFound, StaleVersion
from chalicelib.field_ownership import Override
from chalicelib.invoices import figures, ledger, queries, transitions
from chalicelib.invoices.rules import Dispute, Invoice, invoice_local_date
from chalicelib.request_context import RequestContext
from chalicelib.table import keys, store
from chalicelib.table.items import StaffItem


@dataclass(frozen=True)
class InvoiceWriteResult:
    """The invoice after a write, and whether the write issued it."""

    invoice: Invoice
    created: bool = False
    changed: bool = True
    """False when nothing changed and nothing was written."""
    overrides: tuple[Override, ...] = ()
    """The due date changed here that the billing system has now replaced."""


def change_due_date(
    context: RequestContext, invoice_id: str, due_date: date | None, expected_version: int | None
) -> InvoiceWriteResult:
    """Change the due date of an invoice, or remove it. Its content and PDF stay as issued (I1).

    Raises NotFound, StaleVersion, InvalidInput for a day before the issue, Conflict when the invoice is void.
    """
    return _change_invoice(
        context,
        invoice_id,
        lambda before: transitions.with_due_date(before, due_date),
        "due_date_changed",
        expected=expected_version,
    )


def mark_void(
    context: RequestContext, invoice_id: str, reason: str | None = None, expected_version: int | None = None
) -> InvoiceWriteResult:
    """Make an invoice or credit note void. Raises NotFound, StaleVersion, Conflict when it is settled."""
    return _change_invoice(context, invoice_id, transitions.as_void, "voided", reason=reason, expected=expected_version)


def mark_uncollectible(
    context: RequestContext, invoice_id: str, reason: str | None = None, expected_version: int | None = None
) -> InvoiceWriteResult:
    """Mark an invoice as uncollectible. Raises NotFound, StaleVersion, Conflict when nothing is open."""
    return _change_invoice(
        context,
        invoice_id,
        transitions.as_uncollectible,
        "found_uncollectible",
        reason=reason,
        expected=expected_version,
    )


def reopen_uncollectible(context: RequestContext, invoice_id: str) -> InvoiceWriteResult:
    """Open an uncollectible invoice again. Raises NotFound, Conflict when it is void."""
    return _change_invoice(
        context,
        invoice_id,
        lambda before: transitions.as_collectible(before, invoice_local_date(before, context.now)),
        "found_collectible",
    )


def record_dispute(context: RequestContext, invoice_id: str, given: Mapping[str, Any]) -> InvoiceWriteResult:
    """Record a dispute, by ``inputs.DisputeBody``; another one changes what is disputed.

    Raises NotFound, Forbidden to a portal user who names the owner, InvalidInput, Conflict when the invoice is void.
    """
    owner = given.get("owner")
    if owner is not None:
        _check_owner(context, owner)
    raised = Dispute(
        reason=given["reason"],
        since=context.now,
        by=context.actor.name,
        note=given.get("note"),
        lines=tuple(sorted(set(given.get("lines") or ()))),
        amount=given.get("amount"),
        owner=owner,
    )
    return _change_invoice(
        context,
        invoice_id,
        lambda before: transitions.with_dispute(before, with_lines_amount(before, raised)),
        "disputed",
    )


def with_lines_amount(invoice: Invoice, dispute: Dispute) -> Dispute:
    """Return a dispute of an invoice with what its lines come to, which is what is disputed; one read, if it has lines.

    Where it says an amount, that is what is disputed.
    """
    if not dispute.lines or dispute.amount is not None or max(dispute.lines) > invoice.line_count:
        return replace(dispute, lines_amount=None)
    lines = queries.get_invoice_content(invoice).lines
    return replace(dispute, lines_amount=figures.sum_lines(lines, dispute.lines, invoice.total))


def clear_dispute(context: RequestContext, invoice_id: str) -> InvoiceWriteResult:
    """Clear the dispute of an invoice. Raises NotFound."""
    return _change_invoice(context, invoice_id, transitions.without_dispute, "dispute_resolved", answer=204)


def _check_owner(context: RequestContext, owner: str) -> None:
    if context.actor.kind == "portal_user":
        message = "Only the vendor can assign a dispute. Leave it out."
        raise Forbidden("field_is_the_vendors", message, fields=(FieldError("owner", "field_is_the_vendors", message),))
    member = store.get_item(StaffItem, keys.staff(owner))
    if member is None or member.status != "active":
        raise InvalidInput.field("owner", "unknown_staff", "This is not an active staff member. Correct the address.")


def _change_invoice(
    context: RequestContext,
    invoice_id: str,
    decide: Callable[[Invoice], Invoice],
    action: str,
    *,
    reason: str | None = None,
    answer: int = 200,
    expected: int | None = None,
) -> InvoiceWriteResult:
    def attempt() -> InvoiceWriteResult:
        (item,) = store.get_items_for_write(context, keys.invoice(invoice_id))
        if item is None:
            raise NotFound
        before = store.from_item(Invoice, item)
        if expected is not None and before.version != expected:
            raise StaleVersion(before.version)
        after = decide(before)
        if after == before:
            return InvoiceWriteResult(before, changed=False)
        return write_changed_invoice(context, before, after, action, answer, reason)

    return store.retry_on_conflict(attempt)


def write_changed_invoice(
    context: RequestContext, before: Invoice, after: Invoice, action: str | None, answer: int, reason: str | None = None
) -> InvoiceWriteResult:
    """Write a changed invoice: its head, everything that follows from it, and the audit event ``action``."""
    found = store.batch_get_items(ledger.invoice_balance_keys(before)) if before.balance != after.balance else {}
    transaction = store.Transaction(context)
    (written,) = ledger.write_invoice_changes(transaction, found, [(before, after)])
    if action is not None:
        record_invoice_event(transaction, context, action, before, after, reason)
    transaction.record_response(before.invoice_id, answer)
    transaction.commit()
    return InvoiceWriteResult(written)


def record_invoice_event(
    transaction: store.Transaction,
    context: RequestContext,
    done: str,
    before: Invoice | None,
    after: Invoice,
    reason: str | None = None,
) -> None:
    """Add the audit event of a change of an invoice or credit note."""
    told = diff_fields(before, after)
    if reason is not None:
        told = (*told, FieldChange("reason", None, reason))
    record_audit_event(
        transaction,
        context,
        f"{after.kind}.{done}",
        after.kind,
        after.invoice_id,
        told,
        account_id=after.account_id,
        bill_group_id=after.bill_group_id,
    )
