"""Access of one email domain at one bill group, held in one row: a pure decision for each change (A1, A2, C4)."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from chalicelib.errors import Conflict, InvalidInput
from chalicelib.mailboxes import mailbox_of
from chalicelib.permissions import DEFAULT_PERMISSIONS, PORTAL_PERMISSIONS

MAX_ADDRESSES = 200
"""Addresses of one domain at one bill group, so that they fit one row (A1)."""
MAX_ENTRIES = 20
"""People recorded as having signed in by a domain's rule, the latest first."""
OWNER_ONLY_PERMISSIONS = frozenset({"access"})
"""Permissions of the account's owner only: giving and taking access (A9)."""
GRANTABLE_PERMISSIONS = tuple(
    permission for permission in PORTAL_PERMISSIONS if permission not in OWNER_ONLY_PERMISSIONS
)
"""Permissions that rules and contacts' own access may grant."""

EMAIL, DOMAIN, DENIAL = "email", "domain", "denial"


@dataclass(frozen=True)
class Rule:
    """An access rule of an address or a domain, or a denial under a domain's rule. Instants are ISO 8601, UTC.

    ``entries`` are the addresses that signed in by it, each with its last time.
    """

    rule_id: str
    created_at: str = "1970-01-01T00:00:00.000Z"
    created_by: str = ""
    permissions: tuple[str, ...] = ()
    starts_at: str | None = None
    entries: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class DomainAccess:
    """The rules of one domain at one bill group: of the domain or of its addresses; and the denials."""

    domain: str
    domain_rule: Rule | None = None
    addresses: Mapping[str, Rule] = field(default_factory=dict)
    denied: Mapping[str, Rule] = field(default_factory=dict)
    """By address, or by ``erased_address_key`` after the person was erased. Each holds for the whole mailbox."""

    @property
    def is_empty(self) -> bool:
        """Tell whether no row is needed."""
        return self.domain_rule is None and not self.addresses and not self.denied

    def find_denial(self, email: str) -> Rule | None:
        """Return the denial of an address's mailbox, if there is one."""
        key = find_denied_key(self.denied, email)
        return None if key is None else self.denied[key]

    def all(self) -> list[tuple[str, str | None, Rule]]:
        """Return everything as (kind, value, rule): the domain, addresses, denials, each in alphabetical order."""
        found: list[tuple[str, str | None, Rule]] = []
        if self.domain_rule is not None:
            found.append((DOMAIN, self.domain, self.domain_rule))
        found += [(EMAIL, email, rule) for email, rule in sorted(self.addresses.items())]
        found += [(DENIAL, denied_address(key), rule) for key, rule in sorted(self.denied.items())]
        return found


def erased_address_key(email: str) -> str:
    """Return the key that replaces an erased address and keeps its mailbox denied."""
    return _hashed_key(mailbox_of(email))


def _hashed_key(text: str) -> str:
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def find_denied_key(denied: Iterable[str], email: str) -> str | None:
    """Return the key among ``denied`` that shuts out the mailbox of ``email``: a tag makes no other person (C4).

    Rows from before denials held for the mailbox have the hash of the exact address.
    """
    mailbox = mailbox_of(email)
    hashed = {_hashed_key(mailbox), _hashed_key(email)}
    return next((key for key in denied if key in hashed or ("@" in key and mailbox_of(key) == mailbox)), None)


def denied_address(key: str) -> str | None:
    """Return the address of a denial, None if it was erased."""
    return key if "@" in key else None


def check_grantable_permissions(permissions: Iterable[str] | None, name: str = "permissions") -> tuple[str, ...]:
    """Return permissions to grant, in order; the default of A1 for None.

    Raises InvalidInput for permissions that cannot be granted.
    """
    wanted = DEFAULT_PERMISSIONS if permissions is None else frozenset(permissions)
    if wanted & OWNER_ONLY_PERMISSIONS:
        raise InvalidInput.field(name, "owners_alone", "Only the account's owner gives access. Leave out access.")
    unknown = sorted(wanted - set(GRANTABLE_PERMISSIONS))
    if unknown or not wanted:
        raise InvalidInput.field(
            name, "unknown_permission", f"Send at least one of: {', '.join(GRANTABLE_PERMISSIONS)}."
        )
    return tuple(permission for permission in GRANTABLE_PERMISSIONS if permission in wanted)


def add_email_rule(book: DomainAccess, email: str, rule: Rule) -> DomainAccess:
    """Add the rule of an address. Raises Conflict that names the conflicting rule (A1)."""
    if book.domain_rule is not None:
        raise _conflicting_rules_error(
            "email_under_domain",
            f"Everyone at {book.domain} can already sign in. Delete that rule first, or leave this one out.",
            [(book.domain, book.domain_rule)],
        )
    if email in book.addresses:
        raise _rule_exists_error(email, book.addresses[email])
    denial = book.find_denial(email)
    if denial is not None:
        raise address_denied_error(email, denial)
    if len(book.addresses) >= MAX_ADDRESSES:
        raise Conflict(
            "too_many_addresses",
            f"This bill group has {MAX_ADDRESSES} addresses at {book.domain}, the most there may be. "
            "Add the domain instead, or delete some.",
        )
    return replace(book, addresses={**book.addresses, email: rule})


