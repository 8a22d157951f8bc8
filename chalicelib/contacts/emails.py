"""The mails about contacts. Each says what happened; an issuing entity may switch each of them off."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from chalicelib.accounts.rules import Account
from chalicelib.contacts.rules import CONTACT_ROLES, Contact
from chalicelib.entities.rules import Entity
from chalicelib.mail.outbox import Mail

CONTACT_ADDED = "contact_added"
ROLE_CHANGED = "role_changed"
CONTACT_REMOVED = "contact_removed"
ROLE_UNREACHABLE = "role_unreachable"

LIFETIME = timedelta(days=3)


def is_contact_mail_enabled(entity: Entity, kind: str) -> bool:
    """Tell whether the issuing entity's setting lets mails of ``kind`` be sent; what is not set is on."""
    return entity.contact_mails.get(kind, True)


def contact_added(entity: Entity, account: Account, contact: Contact, roles: Iterable[str]) -> Mail | None:
    """Return the mail to a contact who was added: what they will receive, and that it gives no access unless it does.

    None if the issuing entity does not want it, as for the other mails here.
    """
    about = {"roles": _order_roles(roles), "has_access": bool(contact.access)}
    return _build_mail(CONTACT_ADDED, entity, account, contact, about)


def role_changed(
    entity: Entity, account: Account, contact: Contact, roles_before: Iterable[str], roles_now: Iterable[str]
) -> Mail | None:
    """Return the mail to a contact whose roles changed: what they had, what they have, what they will receive."""
    roles = {"roles_before": _order_roles(roles_before), "roles_now": _order_roles(roles_now)}
    return _build_mail(ROLE_CHANGED, entity, account, contact, roles)


def contact_removed(entity: Entity, account: Account, contact: Contact, roles_before: Iterable[str]) -> Mail | None:
    """Return the mail to a contact who was removed: what they will not receive any more, and the way back."""
    return _build_mail(CONTACT_REMOVED, entity, account, contact, {"roles_before": _order_roles(roles_before)})


def role_unreachable(entity: Entity, account: Account, contact: Contact, roles: Iterable[str]) -> Mail:
    """Return the mail to another contact of the account: these roles reach nobody any more (C9).

    It does not name whose address fails: what it said would outlast that person's erasure.
    """
    return Mail(
        kind=ROLE_UNREACHABLE,
        entity_id=entity.entity_id,
        account_id=account.account_id,
        contact_id=contact.contact_id,
        to=(contact.email,),
        locale=contact.locale or account.locale or entity.locale,
        lifetime=LIFETIME,
        context={
            "account_name": account.name,
            "contact_name": contact.name,
            "roles": _order_roles(roles),
            "for_staff": False,
            "addresses": [],
        },
    )


def role_unreachable_to_staff(
    entity: Entity, account: Account, staff: tuple[str, ...], roles: Iterable[str], addresses: list[str]
) -> Mail:
    """Return the mail to the vendor's staff: these roles reach nobody any more, with the addresses that fail (C9).

    It is in no account's history, and so is not kept.
    """
    return Mail(
        kind=ROLE_UNREACHABLE,
        entity_id=entity.entity_id,
        account_id=None,
        to=staff,
        locale=entity.locale,
        lifetime=LIFETIME,
        context={
            "account_name": account.name,
            "account_id": account.account_id,
            "roles": _order_roles(roles),
            "for_staff": True,
            "addresses": addresses,
        },
    )


def _order_roles(roles: Iterable[str]) -> list[str]:
    held = set(roles)
    return [role for role in CONTACT_ROLES if role in held]


def _build_mail(kind: str, entity: Entity, account: Account, contact: Contact, about: dict[str, Any]) -> Mail | None:
    if not is_contact_mail_enabled(entity, kind):
        return None
    return Mail(
        kind=kind,
        entity_id=entity.entity_id,
        account_id=account.account_id,
        contact_id=contact.contact_id,
        to=(contact.email,),
        locale=contact.locale or account.locale or entity.locale,
        lifetime=LIFETIME,
        context={"account_name": account.name, "contact_name": contact.name, **about},
    )
