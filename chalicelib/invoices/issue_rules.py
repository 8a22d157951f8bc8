"""From a request to the content of an invoice: pure, with the rules that it must meet (I1, I2, C8)."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from chalicelib.accounts.rules import Account, PaymentTerms
from chalicelib.bill_groups.rules import BillGroup
from chalicelib.contacts.rules import Contact
from chalicelib.entities.rules import Entity
from chalicelib.errors import FieldError, InvalidInput
from chalicelib.field_marks import FieldUse, NotContent, NullMeansAbsent, fields_marked
from chalicelib.invoices.figures import InvoiceTotals
from chalicelib.invoices.rules import CREDIT_NOTE, INVOICE, Buyer, Content, Line, Seller, TaxTotal
from chalicelib.json_values import to_json_value
from chalicelib.payment_references import QRR, PaymentReference, is_qr_iban


@dataclass(frozen=True)
class InvoiceDraft:
    """An invoice as requested; None is absent."""

    bill_group_id: NullMeansAbsent[str]
    number: NullMeansAbsent[str]
    issue_date: NullMeansAbsent[date]
    currency: NullMeansAbsent[str]
    lines: NullMeansAbsent[tuple[Line, ...]]
    total: NullMeansAbsent[int]
    kind: str = INVOICE
    tax_totals: NullMeansAbsent[tuple[TaxTotal, ...] | None] = None
    net_total: NullMeansAbsent[int | None] = None
    tax_total: NullMeansAbsent[int | None] = None
    prepaid: int = 0
    due_date: NotContent[date | None] = None
    po_number: str | None = None
    payment_reference: PaymentReference | None = None
    note: str | None = None
    period_start: date | None = None
    period_end: date | None = None
    preceding_numbers: tuple[str, ...] = ()
    pdf: str = "made"
    deliver: NotContent[bool | None] = None


def compute_content_hash(given: Mapping[str, Any]) -> str:
    """Return the SHA-256, in hex, of everything sent that may never change."""
    said = {
        name: to_json_value(value)
        for name, value in given.items()
        if name not in fields_marked(InvoiceDraft, FieldUse.NOT_CONTENT)
    }
    return hashlib.sha256(json.dumps(said, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def check_draft(draft: InvoiceDraft) -> None:
    """Raise InvalidInput that names every field in which an invoice contradicts itself."""
    faults = []
    if draft.total < 0:
        message = "An invoice is never below zero. Issue a credit note, whose amounts are positive."
        faults.append(FieldError("total", "too_small", message))
    if draft.prepaid > max(draft.total, 0):
        faults.append(FieldError("prepaid", "too_large", "More than the total cannot have been paid before."))
    if draft.kind == CREDIT_NOTE and draft.prepaid:
        faults.append(FieldError("prepaid", "not_allowed", "Nothing is paid of a credit note. Leave it out."))
    if draft.kind == CREDIT_NOTE and draft.payment_reference:
        message = "A credit note is not paid, so that nothing is stated. Leave it out."
        faults.append(FieldError("payment_reference", "not_allowed", message))
    faults += _find_due_date_faults(draft.kind, draft.due_date)
    periods: list[tuple[str, InvoiceDraft | Line]] = [("", draft)]
    periods += [(f"lines.{number}.", line) for number, line in enumerate(draft.lines)]
    for prefix, one in periods:
        if one.period_start and one.period_end and one.period_end < one.period_start:
            faults.append(FieldError(f"{prefix}period_end", "too_early", "The period ends before it starts."))
    if faults:
        raise InvalidInput("invalid", "The invoice contradicts itself.", fields=tuple(faults))


def check_due_date(kind: str, issue_date: date, due_date: date | None) -> None:
    """Raise InvalidInput when an issued invoice or credit note cannot be given a due date.

    At issue, one before the issue date is taken with a warning: ledgers have such items, and they are owed.
    """
    for fault in _find_due_date_faults(kind, due_date):
        raise InvalidInput.field(fault.field, fault.code, fault.message)
    if due_date is not None and due_date < issue_date:
        raise InvalidInput.field("due_date", "too_early", "The invoice would fall due before it is issued.")


def _find_due_date_faults(kind: str, due_date: date | None) -> list[FieldError]:
    if kind == CREDIT_NOTE and due_date is not None:
        return [FieldError("due_date", "not_allowed", "A credit note does not fall due. Leave it out.")]
    return []


def due_date_from_terms(terms: PaymentTerms, issue_date: date) -> date:
    """Return the due date by the account's payment terms."""
    return issue_date + timedelta(days=terms.days or 0)


