"""Erase a contact's personal data permanently (C4, GDPR article 17).

The ids are first written to a ledger outside the table; then an idempotent, resumable job runs. Its last step removes
what identifies the person, so that an interrupted job still knows whom it erases.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from chalicelib import clock, ids
from chalicelib.access.revocation import erase_address_access
from chalicelib.accounts import owner
from chalicelib.audit.service import record_audit_event
from chalicelib.bill_groups.service import replace_bill_group_contact
from chalicelib.contacts import erasure_ledger, rules
from chalicelib.contacts.rows import (
    ContactWriteContext,
    contact_to_item,
    free_address,
    load_contact_write_context,
    record_contact_event,
    write_roles,
)
from chalicelib.contacts.rules import ACTIVE, Contact
from chalicelib.errors import NotFound
from chalicelib.field_marks import DataSubject, fields_marked
from chalicelib.mail.erasure import erase_emails
from chalicelib.observability import logger, metrics
from chalicelib.request_context import RequestContext
from chalicelib.table import keys, store
from chalicelib.table.items import AuditEventItem, ContactItem, ErasureItem
from chalicelib.tasks.kinds import RunErasure
from chalicelib.tasks.service import add_task

_PAGE_SIZE = 100
_MAX_BILL_GROUPS_PER_TRANSACTION = 30


@dataclass(frozen=True)
class Erasure:
    """An accepted erasure."""

    erasure_id: str
    status: str


def request_erasure(context: RequestContext, account_id: str, contact_id: str) -> Erasure:
    """Accept the erasure of a contact, active or not. Raises NotFound, and Unavailable without the ledger."""
    contact, _ = _contact_and_account(context, account_id, contact_id)
    if contact is None:
        raise NotFound()
    entry = erasure_ledger.Entry(ids.new_id(ids.ERASURE_PREFIX, context.now), account_id, contact_id)
    erasure_ledger.write(entry)
    return store.retry_on_conflict(lambda: _start_erasure(context, entry))


def _start_erasure(context: RequestContext, entry: erasure_ledger.Entry) -> Erasure:
    contact, account = _contact_and_account(context, entry.account_id, entry.contact_id)
    if contact is None:
        raise NotFound()
    key = keys.erasure(entry.erasure_id)
    transaction = store.Transaction(context)
    transaction.overwrite(
        ErasureItem(
            key.pk,
            key.sk,
            erasure_id=entry.erasure_id,
            account_id=entry.account_id,
            contact_id=entry.contact_id,
            status="requested",
            requested_at=context.now,
        )
    )
    transaction.check_exists(account)
    add_task(transaction, context, RunErasure(entry.erasure_id))
    record_audit_event(
        transaction, context, "contact.erasure_requested", "contact", entry.contact_id, (), account_id=entry.account_id
    )
    transaction.record_response(entry.erasure_id, 202)
    transaction.commit()
    return Erasure(entry.erasure_id, "requested")


def _contact_and_account(context: RequestContext, account_id: str, contact_id: str) -> tuple[ContactItem | None, Any]:
    account, contact = store.get_items_for_write(
        context, keys.account(account_id), keys.contact(account_id, contact_id)
    )
    return contact, account


def get_erasure(erasure_id: str) -> Erasure:
    """Read the state of an erasure: ``requested`` or ``finished``. Raises NotFound."""
    item = store.get_item(ErasureItem, keys.erasure(erasure_id))
    if item is None:
        raise NotFound()
    return Erasure(item.erasure_id, item.status)


def run_erasure(context: RequestContext, erasure_id: str) -> None:
    """Run an erasure, or the rest of it. Running a finished one again changes nothing."""
    state = store.get_item(ErasureItem, keys.erasure(erasure_id))
    if state is None or state.status == "finished":
        return
    while True:
        contact = store.retry_on_conflict(
            lambda: _deactivate_contact(_with_current_time(context), state.account_id, state.contact_id)
        )
        if contact is None:
            break
        _redact_audit(state.account_id, state.contact_id)
        erase_address_access(_with_current_time(context), state.account_id, contact.email)
        erase_emails(state.account_id, state.contact_id, contact.email, clock.utc_now())
        # A contact that was restored meanwhile has roles and an address again: start again.
        if _delete_if_unchanged(_with_current_time(context), contact):
            break
    state.status, state.finished_at = "finished", clock.utc_now()
    store.replace_item(state)


def _with_current_time(context: RequestContext) -> RequestContext:
    # An audit event more than 30 seconds older than its transaction would be missing from the changes feed.
    return replace(context, now=clock.utc_now())


def _deactivate_contact(context: RequestContext, account_id: str, contact_id: str) -> Contact | None:
    """Remove the contact's roles and assignments, leaving a role empty if necessary; None when it is erased."""
    around = load_contact_write_context(context, account_id, keys.contact(account_id, contact_id))
    item = around.rest[0]
    if item is None:
        return None
    contact = store.from_item(Contact, item)
    used = sorted({*contact.billing_for, *contact.shipping_for})
    if contact.status != ACTIVE and not used:
        return contact
    now_used, later = used[:_MAX_BILL_GROUPS_PER_TRANSACTION], used[_MAX_BILL_GROUPS_PER_TRANSACTION:]
    groups = list(store.batch_get_items([keys.bill_group(group_id) for group_id in now_used]).values())
    transaction = store.Transaction(context)
    replace_bill_group_contact(transaction, context, groups, contact_id, None)
    held = around.roles.of(contact_id)
    after_roles = rules.assign_roles(around.roles, {contact_id: frozenset()}, erasing=True)
    after = replace(
        rules.deactivate_contact(contact, around.roles, context.now),
        billing_for=tuple(group_id for group_id in contact.billing_for if group_id in later),
        shipping_for=tuple(group_id for group_id in contact.shipping_for if group_id in later),
    )
    row = contact_to_item(after)
    transaction.replace(row)
    if contact.status == ACTIVE:
        free_address(transaction, context, contact)
    if contact_id == around.account.owner_contact_id:
        owner.set_account_owner(transaction, context, around.account_item, None)
        logger.error("An erasure left an account without owner.", extra={"account_id": account_id})
        metrics.add_metric(name="OwnerLeft", unit="Count", value=1)
    write_roles(transaction, around, after_roles, after)
    record_contact_event(transaction, context, "contact.withdrawn", contact, contact, held, frozenset())
    transaction.commit()
    _alarm_on_empty_roles(around, held, after_roles)
    if later:
        raise store.WriteConflict
    return replace(after, version=int(row.version))


