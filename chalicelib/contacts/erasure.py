"""Erasing a contact's personal data for good (C4, GDPR article 17).

The ids go into a ledger outside the table first; then a job works, whose every step can be repeated. What names
the person goes last, so that a job that stopped half-way still knows whom it erases.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from chalicelib import clock, ids
from chalicelib.access import leaving as access
from chalicelib.accounts import owner
from chalicelib.audit import service as audit
from chalicelib.bill_groups import service as bill_groups
from chalicelib.call import Call
from chalicelib.contacts import ledger, rules
from chalicelib.contacts.records import (
    Surroundings,
    free_address,
    record,
    row_of,
    surroundings,
    write_roles,
)
from chalicelib.contacts.rules import ACTIVE, Contact
from chalicelib.duties import service as duties
from chalicelib.errors import NotFound
from chalicelib.mail.erasure import erase_emails
from chalicelib.observability import logger, metrics
from chalicelib.table import keys, store
from chalicelib.table.items import AuditEventItem, ContactItem, ErasureItem

_PAGE = 100
_GROUPS_A_TRANSACTION = 30


@dataclass(frozen=True)
class Requested:
    """An erasure that was accepted."""

    erasure_id: str
    status: str


def request_erasure(call: Call, account_id: str, contact_id: str) -> Requested:
    """Accept that a contact, active or not, is erased. Raises NotFound, and Unavailable without the ledger."""
    contact, _ = _contact_and_account(call, account_id, contact_id)
    if contact is None:
        raise NotFound()
    entry = ledger.Entry(ids.new_id(ids.ERASURE, call.now), account_id, contact_id)
    ledger.write(entry)
    return store.deciding_again(lambda: _begin(call, entry))


def _begin(call: Call, entry: ledger.Entry) -> Requested:
    contact, account = _contact_and_account(call, entry.account_id, entry.contact_id)
    if contact is None:
        raise NotFound()
    key = keys.erasure(entry.erasure_id)
    transaction = store.Transaction(call)
    transaction.overwrite(
        ErasureItem(
            key.pk,
            key.sk,
            erasure_id=entry.erasure_id,
            account_id=entry.account_id,
            contact_id=entry.contact_id,
            status="requested",
            requested_at=call.now,
        )
    )
    transaction.check_exists(account)
    duties.add(transaction, call, "erase", entry.erasure_id)
    audit.record(
        transaction, call, "contact.erasure_requested", "contact", entry.contact_id, (), account_id=entry.account_id
    )
    transaction.answers(entry.erasure_id, 202)
    transaction.commit()
    return Requested(entry.erasure_id, "requested")


def _contact_and_account(call: Call, account_id: str, contact_id: str) -> tuple[ContactItem | None, Any]:
    account, contact = store.gather(call, keys.account(account_id), keys.contact(account_id, contact_id))
    return contact, account


def get_erasure(erasure_id: str) -> Requested:
    """Read how far an erasure is: ``requested`` or ``finished``. Raises NotFound."""
    item = store.get(ErasureItem, keys.erasure(erasure_id))
    if item is None:
        raise NotFound()
    return Requested(item.erasure_id, item.status)


def run_erasure(call: Call, erasure_id: str) -> None:
    """Carry an erasure out, or what is left of it. Running a finished one again changes nothing."""
    state = store.get(ErasureItem, keys.erasure(erasure_id))
    if state is None or state.status == "finished":
        return
    while True:
        contact = store.deciding_again(lambda: _withdraw(_now(call), state.account_id, state.contact_id))
        if contact is None:
            break
        _redact_audit(state.account_id, state.contact_id)
        access.erase(_now(call), state.account_id, contact.email)
        erase_emails(state.account_id, state.contact_id, contact.email, clock.now())
        # Who was brought back meanwhile has roles and an address again: then it begins anew.
        if _remove(_now(call), contact):
            break
    state.status, state.finished_at = "finished", clock.now()
    store.replace(state)


def _now(call: Call) -> Call:
    # An audit event that is older than its transaction by more than 30 seconds would be missing from the changes.
    return replace(call, now=clock.now())


def _withdraw(call: Call, account_id: str, contact_id: str) -> Contact | None:
    """Take the contact's roles and places away, leaving a role empty where it must be; None when it is gone."""
    around = surroundings(call, account_id, keys.contact(account_id, contact_id))
    item = around.rest[0]
    if item is None:
        return None
    contact = store.load(Contact, item)
    used = sorted({*contact.billing_for, *contact.shipping_for})
    if contact.status != ACTIVE and not used:
        return contact
    now_used, later = used[:_GROUPS_A_TRANSACTION], used[_GROUPS_A_TRANSACTION:]
    groups = list(store.batch([keys.bill_group(group_id) for group_id in now_used]).values())
    transaction = store.Transaction(call)
    bill_groups.hand_over(transaction, call, groups, contact_id, None)
    held = around.roles.of(contact_id)
    after_roles = rules.give(around.roles, {contact_id: frozenset()}, erasing=True)
    after = replace(
        rules.inactive(contact, around.roles, call.now),
        billing_for=tuple(group_id for group_id in contact.billing_for if group_id in later),
        shipping_for=tuple(group_id for group_id in contact.shipping_for if group_id in later),
    )
    row = row_of(after)
    transaction.replace(row)
    if contact.status == ACTIVE:
        free_address(transaction, call, contact)
    if contact_id == around.account.owner_contact_id:
        owner.name(transaction, call, around.account_item, None)
        logger.error("An erasure left an account without owner.", extra={"account_id": account_id})
        metrics.add_metric(name="OwnerLeft", unit="Count", value=1)
    write_roles(transaction, around, after_roles, after)
    record(transaction, call, "contact.withdrawn", contact, contact, held, frozenset())
    transaction.commit()
    _alarm_of_empty_roles(around, held, after_roles)
    if later:
        raise store.Contended
    return replace(after, version=int(row.version))


