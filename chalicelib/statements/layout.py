"""The layout of a statement of account: its figures as template data, typeset into a PDF."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from typing import Any

from chalicelib.documents import letter, payment_codes, pdf, printable_text
from chalicelib.documents.letter import MAX_NUMBER_LENGTH, Addressee, LabelledValue, Letter, Sender
from chalicelib.documents.reader_locale import Localiser, get_localiser
from chalicelib.statements.rules import BUCKETS, OpenItem, OpenPayment, StatementSection, days_past_due

_AGES = ("Not overdue", "1–30 days", "31–60 days", "61–90 days", "Over 90 days")


def render_statement(
    section: StatementSection,
    as_of: date,
    sender: Sender,
    addressee: Addressee,
    *,
    account_id: str,
    locale: str,
    portal_url: str | None = None,
    logo: bytes | None = None,
) -> bytes:
    """Return the statement of one issuing entity and currency as PDF, the same bytes for the same figures.

    ``account_id`` is the payment reference; ``locale`` is BCP 47. Raises typst.TypstError when it cannot be typeset,
    which no content should cause.
    """
    words = get_localiser(locale)
    customer = printable_text.to_single_line(account_id, MAX_NUMBER_LENGTH)
    kind = words.say("Statement of account")
    told = letter.build_letter_data(
        Letter(
            sender=sender,
            addressee=addressee,
            kind=kind,
            title=f"{kind} {words.day(as_of)}",
            highlights=_highlights(section, as_of, words),
            facts=[
                LabelledValue(words.say("As of"), words.day(as_of)),
                LabelledValue(words.say("Customer number"), customer),
                LabelledValue(words.say("Currency"), section.currency),
            ],
        ),
        words,
    )
    pay: dict[str, Any] | None = None
    images: dict[str, bytes] = {}
    if section.balance > 0:
        transfer = _transfer(section, sender, addressee, customer)
        pay, images = letter.build_payment_data(sender.bank_details, transfer, customer, portal_url, words)
    if logo is not None:
        images["logo"] = logo
    return pdf.typeset_pdf(
        "statement",
        {**told, "ages": _ages(section, words), "table": _items(section, as_of, words), "pay": pay},
        language=locale,
        at=datetime.combine(as_of, time(), UTC),
        images=images,
    )


def _highlights(section: StatementSection, as_of: date, words: Localiser) -> list[LabelledValue]:
    label = "Balance to pay" if section.balance >= 0 else "Credit balance"
    return [
        LabelledValue(words.say(label), words.money(abs(section.balance), section.currency)),
        LabelledValue(words.say("Overdue"), words.money(section.overdue, section.currency)),
        LabelledValue(words.say("As of"), words.day(as_of)),
    ]


def _ages(section: StatementSection, words: Localiser) -> dict[str, Any]:
    columns = [(words.say(label), getattr(section.ageing, name)) for label, name in zip(_AGES, BUCKETS, strict=True)]
    columns.append((words.say("Total"), section.owed))
    return {
        "heading": words.say("Amount owed by days overdue"),
        "columns": [{"label": label, "amount": words.amount(sum_, section.currency)} for label, sum_ in columns],
    }


def _items(section: StatementSection, as_of: date, words: Localiser) -> dict[str, Any]:
    labels = [
        (words.say("Document"), "words"),
        (words.say("Date"), "words"),
        (words.say("Due date"), "words"),
        (words.say("Days overdue"), "numbers"),
        (words.say("Amount"), "numbers"),
        (words.say("Open in %(currency)s", currency=section.currency), "numbers"),
    ]
    rows = []
    running = 0
    for row, counted in _rows(section, as_of, words):
        running += counted
        rows.append({**row, "running": words.amount(running, section.currency)})
    return {
        "heading": words.say("Open items"),
        "nothing": words.say("No open items."),
        "columns": [{"label": label, "reads": reads} for label, reads in labels],
        "rows": rows,
        "brought": words.say("Brought forward"),
        "carried": words.say("Carried forward"),
        "totals": _totals(section, words),
    }


def _rows(section: StatementSection, as_of: date, words: Localiser) -> Iterator[tuple[dict[str, Any], int]]:
    """Yield each row with its effect on the balance: credit notes and payments count against it."""
    for item in section.open_items:
        sign = -1 if item.kind == "credit_note" else 1
        late = days_past_due(item.due_date, as_of) if sign > 0 else 0
        cells = (
            words.short_day(item.issue_date),
            words.short_day(item.due_date) if item.due_date and sign > 0 else "",
            words.quantity(str(late), "C62") if late else "",
            words.amount(sign * item.total, section.currency),
            words.amount(sign * item.balance, section.currency),
        )
        yield _row(_name(item, words), _details(item, words), cells), sign * item.balance
    for payment in section.open_payments:
        cells = (
            words.short_day(payment.received_on),
            "",
            "",
            words.amount(-payment.amount, section.currency),
            words.amount(-payment.unallocated, section.currency),
        )
        yield _row(_payment_name(payment, words), [], cells), -payment.unallocated


def _row(name: str, details: list[str], cells: tuple[str, ...]) -> dict[str, Any]:
    return {"description": [name], "details": details, "cells": list(cells)}


def _name(item: OpenItem, words: Localiser) -> str:
    number = printable_text.to_single_line(item.number, MAX_NUMBER_LENGTH)
    return words.say("Credit note %(number)s" if item.kind == "credit_note" else "Invoice %(number)s", number=number)


def _payment_name(payment: OpenPayment, words: Localiser) -> str:
    reference = printable_text.to_single_line(payment.reference, MAX_NUMBER_LENGTH) if payment.reference else ""
    return words.say("Payment %(reference)s", reference=reference).strip()


def _details(item: OpenItem, words: Localiser) -> list[str]:
    details = [f"{words.say('PO number')} {printable_text.to_single_line(item.po_number)}"] if item.po_number else []
    return [*details, words.say("Disputed")] if item.disputed else details


def _totals(section: StatementSection, words: Localiser) -> list[dict[str, str]]:
    def row(label: str, amount: int) -> dict[str, str]:
        return {"label": label, "base": "", "amount": words.amount(amount, section.currency), "weight": "plain"}

    rows = []
    if section.credit or section.unallocated:
        rows.append(row(words.say("Owed on invoices"), section.owed))
    if section.credit:
        rows.append(row(words.say("Credit notes not yet used"), -section.credit))
    if section.unallocated:
        rows.append(row(words.say("Payments not yet allocated"), -section.unallocated))
    label = words.say("Balance to pay" if section.balance >= 0 else "Credit balance")
    amount = words.money(abs(section.balance), section.currency)
    return [*rows, {"label": label, "base": "", "amount": amount, "weight": "strong"}]


def _transfer(
    section: StatementSection, sender: Sender, addressee: Addressee, reference: str
) -> payment_codes.Transfer | None:
    bank = sender.bank_details
    if bank is None or bank.iban is None:
        return None
    return payment_codes.Transfer(
        creditor=payment_codes.Party(bank.account_holder, sender.address),
        iban=bank.iban,
        amount=section.balance,
        currency=section.currency,
        reason=reference,
        bic=bank.bic,
        debtor=payment_codes.Party(addressee.company or addressee.name, addressee.address),
    )
