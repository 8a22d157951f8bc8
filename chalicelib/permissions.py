"""Who may do what. Every operation of the API stands in one table; what does not is refused to everybody (A12)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

PORTAL_PERMISSIONS = (
    "profile", "contacts", "subscriptions", "invoices", "pay", "payment_methods", "tickets", "emails", "access",
)  # fmt: skip
"""What a portal user may be allowed (A9)."""
DEFAULT_PERMISSIONS = frozenset(PORTAL_PERMISSIONS) - {"access"}
"""What an access rule allows unless it says otherwise (A1)."""
STAFF_ROLES = ("viewer", "agent", "admin")
"""From the least to the most."""
PORTAL_KINDS = frozenset({"portal_user", "preview"})
ANY_SIGNED_IN = "any"


BillGroupRef = tuple[str, str]
"""The id of a bill group and the id of its account."""


@dataclass(frozen=True)
class OperationRequirement:
    """What an operation asks of each kind of principal; None: that kind never may."""

    scope: str | None
    """The scope of an API key (A11)."""
    staff: str | None
    """The least staff role: ``viewer``, ``agent`` or ``admin``."""
    portal: str | None
    """The permission of a portal user (A9); ``any`` for everybody who is signed in."""
    reads: bool = False
    """True when nothing is changed, so that a preview and a portal that only reads may."""


OPERATION_REQUIREMENTS: dict[str, OperationRequirement] = {
    # operation                  API key              staff     portal user
    "me.read":              OperationRequirement("",                  "viewer", "any", reads=True),
    "entities.read":        OperationRequirement("entities:read",     "viewer", None, reads=True),
    "entities.write":       OperationRequirement("entities:write",    "admin",  None),
    "accounts.read":        OperationRequirement("accounts:read",     "viewer", "profile", reads=True),
    "accounts.write":       OperationRequirement("accounts:write",    "agent",  None),
    "bill_groups.read":     OperationRequirement("accounts:read",     "viewer", "profile", reads=True),
    "bill_groups.write":    OperationRequirement("accounts:write",    "agent",  None),
    "bill_groups.edit":     OperationRequirement("accounts:write",    "agent",  "profile"),
    "summary.read":         OperationRequirement("accounts:read",     "viewer", "any", reads=True),
    "access_rules.read":    OperationRequirement("access:read",       "viewer", None, reads=True),
    "access_rules.write":   OperationRequirement("access:write",      "agent",  None),
    "portal_link.read":     OperationRequirement("access:read",       "viewer", None, reads=True),
    "portal_link.write":    OperationRequirement("access:write",      "agent",  None),
    "contact_access.read":  OperationRequirement("access:read",       "viewer", "access", reads=True),
    "contact_access.write": OperationRequirement("access:write",      "agent",  "access"),
    "owner.read":           OperationRequirement("access:read",       "viewer", "access", reads=True),
    "owner.write":          OperationRequirement("access:write",      "agent",  "access"),
    "subscriptions.read":   OperationRequirement("accounts:read",     "viewer", "subscriptions", reads=True),
    "subscriptions.write":  OperationRequirement("accounts:write",    "agent",  None),
    "contacts.read":        OperationRequirement("contacts:read",     "viewer", "contacts", reads=True),
    "contacts.write":       OperationRequirement("contacts:write",    "agent",  "contacts"),
    "contacts.shared":      OperationRequirement("contacts:read",     "viewer", None, reads=True),
    "contacts.erase":       OperationRequirement("contacts:erase",    "admin",  None),
    "invoices.read":        OperationRequirement("invoices:read",     "viewer", "invoices", reads=True),
    "invoices.list":        OperationRequirement("invoices:read",     "viewer", None, reads=True),
    "invoices.write":       OperationRequirement("invoices:write",    "agent",  None),
    "invoices.send":        OperationRequirement("invoices:write",    "agent",  "invoices"),
    "deliveries.read":      OperationRequirement("invoices:read",     "viewer", "invoices", reads=True),
    "disputes.raise":       OperationRequirement("invoices:write",    "agent",  "invoices"),
    "disputes.resolve":     OperationRequirement("invoices:write",    "agent",  None),
    "payments.read":        OperationRequirement("invoices:read",     "viewer", None, reads=True),
    "payments.write":       OperationRequirement("payments:write",    "agent",  None),
    "statements.read":      OperationRequirement("invoices:read",     "viewer", "invoices", reads=True),
    "statements.ask":       OperationRequirement("invoices:write",    "agent",  "invoices"),
    "reminders.read":       OperationRequirement("reminders:read",    "viewer", None, reads=True),
    "reminders.write":      OperationRequirement("reminders:write",   "agent",  None),
    # What waits for the vendor's people is not released by a program (R9).
    "reminders.release":    OperationRequirement(None,                "admin",  None),
    "reminder_policies.write": OperationRequirement("reminders:write", "admin", None),
    "reminder_policies.preview": OperationRequirement("reminders:read", "viewer", None),
    "emails.read":          OperationRequirement("emails:read",       "viewer", "emails", reads=True),
    "emails.resend":        OperationRequirement("emails:write",      "agent",  "emails"),
    "suppressions.read":    OperationRequirement("emails:read",       "viewer", None, reads=True),
    "suppressions.clear":   OperationRequirement("emails:write",      "agent",  None),
    "mail_health.read":     OperationRequirement("emails:read",       "viewer", None, reads=True),
    "audit.read":           OperationRequirement("audit:read",        "viewer", None, reads=True),
    "changes.read":         OperationRequirement("changes:read",      "viewer", None, reads=True),
    "imports.read":         OperationRequirement("imports:read",      "agent",  None, reads=True),
    "imports.write":        OperationRequirement("imports:write",     "admin",  None),
    "sessions.read":        OperationRequirement(None,                "viewer", "any", reads=True),
    "sessions.end":         OperationRequirement(None,                "viewer", "any"),
    "previews.open":        OperationRequirement(None,                "viewer", None),
    "credentials.read":     OperationRequirement(None,                "viewer", "access", reads=True),
    "credentials.write":    OperationRequirement(None,                "agent",  "access"),
    "staff.read":           OperationRequirement(None,                "viewer", None, reads=True),
    "staff.write":          OperationRequirement(None,                "admin",  None),
    "api_keys.read":        OperationRequirement("keys:read",         "admin",  None, reads=True),
    "api_keys.write":       OperationRequirement("keys:write",        "admin",  None),
}  # fmt: skip

SCOPES = tuple(sorted({needs.scope for needs in OPERATION_REQUIREMENTS.values() if needs.scope}))


@dataclass(frozen=True)
class Grant:
    """What a person may do at a bill group.

    ``read_only`` holds after the contract's end, while a balance is open: reading and paying only (A3).
    ``sources`` name what grants it: ids of access rules, ``contact``, ``owner``.
    """

    permissions: frozenset[str]
    sources: tuple[str, ...]
    read_only: bool = False


@dataclass(frozen=True)
class Principal:
    """Who calls: ``api_key``, ``staff``, ``portal_user``, ``preview``, or ``nobody`` on public routes only.

    ``bill_groups`` are the pairs of bill group id and account id that a session was opened for, ``grants`` what the
    person may do at those that matter for the request, read on each request (A8).
    """

    kind: str
    id: str
    name: str
    scopes: frozenset[str] = frozenset()
    role: str | None = None
    session_id: str | None = None
    session_hash: str | None = None
    bill_groups: tuple[BillGroupRef, ...] = ()
    grants: Mapping[str, Grant] = field(default_factory=dict)
    named: tuple[BillGroupRef, ...] = ()
    """Bill group and account of the invoice that the request's path names, as they were read along with the session."""
    opened_at: datetime | None = None
    previewed: Mapping[str, Any] | None = None
    """What a preview shows: the permissions that staff chose, and who they are (A10)."""

    @property
    def identity(self) -> str:
        """Return what idempotency keys and cursors are bound to.

        That is the name of an API key and not the key itself, so that they outlive its rotation (A11).
        """
        return f"{self.kind}:{self.name if self.kind == 'api_key' else self.id}"

    @property
    def is_portal(self) -> bool:
        """Tell whether this is a portal user, or a preview of one."""
        return self.kind in PORTAL_KINDS

    def has(self, permission: str, bill_group_id: str) -> bool:
        """Tell whether the person has ``permission`` at a bill group."""
        grant = self.grants.get(bill_group_id)
        return grant is not None and permission in grant.permissions