MAX_DAYS_AHEAD = 31
"""How far in the future an issue date still looks meant."""
DUE_BEFORE_ISSUE, ISSUED_IN_FUTURE = "due_before_issue", "issued_in_future"
QR_REFERENCE_MISSING, QR_IBAN_MISSING, SLIP_ADDRESS_MISSING = (
    "qr_reference_missing", "qr_iban_missing", "slip_address_missing",
)  # fmt: skip


_WARNINGS = {
    DUE_BEFORE_ISSUE: (
        "due_date",
        "The invoice fell due before it was issued. Change the due date if that is a mistake.",
    ),
    ISSUED_IN_FUTURE: (
        "issue_date",
        "The issue date is more than a month ahead. If it is a mistake, void the invoice and issue it again.",
    ),
    QR_REFERENCE_MISSING: (
        "payment_reference",
        "The bank details have a QR-IBAN, to which nothing can be paid without a QR reference. The invoice has no "
        "payment slip and no code. Send a payment reference of the kind qrr, or give the entity an ordinary IBAN.",
    ),
    QR_IBAN_MISSING: (
        "bank_details.iban",
        "A QR reference can only be paid to a QR-IBAN, and the entity has an ordinary IBAN. The invoice has no payment "
        "slip. Give the entity its QR-IBAN, or send a payment reference of the kind iso11649.",
    ),
    SLIP_ADDRESS_MISSING: (
        "address",
        "The Swiss payment slip needs the postal code, town and country of the entity. The invoice has no slip. "
        "Complete the entity's address.",
    ),
}


def describe_warning(code: str) -> FieldError:
    """Return what a warning of ``find_issue_warnings`` is about, and the way out."""
    return FieldError(_WARNINGS[code][0], code, _WARNINGS[code][1])


def find_issue_warnings(content: Content, today: date) -> tuple[str, ...]:
    """Return the codes of what looks like a mistake in an invoice, or hinders paying it as it says (I9)."""
    warnings = []
    if content.due_date is not None and content.due_date < content.issue_date:
        warnings.append(DUE_BEFORE_ISSUE)
    if content.issue_date > today + timedelta(days=MAX_DAYS_AHEAD):
        warnings.append(ISSUED_IN_FUTURE)
    return (*warnings, *_find_payment_warnings(content))


def _find_payment_warnings(content: Content) -> tuple[str, ...]:
    bank, reference = content.seller.bank_details, content.payment_reference
    if content.kind == CREDIT_NOTE or content.amount_due <= 0 or bank is None or bank.iban is None:
        return ()
    warnings = []
    is_qr_reference = reference is not None and reference.kind == QRR
    if is_qr_iban(bank.iban) and not is_qr_reference:
        warnings.append(QR_REFERENCE_MISSING)
    if is_qr_reference and not is_qr_iban(bank.iban):
        warnings.append(QR_IBAN_MISSING)
    address = content.seller.address
    complete = address is not None and address.postal_code and address.city and address.country
    if content.currency == "CHF" and bank.iban[:2] in ("CH", "LI") and not complete:
        warnings.append(SLIP_ADDRESS_MISSING)
    return tuple(warnings)


