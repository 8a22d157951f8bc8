"""Use case of issuing an invoice or credit note, once (I1).

What becomes of it is in ``altering``, reading in ``reading``, what settles it in ``payments``.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from chalicelib import money
from chalicelib.accounts.rules import Account, merge
from chalicelib.audit.rules import plain
from chalicelib.bill_groups import portal_link
from chalicelib.bill_groups.rules import BillGroup
from chalicelib.call import Call
from chalicelib.contacts.rules import Contact
from chalicelib.duties import service as duties
from chalicelib.entities.rules import Entity
from chalicelib.errors import Conflict, FieldError, Invalid, StaleVersion
from chalicelib.invoices import altering, changes, figures, issuing, reading, standing
from chalicelib.invoices import content as contents
from chalicelib.invoices.altering import Written
from chalicelib.invoices.issuing import Draft, Parties
from chalicelib.invoices.rules import (
    INVOICE,
    PAID,
    Content,
    Invoice,
    Line,
    TaxTotal,
    folded,
    status_of,
)
from chalicelib.shapes import build
from chalicelib.table import keys, store
from chalicelib.table.keys import Key


def put_invoice(call: Call, invoice_id: str, given: dict[str, Any], expected_version: int | None = None) -> Written:
    """Issue an invoice or credit note, once (I1). ``given`` is what ``inputs.InvoiceBody`` was given.

    The same again changes nothing, but for the due date. One transaction holds the head, what it says, number, PO
    number, balances, audit event, and the duty to make its PDF. Raises Invalid naming every field at fault, Conflict
    ``invoice_exists`` naming the fields that are other than those of the issued invoice, ``number_taken`` when another
    one has the number, StaleVersion when ``expected_version`` is not the newest.
    """

    def attempt() -> Written:
        group_id = given.get("bill_group_id")
        item, *groups = store.gather(call, keys.invoice(invoice_id), *([keys.bill_group(group_id)] if group_id else []))
        before = store.load(Invoice, item) if item else None
        if expected_version is not None and (before is None or before.version != expected_version):
            raise StaleVersion(before.version if before else 0)
        if before is not None:
            return _again(call, before, given)
        return _issue(call, invoice_id, given, store.load(BillGroup, groups[0]) if groups and groups[0] else None)

    return store.deciding_again(attempt)


def _issue(call: Call, invoice_id: str, given: dict[str, Any], group: BillGroup | None) -> Written:
    draft = build(Draft, _with_lines(given, given.get("currency")))
    if group is None:
        raise Invalid.field(
            "bill_group_id", "unknown_bill_group", "There is no such bill group. Create it first, or correct the id."
        )
    issuing.check(draft)
    agreed = figures.check(
        draft.lines,
        total=draft.total,
        net_total=draft.net_total,
        tax_total=draft.tax_total,
        tax_totals=draft.tax_totals,
    )
    found = _surroundings(group, draft)
    taken = found.get(keys.invoice_number(group.entity_id, folded(draft.number)))
    if taken is not None and taken.invoice_id == invoice_id:
        # It was issued since its head was looked for.
        raise store.Contended
    if taken is not None:
        raise _number_taken(draft.number, taken.invoice_id)
    parties = _parties(group, found)
    terms = parties.account.payment_terms
    by_terms = "due_date" not in given and draft.kind == INVOICE
    content = issuing.content_of(
        invoice_id,
        draft,
        agreed,
        parties,
        due_date=issuing.due_date_by(terms, draft.issue_date) if by_terms else draft.due_date,
        po_number=draft.po_number if "po_number" in given else group.po_number,
    )
    parts = contents.pack(content)
    head = _head_of(call, content, draft, len(parts))
    head = replace(
        head,
        content_hash=issuing.hash_of(given),
        delivery_wanted=call.mails_allowed and (terms.kind == "net" if draft.deliver is None else draft.deliver),
        upstream={"due_date": plain(content.due_date)} if call.is_billing_system else {},
    )
    transaction = store.Transaction(call)
    (head,) = standing.write(transaction, found, [(None, head)])
    for row in contents.rows_of(invoice_id, parts):
        transaction.overwrite(row)
    altering.record(transaction, call, "issued", None, head)
    if head.pdf_expected == "made":
        duties.add(transaction, call, "document", invoice_id)
    transaction.answers(invoice_id, 201)
    transaction.commit()
    return Written(head, created=True)


def _with_lines(given: Mapping[str, Any], currency: str | None) -> dict[str, Any]:
    """Return what was sent with its lines and tax totals as such. Raises Invalid for a line without a net amount."""
    values = dict(given)
    if values.get("lines") is not None:
        # Without a currency there are no minor units; that it is needed is what the caller is told then.
        lines = figures.with_net_amounts(values["lines"], money.digits(currency)) if currency else []
        values["lines"] = tuple(build(Line, line) for line in lines)
    if values.get("tax_totals") is not None:
        values["tax_totals"] = tuple(build(TaxTotal, total) for total in values["tax_totals"])
    return values


def _surroundings(group: BillGroup, draft: Draft) -> dict[Key, Any]:
    """Read, in one go, everything else that issuing an invoice depends upon."""
    wanted = [
        keys.account(group.account_id),
        keys.entity(group.entity_id),
        keys.invoice_number(group.entity_id, folded(draft.number)),
        *standing.keys_needed(group.account_id, group.entity_id, draft.currency, (group.bill_group_id,)),
    ]
    if group.billing_contact_id:
        wanted.append(keys.contact(group.account_id, group.billing_contact_id))
    return store.batch(wanted)


def _parties(group: BillGroup, found: Mapping[Key, Any]) -> Parties:
    """Return seller and buyer as they were read: what changed a moment later was no part of the invoice."""
    contact = found.get(keys.contact(group.account_id, group.billing_contact_id or ""))
    return Parties(
        entity=store.load(Entity, found[keys.entity(group.entity_id)]),
        account=store.load(Account, found[keys.account(group.account_id)]),
        bill_group=group,
        contact=store.load(Contact, contact) if contact else None,
        portal_url=portal_link.url_of(group.portal_token) if group.portal_token else None,
    )


def _head_of(call: Call, content: Content, draft: Draft, parts: int) -> Invoice:
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
        recorded_at=call.now,
        time_zone=content.time_zone,
        due_date=content.due_date,
        po_number=content.po_number,
        prepaid=content.prepaid,
        paid=content.prepaid,
        pdf_expected=draft.pdf,
        line_count=len(content.lines),
    )
    status = status_of(head)
    return replace(head, status=status, settled_on=head.issue_date if status == PAID else None)


def _number_taken(number: str, invoice_id: str) -> Conflict:
    return Conflict(
        "number_taken",
        f"The issuing entity has used the number {number} for {invoice_id}. A number is used once.",
        fields=(FieldError("number", "number_taken", "Send another number, or write to the invoice that has it."),),
        details={"invoice_id": invoice_id},
    )


def _again(call: Call, before: Invoice, given: dict[str, Any]) -> Written:
    """Answer an invoice that is issued already: nothing of it changes but its due date (I1)."""
    if issuing.hash_of(given) != before.content_hash:
        content = reading.get_content(before)
        differing = issuing.differences(content, before.pdf_expected, _with_lines(given, before.currency))
        if differing:
            raise Conflict(
                "invoice_exists",
                f"{before.number} was issued otherwise, and stays so. Only its due date may change; else void it, or "
                "issue a credit note.",
                fields=tuple(FieldError(name, "differs", "The issued invoice says otherwise.") for name in differing),
                details={"invoice_id": before.invoice_id},
            )
    sent = {"due_date": given["due_date"]} if "due_date" in given else {}
    from_billing = call.is_billing_system
    merged = merge({"due_date": before.due_date}, before.upstream, sent, from_billing=from_billing)
    after = replace(changes.due_on(before, merged.values["due_date"]), upstream=merged.upstream)
    if after == before:
        return Written(before, changed=False)
    action = None if after.due_date == before.due_date else "due_date_changed"
    return replace(altering.write(call, before, after, action, 200), overrides=merged.overrides)
