"""Use cases of staff. One row holds the admins; every write that could change them is conditional on it."""

from dataclasses import replace
from typing import Any

from chalicelib.audit.rules import diff_fields
from chalicelib.audit.service import record_audit_event
from chalicelib.errors import Conflict, NotFound, StaleVersion
from chalicelib.request_context import RequestContext
from chalicelib.sessions.service import end_all_sessions
from chalicelib.staff import rules
from chalicelib.staff.rules import StaffMember
from chalicelib.table import keys, store
from chalicelib.table.items import StaffAdminsItem, StaffItem

_STAFF_PER_PAGE = 100


def find_staff_member(email: str) -> StaffMember | None:
    """Return the active staff member of a normalised email address, None when there is none."""
    key = keys.staff(email)
    item = store.batch_get_items([key]).get(key)
    if item is None or item.status != rules.ACTIVE:
        return None
    return store.from_item(StaffMember, item)


def require_staff_member(email: str) -> StaffMember:
    """Return a staff member. Raises NotFound."""
    found = find_staff_member(email)
    if found is None:
        raise NotFound
    return found


def list_staff(limit: int, after: Any) -> tuple[list[StaffMember], Any]:
    """Return a page of the staff by email address, and where the next one begins."""
    page = store.query_items_by_index(keys.staff_listed("").pk, limit=limit, after=after)
    return [store.from_item(StaffMember, item) for item in page.items], page.after


def list_acting_staff() -> list[StaffMember]:
    """Return the staff who can do something about what needs a person, agents and admins, by email address."""
    items = store.iterate_items(keys.staff_listed("").pk, page_size=_STAFF_PER_PAGE, by_index=True)
    members = [store.from_item(StaffMember, item) for item in items]
    return [one for one in members if one.status == rules.ACTIVE and one.role in rules.ACTING_ROLES]


def add_staff_member(context: RequestContext, email: str, name: str, role: str) -> StaffMember:
    """Add a staff member, who signs in by a link to ``email``. Raises Conflict when the address is taken.

    The first staff member must be an admin, else Conflict.
    """

    def attempt() -> StaffMember:
        item, admins = store.get_items_for_write(context, keys.staff(email), keys.staff_admins())
        _reject_existing(item)
        made = StaffMember(email, name, role, context.now)
        transaction = store.Transaction(context)
        transaction.create(_to_item(made))
        _write_admins(transaction, admins, email, role)
        _record(transaction, context, "staff.created", None, made)
        transaction.record_response(email, 201)
        transaction.commit()
        return made

    return store.retry_on_conflict(attempt)


def update_staff_member(
    context: RequestContext, email: str, given: dict[str, Any], expected_version: int | None
) -> StaffMember:
    """Change name or role; the role applies from the next request. Raises NotFound, StaleVersion.

    Raises Conflict when the last admin would lose the role.
    """

    def attempt() -> StaffMember:
        item, admins = store.get_items_for_write(context, keys.staff(email), keys.staff_admins())
        if item is None:
            raise NotFound
        before = store.from_item(StaffMember, item)
        if expected_version is not None and before.version != expected_version:
            raise StaleVersion(before.version)
        after = replace(before, **{name: value for name, value in given.items() if value is not None})
        if after == before:
            return before
        transaction = store.Transaction(context)
        row = _to_item(after)
        transaction.replace(row)
        if after.role != before.role:
            _write_admins(transaction, admins, email, after.role)
        _record(transaction, context, "staff.changed", before, after)
        transaction.record_response(email, 200)
        transaction.commit()
        return replace(after, version=int(row.version))

    return store.retry_on_conflict(attempt)


def delete_staff_member(context: RequestContext, email: str) -> None:
    """Remove a staff member, whose sessions end at once. Raises NotFound, Conflict for the last admin."""

    def attempt() -> None:
        item, admins, identity = store.get_items_for_write(
            context, keys.staff(email), keys.staff_admins(), keys.identity(email)
        )
        if item is None:
            raise NotFound
        before = store.from_item(StaffMember, item)
        transaction = store.Transaction(context)
        transaction.delete(item)
        if before.role == rules.ADMIN:
            _write_admins(transaction, admins, email, None)
        # A person who joins the staff again must not find old sessions alive.
        end_all_sessions(transaction, email, identity, context.now)
        _record(transaction, context, "staff.removed", before, None)
        transaction.record_response(email, 204)
        transaction.commit()

    store.retry_on_conflict(attempt)


def check_new_staff_member(email: str, role: str) -> None:
    """Raise the Conflict that ``add_staff_member`` would raise now; write nothing."""
    key = keys.staff_admins()
    admins = store.batch_get_items([key]).get(key)
    _reject_existing(find_staff_member(email))
    rules.admins_after(frozenset(admins.emails) if admins else frozenset(), email, role)


def _reject_existing(known: Any) -> None:
    if known is not None:
        raise Conflict("staff_exists", "There is already a staff member with this email address.")


def _write_admins(transaction: store.Transaction, item: StaffAdminsItem | None, email: str, role: str | None) -> None:
    """Write the admins, or make the write conditional on them, so that one always remains under concurrency."""
    before = frozenset(item.emails) if item else frozenset[str]()
    after = rules.admins_after(before, email, role)
    if item is None:
        key = keys.staff_admins()
        transaction.create(StaffAdminsItem(key.pk, key.sk, emails=sorted(after)))
    elif after == before:
        transaction.check(item)
    else:
        item.emails = sorted(after)
        transaction.replace(item)


def _to_item(member: StaffMember) -> StaffItem:
    return store.to_item(StaffItem, keys.staff(member.email), member, listed=keys.staff_listed(member.email))


def _record(
    transaction: store.Transaction,
    context: RequestContext,
    action: str,
    before: StaffMember | None,
    after: StaffMember | None,
) -> None:
    changed = diff_fields(before, after)
    known = after or before
    record_audit_event(transaction, context, action, "staff", known.email if known else "", changed)