def add_domain_rule(book: DomainAccess, rule: Rule, *, replace_emails: bool) -> DomainAccess:
    """Add the rule of the domain; it replaces the rules of its addresses if ``replace_emails``.

    Raises Conflict that names the conflicting rules (A1).
    """
    if book.domain_rule is not None:
        raise _rule_exists_error(book.domain, book.domain_rule)
    if book.addresses and not replace_emails:
        raise _conflicting_rules_error(
            "domain_over_emails",
            f"Some addresses at {book.domain} already have rules. Send replace_emails to replace them with the domain.",
            sorted(book.addresses.items()),
        )
    return replace(book, domain_rule=rule, addresses={})


def remove_rule(book: DomainAccess, rule_id: str) -> DomainAccess | None:
    """Remove a rule or a denial; None when it does not exist here."""
    if book.domain_rule is not None and book.domain_rule.rule_id == rule_id:
        return replace(book, domain_rule=None)
    addresses = {email: rule for email, rule in book.addresses.items() if rule.rule_id != rule_id}
    denied = {key: rule for key, rule in book.denied.items() if rule.rule_id != rule_id}
    if len(addresses) == len(book.addresses) and len(denied) == len(book.denied):
        return None
    return replace(book, addresses=addresses, denied=denied)


def revoke_address(book: DomainAccess, email: str, denial: Rule | None) -> DomainAccess:
    """Remove an address's rule; ``denial`` shuts its mailbox out under the domain's rule if there is one (C4)."""
    addresses = {other: rule for other, rule in book.addresses.items() if other != email}
    denied = dict(book.denied)
    if denial is not None and book.domain_rule is not None and book.find_denial(email) is None:
        denied[email] = denial
    return replace(book, addresses=addresses, denied=denied)


def anonymise_address(book: DomainAccess, email: str) -> DomainAccess:
    """Remove an address for an erasure; a denial stays, without naming the address (C4)."""
    addresses = {other: rule for other, rule in book.addresses.items() if other != email}
    denied = {erased_address_key(email) if key == email else key: rule for key, rule in book.denied.items()}
    rule = book.domain_rule
    if rule is not None and email in rule.entries:
        rule = replace(rule, entries={other: at for other, at in rule.entries.items() if other != email})
    return replace(book, domain_rule=rule, addresses=addresses, denied=denied)


def record_entry(book: DomainAccess, email: str, at: str, *, not_since: str) -> DomainAccess:
    """Record that ``email`` signed in at ``at``, unless a time after ``not_since`` is recorded."""

    def noted(rule: Rule) -> Rule:
        if rule.entries.get(email, "") > not_since or (rule.starts_at or "") > at:
            return rule
        latest = sorted({**rule.entries, email: at}.items(), key=lambda entry: entry[1], reverse=True)
        return replace(rule, entries=dict(latest[:MAX_ENTRIES]))

    domain_rule = noted(book.domain_rule) if book.domain_rule is not None else None
    addresses = {other: noted(rule) if other == email else rule for other, rule in book.addresses.items()}
    return replace(book, domain_rule=domain_rule, addresses=addresses)


def address_denied_error(email: str, denial: Rule, bill_group_id: str | None = None) -> Conflict:
    """Return the error of giving access to a denied address (C4)."""
    where = {"bill_group_id": bill_group_id} if bill_group_id else {}
    return Conflict(
        "address_denied",
        f"{email} was shut out when its contact was removed. Staff must delete that denial first.",
        details={"rule_id": denial.rule_id, "value": email, **where},
    )


def _rule_exists_error(value: str, rule: Rule) -> Conflict:
    return _conflicting_rules_error("access_rule_exists", f"There is already a rule for {value}.", [(value, rule)])


def _conflicting_rules_error(code: str, message: str, rules: list[tuple[str, Rule]]) -> Conflict:
    named = [{"rule_id": rule.rule_id, "value": value} for value, rule in rules]
    return Conflict(code, message, details={**named[0], "rules": named})


def domain_access_from_item(domain: str, row: Any) -> DomainAccess:
    """Return the DomainAccess that a row holds; an empty one for None."""
    if row is None:
        return DomainAccess(domain)
    return DomainAccess(
        domain,
        _rule_from_plain(row.domain_rule) if row.domain_rule else None,
        {email: _rule_from_plain(kept) for email, kept in row.addresses.items()},
        {key: _rule_from_plain(kept) for key, kept in row.denied.items()},
    )


def _rule_from_plain(kept: Mapping[str, Any]) -> Rule:
    return Rule(**{**kept, "permissions": tuple(kept.get("permissions", ()))})


def rule_to_plain(rule: Rule) -> dict[str, Any]:
    """Return a rule as the row stores it."""
    return {**vars(rule), "permissions": list(rule.permissions)}
