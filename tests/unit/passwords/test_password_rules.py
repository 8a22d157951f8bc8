from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.errors import Invalid
from chalicelib.passwords import rules
from chalicelib.passwords.hashing import hash_password, verify

NOW = datetime(2026, 1, 31, 9, tzinfo=UTC)


@given(st.integers(0, 40))
def test_the_pause_only_grows_and_ends(failures: int) -> None:
    instants = [NOW] * failures
    free_at = rules.may_try_at(instants)
    pause = timedelta() if free_at is None else free_at - NOW
    assert (pause == timedelta()) == (failures < rules.FREE_FAILURES)
    assert pause <= rules.LONGEST_PAUSE
    following = rules.may_try_at([*instants, NOW])
    assert following is None or following - NOW >= pause


def test_failures_count_for_a_day() -> None:
    kept = ["2026-01-30T08:59:59.000Z", "2026-01-30T09:00:01.000Z", "2026-01-31T08:00:00.000Z"]
    assert len(rules.counted(kept, NOW)) == 2
    assert len(rules.counted(kept * 30, NOW)) == rules.FAILURES_KEPT


def test_mails_are_limited() -> None:
    assert rules.within_limits([], NOW)
    assert not rules.within_limits([NOW - timedelta(seconds=59)], NOW)
    assert rules.within_limits([NOW - timedelta(seconds=60)], NOW)
    hour = [NOW - timedelta(minutes=minutes) for minutes in (50, 40, 30, 20, 10)]
    assert not rules.within_limits(hour, NOW)
    assert rules.within_limits(hour[1:], NOW)
    assert not rules.within_limits([NOW - timedelta(hours=hours) for hours in range(2, 22)], NOW)


@pytest.mark.parametrize(
    ("password", "temporary", "until", "waiting", "state"),
    [
        (True, False, None, False, "set"),
        (False, True, NOW + timedelta(seconds=1), False, "temporary"),
        (False, True, NOW, False, "lapsed"),
        (False, False, None, True, "waiting"),
        (False, False, None, False, "lapsed"),
    ],
)
def test_states(password: bool, temporary: bool, until: datetime | None, waiting: bool, state: str) -> None:
    assert state == rules.state_of(
        has_password=password, has_temporary=temporary, temporary_until=until, waiting=waiting, now=NOW
    )


def test_lengths_count_characters() -> None:
    rules.check_length("ö" * 12, "password")
    rules.check_length("𝔞" * 128, "password")
    for password in ("ö" * 11, "x" * 129):
        with pytest.raises(Invalid):
            rules.check_length(password, "password")


def test_hashes_are_argon2id_with_a_salt_of_their_own() -> None:
    first, second = hash_password("seven green lamps"), hash_password("seven green lamps")
    assert first.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert first != second
    assert verify("seven green lamps", first)
    assert not verify("seven green lamp", first)
    assert not verify("seven green lamps", None)
    assert not verify("a password that nobody has", None)
    assert not verify("x", "not a hash")
