"""Use cases of staff. One row holds who is admin; every write that could change that conditions on it."""

from dataclasses import replace
from typing import Any

from chalicelib.audit import rules as audit_rules
from chalicelib.audit import service as audit
from chalicelib.call import Call
from chalicelib.errors import Conflict, NotFound, StaleVersion
from chalicelib.sessions import service as sessions
from chalicelib.staff import rules
from chalicelib.staff.rules import StaffMember
from chalicelib.table import keys, store
from chalicelib.table.items import StaffAdminsItem, StaffItem

_NOT_AUDITED = frozenset({"version", "created_at", "status"})


def find(email: str) -> StaffMember | None:
    """Return the active staff member of a normalised email address, None when there is none."""
    key = keys.staff(email)
    item = store.batch([key]).get(key)
    if item is None or item.status != rules.ACTIVE:
        return None
    return store.load(StaffMember, item)


def get(email: str) -> StaffMember:
    """Return a staff member. Raises NotFound."""
    found = find(email)
    if found is None:
        raise NotFound
    return found


def list_staff(limit: int, after: Any) -> tuple[list[StaffMember], Any]:
    """Return a page of the staff by email address, and where the next one begins."""
    page = store.query_index(keys.staff_listed("").pk, limit=limit, after=after)
    return [store.load(StaffMember, item) for item in page.items], page.after


def create(call: Call, email: str, name: str, role: str) -> StaffMember:
    """Make a staff member, who signs in by a link to ``email``. Raises Conflict when there is one already.

    The first staff member must be an admin, else Conflict.
    """

    def attempt() -> StaffMember:
        item, admins = store.gather(call, keys.staff(email), keys.staff_admins())
        _refuse_known(item)
        made = StaffMember(email, name, role, call.now)
        transaction = store.Transaction(call)
        transaction.create(_row(made))
        _write_admins(transaction, admins, email, role)
        _record(transaction, call, "staff.created", None, made)
        transaction.answers(email, 201)
        transaction.commit()
        return made

    return store.deciding_again(attempt)


def change(call: Call, email: str, given: dict[str, Any], expected_version: int | None) -> StaffMember:
    """Change name or role; the role holds from the next request. Raises NotFound, StaleVersion.

    Raises Conflict when the last admin would be one no more.
    """

    def attempt() -> StaffMember:
        item, admins = store.gather(call, keys.staff(email), keys.staff_admins())
        if item is None:
            raise NotFound
        before = store.load(StaffMember, item)
        if expected_version is not None and before.version != expected_version:
            raise StaleVersion(before.version)
        after = replace(before, **{name: value for name, value in given.items() if value is not None})
        if after == before:
            return before
        transaction = store.Transaction(call)
        row = _row(after)
        transaction.replace(row)
        if after.role != before.role:
            _write_admins(transaction, admins, email, after.role)
        _record(transaction, call, "staff.changed", before, after)
        transaction.answers(email, 200)
        transaction.commit()
        return replace(after, version=int(row.version))

    return store.deciding_again(attempt)


def remove(call: Call, email: str) -> None:
    """Remove a staff member, whose sessions are over at once. Raises NotFound, Conflict for the last admin."""

    def attempt() -> None:
        item, admins, identity = store.gather(call, keys.staff(email), keys.staff_admins(), keys.identity(email))
        if item is None:
            raise NotFound
        before = store.load(StaffMember, item)
        transaction = store.Transaction(call)
        transaction.delete(item)
        if before.role == rules.ADMIN:
            _write_admins(transaction, admins, email, None)
        # Whoever is made staff again must not find old sessions alive.
        sessions.end_all(transaction, email, identity, call.now)
        _record(transaction, call, "staff.removed", before, None)
        transaction.answers(email, 204)
        transaction.commit()

    store.deciding_again(attempt)


def check_new(email: str, role: str) -> None:
    """Raise the Conflict that ``create`` would raise now, and write nothing."""
    key = keys.staff_admins()
    admins = store.batch([key]).get(key)
    _refuse_known(find(email))
    rules.admins_after(frozenset(admins.emails) if admins else frozenset(), email, role)


def _refuse_known(known: Any) -> None:
    if known is not None:
        raise Conflict("staff_exists", "There is a staff member of this email address already.")


def _write_admins(transaction: store.Transaction, item: StaffAdminsItem | None, email: str, role: str | None) -> None:
    """Write who is admin, or condition on it, so that there is always one, whatever is written at the same time."""
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


def _row(member: StaffMember) -> StaffItem:
    return store.row(StaffItem, keys.staff(member.email), member, listed=keys.staff_listed(member.email))


def _record(
    transaction: store.Transaction, call: Call, action: str, before: StaffMember | None, after: StaffMember | None
) -> None:
    changed = audit_rules.changes(before, after, without=_NOT_AUDITED)
    known = after or before
    audit.record(transaction, call, action, "staff", known.email if known else "", changed)
