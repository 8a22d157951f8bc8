"""What ends when an address is no longer a contact's: its rules in the account, and a domain's rule for it (C4)."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from chalicelib.access import access_rules, grants
from chalicelib.access import book as books
from chalicelib.access.book import Book, Rule
from chalicelib.call import Call
from chalicelib.table import keys, store
from chalicelib.table.items import AccessItem, SessionItem
from chalicelib.table.keys import Key

MOST_GROUPS_AT_ONCE = 5
"""How many bill groups' rules may change in the transaction that deletes a contact."""
_PAGE = 100

Change = Callable[[Book], Book]


def rows_of(account_id: str, email: str) -> list[AccessItem]:
    """Return the rows of the account's bill groups that may admit an address, by rule or by its domain."""
    domain = grants.domain_of(email)
    groups = sorted(
        {
            *_led_to(keys.rule_by_address(email, "").pk, account_id),
            *_led_to(keys.rule_by_domain(domain, "").pk, account_id),
        }
    )
    return list(store.batch([keys.access(bill_group_id, domain) for bill_group_id in groups]).values())


def _led_to(partition: str, account_id: str) -> list[str]:
    found: list[str] = []
    after: str | None = None
    while True:
        page = store.query(partition, limit=_PAGE, after=after)
        found += [item.bill_group_id for item in page.items if item.account_id == account_id]
        after = page.after
        if after is None:
            return found


def withdraw(transaction: store.Transaction, call: Call, account_id: str, email: str) -> None:
    """Add to a transaction that ``email`` loses its rules in the account, and is denied where its domain has one.

    What would not fit is done beforehand, in transactions of its own: each is whole in itself.
    """
    rows = rows_of(account_id, email)
    while len(rows) > MOST_GROUPS_AT_ONCE:
        chunk, rows = rows[:MOST_GROUPS_AT_ONCE], rows[MOST_GROUPS_AT_ONCE:]
        beforehand = store.Transaction(replace(call, idempotency=None))
        if _withdraw_from(beforehand, call, chunk, email):
            beforehand.commit()
    _withdraw_from(transaction, call, rows, email)


def _withdraw_from(transaction: store.Transaction, call: Call, rows: list[AccessItem], email: str) -> bool:
    changed = False
    for row in rows:
        before = books.book_of(row.domain, row)
        denial = access_rules.new_rule(call)
        after = books.withdraw(before, email, denial)
        if after == before:
            # Whoever changes the rules at this moment must not be overtaken.
            transaction.check(row)
            continue
        changed = True
        access_rules.write(transaction, row.account_id, row.bill_group_id, row, before, after)
        gone: Rule | None = before.addresses.get(email)
        if gone is not None:
            access_rules.record(transaction, call, "access_rule.removed", row, gone, email)
        if after.denied != before.denied:
            access_rules.record(transaction, call, "access_denial.added", row, denial, email)
    return changed


def erase(call: Call, account_id: str, email: str) -> None:
    """Take an address out of what the account's bill groups keep of access, and out of sessions; repeatable (C4).

    Whom a denial keeps out, it goes on keeping out, by the hash of the address.
    """
    domain = grants.domain_of(email)
    for row in rows_of(account_id, email):
        store.deciding_again(partial(_forget, call, row.bill_group_id, domain, email))
    for pointer in _pointers_left(account_id, email):
        store.remove(pointer)
    _erase_sessions(account_id, email)


def _pointers_left(account_id: str, email: str) -> list[Key]:
    partition = keys.rule_by_address(email, "").pk
    return [keys.rule_by_address(email, bill_group_id) for bill_group_id in _led_to(partition, account_id)]


def _forget(call: Call, bill_group_id: str, domain: str, email: str) -> None:
    row = store.get(AccessItem, keys.access(bill_group_id, domain))
    before = books.book_of(domain, row)
    after = books.forget(before, email)
    if row is None or after == before:
        return
    transaction = store.Transaction(replace(call, idempotency=None))
    access_rules.write(transaction, row.account_id, bill_group_id, row, before, after)
    transaction.commit()


def _erase_sessions(account_id: str, email: str) -> None:
    """Take the account out of the person's sessions; one that was for this account alone goes as a whole."""
    after: str | None = None
    while True:
        page = store.query_index(keys.session_listed(email, "").pk, limit=_PAGE, after=after)
        for item in page.items:
            store.deciding_again(partial(_take_from_session, item.key, account_id))
        after = page.after
        if after is None:
            return


def _take_from_session(key: Key, account_id: str) -> None:
    item = store.get(SessionItem, key)
    if item is None or item.kind != "portal_user":
        return
    others = [pair for pair in item.bill_groups if pair[1] != account_id]
    if not others:
        store.remove(key)
    elif len(others) < len(item.bill_groups):
        item.bill_groups = others
        store.replace(item)
