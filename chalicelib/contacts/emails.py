"""The mails about contacts. Each says what happened; an issuing entity may switch each of them off."""

from collections.abc import Iterable, Mapping
from datetime import timedelta

from chalicelib.mail.outbox import Mail

CONTACT_ADDED = "contact_added"
ROLE_CHANGED = "role_changed"
CONTACT_REMOVED = "contact_removed"
KINDS = (CONTACT_ADDED, ROLE_CHANGED, CONTACT_REMOVED)

LIFETIME = timedelta(days=3)


def wanted(contact_mails: Mapping[str, bool] | None, kind: str) -> bool:
    """Tell whether the issuing entity's setting lets ``kind`` be sent; what is not set is on."""
    return bool((contact_mails or {}).get(kind, True))


def contact_added(
    *,
    entity_id: str,
    account_id: str,
    account_name: str,
    contact_id: str,
    contact_name: str,
    email: str,
    locale: str,
    roles: Iterable[str],
) -> Mail:
    """Return the mail to a contact who was added: what they will receive, and that it gives no access."""
    return Mail(
        kind=CONTACT_ADDED,
        entity_id=entity_id,
        account_id=account_id,
        contact_id=contact_id,
        to=(email,),
        locale=locale,
        lifetime=LIFETIME,
        context={"account_name": account_name, "contact_name": contact_name, "roles": sorted(roles)},
    )


def role_changed(
    *,
    entity_id: str,
    account_id: str,
    account_name: str,
    contact_id: str,
    contact_name: str,
    email: str,
    locale: str,
    roles_before: Iterable[str],
    roles_now: Iterable[str],
) -> Mail:
    """Return the mail to a contact whose roles changed: what they had, what they have, what they will receive."""
    return Mail(
        kind=ROLE_CHANGED,
        entity_id=entity_id,
        account_id=account_id,
        contact_id=contact_id,
        to=(email,),
        locale=locale,
        lifetime=LIFETIME,
        context={
            "account_name": account_name,
            "contact_name": contact_name,
            "roles_before": sorted(roles_before),
            "roles_now": sorted(roles_now),
        },
    )


def contact_removed(
    *,
    entity_id: str,
    account_id: str,
    account_name: str,
    contact_id: str,
    contact_name: str,
    email: str,
    locale: str,
    roles_before: Iterable[str],
) -> Mail:
    """Return the mail to a contact who was removed: what they will not receive any more, and the way back."""
    return Mail(
        kind=CONTACT_REMOVED,
        entity_id=entity_id,
        account_id=account_id,
        contact_id=contact_id,
        to=(email,),
        locale=locale,
        lifetime=LIFETIME,
        context={
            "account_name": account_name,
            "contact_name": contact_name,
            "roles_before": sorted(roles_before),
        },
    )
