"""Use cases of access rules: who may sign in to one bill group's portal (A1, A2, A7)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from chalicelib import ids
from chalicelib.access.domain_access import (
    DENIAL,
    DomainAccess,
    Rule,
    add_domain_rule,
    add_email_rule,
    check_grantable_permissions,
    denied_address,
    domain_access_from_item,
    remove_rule,
    rule_to_plain,
)
from chalicelib.access.domains import EMAIL, RuleTarget
from chalicelib.audit.rules import FieldChange
from chalicelib.audit.service import record_audit_event
from chalicelib.entities.service import get_cached_entity
from chalicelib.errors import NotFound
from chalicelib.request_context import RequestContext
from chalicelib.table import keys, store
from chalicelib.table.items import AccessPointerItem, BillGroupItem, DomainAccessItem
from chalicelib.table.keys import Key

_MAX_POINTERS_PER_TRANSACTION = 80
_PAGE_SIZE = 25


@dataclass(frozen=True)
class AccessRule:
    """A rule as callers see it: of an ``email`` or a ``domain``, or a ``denial``.

    ``entries`` are the people who signed in by it, with their last sign-in, the latest first.
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


def create_access_rule(
    context: RequestContext,
    bill_group_id: str,
    value: RuleTarget,
    permissions: Iterable[str] | None = None,
    *,
    replace_emails: bool = False,
) -> AccessRule:
    """Give an address or a domain access to a bill group's portal, after the issuing entity's delay (A1, A7).

    Rules and pointers are written in one transaction. If a domain replaces more addresses than fit it, the remaining
    pointers are deleted afterwards: they only lead a sign-in to a row that is checked anyway. Raises NotFound,
    InvalidInput for permissions, and Conflict naming the conflicting rule.
    """
    allowed = check_grantable_permissions(permissions)

    def attempt() -> tuple[AccessRule, list[Key]]:
        group, row = store.get_items_for_write(
            context, keys.bill_group(bill_group_id), keys.domain_access(bill_group_id, value.domain)
        )
        if group is None:
            raise NotFound
        rule = new_rule(context, allowed, compute_access_start(context, group))
        before = domain_access_from_item(value.domain, row)
        if value.kind == EMAIL:
            after = add_email_rule(before, value.text, rule)
        else:
            after = add_domain_rule(before, rule, replace_emails=replace_emails)
        transaction = store.Transaction(context)
        stale = write_domain_access(transaction, group.account_id, bill_group_id, row, before, after)
        transaction.check_exists(group)
        replaced = sorted(before.addresses.keys() - after.addresses.keys())
        record_access_rule_event(transaction, context, "access_rule.added", group, rule, value.text, replaced)
        transaction.record_response(rule.rule_id, 201)
        transaction.commit()
        return to_access_rule(bill_group_id, value.kind, value.text, rule), stale

    made, stale = store.retry_on_conflict(attempt)
    _delete_stale_pointers(context, bill_group_id, value.domain, stale)
    return made


def remove_access_rule(context: RequestContext, bill_group_id: str, rule_id: str) -> None:
    """Remove a rule at once, or lift a denial. Raises NotFound."""

    def attempt() -> None:
        (group,) = store.get_items_for_write(context, keys.bill_group(bill_group_id))
        if group is None:
            raise NotFound
        row, before, after = _locate_rule(bill_group_id, rule_id)
        transaction = store.Transaction(context)
        write_domain_access(transaction, group.account_id, bill_group_id, row, before, after)
        kind, value, rule = _find_rule(before, rule_id)
        action = "access_denial.removed" if kind == DENIAL else "access_rule.removed"
        record_access_rule_event(transaction, context, action, group, rule, value)
        transaction.record_response(rule_id, 204)
        transaction.commit()

    store.retry_on_conflict(attempt)


def _locate_rule(bill_group_id: str, rule_id: str) -> tuple[DomainAccessItem, DomainAccess, DomainAccess]:
    for row in _iterate_domain_rows(bill_group_id):
        before = domain_access_from_item(row.domain, row)
        after = remove_rule(before, rule_id)
        if after is not None:
            return row, before, after
    raise NotFound


def get_access_rule(bill_group_id: str, rule_id: str) -> AccessRule:
    """Read a rule or a denial. Raises NotFound."""
    _, before, _ = _locate_rule(bill_group_id, rule_id)
    return to_access_rule(bill_group_id, *_find_rule(before, rule_id))


def find_access_rule(bill_group_id: str, value: RuleTarget) -> AccessRule | None:
    """Read the rule of exactly this address or domain, None without one."""
    book = domain_access_from_item(
        value.domain, store.get_item(DomainAccessItem, keys.domain_access(bill_group_id, value.domain))
    )
    rule = book.addresses.get(value.text) if value.kind == EMAIL else book.domain_rule
    return to_access_rule(bill_group_id, value.kind, value.text, rule) if rule else None


def _find_rule(book: DomainAccess, rule_id: str) -> tuple[str, str | None, Rule]:
    return next(named for named in book.all() if named[2].rule_id == rule_id)


def list_rules(bill_group_id: str, after: Any, limit: int) -> tuple[list[AccessRule], Any]:
    """Return a page of a bill group's rules and denials by domain, and where the next one begins. Raises NotFound.

    ``after`` is the domain in which the last page ended, and how many of its rules were returned.
    """
    if after is None and store.get_item(BillGroupItem, keys.bill_group(bill_group_id)) is None:
        raise NotFound
    domain, skipped = after or (None, 0)
    found: list[AccessRule] = []
    for row in _iterate_domain_rows(bill_group_id, domain):
        told_here = [to_access_rule(bill_group_id, *named) for named in domain_access_from_item(row.domain, row).all()]
        for number, rule in enumerate(told_here):
            if row.domain == domain and number < skipped:
                continue
            if len(found) == limit:
                return found, [row.domain, number]
            found.append(rule)
    return found, None


