"""C1, C2, C4 and C5 over plain values."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from chalicelib.contacts.rules import (
    CONTACT_ROLES,
    Contact,
    ContactChange,
    ContactDeletion,
    RoleAssignments,
    assign_roles,
    check_active,
    check_address_change,
    check_contact,
    check_owner_protected,
    check_self_service,
    deactivate_contact,
    decide_contact_change,
    decide_contact_deletion,
    drop_role_preferences,
    email_taken_error,
    external_id_taken_error,
    find_unreachable_roles,
    owner_needs_successor_error,
    select_roles_with_room,
    successor_needed_error,
)
from chalicelib.errors import Conflict, Forbidden, InvalidInput

NOW = datetime(2026, 1, 31, 9, tzinfo=UTC)
LATER = datetime(2026, 2, 28, 9, tzinfo=UTC)
PERSON = Contact("con_1", "a", "person", "active", "a@example.com", NOW, NOW, first_name="Ann", last_name="Bee")
MAILBOX = Contact("con_2", "a", "mailbox", "active", "ap@example.com", NOW, NOW, display_name="Accounts payable")
IDS = [f"con_{number}" for number in range(9)]
BOTH = frozenset(CONTACT_ROLES)


def faults(contact: Contact, *, cell_required: bool = False) -> list[tuple[str, str]]:
    with pytest.raises(InvalidInput) as refusal:
        check_contact(contact, cell_required=cell_required)
    return [(fault.field, fault.code) for fault in refusal.value.fields]


class TestC1:
    def test_a_person_and_a_mailbox_are_accepted(self) -> None:
        check_contact(PERSON, cell_required=False)
        check_contact(replace(PERSON, cell="+49301234567"), cell_required=True)
        check_contact(MAILBOX, cell_required=True)

    def test_a_person_needs_both_names(self) -> None:
        nameless = replace(PERSON, first_name=None, last_name=None)
        assert faults(nameless) == [("first_name", "required"), ("last_name", "required")]

    def test_a_person_has_no_display_name(self) -> None:
        assert faults(replace(PERSON, display_name="Ann")) == [("display_name", "not_allowed")]

    def test_a_mailbox_has_a_display_name_only(self) -> None:
        assert faults(replace(MAILBOX, display_name=None)) == [("display_name", "required")]
        assert faults(replace(MAILBOX, first_name="A", last_name="B")) == [
            ("first_name", "not_allowed"),
            ("last_name", "not_allowed"),
        ]

    def test_an_entity_may_need_the_cell_of_a_person(self) -> None:
        assert faults(PERSON, cell_required=True) == [("cell", "required")]

    def test_names(self) -> None:
        assert (PERSON.name, MAILBOX.name) == ("Ann Bee", "Accounts payable")

    def test_a_person_lacks_just_the_name_that_is_not_there(self) -> None:
        assert faults(replace(PERSON, first_name="")) == [("first_name", "required")]
        assert faults(replace(PERSON, last_name=None)) == [("last_name", "required")]

    def test_a_mailbox_needs_no_cell_and_may_not_have_half_a_name(self) -> None:
        assert faults(replace(MAILBOX, last_name="B"), cell_required=True) == [("last_name", "not_allowed")]

    def test_every_fault_is_named_at_once(self) -> None:
        wrong = replace(PERSON, last_name=None, display_name="Ann")
        assert faults(wrong, cell_required=True) == [
            ("last_name", "required"),
            ("display_name", "not_allowed"),
            ("cell", "required"),
        ]
        with pytest.raises(InvalidInput) as refusal:
            check_contact(wrong, cell_required=False)
        assert refusal.value.code == "invalid_body"


class RolesMachine(RuleBasedStateMachine):
    """Random writes of roles: C2 holds after each, accepted or refused."""

    def __init__(self) -> None:
        super().__init__()
        self.roles = RoleAssignments()
        self.both_ever = False
        self.erased: set[str] = set()

    @rule(wanted=st.dictionaries(st.sampled_from(IDS), st.frozensets(st.sampled_from(CONTACT_ROLES)), max_size=3))
    def write(self, wanted: dict[str, frozenset[str]]) -> None:
        before = self.roles
        try:
            after = assign_roles(before, wanted)
        except Conflict as refusal:
            self.explain(refusal, wanted)
            return
        for contact_id in IDS:
            assert after.of(contact_id) == wanted.get(contact_id, before.of(contact_id))
        for role in CONTACT_ROLES:
            if after.holders(role):
                self.erased.discard(role)
        self.roles = after

    def explain(self, refusal: Conflict, wanted: dict[str, frozenset[str]]) -> None:
        role = refusal.details["role"]
        gained = {one for one, named in wanted.items() if role in named}
        would_be = (self.roles.holders(role) - wanted.keys()) | gained
        assert refusal.code == ("role_is_full" if would_be else "role_needs_holder")
        assert not 1 <= len(would_be) <= 5

    @rule(contact_id=st.sampled_from(IDS))
    def erase(self, contact_id: str) -> None:
        held = self.roles.of(contact_id)
        self.roles = assign_roles(self.roles, {contact_id: frozenset()}, erasing=True)
        assert self.roles.of(contact_id) == frozenset()
        self.erased |= {role for role in held if not self.roles.holders(role)}

    @invariant()
    def never_more_than_five(self) -> None:
        assert all(len(self.roles.holders(role)) <= 5 for role in CONTACT_ROLES)

    @invariant()
    def once_both_were_held_each_has_one_but_by_erasing(self) -> None:
        self.both_ever = self.both_ever or all(self.roles.holders(role) for role in CONTACT_ROLES)
        assert self.roles.both_held == self.both_ever
        if self.both_ever:
            assert all(self.roles.holders(role) or role in self.erased for role in CONTACT_ROLES)


TestC2 = RolesMachine.TestCase


class TestRefusals:
    def test_a_sixth_is_refused_and_the_holders_are_named(self) -> None:
        full = RoleAssignments(invoicing=frozenset(IDS[:5]))
        with pytest.raises(Conflict) as refusal:
            assign_roles(full, {IDS[5]: frozenset({"invoicing"})})
        assert refusal.value.code == "role_is_full"
        assert refusal.value.details == {"role": "invoicing", "holders": IDS[:5]}
        assert [fault.field for fault in refusal.value.fields] == ["roles"]

    def test_one_may_take_the_place_of_another_in_the_same_write(self) -> None:
        full = RoleAssignments(frozenset(IDS[:5]), frozenset(IDS[:1]), True)
        after = assign_roles(full, {IDS[0]: frozenset(), IDS[7]: BOTH})
        assert after == RoleAssignments(frozenset([*IDS[1:5], IDS[7]]), frozenset([IDS[7]]), True)

    def test_the_last_holder_may_leave_before_both_roles_were_held(self) -> None:
        one = assign_roles(RoleAssignments(), {IDS[0]: frozenset({"invoicing"})})
        assert not one.both_held
        assert assign_roles(one, {IDS[0]: frozenset()}) == RoleAssignments()

    def test_the_last_holder_may_not_leave_afterwards(self) -> None:
        both = assign_roles(RoleAssignments(), {IDS[0]: BOTH})
        assert both.both_held
        with pytest.raises(Conflict) as refusal:
            assign_roles(both, {IDS[0]: frozenset({"invoicing"})})
        assert (refusal.value.code, refusal.value.details["role"]) == ("role_needs_holder", "accounts_payable")

    def test_a_role_that_an_erasure_left_empty_stops_nothing(self) -> None:
        empty = assign_roles(assign_roles(RoleAssignments(), {IDS[0]: BOTH}), {IDS[0]: frozenset()}, erasing=True)
        assert empty == RoleAssignments(both_held=True)
        assert assign_roles(empty, {IDS[1]: frozenset()}) == empty
        assert assign_roles(empty, {IDS[1]: BOTH}).invoicing == {IDS[1]}

    def test_the_holders_of_a_role_that_needs_one_are_named(self) -> None:
        with pytest.raises(Conflict) as refusal:
            assign_roles(RoleAssignments(frozenset(IDS[:1]), frozenset(IDS[1:2]), True), {IDS[0]: frozenset()})
        assert refusal.value.details == {"role": "invoicing", "holders": IDS[:1]}
        assert [(fault.field, fault.code) for fault in refusal.value.fields] == [("roles", "role_needs_holder")]

    def test_the_holders_of_a_full_role_are_named_in_order(self) -> None:
        full = RoleAssignments(accounts_payable=frozenset(IDS[:5]))
        with pytest.raises(Conflict) as refusal:
            assign_roles(full, {IDS[5]: BOTH})
        assert refusal.value.details == {"role": "accounts_payable", "holders": IDS[:5]}
        assert [(fault.field, fault.code) for fault in refusal.value.fields] == [("roles", "role_is_full")]

    @pytest.mark.parametrize("held", [5, 6])
    def test_more_holders_than_may_be_may_stay_and_become_fewer(self, held: int) -> None:
        many = RoleAssignments(invoicing=frozenset(IDS[:held]))
        assert assign_roles(many, {IDS[8]: frozenset()}) == many
        assert assign_roles(many, {IDS[0]: frozenset({"invoicing"})}) == many
        assert assign_roles(many, {IDS[0]: frozenset()}).invoicing == set(IDS[1:held])

    def test_nobody_takes_the_place_of_another_where_there_are_too_many(self) -> None:
        with pytest.raises(Conflict):
            assign_roles(
                RoleAssignments(invoicing=frozenset(IDS[:7])), {IDS[0]: frozenset(), IDS[8]: frozenset({"invoicing"})}
            )

    def test_one_role_alone_does_not_close_the_latch(self) -> None:
        assert not assign_roles(RoleAssignments(), {IDS[0]: frozenset({"accounts_payable"})}).both_held
        assert assign_roles(RoleAssignments(frozenset(IDS[:1])), {IDS[1]: frozenset({"accounts_payable"})}).both_held


class TestC4:
    def test_only_an_active_contact_may_be_changed(self) -> None:
        check_active(PERSON)
        with pytest.raises(Conflict) as refusal:
            check_active(replace(PERSON, status="inactive"))
        assert refusal.value.code == "contact_is_inactive"

    def test_a_contact_that_already_holds_a_full_role_fits_it(self) -> None:
        roles = RoleAssignments(frozenset(IDS[:5]), frozenset(IDS[:4]), True)
        assert select_roles_with_room(roles, IDS[0], CONTACT_ROLES) == BOTH
        assert select_roles_with_room(RoleAssignments(frozenset(IDS[:6])), IDS[0], CONTACT_ROLES) == {
            "accounts_payable"
        }

    def test_a_deleted_contact_has_no_access_and_no_choice_of_mails_of_its_roles(self) -> None:
        used = replace(PERSON, access={"b": {}}, preferences={"invoices": True, "reminders": True})
        after = deactivate_contact(
            used, RoleAssignments(invoicing=frozenset({"con_1"}), accounts_payable=frozenset({"con_2"})), LATER
        )
        assert (after.access, after.preferences) == ({}, {"reminders": True})
        assert after.former_roles == ("invoicing",)

    def test_both_former_roles_are_remembered_in_their_order(self) -> None:
        one = frozenset({"con_1"})
        assert deactivate_contact(PERSON, RoleAssignments(one, one, True), LATER).former_roles == CONTACT_ROLES

    def test_refusals_name_the_field_and_what_stands_in_the_way(self) -> None:
        needed = successor_needed_error(replace(PERSON, billing_for=("b1", "b2"), shipping_for=("b3",)))
        told = {
            "email_taken": (email_taken_error("con_9"), "email", "taken", {"contact_id": "con_9"}),
            "external_id_taken": (external_id_taken_error("con_9"), "external_id", "taken", {"contact_id": "con_9"}),
            "owner_needs_successor": (owner_needs_successor_error(), "successor", "required", {}),
            "successor_needed": (
                needed,
                "successor",
                "required",
                {"billing_for": ["b1", "b2"], "shipping_for": ["b3"]},
            ),
        }
        for code, (refusal, field, fault, details) in told.items():
            assert refusal.code == code
            assert [(one.field, one.code) for one in refusal.fields] == [(field, fault)]
            assert refusal.details == details

    def test_those_roles_fit_that_have_room(self) -> None:
        roles = RoleAssignments(frozenset(IDS[:5]), frozenset(IDS[:4]), True)
        assert select_roles_with_room(roles, IDS[8], CONTACT_ROLES) == {"accounts_payable"}
        assert select_roles_with_room(roles, IDS[8], ("invoicing",)) == frozenset()
        assert select_roles_with_room(RoleAssignments(), IDS[8], ("invoicing", "nonsense")) == {"invoicing"}

    def test_an_inactive_contact_is_used_nowhere_and_remembers_its_roles(self) -> None:
        used = replace(PERSON, billing_for=("b",), shipping_for=("c",), upstream={"first_name": "Ann"})
        after = deactivate_contact(used, RoleAssignments(accounts_payable=frozenset({"con_1"})), LATER)
        assert (after.status, after.billing_for, after.shipping_for) == ("inactive", (), ())
        assert after.former_roles == ("accounts_payable",)
        assert after.deleted_at == after.updated_at == LATER
        assert (after.name, after.email, after.upstream) == (used.name, used.email, used.upstream)


class TestC5:
    def test_only_portal_users_are_refused_under_cost_center_billing(self) -> None:
        for kind in ("staff", "api_key", "console", "system"):
            check_self_service(kind, cost_center_billing=True)
        check_self_service("portal_user", cost_center_billing=False)
        with pytest.raises(Forbidden) as refusal:
            check_self_service("portal_user", cost_center_billing=True)
        assert refusal.value.code == "cost_center_billing"


class TestC7:
    def test_with_a_role_the_choice_of_its_mails_goes_and_others_stay(self) -> None:
        chosen = replace(PERSON, preferences={"invoices": True, "reminders": True, "product": False})
        assert drop_role_preferences(chosen, frozenset({"invoicing"})).preferences == {
            "reminders": True,
            "product": False,
        }
        assert drop_role_preferences(chosen, BOTH).preferences == {"product": False}
        assert drop_role_preferences(chosen, frozenset()) == chosen


class TestC9:
    def test_a_role_reaches_nobody_when_no_address_of_its_holders_works(self) -> None:
        roles = RoleAssignments(frozenset(IDS[:2]), frozenset(IDS[1:3]))
        assert find_unreachable_roles(roles, frozenset(IDS[:1])) == {"accounts_payable": set(IDS[1:3])}
        assert find_unreachable_roles(roles, frozenset(IDS[1:2])) == {}
        assert find_unreachable_roles(roles, frozenset()) == {
            "invoicing": set(IDS[:2]),
            "accounts_payable": set(IDS[1:3]),
        }

    def test_a_role_that_nobody_holds_is_not_named(self) -> None:
        assert find_unreachable_roles(RoleAssignments(frozenset(IDS[:1])), frozenset()) == {"invoicing": {IDS[0]}}


class TestA9:
    """The owner, and the address that one signed in with."""

    def test_nobody_at_the_portal_changes_the_address_they_signed_in_with(self) -> None:
        for owner in (None, "con_1", "con_2"):
            with pytest.raises(Forbidden) as refusal:
                check_address_change("portal_user", PERSON.email, PERSON, owner)
            assert refusal.value.code == "own_address"

    def test_nor_the_owners(self) -> None:
        with pytest.raises(Forbidden) as refusal:
            check_address_change("portal_user", MAILBOX.email, PERSON, "con_1")
        assert refusal.value.code == "owner_is_protected"
        check_address_change("portal_user", MAILBOX.email, PERSON, "con_2")
        check_address_change("portal_user", MAILBOX.email, PERSON, None)

    @pytest.mark.parametrize("kind", ["staff", "api_key", "console", "system"])
    def test_others_may(self, kind: str) -> None:
        check_address_change(kind, PERSON.email, PERSON, "con_1")
        check_address_change(kind, MAILBOX.email, PERSON, "con_1")
        check_owner_protected(kind, MAILBOX.email, PERSON, "con_1")

    def test_the_owner_is_removed_by_the_owner_only(self) -> None:
        check_owner_protected("portal_user", PERSON.email, PERSON, "con_1")
        check_owner_protected("portal_user", MAILBOX.email, PERSON, "con_2")
        check_owner_protected("portal_user", MAILBOX.email, PERSON, None)
        with pytest.raises(Forbidden) as refusal:
            check_owner_protected("portal_user", MAILBOX.email, PERSON, "con_1")
        assert refusal.value.code == "owner_is_protected"


EVERYBODY = RoleAssignments(frozenset({"con_1"}), frozenset({"con_1", "con_2"}), both_held=True)


def with_number(number: int = 1, **fields: Any) -> Contact:
    given = {"email": f"c{number}@example.com", **fields}
    return replace(PERSON, contact_id=f"con_{number}", **given)


def decide(before: Contact, after: Contact, roles: frozenset[str], **others: Any) -> ContactChange:
    known: dict[str, Any] = {"cell_required": False, "email_holder_id": None, "external_id_holder_id": None, **others}
    return decide_contact_change(before, after, EVERYBODY, roles, LATER, **known)


class TestDecideContactChange:
    def test_what_is_so_already_is_no_change(self) -> None:
        ann = with_number()
        change = decide(ann, ann, EVERYBODY.of("con_1"))
        assert change.is_empty
        assert change.after is ann

    def test_a_lost_role_takes_its_preference_along(self) -> None:
        ann = with_number(preferences={"reminders": True, "general": True})
        change = decide(ann, ann, frozenset({"invoicing"}))
        assert change.after.preferences == {"general": True}
        assert change.after.updated_at == LATER
        assert change.assignments.accounts_payable == {"con_2"}

    def test_a_taken_address_matters_when_it_is_new(self) -> None:
        ann = with_number()
        roles = EVERYBODY.of("con_1")
        assert not decide(ann, replace(ann, cell="+49301234567"), roles, email_holder_id="con_1").has_new_address
        with pytest.raises(Conflict, match="email"):
            decide(ann, replace(ann, email="other@example.com"), roles, email_holder_id="con_2")


class TestDecideContactDeletion:
    def delete(self, contact: Contact, successor: Contact | None, owner: str | None = None) -> ContactDeletion:
        successor_id = successor.contact_id if successor else None
        return decide_contact_deletion(contact, successor_id, successor, EVERYBODY, owner, "staff", "s@acme.example")

    def test_a_successor_takes_the_roles_besides_its_own(self) -> None:
        deletion = self.delete(with_number(1, billing_for=("b2",), shipping_for=("b1", "b2")), with_number(2), "con_1")
        assert deletion.bill_group_ids == ("b1", "b2")
        assert deletion.successor_roles == {"invoicing", "accounts_payable"}
        assert deletion.successor_gains_roles
        assert deletion.is_owner
        assert deletion.assignments.of("con_1") == frozenset()

    @pytest.mark.parametrize("owner", [None, "con_1"])
    def test_who_leaves_a_place_needs_a_successor(self, owner: str | None) -> None:
        with pytest.raises(Conflict) as refused:
            self.delete(with_number(1, billing_for=() if owner else ("b1",)), None, owner)
        assert refused.value.code == ("owner_needs_successor" if owner else "successor_needed")

    def test_an_inactive_contact_or_the_same_one_is_no_successor(self) -> None:
        for successor in (with_number(1), with_number(2, status="inactive")):
            with pytest.raises(InvalidInput):
                self.delete(with_number(1), successor)
