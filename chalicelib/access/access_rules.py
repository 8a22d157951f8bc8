"""Use cases of access rules: who may enter one bill group's portal (A1, A2, A7)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from chalicelib import ids
from chalicelib.access import book as books
from chalicelib.access.book import Book, Rule
from chalicelib.access.domains import EMAIL, Value
from chalicelib.audit import service as audit
from chalicelib.audit.rules import Change
from chalicelib.call import Call
from chalicelib.entities.service import remembered_entity
from chalicelib.errors import NotFound
from chalicelib.table import keys, store
from chalicelib.table.items import AccessItem, AccessPointerItem, BillGroupItem
from chalicelib.table.keys import Key

_POINTERS_A_TRANSACTION = 80
_ROWS_A_PAGE = 25


@dataclass(frozen=True)
class AccessRule:
    """A rule as it is told: of an ``email`` or a ``domain``, or a ``denial``.

    ``entries`` are who entered by it, and when they last did, the latest first.
    """

    rule_id: str
    bill_group_id: str
    kind: str
    value: str | None
    permissions: tuple[str, ...]
    starts_at: datetime | None
    created_at: datetime
    created_by: str
    entries: tuple[tuple[str, datetime], ...]


def add(
    call: Call,
    bill_group_id: str,
    value: Value,
    permissions: Iterable[str] | None = None,
    *,
    replace_emails: bool = False,
) -> AccessRule:
    """Let an address or a domain enter a bill group's portal, from the issuing entity's delay on (A1, A7).

    Rules and pointers stand in one transaction. Where a domain takes the place of more addresses than fit it, the
    pointers of the rest go afterwards: they only lead a sign-in to a row that is read and decided upon anyway.
    Raises NotFound, Invalid for permissions, and Conflict naming the rule in the way.
    """
    allowed = books.check_permissions(permissions)

    def attempt() -> tuple[AccessRule, list[Key]]:
        group, row = store.gather(call, keys.bill_group(bill_group_id), keys.access(bill_group_id, value.domain))
        if group is None:
            raise NotFound
        rule = new_rule(call, allowed, starts_at(call, group))
        before = books.book_of(value.domain, row)
        if value.kind == EMAIL:
            after = books.add_email(before, value.text, rule)
        else:
            after = books.add_domain(before, rule, replace_emails=replace_emails)
        transaction = store.Transaction(call)
        stale = write(transaction, group.account_id, bill_group_id, row, before, after)
        transaction.check_exists(group)
        replaced = sorted(before.addresses.keys() - after.addresses.keys())
        record(transaction, call, "access_rule.added", group, rule, value.text, replaced)
        transaction.answers(rule.rule_id, 201)
        transaction.commit()
        return told(bill_group_id, value.kind, value.text, rule), stale

    made, stale = store.deciding_again(attempt)
    _erase_pointers(call, bill_group_id, value.domain, stale)
    return made


def remove(call: Call, bill_group_id: str, rule_id: str) -> None:
    """Take a rule away at once, or lift a denial. Raises NotFound."""

    def attempt() -> None:
        (group,) = store.gather(call, keys.bill_group(bill_group_id))
        if group is None:
            raise NotFound
        row, before, after = _standing(bill_group_id, rule_id)
        transaction = store.Transaction(call)
        write(transaction, group.account_id, bill_group_id, row, before, after)
        kind, value, rule = _named(before, rule_id)
        action = "access_denial.removed" if kind == books.DENIAL else "access_rule.removed"
        record(transaction, call, action, group, rule, value)
        transaction.answers(rule_id, 204)
        transaction.commit()

    store.deciding_again(attempt)


def _standing(bill_group_id: str, rule_id: str) -> tuple[AccessItem, Book, Book]:
    for row in _rows(bill_group_id):
        before = books.book_of(row.domain, row)
        after = books.remove(before, rule_id)
        if after is not None:
            return row, before, after
    raise NotFound


def get(bill_group_id: str, rule_id: str) -> AccessRule:
    """Read a rule or a denial. Raises NotFound."""
    _, before, _ = _standing(bill_group_id, rule_id)
    return told(bill_group_id, *_named(before, rule_id))


def standing(bill_group_id: str, value: Value) -> AccessRule | None:
    """Read the rule of an address or a domain itself, None without one."""
    book = books.book_of(value.domain, store.get(AccessItem, keys.access(bill_group_id, value.domain)))
    rule = book.addresses.get(value.text) if value.kind == EMAIL else book.domain_rule
    return told(bill_group_id, value.kind, value.text, rule) if rule else None


def _named(book: Book, rule_id: str) -> tuple[str, str | None, Rule]:
    return next(named for named in book.all() if named[2].rule_id == rule_id)


def list_rules(bill_group_id: str, after: Any, limit: int) -> tuple[list[AccessRule], Any]:
    """Return a page of a bill group's rules and denials by domain, and where the next one begins. Raises NotFound.

    ``after`` is the domain that the last page ended in, and how many of its rules were told.
    """
    if after is None and store.get(BillGroupItem, keys.bill_group(bill_group_id)) is None:
        raise NotFound
    domain, skipped = after or (None, 0)
    found: list[AccessRule] = []
    for row in _rows(bill_group_id, domain):
        told_here = [told(bill_group_id, *named) for named in books.book_of(row.domain, row).all()]
        for number, rule in enumerate(told_here):
            if row.domain == domain and number < skipped:
                continue
            if len(found) == limit:
                return found, [row.domain, number]
            found.append(rule)
    return found, None


def _rows(bill_group_id: str, since: str | None = None) -> Iterator[AccessItem]:
    """Yield the rows of a bill group's domains in order, from the domain ``since`` on."""
    prefix = keys.access(bill_group_id, "")
    if since is not None:
        first = store.get(AccessItem, keys.access(bill_group_id, since))
        if first is not None:
            yield first
    after = keys.access(bill_group_id, since).sk if since is not None else None
    while True:
        page = store.query(prefix.pk, prefix.sk, limit=_ROWS_A_PAGE, after=after)
        yield from page.items
        after = page.after
        if after is None:
            return


