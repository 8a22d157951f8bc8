"""The invoice ledger: heads, the pointers to them, and the balances; the only writer of all three.

A use case that changes heads (issue, payment, credit note, void, PDF …) reads ``balance_keys`` with them, applies the
rules, and passes both states to ``write_invoice_changes``, once per transaction::

    found = store.batch_get_items([*heads, *ledger.balance_keys(account_id, entity_id, currency, bill_group_ids)])
    before = store.from_item(Invoice, found[keys.invoice(invoice_id)])
    after = …
    transaction = store.Transaction(context)
    ledger.write_invoice_changes(transaction, found, [(before, after)])

So pointers and balances always agree with the heads. Rows per transaction: 2 per invoice (head, pointer of
the open one; 3 when the due date moves, when a dispute or a promise begins or ends, or when it is settled and a
reminder was planned), 1 per bill group, 1 per account and currency.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from chalicelib.invoices.rules import UNSETTLED, Invoice, disputed_amount, normalize_number
from chalicelib.table import keys, store
from chalicelib.table.items import (
    AccountBalanceItem,
    BillGroupBalanceItem,
    InvoiceItem,
    InvoicePointerItem,
    InvoiceRemindersItem,
)
from chalicelib.table.keys import Key
from chalicelib.tasks.kinds import PlanInvoices
from chalicelib.tasks.service import add_task


@dataclass(frozen=True)
class UnallocatedChange:
    """The change, in minor units, of the unallocated payments of an account to an entity.

    The remainder of credit notes follows from their heads and does not belong here.
    """

    account_id: str
    entity_id: str
    currency: str
    difference: int


@dataclass
class _BalanceChange:
    invoices: int = 0
    balance: int = 0
    unallocated: int = 0


def balance_keys(account_id: str, entity_id: str, currency: str, bill_group_ids: Iterable[str] = ()) -> tuple[Key, ...]:
    """Return the keys of the balances that ``write_invoice_changes`` needs: of the account and of the bill groups."""
    groups = dict.fromkeys(bill_group_ids)
    return (keys.account_balance(account_id, entity_id, currency), *map(keys.bill_group_balance, groups))


def invoice_balance_keys(invoice: Invoice) -> tuple[Key, ...]:
    """Return the keys of the balances and of the reminders that ``write_invoice_changes`` needs for one invoice."""
    balances = balance_keys(invoice.account_id, invoice.entity_id, invoice.currency, (invoice.bill_group_id,))
    return (*balances, keys.invoice_reminders(invoice.invoice_id))


def write_invoice_changes(
    transaction: store.Transaction,
    found: Mapping[Key, Any],
    changes: Sequence[tuple[Invoice | None, Invoice]],
    unallocated: Sequence[UnallocatedChange] = (),
) -> tuple[Invoice, ...]:
    """Add to ``transaction`` all rows that follow from changed heads; return the heads with their new versions.

    ``found`` holds the existing balances of ``balance_keys``, and where the reminders of invoices stand that may be
    settled; those that do not change may be absent. ``changes`` are pairs of an invoice as read (None: it is being
    issued) and as it becomes. Call it once per transaction, since the balance rows are shared.
    """
    accounts: dict[tuple[str, str, str], _BalanceChange] = defaultdict(_BalanceChange)
    groups: dict[tuple[str, str], _BalanceChange] = defaultdict(_BalanceChange)
    written = []
    for before, after in changes:
        _check_invariants(before, after)
        written.append(_write_head(transaction, before, after))
        _write_pointers(transaction, before, after)
        if before is not None and before.status in UNSETTLED and after.status not in UNSETTLED:
            _delete_reminder_plan(transaction, found.get(keys.invoice_reminders(after.invoice_id)), after)
        for invoice, sign in ((before, -1), (after, 1)):
            if invoice is None or invoice.status not in UNSETTLED:
                continue
            account = accounts[invoice.account_id, invoice.entity_id, invoice.currency]
            if invoice.is_credit_note:
                account.unallocated += sign * invoice.balance
                continue
            for difference in (account, groups[invoice.bill_group_id, invoice.currency]):
                difference.invoices += sign
                difference.balance += sign * invoice.balance
    for credit in unallocated:
        accounts[credit.account_id, credit.entity_id, credit.currency].unallocated += credit.difference
    _write_account_balances(transaction, found, accounts)
    _write_bill_group_balances(transaction, found, groups)
    replanned = [after.invoice_id for before, after in changes if _needs_replanning(before, after)]
    if replanned:
        add_task(transaction, transaction.context, PlanInvoices(tuple(replanned)))
    return tuple(written)


def _delete_reminder_plan(transaction: store.Transaction, state: InvoiceRemindersItem | None, invoice: Invoice) -> None:
    """Take the next reminder of a settled invoice out of the plan, so that no run looks at it for nothing (R8).

    A planner that works at the same moment may write it again; the run then finds the invoice settled.
    """
    if state is not None and state.next_on is not None:
        key = keys.reminder_plan(invoice.account_id, invoice.entity_id, state.next_on, invoice.invoice_id)
        transaction.delete_unconditionally(key)


def _needs_replanning(before: Invoice | None, after: Invoice) -> bool:
    """Tell whether the day of the next reminder may have changed (R7)."""
    if after.is_credit_note or after.due_date is None or after.status not in UNSETTLED:
        return False
    if before is None or before.status not in UNSETTLED:
        return True
    if before.due_date != after.due_date or before.promise != after.promise:
        return True
    if (before.dispute is None) != (after.dispute is None):
        return True
    return disputed_amount(before) >= before.balance and disputed_amount(after) < after.balance


def _check_invariants(before: Invoice | None, after: Invoice) -> None:
    fixed = ("invoice_id", "kind", "number", "entity_id", "account_id", "bill_group_id", "currency", "issue_date",
             "total", "po_number", "payment_reference", "prepaid", "version")  # fmt: skip
    if before is not None and any(getattr(before, name) != getattr(after, name) for name in fixed):
        raise ValueError(f"The content of {after.invoice_id} cannot change.")
    if after.balance < 0:
        raise ValueError(f"{after.invoice_id} would have a balance below zero.")


def to_invoice_item(invoice: Invoice) -> InvoiceItem:
    """Return the row of a head, with its index keys."""
    listed = keys.invoice_listed(invoice.bill_group_id, invoice.issue_date, invoice.invoice_id)
    row = store.to_item(InvoiceItem, keys.invoice(invoice.invoice_id), invoice, listed=listed)
    day = invoice.due_date if invoice.status in UNSETTLED else invoice.issue_date
    by_status = keys.invoice_by_status(invoice.entity_id, invoice.kind, invoice.status, day, invoice.invoice_id)
    row.gsi2_pk, row.gsi2_sk = by_status.pk, by_status.sk
    return row


def _write_head(transaction: store.Transaction, before: Invoice | None, after: Invoice) -> Invoice:
    row = to_invoice_item(after)
    transaction.put(row, new=before is None)
    return replace(after, version=int(row.version))


def _write_pointers(transaction: store.Transaction, before: Invoice | None, after: Invoice) -> None:
    old, new = (_pointer_keys(before) if before else {}), _pointer_keys(after)
    for key in sorted(old.keys() - new.keys()):
        transaction.delete_unconditionally(key)
    for key in sorted(new.keys() - old.keys()):
        pointer = InvoicePointerItem(key.pk, key.sk, invoice_id=after.invoice_id, bill_group_id=after.bill_group_id)
        # The head's condition protects the pointers, except the number, for which invoices compete (I1).
        if key == _number_key(after):
            transaction.create(pointer)
        else:
            transaction.overwrite(pointer)


def _pointer_keys(invoice: Invoice) -> dict[Key, None]:
    wanted = [_number_key(invoice)]
    if invoice.po_number is not None:
        wanted.append(keys.invoice_by_po(normalize_number(invoice.po_number), invoice.invoice_id))
    if invoice.status in UNSETTLED:
        wanted.append(
            keys.open_invoice(
                invoice.account_id, invoice.entity_id, invoice.currency, invoice.due_date, invoice.invoice_id
            )
        )
    if invoice.dispute is not None:
        wanted.append(keys.disputed_invoice(invoice.entity_id, invoice.invoice_id))
    if invoice.promise is not None and invoice.status in UNSETTLED:
        wanted.append(keys.promised_invoice(invoice.entity_id, invoice.promise.on, invoice.invoice_id))
    return dict.fromkeys(wanted)


def _number_key(invoice: Invoice) -> Key:
    return keys.invoice_number(invoice.entity_id, normalize_number(invoice.number))


def _write_account_balances(
    transaction: store.Transaction, found: Mapping[Key, Any], differences: Mapping[tuple[str, str, str], _BalanceChange]
) -> None:
    for (account_id, entity_id, currency), difference in differences.items():
        if difference == _BalanceChange():
            continue
        key = keys.account_balance(account_id, entity_id, currency)
        kept = found.get(key)
        row = kept or AccountBalanceItem(
            key.pk, key.sk, account_id=account_id, entity_id=entity_id, currency=currency,
            open_invoices=0, open_balance=0, unallocated=0,
        )  # fmt: skip
        row.open_invoices += difference.invoices
        row.open_balance += difference.balance
        row.unallocated += difference.unallocated
        transaction.put(row, new=kept is None)


def _write_bill_group_balances(
    transaction: store.Transaction, found: Mapping[Key, Any], differences: Mapping[tuple[str, str], _BalanceChange]
) -> None:
    by_group: dict[str, dict[str, _BalanceChange]] = defaultdict(dict)
    for (bill_group_id, currency), difference in differences.items():
        if difference != _BalanceChange():
            by_group[bill_group_id][currency] = difference
    for bill_group_id, of_currencies in by_group.items():
        key = keys.bill_group_balance(bill_group_id)
        kept = found.get(key)
        row = kept or BillGroupBalanceItem(
            key.pk, key.sk, bill_group_id=bill_group_id, open_invoices=0, open_balances={}
        )
        balances = dict(row.open_balances)
        for currency, difference in of_currencies.items():
            row.open_invoices += difference.invoices
            balances[currency] = balances.get(currency, 0) + difference.balance
        row.open_balances = {currency: amount for currency, amount in sorted(balances.items()) if amount}
        transaction.put(row, new=kept is None)
