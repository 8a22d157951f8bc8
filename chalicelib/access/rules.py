"""Who may do what. Every operation of the API stands in one table; what does not is refused to everybody."""

import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass

from chalicelib import ids
from chalicelib.errors import FieldError, Invalid


@dataclass(frozen=True)
class Needs:
    """What an operation asks of each kind of principal; None: that kind never may."""

    scope: str | None
    """The scope of an API key (A11)."""
    staff: str | None
    """The least staff role: ``viewer``, ``agent`` or ``admin``."""
    portal: str | None
    """The permission of a portal user (A9); ``any`` for everybody who is signed in."""


PERMISSIONS: dict[str, Needs] = {
    # operation                  API key              staff     portal user
    "me.read":              Needs("",                  "viewer", "any"),
    "entities.read":        Needs("entities:read",     "viewer", None),
    "entities.write":       Needs("entities:write",    "admin",  None),
    "accounts.read":        Needs("accounts:read",     "viewer", "profile"),
    "accounts.write":       Needs("accounts:write",    "agent",  None),
    "bill_groups.read":     Needs("accounts:read",     "viewer", "profile"),
    "bill_groups.write":    Needs("accounts:write",    "agent",  None),
    "subscriptions.read":   Needs("accounts:read",     "viewer", "subscriptions"),
    "subscriptions.write":  Needs("accounts:write",    "agent",  None),
    "contacts.read":        Needs("contacts:read",     "viewer", "contacts"),
    "contacts.write":       Needs("contacts:write",    "agent",  "contacts"),
    "contacts.erase":       Needs("contacts:erase",    "admin",  None),
    "emails.read":          Needs("emails:read",       "viewer", "emails"),
    "audit.read":           Needs("audit:read",        "viewer", None),
    "changes.read":         Needs("changes:read",      "viewer", None),
    "imports.read":         Needs("imports:read",      "agent",  None),
    "imports.write":        Needs("imports:write",     "admin",  None),
    "api_keys.read":        Needs("keys:read",         "admin",  None),
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
    """Who calls. ``kind`` is ``api_key`` or, on public routes only, ``nobody``."""

    kind: str
    id: str
    name: str
    scopes: frozenset[str] = frozenset()

    @property
    def identity(self) -> str:
        """Return what idempotency keys and cursors are bound to.

        That is the name of an API key and not the key itself, so that they outlive its rotation (A11).
        """
        return f"{self.kind}:{self.name if self.kind == 'api_key' else self.id}"


NOBODY = Principal("nobody", "", "")


def permits(principal: Principal, operation: str) -> bool:
    """Tell whether ``principal`` may perform ``operation``; nobody may what is not in the table (A12)."""
    needs = PERMISSIONS.get(operation)
    if needs is None or principal.kind != "api_key" or needs.scope is None:
        return False
    return needs.scope == "" or needs.scope in principal.scopes


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
    """Return the SHA-256 of a token, in hex. It is random, so it needs neither salt nor stretching."""
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
