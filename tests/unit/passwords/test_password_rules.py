from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.errors import Conflict, CounterfoilError, Forbidden, InvalidInput
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


@pytest.mark.parametrize(
    ("password", "temporary", "until", "waiting", "state"),
    [
        (True, False, None, False, "set"),
        (False, True, NOW + timedelta(seconds=1), False, "temporary"),
        (False, True, NOW, False, "lapsed"),
        (False, True, NOW - timedelta(seconds=1), False, "lapsed"),
        (False, True, None, False, "lapsed"),
        (False, False, NOW + timedelta(seconds=1), False, "lapsed"),
        (False, True, NOW + timedelta(seconds=1), True, "waiting"),
        (True, True, NOW + timedelta(seconds=1), True, "set"),
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


def refusal_of_length(password: str) -> InvalidInput:
    with pytest.raises(InvalidInput) as refusal:
        rules.check_password_length(password, "new_password")
    return refusal.value


def test_the_length_is_refused_at_the_field_that_has_it() -> None:
    for password, code in (("x" * 11, "too_short"), ("x" * 129, "too_long")):
        (fault,) = refusal_of_length(password).fields
        assert (fault.field, fault.code) == ("new_password", code)


@pytest.mark.parametrize("name", ["ann", "7-of-9", "Ann.Bee_1+x-y", "a" * 64])
def test_a_user_name_is_taken_as_it_is(name: str) -> None:
    assert rules.check_user_name(name) == name


@pytest.mark.parametrize("name", ["", "an", ".ann", "_ann", "ann bee", "ann@x.example", "änn", "ann\n", "a" * 65])
def test_what_is_no_user_name(name: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        rules.check_user_name(name)
    assert [(fault.field, fault.code) for fault in refusal.value.fields] == [("user_name", "bad_user_name")]


def test_user_names_that_differ_in_case_are_one() -> None:
    assert rules.fold_user_name("Ann.BEE") == rules.fold_user_name("ann.bee") == "ann.bee"


def test_a_password_is_the_same_however_a_keyboard_composes_it() -> None:
    assert rules.normalise_password("e\u0301") == rules.normalise_password("\u00e9") == "\u00e9"
    assert rules.normalise_password("\ufb01\u2460") == "fi1"


@pytest.mark.parametrize(
    ("ago", "counts"), [(timedelta(hours=24), False), (timedelta(hours=24) - timedelta(microseconds=1), True)]
)
def test_a_failure_counts_for_just_under_a_day(ago: timedelta, counts: bool) -> None:
    assert rules.recent_instants([(NOW - ago).isoformat()], NOW) == ([NOW - ago] if counts else [])


def test_of_many_failures_the_newest_are_kept() -> None:
    failures = [NOW - timedelta(minutes=minutes) for minutes in range(30, 0, -1)]
    assert rules.recent_instants([instant.isoformat() for instant in failures], NOW) == failures[-20:]


@pytest.mark.parametrize(
    ("failures", "seconds"), [(4, None), (5, 1), (6, 2), (7, 4), (10, 32), (14, 512), (15, 900), (20, 900)]
)
def test_the_pause_doubles_from_the_last_failure_on(failures: int, seconds: int | None) -> None:
    instants = [NOW + timedelta(hours=number) for number in range(failures)]
    expected = None if seconds is None else instants[-1] + timedelta(seconds=seconds)
    assert rules.next_try_at(instants) == expected


@pytest.mark.parametrize(
    ("refusal", "kind", "code"),
    [
        (rules.wrong_password_error, Forbidden, "wrong_password"),
        (rules.password_must_be_set_error, Forbidden, "password_must_be_set"),
        (rules.no_user_name_error, Conflict, "no_user_name"),
    ],
)
def test_refusals(refusal: Callable[[], CounterfoilError], kind: type[CounterfoilError], code: str) -> None:
    refused = refusal()
    assert isinstance(refused, kind)
    assert refused.code == code


def test_hashes_are_argon2id_with_a_salt_of_their_own() -> None:
    first, second = hash_password("seven green lamps"), hash_password("seven green lamps")
    assert first.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert first != second
    assert verify_password("seven green lamps", first)
    assert not verify_password("seven green lamp", first)
    assert not verify_password("seven green lamps", None)
    assert not verify_password("a password that nobody has", None)
    assert not verify_password("x", "not a hash")