def told(bill_group_id: str, kind: str, value: str | None, rule: Rule) -> AccessRule:
    """Return a rule as callers see it."""
    entries = sorted(rule.entries.items(), key=lambda entry: entry[1], reverse=True)
    return AccessRule(
        rule_id=rule.rule_id,
        bill_group_id=bill_group_id,
        kind=kind,
        value=value,
        permissions=rule.permissions,
        starts_at=datetime.fromisoformat(rule.starts_at) if rule.starts_at else None,
        created_at=datetime.fromisoformat(rule.created_at),
        created_by=rule.created_by,
        entries=tuple((email, datetime.fromisoformat(at)) for email, at in entries),
    )


def starts_at(call: Call, group: BillGroupItem) -> str:
    """Return from when what is given now at a bill group counts, after its issuing entity's delay (A7)."""
    delay = remembered_entity(group.entity_id, call.now).access_delay_hours
    return keys.instant(call.now + timedelta(hours=delay))


def new_rule(call: Call, permissions: tuple[str, ...] = (), starts: str | None = None) -> Rule:
    """Return a rule, or without permissions a denial, that the caller makes now."""
    actor = f"{call.actor.kind}:{call.actor.name}"
    return Rule(ids.new_id(ids.RULE, call.now), keys.instant(call.now), actor, permissions, starts)


def write(
    transaction: store.Transaction,
    account_id: str,
    bill_group_id: str,
    row: AccessItem | None,
    before: Book,
    after: Book,
) -> list[Key]:
    """Add the row of a domain as it is after a change to a transaction, with the pointers by which sign-ins find it.

    Returns those pointers to be erased for which there is no room.
    """
    domain = before.domain
    key = keys.access(bill_group_id, domain)
    if row is None:
        item = AccessItem(key.pk, key.sk, bill_group_id=bill_group_id, account_id=account_id, domain=domain)
        _fill(item, after)
        transaction.create(item)
    elif after.is_empty:
        transaction.delete(row)
    else:
        _fill(row, after)
        transaction.replace(row)
    stays = _pointers(bill_group_id, after)
    was = _pointers(bill_group_id, before)
    for pointer in sorted(stays - was):
        transaction.overwrite(
            AccessPointerItem(pointer.pk, pointer.sk, bill_group_id=bill_group_id, account_id=account_id)
        )
    gone = sorted(was - stays)
    for pointer in gone[:_POINTERS_A_TRANSACTION]:
        transaction.erase(pointer)
    return gone[_POINTERS_A_TRANSACTION:]


def _fill(item: AccessItem, book: Book) -> None:
    item.domain_rule = books.plain(book.domain_rule) if book.domain_rule else None
    item.addresses = {email: books.plain(rule) for email, rule in book.addresses.items()}
    item.denied = {key: books.plain(rule) for key, rule in book.denied.items()}


def _pointers(bill_group_id: str, book: Book) -> set[Key]:
    # Who is denied is led here too: so an erasure finds the row.
    named = {*book.addresses, *filter(books.value_of, book.denied)}
    found = {keys.rule_by_address(email, bill_group_id) for email in named}
    if book.domain_rule is not None:
        found.add(keys.rule_by_domain(book.domain, bill_group_id))
    return found


def _erase_pointers(call: Call, bill_group_id: str, domain: str, stale: list[Key]) -> None:
    """Erase pointers to rules that were taken away, unless their rules have come back meanwhile."""
    key = keys.access(bill_group_id, domain)

    def attempt(chunk: list[Key]) -> None:
        row = store.get(AccessItem, key)
        live = _pointers(bill_group_id, books.book_of(domain, row))
        transaction = store.Transaction(replace(call, idempotency=None))
        if row is None:
            transaction.check_absent(key)
        else:
            transaction.check(row)
        for pointer in chunk:
            if pointer not in live:
                transaction.erase(pointer)
        transaction.commit()

    for start in range(0, len(stale), _POINTERS_A_TRANSACTION):
        store.deciding_again(partial(attempt, stale[start : start + _POINTERS_A_TRANSACTION]))


def record(
    transaction: store.Transaction,
    call: Call,
    action: str,
    group: BillGroupItem | AccessItem,
    rule: Rule,
    value: str | None,
    replaced: Iterable[str] = (),
) -> None:
    """Add the audit event of a rule or denial that comes or goes, and of the addresses whose rules it replaces."""
    is_new = action.endswith(".added")
    facts = {"value": value, "permissions": list(rule.permissions), "starts_at": rule.starts_at}
    changes = [Change(name, None if is_new else fact, fact if is_new else None) for name, fact in facts.items() if fact]
    if gone := list(replaced):
        changes.append(Change("replaced", gone, None))
    audit.record(
        transaction,
        call,
        action,
        "access_rule",
        rule.rule_id,
        tuple(changes),
        account_id=group.account_id,
        bill_group_id=group.bill_group_id,
    )
