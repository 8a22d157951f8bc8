"""The layout of an invoice: its content as data for the template, typeset into a PDF."""

from datetime import UTC, datetime, time
from typing import Any

from chalicelib.documents import letter, payment_codes, pdf, printable_text, xmp
from chalicelib.documents.letter import MAX_NUMBER_LENGTH, Addressee, LabelledValue, Letter, Sender
from chalicelib.documents.printable_text import to_single_line
from chalicelib.documents.reader_locale import Localiser, get_localiser
from chalicelib.invoices.pdf.lines import lay_out_lines
from chalicelib.invoices.rules import CREDIT_NOTE, Content, reference_to_state


def render_invoice(content: Content, *, logo: bytes | None = None, e_invoice: bytes | None = None) -> bytes:
    """Return the invoice or credit note as PDF, the same bytes for the same content.

    ``logo`` is the issuing entity's as PNG or JPEG, ``e_invoice`` the XML to embed. Raises typst.TypstError when it
    cannot be typeset, which no content should cause.
    """
    attachments = []
    if e_invoice is not None:
        attachments.append(
            pdf.EmbeddedFile(xmp.FACTUR_X_FILE_NAME, "text/xml", e_invoice, "alternative", "Factur-X / ZUGFeRD")
        )
    data, images = lay_out_invoice(content)
    if logo is not None:
        images["logo"] = logo
    made = pdf.typeset_pdf(
        "invoice",
        data,
        language=content.locale,
        # The timestamp is the invoice's, not that of rendering, so that rendering again gives the same bytes.
        at=datetime.combine(content.issue_date, time(), UTC),
        attachments=attachments,
        images=images,
    )
    return made if e_invoice is None else xmp.add_factur_x_metadata(made)


def lay_out_invoice(content: Content) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return the data of the template for an invoice or credit note, and the images that it names."""
    words = get_localiser(content.locale)
    number = to_single_line(content.number, MAX_NUMBER_LENGTH)
    credit_note = content.kind == CREDIT_NOTE
    told = letter.build_letter_data(
        Letter(
            sender=_sender(content),
            addressee=_addressee(content),
            kind=words.say("Credit note" if credit_note else "Invoice"),
            number=number,
            title=words.say("Credit note %(number)s" if credit_note else "Invoice %(number)s", number=number),
            highlights=_highlights(content, words),
            facts=_facts(content, words),
        ),
        words,
    )
    pay: dict[str, Any] | None = None
    images: dict[str, bytes] = {}
    if not credit_note and content.amount_due > 0:
        bank, transfer = content.seller.bank_details, _transfer(content)
        pay, images = letter.build_payment_data(bank, transfer, reference_to_state(content), content.portal_url, words)
    table, notes = lay_out_lines(content, words), _notes(content, words)
    return {**told, "table": table, "notes": notes, "pay": pay}, images


def _sender(content: Content) -> Sender:
    seller = content.seller
    return Sender(
        seller.name,
        seller.legal_name,
        seller.colour,
        seller.address,
        seller.tax_numbers,
        seller.registration_number,
        seller.email,
        seller.website,
        seller.bank_details,
    )


def _addressee(content: Content) -> Addressee:
    buyer = content.buyer
    return Addressee(buyer.account_name, buyer.company, buyer.attention, buyer.address)


def _highlights(content: Content, words: Localiser) -> list[LabelledValue]:
    if content.kind == CREDIT_NOTE:
        return [LabelledValue(words.say("Amount credited"), words.money(content.total, content.currency))]
    due = LabelledValue(words.say("Amount due"), words.money(content.amount_due, content.currency))
    if content.amount_due <= 0:
        return [due, LabelledValue(words.say("Due date"), words.say("Nothing to pay"))]
    when = words.day(content.due_date) if content.due_date else words.say("On receipt")
    return [
        due,
        LabelledValue(words.say("Due date"), when),
        LabelledValue(words.say("Please quote when paying"), to_single_line(reference_to_state(content))),
    ]


def _facts(content: Content, words: Localiser) -> list[LabelledValue]:
    buyer, terms = content.buyer, content.payment_terms
    label = "Credit note date" if content.kind == CREDIT_NOTE else "Invoice date"
    facts = [LabelledValue(words.say(label), words.day(content.issue_date))]
    facts += [
        LabelledValue(words.say("Corrects invoice"), to_single_line(one, MAX_NUMBER_LENGTH))
        for one in content.preceding_numbers
    ]
    if content.period_start or content.period_end:
        facts.append(LabelledValue(words.say("Billing period"), words.days(content.period_start, content.period_end)))
    if terms and terms.kind == "net" and terms.days and content.kind != CREDIT_NOTE:
        net = words.count("%(number)d day net", "%(number)d days net", terms.days)
        facts.append(LabelledValue(words.say("Payment terms"), net))
    named = (
        ("PO number", content.po_number),
        ("Customer number", buyer.account_id),
        ("Your VAT number", buyer.vat_number),
        ("Your registration number", buyer.registration_number),
    )
    return facts + [LabelledValue(words.say(label), to_single_line(value, 200)) for label, value in named if value]


def _notes(content: Content, words: Localiser) -> list[dict[str, Any]]:
    notes = []
    if content.note and (told := printable_text.split_lines(content.note)):
        notes.append({"heading": words.say("Notes"), "lines": told})
    reasons = dict.fromkeys(
        f"{to_single_line(total.name)} {words.percent(total.rate)}: {to_single_line(total.exemption_reason)}"
        for total in content.tax_totals
        if total.exemption_reason
    )
    if reasons:
        notes.append({"heading": words.say("Tax exemption"), "lines": list(reasons)})
    return notes


def _transfer(content: Content) -> payment_codes.Transfer | None:
    bank, buyer = content.seller.bank_details, content.buyer
    if bank is None or bank.iban is None:
        return None
    return payment_codes.Transfer(
        creditor=payment_codes.Party(bank.account_holder, content.seller.address),
        iban=bank.iban,
        amount=content.amount_due,
        currency=content.currency,
        reason=content.number,
        bic=bank.bic,
        debtor=payment_codes.Party(buyer.company or buyer.account_name, buyer.address),
        reference=content.payment_reference,
    )