@dataclass(frozen=True)
class InvoiceParties:
    """The parties of an invoice, as they are at issue. ``contact`` is the billing contact (C8)."""

    entity: Entity
    account: Account
    bill_group: BillGroup
    contact: Contact | None
    portal_url: str | None


def build_invoice_content(
    invoice_id: str,
    draft: InvoiceDraft,
    figures: InvoiceTotals,
    parties: InvoiceParties,
    *,
    due_date: date | None,
    po_number: str | None,
) -> Content:
    """Return the content of the invoice, which never changes (I2)."""
    account, entity = parties.account, parties.entity
    by_terms = draft.kind == INVOICE and due_date == due_date_from_terms(account.payment_terms, draft.issue_date)
    return Content(
        invoice_id=invoice_id,
        kind=draft.kind,
        number=draft.number,
        issue_date=draft.issue_date,
        currency=draft.currency,
        locale=account.locale or entity.locale,
        time_zone=account.time_zone or entity.time_zone,
        seller=build_seller(entity),
        buyer=_build_buyer(parties),
        lines=draft.lines,
        tax_totals=figures.tax_totals,
        net_total=figures.net_total,
        tax_total=figures.tax_total,
        total=figures.total,
        prepaid=draft.prepaid,
        due_date=due_date,
        payment_terms=account.payment_terms if by_terms else None,
        po_number=po_number,
        note=draft.note,
        period_start=draft.period_start,
        period_end=draft.period_end,
        preceding_numbers=draft.preceding_numbers,
        portal_url=parties.portal_url,
        payment_reference=draft.payment_reference,
    )


def build_seller(entity: Entity) -> Seller:
    """Return the issuing entity as a document issued now shows it."""
    return Seller(
        entity_id=entity.entity_id,
        name=entity.name,
        legal_name=entity.legal_name or entity.name,
        colour=entity.colour,
        address=entity.address,
        tax_numbers=entity.tax_numbers,
        registration_number=entity.registration_number,
        bank_details=entity.bank_details,
        email=entity.support_email or entity.reply_to or entity.sender_email,
        website=entity.website,
        logo=entity.logo.key if entity.logo else None,
    )


def _build_buyer(parties: InvoiceParties) -> Buyer:
    account, group, contact = parties.account, parties.bill_group, parties.contact
    company = contact.company if contact else None
    # The invoice shows the billing contact's address (C8); many contacts have none.
    address = contact.address if contact and contact.address else group.billing_address
    return Buyer(
        account_id=account.account_id,
        account_name=account.name,
        bill_group_id=group.bill_group_id,
        bill_group_name=group.name,
        company=company if company != account.name else None,
        attention=contact.name if contact else None,
        address=address,
        vat_number=group.vat_number,
        registration_number=group.registration_number,
    )


def differing_fields(content: Content, pdf_expected: str, given: Mapping[str, Any]) -> list[str]:
    """Return the names of the fields in which a request differs from the issued invoice.

    ``given`` holds ``lines`` and ``tax_totals`` as tuples of Line and TaxTotal. An absent field is unchanged, and so is
    null where an invoice must have a value.
    """
    unset = {"kind": INVOICE, "prepaid": 0, "preceding_numbers": (), "pdf": "made"}
    said = {**vars(content), "bill_group_id": content.buyer.bill_group_id, "pdf": pdf_expected}
    always_set = fields_marked(InvoiceDraft, FieldUse.NULL_MEANS_ABSENT)
    differing = []
    for name, value in given.items():
        if name in fields_marked(InvoiceDraft, FieldUse.NOT_CONTENT) or (value is None and name in always_set):
            continue
        wanted = unset.get(name) if value is None else value
        if name == "tax_totals":
            same = _in_order(value) == _in_order(content.tax_totals)
        else:
            same = to_json_value(wanted) == to_json_value(said[name])
        if not same:
            differing.append(name)
    return sorted(differing)


def _in_order(totals: Sequence[TaxTotal]) -> list[str]:
    return sorted(json.dumps(to_json_value(total), sort_keys=True) for total in totals)
