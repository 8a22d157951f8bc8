"""The rules of one domain at one bill group: what may stand together (A1, C4)."""

import hashlib
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.access import domain_access
from chalicelib.access.domain_access import DomainAccess, Rule
from chalicelib.errors import Conflict, InvalidInput

EMAILS = [f"{name}@x.example" for name in ("ann", "bob", "cy")]


def rule(number: int = 1) -> Rule:
    return Rule(f"rul_{number}", "2026-01-01T00:00:00.000Z", "staff:Sam", ("profile",), "2026-01-01T00:00:00.000Z")


def refusal(work: Any) -> Conflict:
    with pytest.raises(Conflict) as refused:
        work()
    return refused.value


def test_the_same_rule_twice_names_the_first() -> None:
    access = domain_access.add_email_rule(DomainAccess("x.example"), EMAILS[0], rule(1))
    found = refusal(lambda: domain_access.add_email_rule(access, EMAILS[0], rule(2)))
    assert (found.code, found.details["rule_id"]) == ("access_rule_exists", "rul_1")
    whole = domain_access.add_domain_rule(DomainAccess("x.example"), rule(3), replace_emails=False)
    assert (
        refusal(lambda: domain_access.add_domain_rule(whole, rule(4), replace_emails=True)).details["rule_id"]
        == "rul_3"
    )


def test_an_email_under_its_domain_and_a_domain_over_its_emails_name_what_is_in_the_way() -> None:
    whole = domain_access.add_domain_rule(DomainAccess("x.example"), rule(1), replace_emails=False)
    found = refusal(lambda: domain_access.add_email_rule(whole, EMAILS[0], rule(2)))
    assert (found.code, found.details["value"]) == ("email_under_domain", "x.example")
    single = domain_access.add_email_rule(
        domain_access.add_email_rule(DomainAccess("x.example"), EMAILS[1], rule(1)), EMAILS[0], rule(2)
    )
    found = refusal(lambda: domain_access.add_domain_rule(single, rule(3), replace_emails=False))
    assert found.code == "domain_over_emails"
    assert [named["value"] for named in found.details["rules"]] == EMAILS[:2]
    assert domain_access.add_domain_rule(single, rule(3), replace_emails=True) == DomainAccess("x.example", rule(3))


def test_a_refusal_names_all_that_is_in_the_way_and_says_why() -> None:
    access = DomainAccess("x.example", addresses={EMAILS[0]: rule(1)})
    found = refusal(lambda: domain_access.add_email_rule(access, EMAILS[0], rule(2)))
    named = {"rule_id": "rul_1", "value": EMAILS[0]}
    assert found.details == {**named, "rules": [named]}
    assert EMAILS[0] in found.message
    whole = DomainAccess("x.example", rule(3))
    found = refusal(lambda: domain_access.add_domain_rule(whole, rule(4), replace_emails=True))
    assert (found.code, found.details["value"]) == ("access_rule_exists", "x.example")


@pytest.mark.parametrize("erased", [False, True])
def test_a_denied_address_is_refused_and_the_denial_named(erased: bool) -> None:
    access = DomainAccess(
        "x.example", denied={domain_access.erased_address_key(EMAILS[0]) if erased else EMAILS[0]: rule(7)}
    )
    found = refusal(lambda: domain_access.add_email_rule(access, EMAILS[0], rule(8)))
    assert (found.code, found.details) == ("address_denied", {"rule_id": "rul_7", "value": EMAILS[0]})
    assert EMAILS[0] in found.message
    assert domain_access.add_email_rule(access, EMAILS[1], rule(8)).addresses == {EMAILS[1]: rule(8)}


def test_a_denial_may_say_at_which_bill_group() -> None:
    found = domain_access.address_denied_error(EMAILS[0], rule(7), "b1")
    assert found.details == {"rule_id": "rul_7", "value": EMAILS[0], "bill_group_id": "b1"}


