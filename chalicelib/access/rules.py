"""Who may do what. Every operation of the API stands in one table; what does not is refused to everybody."""

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from chalicelib import ids
from chalicelib.access.grants import PORTAL_PERMISSIONS as PORTAL_PERMISSIONS
from chalicelib.access.grants import Grant
from chalicelib.errors import FieldError, Invalid

DEFAULT_PERMISSIONS = frozenset(PORTAL_PERMISSIONS) - {"access"}
"""What an access rule allows unless it says otherwise (A1)."""
STAFF_ROLES = ("viewer", "agent", "admin")
"""From the least to the most."""
PORTAL_KINDS = frozenset({"portal_user", "preview"})
SIGNED_IN = "any"


@dataclass(frozen=True)
class Needs:
    """What an operation asks of each kind of principal; None: that kind never may."""

    scope: str | None
    """The scope of an API key (A11)."""
    staff: str | None
    """The least staff role: ``viewer``, ``agent`` or ``admin``."""
    portal: str | None
    """The permission of a portal user (A9); ``any`` for everybody who is signed in."""
    reads: bool = False
    """True when nothing is changed, so that a preview and a portal that only reads may."""


PERMISSIONS: dict[str, Needs] = {
    # operation                  API key              staff     portal user
    "me.read":              Needs("",                  "viewer", "any", reads=True),
    "entities.read":        Needs("entities:read",     "viewer", None, reads=True),
    "entities.write":       Needs("entities:write",    "admin",  None),
    "accounts.read":        Needs("accounts:read",     "viewer", "profile", reads=True),
    "accounts.write":       Needs("accounts:write",    "agent",  None),
    "bill_groups.read":     Needs("accounts:read",     "viewer", "profile", reads=True),
    "bill_groups.write":    Needs("accounts:write",    "agent",  None),
    "bill_groups.edit":     Needs("accounts:write",    "agent",  "profile"),
    "summary.read":         Needs("accounts:read",     "viewer", "any", reads=True),
    "access_rules.read":    Needs("access:read",       "viewer", None, reads=True),
    "access_rules.write":   Needs("access:write",      "agent",  None),
    "portal_link.read":     Needs("access:read",       "viewer", None, reads=True),
    "portal_link.write":    Needs("access:write",      "agent",  None),
    "contact_access.read":  Needs("access:read",       "viewer", "access", reads=True),
    "contact_access.write": Needs("access:write",      "agent",  "access"),
    "owner.read":           Needs("access:read",       "viewer", "access", reads=True),
    "owner.write":          Needs("access:write",      "agent",  "access"),
    "subscriptions.read":   Needs("accounts:read",     "viewer", "subscriptions", reads=True),
    "subscriptions.write":  Needs("accounts:write",    "agent",  None),
    "contacts.read":        Needs("contacts:read",     "viewer", "contacts", reads=True),
    "contacts.write":       Needs("contacts:write",    "agent",  "contacts"),
    "contacts.shared":      Needs("contacts:read",     "viewer", None, reads=True),
    "contacts.erase":       Needs("contacts:erase",    "admin",  None),
    "invoices.read":        Needs("invoices:read",     "viewer", "invoices", reads=True),
    "invoices.list":        Needs("invoices:read",     "viewer", None, reads=True),
    "invoices.write":       Needs("invoices:write",    "agent",  None),
    "invoices.send":        Needs("invoices:write",    "agent",  "invoices"),
    "deliveries.read":      Needs("invoices:read",     "viewer", "invoices", reads=True),
    "disputes.raise":       Needs("invoices:write",    "agent",  "invoices"),
    "disputes.resolve":     Needs("invoices:write",    "agent",  None),
    "payments.read":        Needs("invoices:read",     "viewer", None, reads=True),
    "payments.write":       Needs("payments:write",    "agent",  None),
    "statements.read":      Needs("invoices:read",     "viewer", "invoices", reads=True),
    "statements.ask":       Needs("invoices:write",    "agent",  "invoices"),
    "reminders.read":       Needs("reminders:read",    "viewer", None, reads=True),
    "reminders.write":      Needs("reminders:write",   "agent",  None),
    # What waits for the vendor's people is not released by a program (R9).
    "reminders.release":    Needs(None,                "admin",  None),
    "reminder_policies.write": Needs("reminders:write", "admin", None),
    "reminder_policies.preview": Needs("reminders:read", "viewer", None),
    "emails.read":          Needs("emails:read",       "viewer", "emails", reads=True),
    "emails.resend":        Needs("emails:write",      "agent",  "emails"),
    "suppressions.read":    Needs("emails:read",       "viewer", None, reads=True),
    "suppressions.clear":   Needs("emails:write",      "agent",  None),
    "mail_health.read":     Needs("emails:read",       "viewer", None, reads=True),
    "audit.read":           Needs("audit:read",        "viewer", None, reads=True),
    "changes.read":         Needs("changes:read",      "viewer", None, reads=True),
    "imports.read":         Needs("imports:read",      "agent",  None, reads=True),
    "imports.write":        Needs("imports:write",     "admin",  None),
    "sessions.read":        Needs(None,                "viewer", "any", reads=True),
    "sessions.end":         Needs(None,                "viewer", "any"),
    "previews.open":        Needs(None,                "viewer", None),
    "credentials.read":     Needs(None,                "viewer", "access", reads=True),
    "credentials.write":    Needs(None,                "agent",  "access"),
    "staff.read":           Needs(None,                "viewer", None, reads=True),
    "staff.write":          Needs(None,                "admin",  None),
    "api_keys.read":        Needs("keys:read",         "admin",  None, reads=True),
    "api_keys.write":       Needs("keys:write",        "admin",  None),
}  # fmt: skip