def _alarm_on_empty_roles(around: ContactWriteContext, held: frozenset[str], after: rules.RoleAssignments) -> None:
    for role in sorted(held):
        if not after.holders(role):
            account_id = around.account.account_id
            logger.error("An erasure left a role without holder.", extra={"account_id": account_id, "role": role})
            metrics.add_metric(name="RoleLeftEmpty", unit="Count", value=1)


def _redact_audit(account_id: str, contact_id: str) -> None:
    """Remove the contact's field values from the audit; which fields changed, when and by whom, stays."""
    first = keys.account_audit_event(account_id, "")
    for item in store.iterate_items(first.pk, first.sk, page_size=_PAGE_SIZE):
        if item.resource_kind == "contact" and item.resource_id == contact_id:
            _redact_event(item)


def _redact_event(item: AuditEventItem) -> None:
    redacted = redact_changes(item.changes)
    if redacted != item.changes:
        item.changes = redacted
        store.replace_item(item)


def redact_changes(changes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the changes of a contact's audit event without the values of personal fields."""
    personal = fields_marked(Contact, DataSubject.CONTACT)
    return [
        {"field": change["field"], "before": None, "after": None} if change["field"] in personal else change
        for change in changes
    ]


def _delete_if_unchanged(context: RequestContext, contact: Contact) -> bool:
    """Delete the contact if it is still as it was withdrawn, and tell whether it is deleted."""
    item = store.get_item(ContactItem, keys.contact(contact.account_id, contact.contact_id))
    if item is None:
        return True
    if item.version != contact.version:
        return False
    transaction = store.Transaction(context)
    transaction.delete(item)
    if contact.external_id is not None:
        transaction.delete_unconditionally(keys.contact_external_id(contact.account_id, contact.external_id))
    record_audit_event(
        transaction, context, "contact.erased", "contact", contact.contact_id, (), account_id=contact.account_id
    )
    try:
        transaction.commit()
    except store.WriteConflict:
        return False
    return True


def replay_erasures(context: RequestContext, *, confirmed: bool) -> list[str]:
    """Start again every erasure of the ledger whose contact exists, as after a restore; return their ids.

    Without ``confirmed`` nothing is written, and the list shows what would start.
    """
    begun = []
    for entry in erasure_ledger.entries():
        contact, _ = _contact_and_account(context, entry.account_id, entry.contact_id)
        if contact is None:
            continue
        begun.append(entry.erasure_id)
        if confirmed:
            store.retry_on_conflict(partial(_start_erasure, _with_current_time(context), entry))
    return begun