def test_everything_is_listed_in_its_order_and_the_erased_without_a_name() -> None:
    gone = domain_access.erased_address_key(EMAILS[2])
    assert gone.startswith("sha256:")
    assert len(gone) == 71
    access = DomainAccess(
        "x.example", rule(1), {EMAILS[1]: rule(3), EMAILS[0]: rule(2)}, {gone: rule(5), EMAILS[2]: rule(4)}
    )
    assert access.all() == [
        ("domain", "x.example", rule(1)),
        ("email", EMAILS[0], rule(2)),
        ("email", EMAILS[1], rule(3)),
        ("denial", EMAILS[2], rule(4)),
        ("denial", None, rule(5)),
    ]


def test_removing_takes_one_and_leaves_the_rest() -> None:
    access = DomainAccess("x.example", rule(1), {EMAILS[0]: rule(2), EMAILS[1]: rule(3)}, {EMAILS[2]: rule(4)})
    assert domain_access.remove_rule(access, "rul_1") == replace(access, domain_rule=None)
    assert domain_access.remove_rule(access, "rul_2") == replace(access, addresses={EMAILS[1]: rule(3)})
    assert domain_access.remove_rule(access, "rul_4") == replace(access, denied={})
    assert domain_access.remove_rule(access, "rul_5") is None


def test_whose_contact_goes_is_denied_only_where_the_domain_would_let_them_in_again() -> None:
    alone = DomainAccess("x.example", None, {EMAILS[0]: rule(1), EMAILS[1]: rule(2)})
    assert domain_access.revoke_address(alone, EMAILS[0], rule(9)) == DomainAccess(
        "x.example", None, {EMAILS[1]: rule(2)}
    )
    denied = DomainAccess("x.example", rule(1), {}, {domain_access.erased_address_key(EMAILS[0]): rule(2)})
    assert domain_access.revoke_address(denied, EMAILS[0], rule(9)) == denied


def test_an_erasure_takes_the_address_out_of_everything_and_nothing_else() -> None:
    entries = {EMAILS[0]: "2026-01-02T00:00:00.000Z", EMAILS[1]: "2026-01-03T00:00:00.000Z"}
    access = DomainAccess(
        "x.example",
        replace(rule(1), entries=entries),
        {EMAILS[0]: rule(2), EMAILS[1]: rule(3)},
        {EMAILS[0]: rule(4), EMAILS[2]: rule(5)},
    )
    assert domain_access.anonymise_address(access, EMAILS[0]) == DomainAccess(
        "x.example",
        replace(rule(1), entries={EMAILS[1]: entries[EMAILS[1]]}),
        {EMAILS[1]: rule(3)},
        {domain_access.erased_address_key(EMAILS[0]): rule(4), EMAILS[2]: rule(5)},
    )
    assert domain_access.anonymise_address(access, "dee@x.example") == access


def test_at_most_200_addresses() -> None:
    access = DomainAccess("x.example", addresses={f"p{number}@x.example": rule(number) for number in range(200)})
    last = DomainAccess("x.example", addresses={f"p{number}@x.example": rule(number) for number in range(199)})
    assert len(domain_access.add_email_rule(last, "one@x.example", rule(999)).addresses) == 200
    assert (
        refusal(lambda: domain_access.add_email_rule(access, "one@x.example", rule(999))).code == "too_many_addresses"
    )


def test_the_permission_to_give_access_is_the_owners_alone() -> None:
    assert "access" not in domain_access.check_grantable_permissions(None)
    assert len(domain_access.check_grantable_permissions(None)) == 8
    for wanted in (["access"], ["profile", "access"], ["everything", "access"]):
        assert faults(wanted) == [("permissions", "owners_alone")]
    for wanted in (["everything"], ["profile", "everything"], []):
        assert faults(wanted) == [("permissions", "unknown_permission")]
        assert faults(wanted, "own") == [("own", "unknown_permission")]
    assert domain_access.check_grantable_permissions(["pay", "profile"]) == ("profile", "pay")


def faults(wanted: list[str], *name: str) -> list[tuple[str, str]]:
    with pytest.raises(InvalidInput) as refused:
        domain_access.check_grantable_permissions(wanted, *name)
    return [(fault.field, fault.code) for fault in refused.value.fields]


