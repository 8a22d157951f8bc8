"""Codes, limits and targets of a sign-in."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.sign_in import rules

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
KEY = "k" * 32


@given(code=st.text(rules.CODE_ALPHABET, min_size=8, max_size=8))
def test_a_code_is_read_as_it_is_shown_and_as_it_is_typed(code: str) -> None:
    assert rules.normalise_code(rules.format_code(code)) == code
    assert rules.normalise_code(f" {code[:3].lower()} {code[3:]}-") == code


@pytest.mark.parametrize("text", ["", "BCDF-GHJ", "BCDF-GHJKL", "BCDF-GHJ0", "BCDFGHJÄ", "BCDF GHJI"])
def test_what_can_be_no_code(text: str) -> None:
    assert rules.normalise_code(text) is None


def test_a_code_is_bound_to_its_flow_and_to_the_key() -> None:
    hashes = {rules.hash_code("BCDFGHJK", flow, key) for flow in ("a", "b") for key in (KEY, "x" * 32)}
    assert len(hashes) == 4


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("", "nonsense", True),
    ],
)
def test_a_network_is_an_address_or_the_first_half_of_one(first: str, second: str, same: bool) -> None:
    assert (rules.hash_network(first, KEY) == rules.hash_network(second, KEY)) is same
    assert first not in rules.hash_network(first, KEY) or first == ""


@given(gaps=st.lists(st.integers(0, 3 * 3600), max_size=80))
def test_the_limits_hold_whenever_mails_are_requested(gaps: list[int]) -> None:
    now, sent = NOW, []
    for gap in gaps:
        now += timedelta(seconds=gap)
        until = rules.next_allowed_at(sent, rules.ADDRESS_MAIL_LIMITS, now)
        if until is None:
            sent = [*rules.instants_in_window(sent, rules.ADDRESS_MAIL_LIMITS, now), now]
        else:
            assert until > now
            assert rules.next_allowed_at(sent, rules.ADDRESS_MAIL_LIMITS, until) is None
    for most, span in rules.ADDRESS_MAIL_LIMITS:
        assert all(sum(end - span < one <= end for one in sent) <= most for end in sent)


@pytest.mark.parametrize(
    ("target", "kind", "taken"),
    [
        ("/portal/b/b1", "portal_user", True),
        ("/portal", "portal_user", True),
        ("/admin", "staff", True),
        ("/admin", "portal_user", False),
        ("/portal/b/b1", "staff", False),
        ("//evil.example/portal", "portal_user", False),
        ("https://evil.example/portal", "portal_user", False),
        ("/portal/../admin", "portal_user", False),
        ("/portal//evil.example", "portal_user", False),
        ("/portal/b\\evil", "portal_user", False),
        ("/portal@evil.example", "portal_user", False),
        ("/portal/b?x=1", "portal_user", False),
        ("/portal/b\r\nSet-Cookie: a=b", "portal_user", False),
        ("/portal/b1\n", "portal_user", False),
        ("javascript:alert(1)", "portal_user", False),
        (None, "portal_user", False),
    ],
)
def test_only_plain_paths_of_our_own_are_targets(target: str | None, kind: str, taken: bool) -> None:
    assert rules.safe_target(target, kind) == (target if taken else None)
