"""May this address enter this bill group, and what may it do there (A1, A3, A7, A9, C4)?"""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from chalicelib.access.grants import (
    OWNER_PERMISSIONS,
    AccessRefusal,
    ContractPeriod,
    GrantSource,
    collect_grant_sources,
    decide_grant,
    get_email_domain,
)
from chalicelib.permissions import PORTAL_PERMISSIONS, Grant

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
TODAY = date(2026, 3, 2)
DAY = timedelta(days=1)
MOMENT = timedelta(microseconds=1)
OPEN = ContractPeriod(None, None)
READER = GrantSource("rul_2", frozenset({"profile", "invoices"}), NOW - 2 * DAY)
PAYER = GrantSource("rul_1", frozenset({"invoices", "pay"}), NOW - DAY)
LATER = GrantSource("rul_3", frozenset({"access"}), NOW + DAY)


def decided(*sources: GrantSource, **circumstances: Any) -> Grant | AccessRefusal:
    usual = {"denied": False, "contract": OPEN, "balance_open": False, "now": NOW, "today": TODAY}
    return decide_grant(sources, **{**usual, **circumstances})


def test_what_several_sources_grant_is_united_and_each_is_named() -> None:
    granted = decided(READER, PAYER)
    assert granted == Grant(frozenset({"profile", "invoices", "pay"}), ("rul_1", "rul_2"), read_only=False)


def test_a_denial_wins() -> None:
    assert decided(READER, PAYER, denied=True) == AccessRefusal("denied")
    assert decided(denied=True) == AccessRefusal("denied")


def test_without_a_source_nobody_is_known() -> None:
    assert decided() == AccessRefusal("unknown")
    assert decided(contract=ContractPeriod(TODAY + DAY, None)) == AccessRefusal("unknown")


def test_what_has_not_begun_grants_nothing_and_the_first_day_is_told() -> None:
    much_later = GrantSource("rul_4", frozenset({"pay"}), NOW + 2 * DAY)
    assert decided(much_later, LATER) == AccessRefusal("not_yet", NOW + DAY)
    assert decided(READER, LATER) == Grant(READER.permissions, ("rul_2",))


@pytest.mark.parametrize(("after", "granted"), [(-MOMENT, False), (timedelta(), True)])
def test_a_source_grants_from_its_very_instant_on(after: timedelta, granted: bool) -> None:
    assert isinstance(decided(LATER, now=NOW + DAY + after), Grant) == granted


@pytest.mark.parametrize(
    ("signed_in_at", "sources"),
    [
        (NOW, ("rul_1", "rul_2")),
        (NOW - DAY, ("rul_1", "rul_2")),
        (NOW - DAY - MOMENT, ("rul_2",)),
        # Nobody gets anything sooner by a clock that was wrong when they signed in.
        (NOW + 2 * DAY, ("rul_1", "rul_2")),
    ],
)
def test_for_a_session_only_that_counts_which_had_begun_when_it_did(
    signed_in_at: datetime, sources: tuple[str, ...]
) -> None:
    granted = decided(READER, PAYER, LATER, signed_in_at=signed_in_at)
    assert isinstance(granted, Grant)
    assert granted.sources == sources


def test_a_session_from_before_everything_began_gets_nothing() -> None:
    assert decided(READER, PAYER, signed_in_at=NOW - 3 * DAY) == AccessRefusal("not_yet", READER.starts_at)


@pytest.mark.parametrize(
    ("start", "end", "balance_open", "read_only"),
    [
        (TODAY, None, False, False),
        (None, TODAY, False, False),
        (TODAY, TODAY, True, False),
        (TODAY + DAY, None, False, None),
        (TODAY + DAY, None, True, None),
        (None, TODAY - DAY, False, None),
        (None, TODAY - DAY, True, True),
    ],
)
def test_a_contract_counts_on_both_its_days_and_after_it_an_open_balance_lets_read(
    start: date | None, end: date | None, balance_open: bool, read_only: bool | None
) -> None:
    found = decided(READER, contract=ContractPeriod(start, end), balance_open=balance_open)
    expected = AccessRefusal("no_contract") if read_only is None else Grant(READER.permissions, ("rul_2",), read_only)
    assert found == expected


@pytest.mark.parametrize(("email", "domain"), [("ann@x.example", "x.example"), ('"a@b"@x.example', "x.example")])
def test_the_domain_of_an_address(email: str, domain: str) -> None:
    assert get_email_domain(email) == domain


def stored(rule_id: str, *permissions: str, day: int = 1) -> dict[str, Any]:
    return {"rule_id": rule_id, "permissions": list(permissions), "starts_at": f"2026-01-{day:02}T00:00:00.000Z"}


def found(**rows: Any) -> tuple[GrantSource, ...]:
    none = {"domain_rule": None, "addresses": {}, "contact_access": {}, "is_owner": False, "owner_since": NOW}
    return collect_grant_sources("ann@x.example", "b1", **{**none, **rows})


def test_nothing_grants_anything_by_itself() -> None:
    assert found() == ()


def test_every_source_is_found_with_its_permissions_and_its_beginning() -> None:
    sources = found(
        domain_rule=stored("rul_1", "profile"),
        addresses={"ann@x.example": stored("rul_2", "pay", "invoices", day=2)},
        contact_access={"b1": {"permissions": ["emails"], "starts_at": "2026-01-03T12:00:00.000Z"}},
        is_owner=True,
    )
    assert sources == (
        GrantSource("rul_1", frozenset({"profile"}), datetime(2026, 1, 1, tzinfo=UTC)),
        GrantSource("rul_2", frozenset({"pay", "invoices"}), datetime(2026, 1, 2, tzinfo=UTC)),
        GrantSource("contact", frozenset({"emails"}), datetime(2026, 1, 3, 12, tzinfo=UTC)),
        GrantSource("owner", frozenset(PORTAL_PERMISSIONS), NOW),
    )


def test_what_is_anothers_or_of_another_bill_group_grants_nothing() -> None:
    own = {"permissions": ["emails"], "starts_at": "2026-01-03T12:00:00.000Z"}
    assert found(addresses={"bob@x.example": stored("rul_2", "pay")}, contact_access={"b2": own}) == ()


def test_the_owner_may_everything_and_nobody_else_gives_access() -> None:
    assert frozenset(PORTAL_PERMISSIONS) == OWNER_PERMISSIONS
    assert "access" in OWNER_PERMISSIONS