def test_whom_a_contacts_removal_denies_is_denied_after_the_erasure_too() -> None:
    whole = domain_access.add_domain_rule(DomainAccess("x.example"), rule(1), replace_emails=False)
    whole = domain_access.record_entry(
        whole, EMAILS[0], "2026-01-02T00:00:00.000Z", not_since="2026-01-01T00:00:00.000Z"
    )
    denied = domain_access.revoke_address(whole, EMAILS[0], rule(2))
    assert denied.find_denial(EMAILS[0]) == rule(2)
    forgotten = domain_access.anonymise_address(denied, EMAILS[0])
    assert forgotten.find_denial(EMAILS[0]) == rule(2)
    assert EMAILS[0] not in repr(forgotten)
    lifted = domain_access.remove_rule(forgotten, "rul_2")
    assert lifted is not None
    assert lifted.find_denial(EMAILS[0]) is None


def test_entries_are_recorded_once_in_a_while_and_only_the_latest_kept() -> None:
    access = domain_access.add_domain_rule(DomainAccess("x.example"), rule(1), replace_emails=False)
    first = domain_access.record_entry(
        access, EMAILS[0], "2026-01-02T10:00:00.000Z", not_since="2026-01-02T09:00:00.000Z"
    )
    again = domain_access.record_entry(
        first, EMAILS[0], "2026-01-02T10:30:00.000Z", not_since="2026-01-02T09:30:00.000Z"
    )
    assert again == first
    for number in range(30):
        at = f"2026-01-03T10:{number:02}:00.000Z"
        first = domain_access.record_entry(first, f"p{number}@x.example", at, not_since="2026-01-03T09:00:00.000Z")
    assert first.domain_rule is not None
    assert len(first.domain_rule.entries) == domain_access.MAX_ENTRIES
    assert EMAILS[0] not in first.domain_rule.entries


TENTH = "2026-01-10T10:00:00.000Z"


def entries(access: DomainAccess) -> dict[str, str]:
    assert access.domain_rule is not None
    return access.domain_rule.entries


@pytest.mark.parametrize(
    ("not_since", "noted"),
    [("2026-01-10T08:59:59.999Z", False), ("2026-01-10T09:00:00.000Z", True), ("2026-01-10T09:00:00.001Z", True)],
)
def test_an_entry_is_noted_anew_once_the_last_one_is_old(not_since: str, noted: bool) -> None:
    before = {EMAILS[0]: "2026-01-10T09:00:00.000Z"}
    after = domain_access.record_entry(
        DomainAccess("x.example", replace(rule(), entries=before)), EMAILS[0], TENTH, not_since=not_since
    )
    assert entries(after) == ({EMAILS[0]: TENTH} if noted else before)


@pytest.mark.parametrize(
    ("starts_at", "noted"), [(None, True), ("", True), (TENTH, True), ("2026-01-10T10:00:00.001Z", False)]
)
def test_nobody_has_entered_by_a_rule_that_had_not_begun(starts_at: str | None, noted: bool) -> None:
    access = DomainAccess("x.example", replace(rule(), starts_at=starts_at))
    assert (EMAILS[0] in entries(domain_access.record_entry(access, EMAILS[0], TENTH, not_since=""))) == noted


def test_the_latest_entries_are_kept_whatever_the_names() -> None:
    before = {f"p{number:02}@x.example": f"2026-01-09T10:{59 - number:02}:00.000Z" for number in range(20)}
    after = entries(
        domain_access.record_entry(
            DomainAccess("x.example", replace(rule(), entries=before)), EMAILS[0], TENTH, not_since=""
        )
    )
    assert list(after) == [EMAILS[0], *list(before)[:19]]


def test_an_entry_is_noted_at_the_rule_of_the_address_only() -> None:
    access = DomainAccess("x.example", None, {EMAILS[0]: rule(1), EMAILS[1]: rule(2)})
    after = domain_access.record_entry(access, EMAILS[0], TENTH, not_since="")
    assert after == replace(
        access, addresses={EMAILS[0]: replace(rule(1), entries={EMAILS[0]: TENTH}), EMAILS[1]: rule(2)}
    )