def _alarm_of_empty_roles(around: Surroundings, held: frozenset[str], after: rules.Roles) -> None:
    for role in sorted(held):
        if not after.holders(role):
            account_id = around.account.account_id
            logger.error("An erasure left a role without holder.", extra={"account_id": account_id, "role": role})
            metrics.add_metric(name="RoleLeftEmpty", unit="Count", value=1)


def _redact_audit(account_id: str, contact_id: str) -> None:
    """Take from the audit what the contact's fields were; that they changed, when and by whom, stays."""
    after: str | None = None
    while True:
        page = store.query(keys.account(account_id).pk, "AUDIT#", limit=_PAGE, after=after)
        for item in page.items:
            if item.resource_kind == "contact" and item.resource_id == contact_id:
                _redact(item)
        after = page.after
        if after is None:
            return


def _redact(item: AuditEventItem) -> None:
    kept = [
        {"field": change["field"], "before": None, "after": None}
        if change["field"] in rules.PERSONAL_FIELDS | {"external_id"}
        else change
        for change in item.changes
    ]
    if kept != item.changes:
        item.changes = kept
        store.replace(item)


def _remove(call: Call, contact: Contact) -> bool:
    """Delete the contact if it is still as it was withdrawn, and tell whether it is gone."""
    item = store.get(ContactItem, keys.contact(contact.account_id, contact.contact_id))
    if item is None:
        return True
    if item.version != contact.version:
        return False
    transaction = store.Transaction(call)
    transaction.delete(item)
    if contact.external_id is not None:
        transaction.erase(keys.contact_external_id(contact.account_id, contact.external_id))
    audit.record(transaction, call, "contact.erased", "contact", contact.contact_id, (), account_id=contact.account_id)
    try:
        transaction.commit()
    except store.Contended:
        return False
    return True


def replay_erasures(call: Call, *, confirmed: bool) -> list[str]:
    """Begin again every erasure of the ledger whose contact exists, as after a restore; return their ids.

    Without ``confirmed`` nothing is written, and the list says what would be begun.
    """
    begun = []
    for entry in ledger.entries():
        contact, _ = _contact_and_account(call, entry.account_id, entry.contact_id)
        if contact is None:
            continue
        begun.append(entry.erasure_id)
        if confirmed:
            store.deciding_again(partial(_begin, _now(call), entry))
    return begun
