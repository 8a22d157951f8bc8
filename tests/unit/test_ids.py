from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.ids import (
    AUDIT_EVENT_PREFIX,
    CONTACT_PREFIX,
    is_generated_id,
    is_vendor_id,
    lowest_id_at,
    new_id,
    time_of_id,
)

MOMENTS = st.datetimes(datetime(1990, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))
MILLISECOND = timedelta(milliseconds=1)


@given(MOMENTS, st.timedeltas(MILLISECOND * 2, timedelta(days=9999)))
def test_ids_sort_by_time(moment: datetime, later: timedelta) -> None:
    assert new_id(CONTACT_PREFIX, moment) < new_id(CONTACT_PREFIX, moment + later)


@given(MOMENTS)
def test_nothing_made_at_a_moment_sorts_before_its_first_id(moment: datetime) -> None:
    first = lowest_id_at(AUDIT_EVENT_PREFIX, moment)
    assert all(first <= new_id(AUDIT_EVENT_PREFIX, moment) for _ in range(3))
    assert new_id(AUDIT_EVENT_PREFIX, moment - 2 * MILLISECOND) < first


@given(MOMENTS)
def test_an_id_knows_its_time(moment: datetime) -> None:
    assert abs(time_of_id(CONTACT_PREFIX, new_id(CONTACT_PREFIX, moment)) - moment) <= 2 * MILLISECOND


def test_the_first_id_of_a_moment_is_what_it_always_was() -> None:
    moment = datetime(2026, 1, 31, 7, 0, 0, 123456, tzinfo=UTC)
    assert lowest_id_at(AUDIT_EVENT_PREFIX, moment) == "aud_01KG9DKXFV0000000000000000"


def test_ids_of_a_moment_differ() -> None:
    moment = datetime(2026, 1, 31, tzinfo=UTC)
    made = [new_id(CONTACT_PREFIX, moment) for _ in range(1000)]
    assert len(set(made)) == 1000
    assert made != sorted(made), "One id of a moment must not tell the next."


def test_own_ids_have_their_prefix_and_form() -> None:
    made = new_id(CONTACT_PREFIX, datetime(2026, 1, 31, tzinfo=UTC))
    assert is_generated_id(CONTACT_PREFIX, made)
    for other in (made.lower(), made + "0", made[:-1], made.replace("con_", "eml_"), made[:-1] + "U", made + "\n", ""):
        assert not is_generated_id(CONTACT_PREFIX, other)
        with pytest.raises(ValueError, match="is not an id"):
            time_of_id(CONTACT_PREFIX, other)


@pytest.mark.parametrize("text", ["a", "0", "A.b_c-9", "x" * 64])
def test_the_vendors_ids(text: str) -> None:
    assert is_vendor_id(text)


@pytest.mark.parametrize("text", ["", ".a", "-a", "_a", "a b", "a/b", "a#b", "ä", "x" * 65, "a\n", "١"])
def test_what_is_no_id_of_the_vendors(text: str) -> None:
    assert not is_vendor_id(text)