def test_a_row_keeps_a_book_as_it_is() -> None:
    access = DomainAccess(
        "x.example",
        replace(rule(1), entries={EMAILS[0]: TENTH}),
        {EMAILS[1]: replace(rule(2), permissions=("profile", "pay"))},
        {EMAILS[2]: Rule("rul_3", TENTH, "system")},
    )
    row = SimpleNamespace(
        domain_rule=domain_access.rule_to_plain(rule(1)) | {"entries": {EMAILS[0]: TENTH}},
        addresses={email: domain_access.rule_to_plain(kept) for email, kept in access.addresses.items()},
        denied={EMAILS[2]: {"rule_id": "rul_3", "created_at": TENTH, "created_by": "system"}},
    )
    assert domain_access.domain_access_from_item("x.example", row) == access
    assert domain_access.domain_access_from_item(
        "x.example", SimpleNamespace(domain_rule=None, addresses={}, denied={})
    ) == DomainAccess("x.example")
    assert domain_access.domain_access_from_item("x.example", None) == DomainAccess("x.example")
    assert domain_access.rule_to_plain(rule(1))["permissions"] == ["profile"]


STEPS = st.lists(
    st.tuples(st.sampled_from(["email", "domain", "replace", "remove", "withdraw", "forget"]), st.integers(0, 2)),
    max_size=25,
)


@given(STEPS)
def test_whatever_is_done_no_rule_overlaps_another_and_nobody_is_both_listed_and_denied(
    steps: list[tuple[str, int]],
) -> None:
    access = DomainAccess("x.example")
    for number, (step, which) in enumerate(steps):
        email, new = EMAILS[which], rule(number)
        try:
            if step == "email":
                access = domain_access.add_email_rule(access, email, new)
            elif step in ("domain", "replace"):
                access = domain_access.add_domain_rule(access, new, replace_emails=step == "replace")
            elif step == "remove":
                standing = [found.rule_id for _, _, found in access.all()]
                removed = domain_access.remove_rule(access, standing[which % len(standing)]) if standing else access
                assert removed is not None
                access = removed
            elif step == "withdraw":
                access = domain_access.revoke_address(access, email, new)
                assert email not in access.addresses
                assert access.domain_rule is None or access.find_denial(email)
            else:
                denied = access.find_denial(email)
                access = domain_access.anonymise_address(access, email)
                assert access.find_denial(email) == denied
        except Conflict:
            pass
        assert access.domain_rule is None or not access.addresses
        assert not any(access.find_denial(listed) for listed in access.addresses)
        ids = [found.rule_id for _, _, found in access.all()]
        assert len(ids) == len(set(ids))


def test_a_denial_holds_for_every_tag_of_the_mailbox_and_for_nobody_else() -> None:
    whole = domain_access.add_domain_rule(DomainAccess("x.example"), rule(1), replace_emails=False)
    for left in ("eve@x.example", "eve+work@x.example"):
        denied = domain_access.revoke_address(whole, left, rule(2))
        forgotten = domain_access.anonymise_address(denied, left)
        for book in (denied, forgotten):
            for other in ("eve@x.example", "eve+x@x.example", "eve+a+b@x.example"):
                assert book.find_denial(other) == rule(2), other
            for other in ("steve@x.example", "ev@x.example", "+eve@x.example"):
                assert book.find_denial(other) is None, other
        assert domain_access.revoke_address(denied, "eve+y@x.example", rule(3)) == denied


def test_a_denial_erased_under_its_exact_address_still_holds_for_it() -> None:
    hashed = "sha256:" + hashlib.sha256(b"eve+work@x.example").hexdigest()
    book = DomainAccess("x.example", denied={hashed: rule(2)})
    assert book.find_denial("eve+work@x.example") == rule(2)


def test_an_address_may_move_within_its_mailbox_without_a_denial() -> None:
    whole = DomainAccess("x.example", domain_rule=rule(1), addresses={})
    assert domain_access.revoke_address(whole, "eve@x.example", None) == whole
