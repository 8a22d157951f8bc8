"""The alarm of a role that reaches nobody any more, after a permanent bounce or a complaint (C9).

The account's roles row remembers who held the role when the alarm was given. As long as nobody else holds it, and none
of them gets another address or mail again, that occurrence is told; whoever looks again tells nobody twice.
"""

from functools import partial

from chalicelib.accounts import coverage as addresses
from chalicelib.accounts.coverage import Address
from chalicelib.accounts.rules import Account, is_told_unreachable
from chalicelib.audit import service as audit
from chalicelib.audit.rules import Change
from chalicelib.call import Call
from chalicelib.contacts import emails, rules
from chalicelib.contacts.records import roles_of
from chalicelib.contacts.rules import ACTIVE, ROLES, Contact, Roles
from chalicelib.entities.rules import Entity
from chalicelib.entities.service import remembered_entity
from chalicelib.mail import outbox
from chalicelib.mail.outbox import Mail
from chalicelib.observability import logger, metrics
from chalicelib.table import keys, store

_PAGE = 100
MOST_TOLD = 20
"""Contacts of an account who are mailed: its owner and the holders of the other role before the rest."""
_STAFF_A_MAIL = 45
_STAFF_THAT_ACT = ("agent", "admin")


def check(call: Call, email: str) -> None:
    """Look, at every account with a contact of this address, whether a role has become unreachable, or reachable again.

    Running it again changes nothing.
    """
    after: str | None = None
    while True:
        page = store.query_index(keys.contact_by_email(email, "", "").pk, limit=_PAGE, after=after)
        for account_id in sorted({item.account_id for item in page.items}):
            store.deciding_again(partial(_check_account, call, account_id))
        after = page.after
        if after is None:
            return


def _check_account(call: Call, account_id: str) -> None:
    found = store.batch([keys.account(account_id), keys.contact_roles(account_id)])
    item, account_item = found.get(keys.contact_roles(account_id)), found.get(keys.account(account_id))
    if item is None or account_item is None:
        return
    roles = roles_of(item)
    holders = addresses.addresses(account_id, roles.invoicing | roles.accounts_payable)
    working = frozenset(contact_id for contact_id, address in holders.items() if address.works)
    before = {role: frozenset(ids) for role, ids in item.unreachable.items()}
    after = rules.unreachable(roles, working)
    if after == before:
        return
    lost = tuple(role for role in ROLES if role in after and not is_told_unreachable(before, role, roles.holders(role)))
    regained = tuple(role for role in ROLES if role in before and role not in after)
    item.unreachable = {role: sorted(ids) for role, ids in after.items()}
    transaction = store.Transaction(call)
    transaction.replace(item)
    _record(transaction, call, account_id, lost, regained)
    if lost:
        account = store.load(Account, account_item)
        entity = remembered_entity(account.entity_id, call.now)
        for mail in _mails(account, entity, roles, holders, lost):
            outbox.enqueue(transaction, call, mail)
    transaction.commit()
    for role in lost:
        logger.error("A role reaches nobody any more.", extra={"account_id": account_id, "role": role})
        metrics.add_metric(name="RoleUnreachable", unit="Count", value=1)


def _record(
    transaction: store.Transaction, call: Call, account_id: str, lost: tuple[str, ...], regained: tuple[str, ...]
) -> None:
    for action, concerned, reachable in (("role.unreachable", lost, False), ("role.reachable", regained, True)):
        if concerned:
            changes = tuple(Change(f"{role}.reachable", not reachable, reachable) for role in concerned)
            audit.record(transaction, call, action, "account", account_id, changes, account_id=account_id)


def _mails(
    account: Account, entity: Entity, roles: Roles, holders: dict[str, Address], lost: tuple[str, ...]
) -> list[Mail]:
    failing = sorted({holders[one].email for role in lost for one in roles.holders(role) if one in holders})
    staff = staff_that_act() or [entity.support_email or entity.reply_to or entity.sender_email]
    mails = [
        emails.role_unreachable_to_staff(entity, account, tuple(staff[start : start + _STAFF_A_MAIL]), lost, failing)
        for start in range(0, len(staff), _STAFF_A_MAIL)
    ]
    return mails + [emails.role_unreachable(entity, account, contact, lost) for contact in _others(account, roles)]


def staff_that_act() -> list[str]:
    """Return the addresses of the staff who can do something: agents and admins."""
    found: list[str] = []
    after: str | None = None
    while True:
        page = store.query_index(keys.staff_listed("").pk, limit=_PAGE, after=after)
        found += [item.email for item in page.items if item.status == ACTIVE and item.role in _STAFF_THAT_ACT]
        after = page.after
        if after is None:
            return found


def _others(account: Account, roles: Roles) -> list[Contact]:
    """Return the contacts of the account who get mail and are to be told, the nearest to the matter first."""
    near = [account.owner_contact_id] if account.owner_contact_id else []
    near += sorted(roles.invoicing | roles.accounts_payable)
    rows = list(store.batch([keys.contact(account.account_id, contact_id) for contact_id in near]).values())
    rows += store.query(keys.account(account.account_id).pk, "CONTACT#", limit=_PAGE).items
    contacts = {row.contact_id: store.load(Contact, row) for row in rows if row.status == ACTIVE}
    suppressed = store.batch([keys.suppression(contact.email) for contact in contacts.values()])
    told = [one for one in contacts.values() if keys.suppression(one.email) not in suppressed]
    return sorted(told, key=lambda one: (one.contact_id not in near, one.contact_id))[:MOST_TOLD]
