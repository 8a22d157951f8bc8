"""Accounts, and the search by name."""

import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from chalicelib.errors import InvalidInput
from chalicelib.field_marks import MovesReminders, NotAudited, NotPersonal

MAX_ROLE_HOLDERS = 5
"""Per contact role of an account (C2)."""
MIN_ROLE_HOLDERS = 1
"""Per contact role, once both were held (C2)."""
MAX_NET_DAYS = 365
MAX_NAME_WORDS = 12


@dataclass(frozen=True)
class PaymentTerms:
    """When an account pays: ``due_on_receipt``, or ``net`` with ``days``."""

    kind: str = "due_on_receipt"
    days: int | None = None


@dataclass(frozen=True)
class Account:
    """A customer company."""

    account_id: NotPersonal[str]
    entity_id: NotPersonal[str]
    name: NotPersonal[str]
    currency: NotPersonal[str]
    payment_terms: NotPersonal[PaymentTerms] = PaymentTerms()
    country: MovesReminders[NotPersonal[str | None]] = None
    subdivision: MovesReminders[NotPersonal[str | None]] = None
    cost_center_billing: bool = False
    locale: NotPersonal[str | None] = None
    """None: the issuing entity's."""
    time_zone: MovesReminders[NotPersonal[str | None]] = None
    """None: the issuing entity's."""
    owner_contact_id: NotPersonal[str | None] = None
    """The contact who has all permissions at all bill groups of the account (A9)."""
    upstream: NotAudited[NotPersonal[dict[str, Any]]] = field(default_factory=dict)
    version: NotAudited[int] = 1


def check_account(account: Account) -> None:
    """Raise InvalidInput when the fields of an account contradict each other."""
    terms = account.payment_terms
    if terms.kind == "net" and not (terms.days and 1 <= terms.days <= MAX_NET_DAYS):
        raise InvalidInput.field(
            "payment_terms.days", "required", f"Net terms need their days, from 1 to {MAX_NET_DAYS}."
        )
    if terms.kind == "due_on_receipt" and terms.days is not None:
        raise InvalidInput.field("payment_terms.days", "not_allowed", "Only net terms have days. Leave them out.")
    if account.subdivision is not None and account.subdivision[:2] != account.country:
        raise InvalidInput.field(
            "subdivision", "bad_subdivision", "The subdivision is not one of the account's country. Send both."
        )


def is_unreachability_notified(told: Mapping[str, Collection[str]], role: str, holders: frozenset[str]) -> bool:
    """Tell whether ``role`` was reported as unreachable, and nobody else has come to hold it since (C9)."""
    return bool(holders) and holders <= frozenset(told.get(role, ()))


def search_words(name: str) -> tuple[str, ...]:
    """Return the search words of a name: folded, without accents, unique, at most 12."""
    folded = fold_for_search(name)
    words = "".join(character if _is_word_character(character) else " " for character in folded).split()
    words = [word[:40] for word in words if any(map(str.isalnum, word))]
    return tuple(dict.fromkeys(words))[:MAX_NAME_WORDS]


def _is_word_character(character: str) -> bool:
    # Vowels of Indic and South-East Asian scripts are marks, and no letters.
    return character.isalnum() or unicodedata.category(character).startswith("M")


def fold_for_search(text: str) -> str:
    """Return ``text`` normalised for search: compatible forms, no accents, no case."""
    # Compatible forms first: the mathematical 𝐀 becomes an A that has a case.
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return unicodedata.normalize("NFKC", "".join(part for part in decomposed if not unicodedata.combining(part)))


def matches_search_words(name: str, wanted: tuple[str, ...]) -> bool:
    """Tell whether each folded search word is a prefix of a word of ``name``."""
    words = search_words(name)
    return all(any(word.startswith(part) for word in words) for part in wanted)


def first_matching_word(name: str, beginning: str) -> str | None:
    """Return the first, in alphabetical order, of the words of ``name`` with this prefix."""
    return min((word for word in search_words(name) if word.startswith(beginning)), default=None)
