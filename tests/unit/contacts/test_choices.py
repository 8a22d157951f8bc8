"""What a contact chooses to be mailed (C7), over plain values."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.contacts import preference_rules
from chalicelib.contacts.rules import (
    ACTIVE,
    CONTACT_ROLES,
    INACTIVE,
    MAIL_CATEGORIES,
    MAIL_CATEGORY_BY_ROLE,
    Contact,
    DeliveryStyle,
    RoleAssignments,
    deactivate_contact,
    drop_role_preferences,
    find_unreachable_roles,
)
from chalicelib.errors import Conflict

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
CONTACT = Contact("con_1", "a1", "person", ACTIVE, "ana@acme.example", NOW, NOW)
HELD = st.frozensets(st.sampled_from(CONTACT_ROLES))
CHOSEN = st.dictionaries(st.sampled_from(MAIL_CATEGORIES), st.none() | st.booleans())


@given(HELD, st.lists(CHOSEN, max_size=4))
def test_roles_bring_their_mail_and_the_rest_is_as_it_was_last_chosen(
    roles: frozenset[str], rounds: list[dict[str, bool | None]]
) -> None:
    contact, last = CONTACT, dict.fromkeys(MAIL_CATEGORIES, False)
    required = preference_rules.required_categories(roles)
    for chosen in rounds:
        off = [category for category in required if chosen.get(category) is False]
        if off:
            with pytest.raises(Conflict):
                preference_rules.apply_preferences(contact, roles, chosen)
            continue
        contact = preference_rules.apply_preferences(contact, roles, chosen)
        last |= {category: bool(on) for category, on in chosen.items() if category not in required}
    for category in MAIL_CATEGORIES:
        assert preference_rules.receives_category(contact, roles, category) == (category in required or last[category])
    # Removing a role removes its emails, whatever was chosen before.
    left = drop_role_preferences(contact, roles)
    assert not any(preference_rules.receives_category(left, frozenset(), MAIL_CATEGORY_BY_ROLE[role]) for role in roles)


def test_a_style_is_chosen_as_a_whole() -> None:
    style = {"grouping": "together", "pdf_only": True, "size_limit_kib": 500}
    chosen = preference_rules.apply_preferences(CONTACT, frozenset(), {"delivery_style": style})
    assert chosen.delivery_style == DeliveryStyle("together", True, 500)
    assert (
        preference_rules.apply_preferences(chosen, frozenset(), {"general": True}).delivery_style
        == chosen.delivery_style
    )
    assert (
        preference_rules.apply_preferences(chosen, frozenset(), {"delivery_style": None}).delivery_style
        == DeliveryStyle()
    )


def test_the_lists_of_copies_follow_the_contact() -> None:
    chosen = replace(CONTACT, preferences={"invoices": True, "general": True})
    lists = preference_rules.update_copies({"reminders": ["con_1", "con_2"]}, chosen)
    assert lists == {"invoices": ["con_1"], "reminders": ["con_2"]}
    assert preference_rules.update_copies(lists, replace(chosen, status=INACTIVE)) == {"reminders": ["con_2"]}


def test_more_copies_than_fit_a_delivery_are_refused() -> None:
    full = {"invoices": [f"con_{number}" for number in range(preference_rules.MAX_COPIES)]}
    more = {"invoices": [*full["invoices"], "con_x"]}
    preference_rules.check_copy_limit({}, full)
    with pytest.raises(Conflict, match="copies of invoices"):
        preference_rules.check_copy_limit(full, more)
    # A contact on a list that is over its limit may still leave it.
    preference_rules.check_copy_limit(more, more)


def test_who_is_deleted_keeps_no_choice_of_the_roles_it_held() -> None:
    contact = replace(CONTACT, preferences={"invoices": True, "reminders": True})
    gone = deactivate_contact(contact, RoleAssignments(invoicing=frozenset({"con_1"})), NOW)
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
    roles = RoleAssignments(invoicing=frozenset({"a", "b"}), accounts_payable=frozenset({"b"}))
    assert find_unreachable_roles(roles, frozenset(working)).keys() == lost
    assert find_unreachable_roles(RoleAssignments(), frozenset()) == {}
