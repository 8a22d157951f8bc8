"""The alarm of a role that becomes unreachable, after a permanent bounce or a complaint (C9).

The account's roles row remembers who held the role at the alarm. The occurrence lasts as long as nobody else holds the
role and no holder gets a new or working address; checking again during it sends nothing.
"""

from functools import partial

from chalicelib.accounts.reachability import ContactEmail, get_contact_emails
from chalicelib.accounts.rules import Account, is_unreachability_notified
from chalicelib.audit.rules import FieldChange
from chalicelib.audit.service import record_audit_event
from chalicelib.contacts import emails, rules
from chalicelib.contacts.rows import role_assignments_from_item
from chalicelib.contacts.rules import ACTIVE, CONTACT_ROLES, Contact, RoleAssignments
from chalicelib.entities.rules import Entity
from chalicelib.entities.service import get_cached_entity
from chalicelib.mail import outbox
from chalicelib.mail.outbox import Mail
from chalicelib.observability import logger, metrics
from chalicelib.request_context import RequestContext
from chalicelib.staff.rules import group_mail_recipients
from chalicelib.staff.service import list_acting_staff
from chalicelib.table import keys, store
from chalicelib.table.suppressed import is_suppressed, suppression_keys

_PAGE_SIZE = 100
MAX_NOTIFIED_CONTACTS = 20
"""Contacts of an account who are notified: its owner and the holders of the other role first."""


def check_role_coverage(context: RequestContext, email: str) -> None:
    """Check, at every account with a contact of this address, whether a role became unreachable, or reachable again.

    Running it again changes nothing.
    """
    listed = keys.contact_by_email(email, "", "").pk
    contacts = store.iterate_items(listed, page_size=_PAGE_SIZE, by_index=True)
    for account_id in sorted({contact.account_id for contact in contacts}):
        store.retry_on_conflict(partial(_check_account, context, account_id))


def _check_account(context: RequestContext, account_id: str) -> None:
    found = store.batch_get_items([keys.account(account_id), keys.contact_roles(account_id)])
    item, account_item = found.get(keys.contact_roles(account_id)), found.get(keys.account(account_id))
    if item is None or account_item is None:
        return
    roles = role_assignments_from_item(item)
    holders = get_contact_emails(account_id, roles.invoicing | roles.accounts_payable)
    working = frozenset(contact_id for contact_id, address in holders.items() if address.works)
    before = {role: frozenset(ids) for role, ids in item.unreachable.items()}
    after = rules.find_unreachable_roles(roles, working)
    if after == before:
        return
    lost = tuple(
        role
        for role in CONTACT_ROLES
        if role in after and not is_unreachability_notified(before, role, roles.holders(role))
    )
    regained = tuple(role for role in CONTACT_ROLES if role in before and role not in after)
    item.unreachable = {role: sorted(ids) for role, ids in after.items()}
    transaction = store.Transaction(context)
    transaction.replace(item)
    _record(transaction, context, account_id, lost, regained)
    if lost:
        account = store.from_item(Account, account_item)
        entity = get_cached_entity(account.entity_id, context.now)
        for mail in _unreachable_mails(account, entity, roles, holders, lost):
            outbox.enqueue_mail(transaction, context, mail)
    transaction.commit()
    for role in lost:
        logger.error("A role reaches nobody any more.", extra={"account_id": account_id, "role": role})
        metrics.add_metric(name="RoleUnreachable", unit="Count", value=1)


def _record(
    transaction: store.Transaction,
    context: RequestContext,
    account_id: str,
    lost: tuple[str, ...],
    regained: tuple[str, ...],
) -> None:
    for action, concerned, reachable in (("role.unreachable", lost, False), ("role.reachable", regained, True)):
        if concerned:
            changes = tuple(FieldChange(f"{role}.reachable", not reachable, reachable) for role in concerned)
            record_audit_event(transaction, context, action, "account", account_id, changes, account_id=account_id)


def _unreachable_mails(
    account: Account, entity: Entity, roles: RoleAssignments, holders: dict[str, ContactEmail], lost: tuple[str, ...]
) -> list[Mail]:
    failing = sorted({holders[one].email for role in lost for one in roles.holders(role) if one in holders})
    mails = [
        emails.role_unreachable_to_staff(entity, account, recipients, lost, failing)
        for recipients in group_mail_recipients(list_acting_staff(), entity)
    ]
    return mails + [
        emails.role_unreachable(entity, account, contact, lost) for contact in _list_contacts_to_notify(account, roles)
    ]


def _list_contacts_to_notify(account: Account, roles: RoleAssignments) -> list[Contact]:
    """Return the reachable contacts of the account to notify, the most concerned first."""
    near = [account.owner_contact_id] if account.owner_contact_id else []
    near += sorted(roles.invoicing | roles.accounts_payable)
    rows = list(store.batch_get_items([keys.contact(account.account_id, contact_id) for contact_id in near]).values())
    first = keys.contact(account.account_id, "")
    rows += store.query_items(first.pk, first.sk, limit=_PAGE_SIZE).items
    contacts = {row.contact_id: store.from_item(Contact, row) for row in rows if row.status == ACTIVE}
    found = store.batch_get_items(suppression_keys(contact.email for contact in contacts.values()))
    told = [one for one in contacts.values() if not is_suppressed(one.email, found)]
    return sorted(told, key=lambda one: (one.contact_id not in near, one.contact_id))[:MAX_NOTIFIED_CONTACTS]