NOBODY = Principal("nobody", "", "")


def is_permitted(principal: Principal, operation: str) -> bool:
    """Tell whether ``principal`` may perform ``operation``; nobody may what is not in the table (A12).

    A portal user may what the grants of any bill group in the request's reach allow. A preview writes nothing (A10),
    nor does anybody after the end of a contract, but for paying (A3).
    """
    needs = OPERATION_REQUIREMENTS.get(operation)
    if needs is None:
        return False
    if principal.kind == "api_key":
        return needs.scope is not None and (needs.scope == "" or needs.scope in principal.scopes)
    if principal.kind == "staff":
        return needs.staff is not None and _role_rank(principal.role) >= _role_rank(needs.staff)
    if not principal.is_portal or needs.portal is None:
        return False
    if principal.kind == "preview" and not needs.reads:
        return False
    if needs.portal == ANY_SIGNED_IN:
        return True
    return any(
        needs.portal in grant.permissions and (needs.reads or needs.portal == "pay" or not grant.read_only)
        for grant in principal.grants.values()
    )


def _role_rank(role: str | None) -> int:
    return STAFF_ROLES.index(role) if role in STAFF_ROLES else -1


def list_permitted_operations(principal: Principal) -> list[str]:
    """Return the operations that ``principal`` may perform, sorted."""
    return sorted(operation for operation in OPERATION_REQUIREMENTS if is_permitted(principal, operation))
