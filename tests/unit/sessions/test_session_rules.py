"""How long sessions live, and which of them a person sees (A6, A8, A10)."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.sessions import rules

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
MOMENT = timedelta(microseconds=1)
ALIVE: dict[str, Any] = {
    "created_at": NOW - timedelta(hours=1),
    "last_seen_at": NOW - timedelta(minutes=1),
    "ends_at": NOW + timedelta(hours=1),
    "idle": timedelta(minutes=30),
    "not_before": None,
}


@pytest.mark.parametrize(("kind", "minutes"), [("portal_user", 720), ("staff", 480), ("preview", 30)])
def test_the_longest_life_of_each_kind(kind: str, minutes: int) -> None:
    assert rules.compute_session_end(kind, NOW) == NOW + timedelta(minutes=minutes)


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (None, None),
        ("", None),
        (" \t\r\n\x00", None),
        ("Firefox/1 (X11)", "Firefox/1 (X11)"),
        (" Fire\r\nfox\x1b ", "Firefox"),
        ("é" * 200, "é" * 200),
        (" " + "é" * 201, "é" * 200),
    ],
)
def test_what_a_client_says_it_is_is_fit_to_be_shown(said: str | None, kept: str | None) -> None:
    assert rules.tidy_client_name(said) == kept


@pytest.mark.parametrize(
    ("change", "over"),
    [
        ({}, False),
        ({"ends_at": NOW + MOMENT}, False),
        ({"ends_at": NOW}, True),
        ({"ends_at": NOW - MOMENT}, True),
        ({"last_seen_at": NOW - timedelta(minutes=30) + MOMENT}, False),
        ({"last_seen_at": NOW - timedelta(minutes=30)}, True),
        ({"not_before": ALIVE["created_at"]}, False),
        ({"not_before": ALIVE["created_at"] + MOMENT}, True),
        ({"not_before": NOW - timedelta(days=1)}, False),
    ],
)
def test_when_a_session_is_over(change: dict[str, Any], over: bool) -> None:
    assert rules.is_over(NOW, **{**ALIVE, **change}) == over


@pytest.mark.parametrize(
    ("own", "other", "sees"),
    [
        ("staff", "staff", True),
        ("staff", "preview", True),
        ("staff", "portal_user", False),
        ("portal_user", "portal_user", True),
        ("portal_user", "staff", False),
        ("portal_user", "preview", False),
        ("preview", "preview", False),
        ("preview", "staff", False),
        ("preview", "portal_user", False),
        ("api_key", "staff", False),
        ("nobody", "portal_user", False),
    ],
)
def test_staff_see_staffs_sessions_and_portal_users_those_of_the_portal(own: str, other: str, sees: bool) -> None:
    assert rules.may_see_session(own, None, other, frozenset({"a1"})) == sees


@pytest.mark.parametrize(
    ("accounts", "sees"),
    [({"a1"}, True), (set(), True), ({"a2"}, False), ({"a1", "a2"}, False)],
)
def test_a_session_by_password_sees_none_that_reach_beyond_its_account(accounts: set[str], sees: bool) -> None:
    assert rules.may_see_session("portal_user", frozenset({"a1"}), "portal_user", frozenset(accounts)) == sees


def test_a_session_by_password_sees_nothing_of_another_family() -> None:
    assert not rules.may_see_session("portal_user", frozenset({"a1"}), "staff", frozenset({"a1"}))