SCOPES = tuple(sorted({needs.scope for needs in PERMISSIONS.values() if needs.scope}))

NAME_CHARACTERS = 80
ACTIVE_KEYS_OF_A_NAME = 2
"""So that a new key can be taken into use before the old one is revoked (A11)."""
LAST_USED_SECONDS = 3600
"""The use of a key is noted at most this often."""

_TOKEN = re.compile(r"cf_([0-9A-HJKMNP-TV-Z]{26})_([A-Za-z0-9_-]{43})")
SECRET_BYTES = 32


@dataclass(frozen=True)
class Principal:
    """Who calls: ``api_key``, ``staff``, ``portal_user``, ``preview``, or ``nobody`` on public routes only.

    ``bill_groups`` are the pairs of bill group id and account id that a session was opened for, ``grants`` what the
    person may do at those that matter for the request, read afresh for it (A8).
    """

    kind: str
    id: str
    name: str
    scopes: frozenset[str] = frozenset()
    role: str | None = None
    session_id: str | None = None
    session_hash: str | None = None
    bill_groups: tuple[tuple[str, str], ...] = ()
    grants: Mapping[str, Grant] = field(default_factory=dict)
    named: tuple[tuple[str, str], ...] = ()
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


def permits(principal: Principal, operation: str) -> bool:
    """Tell whether ``principal`` may perform ``operation``; nobody may what is not in the table (A12).

    A portal user may what the grants of any bill group in the request's reach allow. A preview writes nothing (A10),
    nor does anybody after the end of a contract, but for paying (A3).
    """
    needs = PERMISSIONS.get(operation)
    if needs is None:
        return False
    if principal.kind == "api_key":
        return needs.scope is not None and (needs.scope == "" or needs.scope in principal.scopes)
    if principal.kind == "staff":
        return needs.staff is not None and _rank(principal.role) >= _rank(needs.staff)
    if not principal.is_portal or needs.portal is None:
        return False
    if principal.kind == "preview" and not needs.reads:
        return False
    if needs.portal == SIGNED_IN:
        return True
    return any(
        needs.portal in grant.permissions and (needs.reads or needs.portal == "pay" or not grant.read_only)
        for grant in principal.grants.values()
    )


def _rank(role: str | None) -> int:
    return STAFF_ROLES.index(role) if role in STAFF_ROLES else -1


def operations_of(principal: Principal) -> list[str]:
    """Return the operations that ``principal`` may perform, sorted."""
    return sorted(operation for operation in PERMISSIONS if permits(principal, operation))


def token_of(key_id: str, random: str) -> str:
    """Return the bearer token of a key: its id without prefix, and ``random``, 256 bits in base64url."""
    return f"cf_{key_id.removeprefix(ids.API_KEY)}_{random}"


def key_id_of(token: str) -> str | None:
    """Return the id of the key that ``token`` claims to be, None when it has not the form of a token."""
    match = _TOKEN.fullmatch(token)
    return ids.API_KEY + match.group(1) if match else None


def hash_of(token: str) -> str:
    """Return the SHA-256, in hex, of a random secret, or of what only names something.

    A secret of 256 random bits needs neither salt nor stretching.
    """
    return hashlib.sha256(token.encode()).hexdigest()


def matches(token: str, stored_hash: str) -> bool:
    """Tell, in a time that does not depend on the answer, whether ``token`` has the stored hash."""
    return hmac.compare_digest(hash_of(token), stored_hash)


def check_key(name: str, scopes: Iterable[str]) -> tuple[str, tuple[str, ...]]:
    """Return the name and scopes of a key to be made, tidied. Raises Invalid naming every fault."""
    faults: list[FieldError] = []
    tidy_name = name.strip()
    if not tidy_name or len(tidy_name) > NAME_CHARACTERS or not tidy_name.isprintable():
        faults.append(FieldError("name", "bad_name", f"Give a name of 1 to {NAME_CHARACTERS} printable characters."))
    tidy_scopes = tuple(sorted(set(scopes)))
    if not tidy_scopes:
        faults.append(FieldError("scopes", "required", f"Give at least one scope of: {', '.join(SCOPES)}."))
    for scope in tidy_scopes:
        if scope not in SCOPES:
            faults.append(
                FieldError("scopes", "unknown_scope", f"{scope!r} is no scope. There are: {', '.join(SCOPES)}.")
            )
    if faults:
        raise Invalid("invalid", "The key cannot be made as asked.", fields=tuple(faults))
    return tidy_name, tidy_scopes
