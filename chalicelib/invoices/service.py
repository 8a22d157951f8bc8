"""Use case of issuing an invoice or credit note, once (I1).

Later changes are in ``lifecycle``, reads in ``queries``, settlement in ``payments``.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from chalicelib import money
from chalicelib.accounts.rules import Account
from chalicelib.bill_groups import portal_link
from chalicelib.bill_groups.rules import BillGroup
from chalicelib.contacts.rules import Contact
from chalicelib.documents.glyph_coverage import find_missing_glyphs
from chalicelib.entities.rules import Entity
from chalicelib.errors import Conflict, FieldError, InvalidInput, StaleVersion
from chalicelib.field_ownership import merge_fields
from chalicelib.invoices import figures, issue_rules, ledger, lifecycle, queries, transitions
from chalicelib.invoices.content import pack_invoice_content, to_content_items
from chalicelib.invoices.issue_rules import InvoiceDraft, InvoiceParties
from chalicelib.invoices.lifecycle import InvoiceWriteResult
from chalicelib.invoices.rules import (
    INVOICE,
    PAID,
    Content,
    Invoice,
    Line,
    TaxTotal,
    derive_invoice_status,
    normalize_number,
)
from chalicelib.json_values import to_json_value
from chalicelib.payment_references import PaymentReference
from chalicelib.request_context import RequestContext
from chalicelib.serialization import build_dataclass
from chalicelib.table import keys, store
from chalicelib.table.keys import Key
from chalicelib.tasks.kinds import CreateInvoicePdf
from chalicelib.tasks.service import add_task


def issue_invoice(
    context: RequestContext, invoice_id: str, given: dict[str, Any], expected_version: int | None = None
) -> InvoiceWriteResult:
    """Issue an invoice or credit note, once (I1). ``given`` is the input of ``inputs.InvoiceBody``.

    Repeating it changes nothing except the due date. One transaction holds the head, content, number, PO number,
    balances, audit event, and the task to render its PDF. Raises InvalidInput naming every invalid field, Conflict
    ``invoice_exists`` naming the fields that differ from the issued invoice, ``number_taken`` when another one has the
    number, StaleVersion when ``expected_version`` is not the newest.
    """

    def attempt() -> InvoiceWriteResult:
        group_id = given.get("bill_group_id")
        item, *groups = store.get_items_for_write(
            context, keys.invoice(invoice_id), *([keys.bill_group(group_id)] if group_id else [])
        )
        before = store.from_item(Invoice, item) if item else None
        if expected_version is not None and (before is None or before.version != expected_version):
            raise StaleVersion(before.version if before else 0)
        if before is not None:
            return _repeat_issue(context, before, given)
        return _issue_new_invoice(
            context, invoice_id, given, store.from_item(BillGroup, groups[0]) if groups and groups[0] else None
        )

    return store.retry_on_conflict(attempt)


def _issue_new_invoice(
    context: RequestContext, invoice_id: str, given: dict[str, Any], group: BillGroup | None
) -> InvoiceWriteResult:
    draft = build_dataclass(InvoiceDraft, _parse_lines(given, given.get("currency")))
    if group is None:
        raise InvalidInput.field(
            "bill_group_id", "unknown_bill_group", "There is no such bill group. Create it first, or correct the id."
        )
    issue_rules.check_draft(draft)
    agreed = figures.check_totals(
        draft.lines,
        total=draft.total,
        net_total=draft.net_total,
        tax_total=draft.tax_total,
        tax_totals=draft.tax_totals,
    )
    found = _read_issue_context(group, draft)
    taken = found.get(keys.invoice_number(group.entity_id, normalize_number(draft.number)))
    if taken is not None and taken.invoice_id == invoice_id:
        # It was issued since its head was read.
        raise store.WriteConflict
    if taken is not None:
        raise _number_taken_error(draft.number, taken.invoice_id)
    parties = _parties(group, found)
    terms = parties.account.payment_terms
    by_terms = "due_date" not in given and draft.kind == INVOICE
    content = issue_rules.build_invoice_content(
        invoice_id,
        draft,
        agreed,
        parties,
        due_date=issue_rules.due_date_from_terms(terms, draft.issue_date) if by_terms else draft.due_date,
        po_number=draft.po_number if "po_number" in given else group.po_number,
    )
    parts = pack_invoice_content(content)
    head = _build_head(context, content, draft, len(parts))
    head = replace(
        head,
        content_hash=issue_rules.compute_content_hash(given),
        delivery_wanted=context.mails_allowed and (terms.kind == "net" if draft.deliver is None else draft.deliver),
        upstream={"due_date": to_json_value(content.due_date)} if context.is_billing_system else {},
    )
    transaction = store.Transaction(context)
    (head,) = ledger.write_invoice_changes(transaction, found, [(None, head)])
    for row in to_content_items(invoice_id, parts):
        transaction.overwrite(row)
    lifecycle.record_invoice_event(transaction, context, "issued", None, head)
    if head.pdf_expected == "made":
        add_task(transaction, context, CreateInvoicePdf(invoice_id))
    transaction.record_response(invoice_id, 201)
    transaction.commit()
    return InvoiceWriteResult(head, created=True)


def _parse_lines(given: Mapping[str, Any], currency: str | None) -> dict[str, Any]:
    """Return the input with parsed lines, tax totals and payment reference.

    Raises InvalidInput for a line without a net amount.
    """
    values = dict(given)
    if values.get("lines") is not None:
        # Without a currency there are no minor units; the caller gets the error about the currency.
        lines = figures.with_net_amounts(values["lines"], money.minor_unit_digits(currency)) if currency else []
        values["lines"] = tuple(build_dataclass(Line, line) for line in lines)
    if values.get("tax_totals") is not None:
        values["tax_totals"] = tuple(build_dataclass(TaxTotal, total) for total in values["tax_totals"])
    if values.get("payment_reference") is not None:
        values["payment_reference"] = build_dataclass(PaymentReference, values["payment_reference"])
    return values


def _read_issue_context(group: BillGroup, draft: InvoiceDraft) -> dict[Key, Any]:
    """Read, in one go, everything else that issuing an invoice depends on."""
    wanted = [
        keys.account(group.account_id),
        keys.entity(group.entity_id),
        keys.invoice_number(group.entity_id, normalize_number(draft.number)),
        *ledger.balance_keys(group.account_id, group.entity_id, draft.currency, (group.bill_group_id,)),
    ]
    if group.billing_contact_id:
        wanted.append(keys.contact(group.account_id, group.billing_contact_id))
    return store.batch_get_items(wanted)


def _parties(group: BillGroup, found: Mapping[Key, Any]) -> InvoiceParties:
    """Return seller and buyer as they were read: a change a moment later is no part of the invoice."""
    contact = found.get(keys.contact(group.account_id, group.billing_contact_id or ""))
    return InvoiceParties(
        entity=store.from_item(Entity, found[keys.entity(group.entity_id)]),
        account=store.from_item(Account, found[keys.account(group.account_id)]),
        bill_group=group,
        contact=store.from_item(Contact, contact) if contact else None,
        portal_url=portal_link.get_portal_link_url(group.portal_token) if group.portal_token else None,
    )


def _build_head(context: RequestContext, content: Content, draft: InvoiceDraft, parts: int) -> Invoice:
    head = Invoice(
        invoice_id=content.invoice_id,
        kind=content.kind,
        number=content.number,
        entity_id=content.seller.entity_id,
        account_id=content.buyer.account_id,
        bill_group_id=content.buyer.bill_group_id,
        currency=content.currency,
        issue_date=content.issue_date,
        net_total=content.net_total,
        tax_total=content.tax_total,
        total=content.total,
        content_hash="",
        content_parts=parts,
        recorded_at=context.now,
        time_zone=content.time_zone,
        due_date=content.due_date,
        po_number=content.po_number,
        payment_reference=content.payment_reference,
        warnings=issue_rules.find_issue_warnings(content, context.now.date()) or None,
        prepaid=content.prepaid,
        paid=content.prepaid,
        pdf_expected=draft.pdf,
        line_count=len(content.lines),
        missing_glyphs="".join(find_missing_glyphs(to_json_value(content))) or None if draft.pdf == "made" else None,
    )
    status = derive_invoice_status(head)
    return replace(head, status=status, settled_on=head.issue_date if status == PAID else None)


def _number_taken_error(number: str, invoice_id: str) -> Conflict:
    return Conflict(
        "number_taken",
        f"The issuing entity has used the number {number} for {invoice_id}. A number is used once.",
        fields=(FieldError("number", "number_taken", "Send another number, or write to the invoice that has it."),),
        details={"invoice_id": invoice_id},
    )


def _repeat_issue(context: RequestContext, before: Invoice, given: dict[str, Any]) -> InvoiceWriteResult:
    """Handle an invoice that is already issued: only its due date may change (I1)."""
    if issue_rules.compute_content_hash(given) != before.content_hash:
        content = queries.get_invoice_content(before)
        differing = issue_rules.differing_fields(content, before.pdf_expected, _parse_lines(given, before.currency))
        if differing:
            raise Conflict(
                "invoice_exists",
                f"{before.number} was issued with different content. Only its due date can change. Otherwise void it, "
                "or issue a credit note.",
                fields=tuple(
                    FieldError(name, "differs", "This differs from the issued invoice.") for name in differing
                ),
                details={"invoice_id": before.invoice_id},
            )
    sent = {"due_date": given["due_date"]} if "due_date" in given else {}
    from_billing = context.is_billing_system
    merged = merge_fields({"due_date": before.due_date}, before.upstream, sent, from_billing=from_billing)
    after = replace(transitions.with_due_date(before, merged.values["due_date"]), upstream=merged.upstream)
    if after == before:
        return InvoiceWriteResult(before, changed=False)
    action = None if after.due_date == before.due_date else "due_date_changed"
    return replace(lifecycle.write_changed_invoice(context, before, after, action, 200), overrides=merged.overrides)
