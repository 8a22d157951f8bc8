"""Preview: staff see the portal as a chosen grant would, or as a default rule's would before there is any (A10)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chalicelib.access import rules as access
from chalicelib.access import service as grants
from chalicelib.access.grants import Refusal
from chalicelib.call import Call
from chalicelib.errors import Conflict, Forbidden, NotFound
from chalicelib.sessions import rules
from chalicelib.sessions.service import open_session
from chalicelib.table import keys, store
from chalicelib.table.items import BillGroupItem

_PAGE = 100


@dataclass(frozen=True)
class Preview:
    """A session that only reads, with its token, which is told this once."""

    session_id: str
    token: str
    bill_group_id: str
    account_id: str
    permissions: tuple[str, ...]
    ends_at: datetime


def open_preview(
    call: Call,
    bill_group_id: str,
    *,
    permissions: Iterable[str] | None = None,
    rule_id: str | None = None,
    contact_id: str | None = None,
) -> Preview:
    """Open a preview of a bill group's portal, for 30 minutes, and record that.

    It shows what ``permissions`` allow, or an access rule, or all that a contact is granted now; without any of them,
    what a new access rule would allow. A rule that only starts later, or a contract that does not run, is shown as if
    it were time. Raises Forbidden to all but staff, NotFound, and Conflict when the contact is granted nothing now.
    """
    if call.actor.kind != "staff":
        raise Forbidden("forbidden", "Only staff preview a portal.")
    group = store.get(BillGroupItem, keys.bill_group(bill_group_id))
    if group is None:
        raise NotFound
    shown: dict[str, Any] = {}
    if permissions is not None:
        allowed = frozenset(permissions)
    elif rule_id is not None:
        allowed, shown = _of_rule(bill_group_id, rule_id), {"rule_id": rule_id}
    elif contact_id is not None:
        allowed, shown = _of_contact(call, group, contact_id), {"contact_id": contact_id}
    else:
        allowed = access.DEFAULT_PERMISSIONS
    told = tuple(permission for permission in access.PORTAL_PERMISSIONS if permission in allowed)
    transaction = store.Transaction(call)
    session_id, token = open_session(
        transaction,
        call,
        kind="preview",
        email=call.actor.id,
        bill_groups=[(bill_group_id, group.account_id)],
        origin="preview",
        preview={**shown, "permissions": list(told)},
    )
    transaction.commit()
    return Preview(session_id, token, bill_group_id, group.account_id, told, rules.ends_at("preview", call.now))


def _of_rule(bill_group_id: str, rule_id: str) -> frozenset[str]:
    after: str | None = None
    while True:
        page = store.query(
            keys.access(bill_group_id, "").pk, keys.access(bill_group_id, "").sk, limit=_PAGE, after=after
        )
        for item in page.items:
            for rule in (item.domain_rule, *item.addresses.values()):
                if rule is not None and rule["rule_id"] == rule_id:
                    return frozenset(rule["permissions"])
        after = page.after
        if after is None:
            raise NotFound


def _of_contact(call: Call, group: BillGroupItem, contact_id: str) -> frozenset[str]:
    key = keys.contact(group.account_id, contact_id)
    contact = store.batch([key]).get(key)
    if contact is None:
        raise NotFound
    pair = (group.bill_group_id, group.account_id)
    found = store.batch(grants.needed_rows(contact.email, [pair]))
    grant = grants.decide(contact.email, pair, found, call.now)
    if isinstance(grant, Refusal):
        raise Conflict(
            "no_access",
            "This contact may not enter this portal now, so there is nothing to show.",
            details={"reason": grant.reason},
        )
    return grant.permissions