def _iterate_domain_rows(bill_group_id: str, since: str | None = None) -> Iterator[DomainAccessItem]:
    """Yield the rows of a bill group's domains in order, from the domain ``since`` on."""
    prefix = keys.domain_access(bill_group_id, "")
    if since is not None:
        first = store.get_item(DomainAccessItem, keys.domain_access(bill_group_id, since))
        if first is not None:
            yield first
    after = keys.domain_access(bill_group_id, since).sk if since is not None else None
    yield from store.iterate_items(prefix.pk, prefix.sk, page_size=_PAGE_SIZE, after=after)


def to_access_rule(bill_group_id: str, kind: str, value: str | None, rule: Rule) -> AccessRule:
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


def compute_access_start(context: RequestContext, group: BillGroupItem) -> str:
    """Return the instant from which access given now counts, after the issuing entity's delay (A7)."""
    delay = get_cached_entity(group.entity_id, context.now).access_delay_hours
    return keys.format_instant(context.now + timedelta(hours=delay))


def new_rule(context: RequestContext, permissions: tuple[str, ...] = (), starts: str | None = None) -> Rule:
    """Return a new rule of the caller, or without permissions a denial."""
    actor = f"{context.actor.kind}:{context.actor.name}"
    return Rule(
        ids.new_id(ids.ACCESS_RULE_PREFIX, context.now), keys.format_instant(context.now), actor, permissions, starts
    )


def write_domain_access(
    transaction: store.Transaction,
    account_id: str,
    bill_group_id: str,
    row: DomainAccessItem | None,
    before: DomainAccess,
    after: DomainAccess,
) -> list[Key]:
    """Add the changed row of a domain to a transaction, with the pointers by which sign-ins find it.

    Returns the pointers to delete for which the transaction has no room.
    """
    domain = before.domain
    key = keys.domain_access(bill_group_id, domain)
    if row is None:
        item = DomainAccessItem(key.pk, key.sk, bill_group_id=bill_group_id, account_id=account_id, domain=domain)
        _copy_to_item(item, after)
        transaction.create(item)
    elif after.is_empty:
        transaction.delete(row)
    else:
        _copy_to_item(row, after)
        transaction.replace(row)
    stays = _pointer_keys(bill_group_id, after)
    was = _pointer_keys(bill_group_id, before)
    for pointer in sorted(stays - was):
        transaction.overwrite(
            AccessPointerItem(pointer.pk, pointer.sk, bill_group_id=bill_group_id, account_id=account_id)
        )
    gone = sorted(was - stays)
    for pointer in gone[:_MAX_POINTERS_PER_TRANSACTION]:
        transaction.delete_unconditionally(pointer)
    return gone[_MAX_POINTERS_PER_TRANSACTION:]


def _copy_to_item(item: DomainAccessItem, book: DomainAccess) -> None:
    item.domain_rule = rule_to_plain(book.domain_rule) if book.domain_rule else None
    item.addresses = {email: rule_to_plain(rule) for email, rule in book.addresses.items()}
    item.denied = {key: rule_to_plain(rule) for key, rule in book.denied.items()}


def _pointer_keys(bill_group_id: str, book: DomainAccess) -> set[Key]:
    # A denied address has a pointer too, so that an erasure finds the row.
    named = {*book.addresses, *filter(denied_address, book.denied)}
    found = {keys.access_rule_by_address(email, bill_group_id) for email in named}
    if book.domain_rule is not None:
        found.add(keys.access_rule_by_domain(book.domain, bill_group_id))
    return found


def _delete_stale_pointers(context: RequestContext, bill_group_id: str, domain: str, stale: list[Key]) -> None:
    """Delete pointers to removed rules, unless the rules exist again."""
    key = keys.domain_access(bill_group_id, domain)

    def attempt(chunk: list[Key]) -> None:
        row = store.get_item(DomainAccessItem, key)
        live = _pointer_keys(bill_group_id, domain_access_from_item(domain, row))
        transaction = store.Transaction(replace(context, idempotency=None))
        if row is None:
            transaction.check_absent(key)
        else:
            transaction.check(row)
        for pointer in chunk:
            if pointer not in live:
                transaction.delete_unconditionally(pointer)
        transaction.commit()

    for start in range(0, len(stale), _MAX_POINTERS_PER_TRANSACTION):
        store.retry_on_conflict(partial(attempt, stale[start : start + _MAX_POINTERS_PER_TRANSACTION]))


def record_access_rule_event(
    transaction: store.Transaction,
    context: RequestContext,
    action: str,
    group: BillGroupItem | DomainAccessItem,
    rule: Rule,
    value: str | None,
    replaced: Iterable[str] = (),
) -> None:
    """Add the audit event of a created or removed rule or denial, and of the addresses whose rules it replaces."""
    is_new = action.endswith(".added")
    facts = {"value": value, "permissions": list(rule.permissions), "starts_at": rule.starts_at}
    changes = [
        FieldChange(name, None if is_new else fact, fact if is_new else None) for name, fact in facts.items() if fact
    ]
    if gone := list(replaced):
        changes.append(FieldChange("replaced", gone, None))
    record_audit_event(
        transaction,
        context,
        action,
        "access_rule",
        rule.rule_id,
        tuple(changes),
        account_id=group.account_id,
        bill_group_id=group.bill_group_id,
    )
