from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.errors import InvalidInput
from chalicelib.passwords import rules
from chalicelib.passwords.hashing import hash_password, verify_password

NOW = datetime(2026, 1, 31, 9, tzinfo=UTC)


@given(st.integers(0, 40))
def test_the_pause_only_grows_and_ends(failures: int) -> None:
    instants = [NOW] * failures
    free_at = rules.next_try_at(instants)
    pause = timedelta() if free_at is None else free_at - NOW
    assert (pause == timedelta()) == (failures < rules.FAILURES_WITHOUT_BACKOFF)
    assert pause <= rules.MAX_BACKOFF
    following = rules.next_try_at([*instants, NOW])
    assert following is None or following - NOW >= pause


def test_failures_count_for_a_day() -> None:
    kept = ["2026-01-30T08:59:59.000Z", "2026-01-30T09:00:01.000Z", "2026-01-31T08:00:00.000Z"]
    assert len(rules.recent_instants(kept, NOW)) == 2
    assert len(rules.recent_instants(kept * 30, NOW)) == rules.MAX_STORED_FAILURES


def test_mails_are_limited() -> None:
    assert rules.may_send_reset_mail([], NOW)
    assert not rules.may_send_reset_mail([NOW - timedelta(seconds=59)], NOW)
    assert rules.may_send_reset_mail([NOW - timedelta(seconds=60)], NOW)
    hour = [NOW - timedelta(minutes=minutes) for minutes in (50, 40, 30, 20, 10)]
    assert not rules.may_send_reset_mail(hour, NOW)
    assert rules.may_send_reset_mail(hour[1:], NOW)
    assert not rules.may_send_reset_mail([NOW - timedelta(hours=hours) for hours in range(2, 22)], NOW)


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
    assert state == rules.get_password_state(
        has_password=password, has_temporary=temporary, temporary_until=until, waiting=waiting, now=NOW
    )


def test_lengths_count_characters() -> None:
    rules.check_password_length("ö" * 12, "password")
    rules.check_password_length("𝔞" * 128, "password")
    for password in ("ö" * 11, "x" * 129):
        with pytest.raises(InvalidInput):
            rules.check_password_length(password, "password")


def test_hashes_are_argon2id_with_a_salt_of_their_own() -> None:
    first, second = hash_password("seven green lamps"), hash_password("seven green lamps")
    assert first.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert first != second
    assert verify_password("seven green lamps", first)
    assert not verify_password("seven green lamp", first)
    assert not verify_password("seven green lamps", None)
    assert not verify_password("a password that nobody has", None)
    assert not verify_password("x", "not a hash")
