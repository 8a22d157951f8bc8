"""What a contact chooses to be mailed (C7), over plain values."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.contacts import choices
from chalicelib.contacts.rules import (
    ACTIVE,
    CATEGORIES,
    CATEGORY_OF_ROLE,
    INACTIVE,
    ROLES,
    Contact,
    DeliveryStyle,
    Roles,
    inactive,
    unreachable,
    without_choices_of,
)
from chalicelib.errors import Conflict

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
CONTACT = Contact("con_1", "a1", "person", ACTIVE, "ana@acme.example", NOW, NOW)
HELD = st.frozensets(st.sampled_from(ROLES))
CHOSEN = st.dictionaries(st.sampled_from(CATEGORIES), st.none() | st.booleans())


@given(HELD, st.lists(CHOSEN, max_size=4))
def test_roles_bring_their_mail_and_the_rest_is_as_it_was_last_chosen(
    roles: frozenset[str], rounds: list[dict[str, bool | None]]
) -> None:
    contact, last = CONTACT, dict.fromkeys(CATEGORIES, False)
    required = choices.required(roles)
    for chosen in rounds:
        off = [category for category in required if chosen.get(category) is False]
        if off:
            with pytest.raises(Conflict):
                choices.choose(contact, roles, chosen)
            continue
        contact = choices.choose(contact, roles, chosen)
        last |= {category: bool(on) for category, on in chosen.items() if category not in required}
    for category in CATEGORIES:
        assert choices.wants(contact, roles, category) == (category in required or last[category])
    # A role that goes takes its mail along, whatever was ever chosen.
    left = without_choices_of(contact, roles)
    assert not any(choices.wants(left, frozenset(), CATEGORY_OF_ROLE[role]) for role in roles)


def test_a_style_is_chosen_as_a_whole() -> None:
    style = {"grouping": "together", "pdf_only": True, "size_limit_kib": 500}
    chosen = choices.choose(CONTACT, frozenset(), {"delivery_style": style})
    assert chosen.delivery_style == DeliveryStyle("together", True, 500)
    assert choices.choose(chosen, frozenset(), {"general": True}).delivery_style == chosen.delivery_style
    assert choices.choose(chosen, frozenset(), {"delivery_style": None}).delivery_style == DeliveryStyle()


def test_the_lists_of_copies_follow_the_contact() -> None:
    chosen = replace(CONTACT, preferences={"invoices": True, "general": True})
    lists = choices.copied({"reminders": ["con_1", "con_2"]}, chosen)
    assert lists == {"invoices": ["con_1"], "reminders": ["con_2"]}
    assert choices.copied(lists, replace(chosen, status=INACTIVE)) == {"reminders": ["con_2"]}


def test_more_copies_than_fit_a_delivery_are_refused() -> None:
    full = {"invoices": [f"con_{number}" for number in range(choices.MOST_COPIES)]}
    more = {"invoices": [*full["invoices"], "con_x"]}
    choices.check_copies({}, full)
    with pytest.raises(Conflict, match="copies of invoices"):
        choices.check_copies(full, more)
    # Whoever is on a list that was longer once may still leave it.
    choices.check_copies(more, more)


def test_who_is_deleted_keeps_no_choice_of_the_roles_it_held() -> None:
    contact = replace(CONTACT, preferences={"invoices": True, "reminders": True})
    gone = inactive(contact, Roles(invoicing=frozenset({"con_1"})), NOW)
    assert gone.preferences == {"reminders": True}


@pytest.mark.parametrize(
    ("working", "lost"),
    [
        (set(), {"invoicing", "accounts_payable"}),
        ({"a"}, {"accounts_payable"}),
        ({"b"}, set()),
        ({"z"}, {"invoicing", "accounts_payable"}),
    ],
)
def test_a_role_is_lost_when_no_holder_gets_mail(working: set[str], lost: set[str]) -> None:
    roles = Roles(invoicing=frozenset({"a", "b"}), accounts_payable=frozenset({"b"}))
    assert unreachable(roles, frozenset(working)).keys() == lost
    assert unreachable(Roles(), frozenset()) == {}
