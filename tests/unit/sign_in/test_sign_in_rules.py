"""Codes, limits and targets of a sign-in."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib import rate_limits
from chalicelib.sign_in import rules
from chalicelib.sign_in.rules import Flow, Proof

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
KEY = "k" * 32
MOMENT = timedelta(microseconds=1)
OLDER = Proof("link 1", "code 1", NOW)
NEWER = Proof("link 2", "code 2", NOW + timedelta(minutes=10))
FLOW = Flow("f", "portal_user", "ann@x.example", NOW, NOW + timedelta(minutes=20), (OLDER, NEWER))


def seconds_ago(*seconds: int) -> list[datetime]:
    return [NOW - timedelta(seconds=ago) for ago in seconds]


MAILED = rules.Flow(
    "flo_1",
    rules.PORTAL_USER,
    "ada@customer.example",
    NOW,
    NOW + rules.FLOW_LIFETIME,
    proofs=(
        rules.Proof("link 1", "code 1", NOW + rules.LINK_LIFETIME),
        rules.Proof("link 2", "code 2", NOW + rules.LINK_LIFETIME + timedelta(minutes=2)),
    ),
)
"""A flow of which two mails carried a proof."""


@given(code=st.text(rules.CODE_ALPHABET, min_size=8, max_size=8))
def test_a_code_is_read_as_it_is_shown_and_as_it_is_typed(code: str) -> None:
    assert rules.normalise_code(rules.format_code(code)) == code
    assert rules.normalise_code(f" {code[:3].lower()} {code[3:]}-") == code


def test_a_code_is_shown_in_two_halves() -> None:
    assert rules.format_code("BCDFGHJK") == "BCDF-GHJK"


@pytest.mark.parametrize("text", ["", "BCDF-GHJ", "BCDF-GHJKL", "BCDF-GHJ0", "BCDFGHJÄ", "BCDF GHJI"])
def test_what_can_be_no_code(text: str) -> None:
    assert rules.normalise_code(text) is None


def test_a_code_is_bound_to_its_flow_and_to_the_key() -> None:
    hashes = {rules.hash_code("BCDFGHJK", flow, key) for flow in ("a", "b") for key in (KEY, "x" * 32)}
    assert len(hashes) == 4


@pytest.mark.parametrize(
    ("minutes", "used", "number", "of_link", "of_code"),
    [
        (0, False, 1, "right", "right"),
        (9.99, False, 1, "right", "right"),
        (10, False, 1, "expired", "expired"),
        (10, False, 2, "right", "right"),
        (12, False, 2, "expired", "expired"),
        (0, False, 3, "elsewhere", "wrong"),
        (0, True, 1, "used", "right"),
        (10, True, 1, "used", "expired"),
        (0, True, 3, "elsewhere", "wrong"),
    ],
)
def test_a_flow_takes_its_own_proofs_once_and_in_time(
    minutes: float, used: bool, number: int, of_link: str, of_code: str
) -> None:
    flow, now = replace(MAILED, used_at=NOW if used else None), NOW + timedelta(minutes=minutes)
    assert rules.judge_link(flow, f"link {number}", now) == of_link
    assert rules.judge_code(flow, f"code {number}", now) == of_code
    # A link is no code, nor a code a link.
    assert rules.judge_link(flow, f"code {number}", now) == "elsewhere"
    assert rules.judge_code(flow, f"link {number}", now) == "wrong"


def test_a_flow_without_a_mail_takes_no_proof() -> None:
    empty = replace(MAILED, proofs=())
    assert rules.judge_link(empty, "link 1", NOW) == "elsewhere"
    assert rules.judge_code(empty, "code 1", NOW) == "wrong"


@pytest.mark.parametrize(
    ("fields", "seconds", "taken"),
    [
        ({}, 0, True),
        ({"tries": 4}, 0, True),
        ({"tries": 5}, 0, False),
        ({"used_at": NOW}, 0, False),
        ({}, 20 * 60 - 1, True),
        ({}, 20 * 60, False),
        ({"proofs": ()}, 0, True),
    ],
)
def test_codes_may_be_tried_in_a_flow_that_is_open(fields: dict[str, Any], seconds: int, taken: bool) -> None:
    assert rules.accepts_codes(replace(MAILED, **fields), NOW + timedelta(seconds=seconds)) is taken


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
    assert (rate_limits.hash_network(first, KEY) == rate_limits.hash_network(second, KEY)) is same
    assert first not in rate_limits.hash_network(first, KEY) or first == ""


def test_what_stands_for_a_network_is_short_and_of_this_deployment_only() -> None:
    assert len(rate_limits.hash_network("192.0.2.1", KEY)) == 32
    assert rate_limits.hash_network("192.0.2.1", KEY) != rate_limits.hash_network("192.0.2.1", "x" * 32)
    assert rate_limits.hash_network(" 192.0.2.1\n", KEY) == rate_limits.hash_network("192.0.2.1", KEY)


@pytest.mark.parametrize("other", ["0:0:0:1::", "unknown"])
def test_an_address_and_a_network_of_the_same_number_are_two(other: str) -> None:
    assert rate_limits.hash_network("0.0.0.1", KEY) != rate_limits.hash_network(other, KEY)


@pytest.mark.parametrize(
    ("link", "after", "told"),
    [
        ("link 1", -MOMENT, "right"),
        ("link 1", timedelta(), "expired"),
        ("link 2", timedelta(), "right"),
        ("link 2", timedelta(minutes=10) - MOMENT, "right"),
        ("link 2", timedelta(minutes=10), "expired"),
        ("link 3", timedelta(), "elsewhere"),
        ("code 2", timedelta(), "elsewhere"),
        ("", timedelta(), "elsewhere"),
    ],
)
def test_each_link_of_a_flow_works_until_its_own_end(link: str, after: timedelta, told: str) -> None:
    assert rules.judge_link(FLOW, link, NOW + after) == told


@pytest.mark.parametrize(("link", "told"), [("link 1", "used"), ("link 2", "used"), ("link 3", "elsewhere")])
def test_after_its_use_every_link_of_a_flow_is_used(link: str, told: str) -> None:
    assert rules.judge_link(replace(FLOW, used_at=NOW), link, NOW) == told


@pytest.mark.parametrize(
    ("code", "after", "told"),
    [
        ("code 1", -MOMENT, "right"),
        ("code 1", timedelta(), "expired"),
        ("code 2", timedelta(minutes=10) - MOMENT, "right"),
        ("code 2", timedelta(minutes=10), "expired"),
        ("code 3", timedelta(), "wrong"),
        ("link 2", timedelta(), "wrong"),
    ],
)
def test_each_code_of_a_flow_works_until_its_own_end(code: str, after: timedelta, told: str) -> None:
    assert rules.judge_code(FLOW, code, NOW + after) == told


@pytest.mark.parametrize(
    ("change", "after", "takes"),
    [
        ({}, timedelta(), True),
        ({"proofs": ()}, timedelta(), True),
        ({"tries": 4}, timedelta(), True),
        ({"tries": 5}, timedelta(), False),
        ({"used_at": NOW}, timedelta(), False),
        ({}, timedelta(minutes=20) - MOMENT, True),
        ({}, timedelta(minutes=20), False),
    ],
)
def test_a_flow_takes_five_codes_until_it_ends_or_is_used(
    change: dict[str, Any], after: timedelta, takes: bool
) -> None:
    assert rules.accepts_codes(replace(FLOW, **change), NOW + after) == takes


@pytest.mark.parametrize(
    ("sent", "wait"),
    [
        ([], None),
        ([59], 1),
        ([60], None),
        ([3000, 2400, 1800, 1200, 600], 600),
        ([3000, 2400, 1800, 1200], None),
        ([3600, 2400, 1800, 1200, 600], None),
        # Of two limits that are reached, the longer wait counts, in whatever order the instants come.
        ([1200, 30, 2400, 1800, 3000], 600),
        ([3599, 2400, 1800, 1200, 1], 59),
        ([*range(7200, 79200, 3600)], 3600 * 3),
    ],
)
def test_how_long_the_next_mail_waits(sent: list[int], wait: int | None) -> None:
    until = rate_limits.next_allowed_at(seconds_ago(*sent), rate_limits.ADDRESS_MAIL_LIMITS, NOW)
    assert until == (None if wait is None else NOW + timedelta(seconds=wait))


def test_what_counts_no_more_is_forgotten() -> None:
    sent = seconds_ago(10, 86399, 86400, 86401, 3600)
    assert rate_limits.instants_in_window(sent, rate_limits.ADDRESS_MAIL_LIMITS, NOW) == seconds_ago(86399, 3600, 10)


@given(gaps=st.lists(st.integers(0, 3 * 3600), max_size=80))
def test_the_limits_hold_whenever_mails_are_requested(gaps: list[int]) -> None:
    now, sent = NOW, []
    for gap in gaps:
        now += timedelta(seconds=gap)
        until = rate_limits.next_allowed_at(sent, rate_limits.ADDRESS_MAIL_LIMITS, now)
        if until is None:
            sent = [*rate_limits.instants_in_window(sent, rate_limits.ADDRESS_MAIL_LIMITS, now), now]
        else:
            assert until > now
            assert rate_limits.next_allowed_at(sent, rate_limits.ADDRESS_MAIL_LIMITS, until) is None
    for most, span in rate_limits.ADDRESS_MAIL_LIMITS:
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
