"""Use cases of credit notes: applied to invoices, and taken back."""

from collections.abc import Mapping
from typing import Any

from chalicelib.audit import service as audit
from chalicelib.audit.rules import Change, plain
from chalicelib.call import Call
from chalicelib.errors import NotFound
from chalicelib.invoices import reading, standing
from chalicelib.invoices.rules import CREDIT_NOTE, Invoice, local_date
from chalicelib.payments import rules, writing
from chalicelib.table import keys, store

CreditNote = Invoice
"""An invoice of that kind."""


def apply(call: Call, credit_note_id: str, given: list[dict[str, Any]]) -> CreditNote:
    """Apply a credit note to invoices, as of today where the account is; two reads.

    Raises NotFound, Conflict when it is not a credit note or void, Invalid that names every fault.
    """
    wanted = writing.asked(given)

    def attempt() -> CreditNote:
        item, *items = store.gather(
            call, keys.invoice(credit_note_id), *(keys.invoice(one.invoice_id) for one in wanted)
        )
        if item is None:
            raise NotFound
        before = store.load(Invoice, item)
        today = local_date(before, call.now)
        source = rules.source_of_credit_note(before, today)
        invoices = writing.heads(items)
        spread = rules.spread(source, wanted, invoices, "applications")
        changes = [(invoices[invoice_id], after) for invoice_id, after in spread.items()]
        after = rules.applied(before, wanted, today)
        transaction = store.Transaction(call)
        written = _write(transaction, call, source, changes, (before, after), "credit_note.applied")
        transaction.answers(credit_note_id, 200)
        transaction.commit()
        return written

    return store.deciding_again(attempt)


def withdraw(call: Call, credit_note_id: str, invoice_id: str) -> None:
    """Take a credit note back from an invoice, which opens again; two reads.

    Raises NotFound when it settles nothing there.
    """

    def attempt() -> None:
        item, head = store.gather(call, keys.invoice(credit_note_id), keys.invoice(invoice_id))
        before = store.load(Invoice, item) if item is not None else None
        if before is None or head is None or invoice_id not in before.applications:
            raise NotFound
        source = rules.source_of_credit_note(before, local_date(before, call.now))
        invoice = store.load(Invoice, head)
        opened = rules.released(invoice, CREDIT_NOTE, before.applications[invoice_id])
        after = rules.withdrawn(before, [invoice_id])
        transaction = store.Transaction(call)
        _write(transaction, call, source, [(invoice, opened)], (before, after), "credit_note.withdrawn")
        transaction.answers(credit_note_id, 204)
        transaction.commit()

    store.deciding_again(attempt)


def _write(
    transaction: store.Transaction,
    call: Call,
    source: rules.Source,
    changes: list[writing.Change],
    credit_note: writing.Change,
    action: str,
) -> CreditNote:
    before, after = credit_note
    found = writing.balances(source, changes)
    written = standing.write(transaction, found, [credit_note, *changes])
    writing.write_settlements(transaction, source, after.applications, [one.invoice_id for _, one in changes])
    audit.record(
        transaction,
        call,
        action,
        "credit_note",
        after.invoice_id,
        _changes(before.applications, after.applications),
        account_id=after.account_id,
        bill_group_id=after.bill_group_id,
    )
    return written[0]


def _changes(before: Mapping[str, int], after: Mapping[str, int]) -> tuple[Change, ...]:
    return (Change("applications", plain(dict(before)), plain(dict(after))),)


def get(credit_note_id: str) -> CreditNote:
    """Read a credit note; one read. Raises NotFound, also of an invoice."""
    found = reading.get_head(credit_note_id)
    if not found.is_credit_note:
        raise NotFound
    return found
