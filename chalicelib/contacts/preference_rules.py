"""What a contact chooses to be mailed, and how it wants its invoices (C7): decided over plain values."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from chalicelib.contacts.rules import ACTIVE, MAIL_CATEGORIES, MAIL_CATEGORY_BY_ROLE, Contact, DeliveryStyle
from chalicelib.errors import Conflict, FieldError

MAX_COPIES = 30
"""Of each category in an account: contacts who get a role's mail because they chose to.

Each copy is a mail of its own, and all mails of a delivery are written in one transaction, of at most 100 rows.
"""
MIN_SIZE_LIMIT_KIB = 100
MAX_SIZE_LIMIT_KIB = 25 * 1024


def required_categories(roles: frozenset[str]) -> tuple[str, ...]:
    """Return the categories that held roles bring, which cannot be switched off while they are held."""
    return tuple(category for role, category in MAIL_CATEGORY_BY_ROLE.items() if role in roles)


def receives_category(contact: Contact, roles: frozenset[str], category: str) -> bool:
    """Tell whether a contact that holds ``roles`` gets the mails of a category: by its role, or because it chose to."""
    return category in required_categories(roles) or contact.preferences.get(category, False)


def apply_preferences(contact: Contact, roles: frozenset[str], given: Mapping[str, Any]) -> Contact:
    """Return the contact once it has chosen what is given: categories by name, and its delivery style (C7).

    None brings a default back. What a held role brings is on without being chosen. Raises Conflict when it would be
    switched off.
    """
    by_role = required_categories(roles)
    chosen = dict(contact.preferences)
    for category in MAIL_CATEGORIES:
        if category not in given:
            continue
        if category in by_role:
            if given[category] is False:
                raise role_mail_required_error(category)
        elif given[category] is None:
            chosen.pop(category, None)
        else:
            chosen[category] = given[category]
    style = contact.delivery_style
    if "delivery_style" in given:
        style = DeliveryStyle(**given["delivery_style"]) if given["delivery_style"] else DeliveryStyle()
    return replace(contact, preferences=chosen, delivery_style=style)


def update_copies(copies: Mapping[str, Sequence[str]], contact: Contact) -> dict[str, list[str]]:
    """Return an account's lists of who may have chosen a role's mail, as they are once ``contact`` is written (C7)."""
    after = {}
    for category in MAIL_CATEGORY_BY_ROLE.values():
        before = frozenset(copies.get(category, ()))
        chosen = contact.status == ACTIVE and contact.preferences.get(category, False)
        now = before | {contact.contact_id} if chosen else before - {contact.contact_id}
        if now:
            after[category] = sorted(now)
    return after


def role_mail_required_error(category: str) -> Conflict:
    """Return the refusal to switch off what a role brings while it is held (C7)."""
    return Conflict(
        "role_mail_stays",
        f"The contact gets {category} because of its role. Remove the role first.",
        fields=(FieldError(category, "role_mail_stays", "This cannot be off while the contact holds the role."),),
    )


def check_copy_limit(before: Mapping[str, Sequence[str]], after: Mapping[str, Sequence[str]]) -> None:
    """Raise Conflict when a choice would let more than MAX_COPIES contacts of an account get a role's mail (C7)."""
    for category, chosen in after.items():
        if len(chosen) > max(MAX_COPIES, len(before.get(category, ()))):
            raise Conflict(
                "copies_are_full",
                f"{MAX_COPIES} contacts of this account get copies of {category}, which is the maximum.",
                fields=(FieldError(category, "copies_are_full", "Switch it off for another contact first."),),
            )
