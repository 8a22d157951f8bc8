"""The rules of one domain at one bill group: what may stand together (A1, C4)."""

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


def test_at_most_200_addresses() -> None:
    access = DomainAccess("x.example", addresses={f"p{number}@x.example": rule(number) for number in range(200)})
    assert (
        refusal(lambda: domain_access.add_email_rule(access, "one@x.example", rule(999))).code == "too_many_addresses"
    )


def test_the_permission_to_give_access_is_the_owners_alone() -> None:
    assert "access" not in domain_access.check_grantable_permissions(None)
    assert len(domain_access.check_grantable_permissions(None)) == 8
    for wanted in (["access"], ["profile", "access"], ["everything"], []):
        with pytest.raises(InvalidInput):
            domain_access.check_grantable_permissions(wanted)


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
