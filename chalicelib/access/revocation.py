"""Revoke the access of an address that a contact no longer has: its rules, and that of its domain (C4)."""

from dataclasses import replace
from functools import partial

from chalicelib.access import access_rules, grants
from chalicelib.access.domain_access import (
    Rule,
    anonymise_address,
    domain_access_from_item,
    revoke_address,
)
from chalicelib.request_context import RequestContext
from chalicelib.table import keys, store
from chalicelib.table.items import DomainAccessItem, SessionItem
from chalicelib.table.keys import Key

MAX_BILL_GROUPS_PER_TRANSACTION = 5
"""Bill groups whose rules may change in the transaction that deletes a contact."""
_PAGE_SIZE = 100


def find_access_rows(account_id: str, email: str) -> list[DomainAccessItem]:
    """Return the rows of the account's bill groups that may admit an address, by rule or by its domain."""
    domain = grants.get_email_domain(email)
    groups = sorted(
        {
            *_list_pointed_bill_group_ids(keys.access_rule_by_address(email, "").pk, account_id),
            *_list_pointed_bill_group_ids(keys.access_rule_by_domain(domain, "").pk, account_id),
        }
    )
    return list(store.batch_get_items([keys.domain_access(bill_group_id, domain) for bill_group_id in groups]).values())


def _list_pointed_bill_group_ids(partition: str, account_id: str) -> list[str]:
    pointers = store.iterate_items(partition, page_size=_PAGE_SIZE)
    return [item.bill_group_id for item in pointers if item.account_id == account_id]


def revoke_address_access(
    transaction: store.Transaction, context: RequestContext, account_id: str, email: str, *, deny: bool = True
) -> None:
    """Remove the rules of ``email`` in the account, and with ``deny`` deny its mailbox where its domain has a rule.

    Changes that do not fit the transaction are made beforehand, in complete transactions of their own.
    """
    rows = find_access_rows(account_id, email)
    while len(rows) > MAX_BILL_GROUPS_PER_TRANSACTION:
        chunk, rows = rows[:MAX_BILL_GROUPS_PER_TRANSACTION], rows[MAX_BILL_GROUPS_PER_TRANSACTION:]
        beforehand = store.Transaction(replace(context, idempotency=None))
        if _revoke_in_rows(beforehand, context, chunk, email, deny):
            beforehand.commit()
    _revoke_in_rows(transaction, context, rows, email, deny)


def _revoke_in_rows(
    transaction: store.Transaction, context: RequestContext, rows: list[DomainAccessItem], email: str, deny: bool
) -> bool:
    changed = False
    for row in rows:
        before = domain_access_from_item(row.domain, row)
        denial = access_rules.new_rule(context)
        after = revoke_address(before, email, denial if deny else None)
        if after == before:
            # A concurrent change of the rules must not be lost.
            transaction.check(row)
            continue
        changed = True
        access_rules.write_domain_access(transaction, row.account_id, row.bill_group_id, row, before, after)
        gone: Rule | None = before.addresses.get(email)
        if gone is not None:
            access_rules.record_access_rule_event(transaction, context, "access_rule.removed", row, gone, email)
        if after.denied != before.denied:
            access_rules.record_access_rule_event(transaction, context, "access_denial.added", row, denial, email)
    return changed


def erase_address_access(context: RequestContext, account_id: str, email: str) -> None:
    """Remove an address from the account's access rows and from sessions; idempotent (C4).

    A denial stays in force, by the hash of the address.
    """
    domain = grants.get_email_domain(email)
    for row in find_access_rows(account_id, email):
        store.retry_on_conflict(partial(_anonymise_in_row, context, row.bill_group_id, domain, email))
    for pointer in _remaining_pointers(account_id, email):
        store.delete_item(pointer)
    _erase_from_sessions(account_id, email)


def _remaining_pointers(account_id: str, email: str) -> list[Key]:
    partition = keys.access_rule_by_address(email, "").pk
    return [
        keys.access_rule_by_address(email, bill_group_id)
        for bill_group_id in _list_pointed_bill_group_ids(partition, account_id)
    ]


def _anonymise_in_row(context: RequestContext, bill_group_id: str, domain: str, email: str) -> None:
    row = store.get_item(DomainAccessItem, keys.domain_access(bill_group_id, domain))
    before = domain_access_from_item(domain, row)
    after = anonymise_address(before, email)
    if row is None or after == before:
        return
    transaction = store.Transaction(replace(context, idempotency=None))
    access_rules.write_domain_access(transaction, row.account_id, bill_group_id, row, before, after)
    transaction.commit()


def _erase_from_sessions(account_id: str, email: str) -> None:
    """Remove the account from the person's sessions; a session of this account alone is deleted."""
    for item in store.iterate_items(keys.session_listed(email, "").pk, page_size=_PAGE_SIZE, by_index=True):
        store.retry_on_conflict(partial(_remove_account_from_session, item.key, account_id))


def _remove_account_from_session(key: Key, account_id: str) -> None:
    item = store.get_item(SessionItem, key)
    if item is None or item.kind != "portal_user":
        return
    others = [pair for pair in item.bill_groups if pair[1] != account_id]
    if not others:
        store.delete_item(key)
    elif len(others) < len(item.bill_groups):
        item.bill_groups = others
        store.replace_item(item)
