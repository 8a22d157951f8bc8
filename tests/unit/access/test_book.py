"""The rules of one domain at one bill group: what may stand together (A1, C4)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.access import book as books
from chalicelib.access.book import Book, Rule
from chalicelib.errors import Conflict, Invalid

EMAILS = [f"{name}@x.example" for name in ("ann", "bob", "cy")]


def rule(number: int = 1) -> Rule:
    return Rule(f"rul_{number}", "2026-01-01T00:00:00.000Z", "staff:Sam", ("profile",), "2026-01-01T00:00:00.000Z")


def refusal(work: Any) -> Conflict:
    with pytest.raises(Conflict) as refused:
        work()
    return refused.value


def test_the_same_rule_twice_names_the_first() -> None:
    book = books.add_email(Book("x.example"), EMAILS[0], rule(1))
    found = refusal(lambda: books.add_email(book, EMAILS[0], rule(2)))
    assert (found.code, found.details["rule_id"]) == ("access_rule_exists", "rul_1")
    whole = books.add_domain(Book("x.example"), rule(3), replace_emails=False)
    assert refusal(lambda: books.add_domain(whole, rule(4), replace_emails=True)).details["rule_id"] == "rul_3"


def test_an_email_under_its_domain_and_a_domain_over_its_emails_name_what_is_in_the_way() -> None:
    whole = books.add_domain(Book("x.example"), rule(1), replace_emails=False)
    found = refusal(lambda: books.add_email(whole, EMAILS[0], rule(2)))
    assert (found.code, found.details["value"]) == ("email_under_domain", "x.example")
    single = books.add_email(books.add_email(Book("x.example"), EMAILS[1], rule(1)), EMAILS[0], rule(2))
    found = refusal(lambda: books.add_domain(single, rule(3), replace_emails=False))
    assert found.code == "domain_over_emails"
    assert [named["value"] for named in found.details["rules"]] == EMAILS[:2]
    assert books.add_domain(single, rule(3), replace_emails=True) == Book("x.example", rule(3))


def test_at_most_200_addresses() -> None:
    book = Book("x.example", addresses={f"p{number}@x.example": rule(number) for number in range(200)})
    assert refusal(lambda: books.add_email(book, "one@x.example", rule(999))).code == "too_many_addresses"


def test_the_permission_to_give_access_is_the_owners_alone() -> None:
    assert "access" not in books.check_permissions(None)
    assert len(books.check_permissions(None)) == 8
    for wanted in (["access"], ["profile", "access"], ["everything"], []):
        with pytest.raises(Invalid):
            books.check_permissions(wanted)


def test_whom_a_contacts_removal_denies_is_denied_after_the_erasure_too() -> None:
    whole = books.add_domain(Book("x.example"), rule(1), replace_emails=False)
    whole = books.entered(whole, EMAILS[0], "2026-01-02T00:00:00.000Z", not_since="2026-01-01T00:00:00.000Z")
    denied = books.withdraw(whole, EMAILS[0], rule(2))
    assert denied.denies(EMAILS[0]) == rule(2)
    forgotten = books.forget(denied, EMAILS[0])
    assert forgotten.denies(EMAILS[0]) == rule(2)
    assert EMAILS[0] not in repr(forgotten)
    lifted = books.remove(forgotten, "rul_2")
    assert lifted is not None
    assert lifted.denies(EMAILS[0]) is None


def test_entries_are_noted_once_in_a_while_and_only_the_latest_kept() -> None:
    book = books.add_domain(Book("x.example"), rule(1), replace_emails=False)
    first = books.entered(book, EMAILS[0], "2026-01-02T10:00:00.000Z", not_since="2026-01-02T09:00:00.000Z")
    again = books.entered(first, EMAILS[0], "2026-01-02T10:30:00.000Z", not_since="2026-01-02T09:30:00.000Z")
    assert again == first
    for number in range(30):
        at = f"2026-01-03T10:{number:02}:00.000Z"
        first = books.entered(first, f"p{number}@x.example", at, not_since="2026-01-03T09:00:00.000Z")
    assert first.domain_rule is not None
    assert len(first.domain_rule.entries) == books.MOST_ENTRIES
    assert EMAILS[0] not in first.domain_rule.entries


STEPS = st.lists(
    st.tuples(st.sampled_from(["email", "domain", "replace", "remove", "withdraw", "forget"]), st.integers(0, 2)),
    max_size=25,
)


@given(STEPS)
def test_whatever_is_done_no_rule_overlaps_another_and_nobody_is_both_listed_and_denied(
    steps: list[tuple[str, int]],
) -> None:
    book = Book("x.example")
    for number, (step, which) in enumerate(steps):
        email, new = EMAILS[which], rule(number)
        try:
            if step == "email":
                book = books.add_email(book, email, new)
            elif step in ("domain", "replace"):
                book = books.add_domain(book, new, replace_emails=step == "replace")
            elif step == "remove":
                standing = [found.rule_id for _, _, found in book.all()]
                removed = books.remove(book, standing[which % len(standing)]) if standing else book
                assert removed is not None
                book = removed
            elif step == "withdraw":
                book = books.withdraw(book, email, new)
                assert email not in book.addresses
                assert book.domain_rule is None or book.denies(email)
            else:
                denied = book.denies(email)
                book = books.forget(book, email)
                assert book.denies(email) == denied
        except Conflict:
            pass
        assert book.domain_rule is None or not book.addresses
        assert not any(book.denies(listed) for listed in book.addresses)
        ids = [found.rule_id for _, _, found in book.all()]
        assert len(ids) == len(set(ids))
