"""Preview: staff see the portal as a chosen grant would, or as a default rule's would before there is any (A10)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chalicelib.access.grants import AccessRefusal
from chalicelib.access.service import access_decision_keys, decide_access
from chalicelib.errors import Conflict, Forbidden, NotFound
from chalicelib.permissions import DEFAULT_PERMISSIONS, PORTAL_PERMISSIONS
from chalicelib.request_context import RequestContext
from chalicelib.sessions import rules
from chalicelib.sessions.service import open_session
from chalicelib.table import keys, store
from chalicelib.table.items import BillGroupItem

_PAGE_SIZE = 100


@dataclass(frozen=True)
class Preview:
    """A read-only session, with its token, which is shown only now."""

    session_id: str
    token: str
    bill_group_id: str
    account_id: str
    permissions: tuple[str, ...]
    ends_at: datetime


def open_preview(
    context: RequestContext,
    bill_group_id: str,
    *,
    permissions: Iterable[str] | None = None,
    rule_id: str | None = None,
    contact_id: str | None = None,
) -> Preview:
    """Open a preview of a bill group's portal, for 30 minutes, and record it.

    It shows the portal with ``permissions``, or an access rule, or all current grants of a contact; without any of
    them, with the permissions of a new access rule. A rule that starts later, or a contract that is not active, counts
    as active. Raises Forbidden to all but staff, NotFound, and Conflict when the contact is granted nothing now.
    """
    if context.actor.kind != "staff":
        raise Forbidden("forbidden", "Only staff can preview a portal.")
    group = store.get_item(BillGroupItem, keys.bill_group(bill_group_id))
    if group is None:
        raise NotFound
    shown: dict[str, Any] = {}
    if permissions is not None:
        allowed = frozenset(permissions)
    elif rule_id is not None:
        allowed, shown = _permissions_of_rule(bill_group_id, rule_id), {"rule_id": rule_id}
    elif contact_id is not None:
        allowed, shown = _permissions_of_contact(context, group, contact_id), {"contact_id": contact_id}
    else:
        allowed = DEFAULT_PERMISSIONS
    told = tuple(permission for permission in PORTAL_PERMISSIONS if permission in allowed)
    transaction = store.Transaction(context)
    session_id, token = open_session(
        transaction,
        context,
        kind="preview",
        email=context.actor.id,
        bill_groups=[(bill_group_id, group.account_id)],
        origin="preview",
        preview={**shown, "permissions": list(told)},
    )
    transaction.commit()
    return Preview(
        session_id, token, bill_group_id, group.account_id, told, rules.compute_session_end("preview", context.now)
    )


def _permissions_of_rule(bill_group_id: str, rule_id: str) -> frozenset[str]:
    first = keys.domain_access(bill_group_id, "")
    for item in store.iterate_items(first.pk, first.sk, page_size=_PAGE_SIZE):
        for rule in (item.domain_rule, *item.addresses.values()):
            if rule is not None and rule["rule_id"] == rule_id:
                return frozenset(rule["permissions"])
    raise NotFound


def _permissions_of_contact(context: RequestContext, group: BillGroupItem, contact_id: str) -> frozenset[str]:
    key = keys.contact(group.account_id, contact_id)
    contact = store.batch_get_items([key]).get(key)
    if contact is None:
        raise NotFound
    pair = (group.bill_group_id, group.account_id)
    found = store.batch_get_items(access_decision_keys(contact.email, [pair]))
    grant = decide_access(contact.email, pair, found, context.now)
    if isinstance(grant, AccessRefusal):
        raise Conflict(
            "no_access",
            "This contact does not have access to this portal, so there is nothing to show.",
            details={"reason": grant.reason},
        )
    return grant.permissions
