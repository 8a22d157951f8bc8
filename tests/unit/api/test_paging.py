import base64
import string

import pytest

from chalicelib.api import paging
from chalicelib.config import settings
from chalicelib.errors import InvalidInput

BINDING = ("/v1/things", "{}", "{}", "api_key:billing")


@pytest.fixture(autouse=True)
def _environment(environment: None) -> None:
    """Every test here signs with the key of the settings."""


@pytest.mark.parametrize("after", ["PK\nSK", {"a": [1, None]}, "é东", 0, []])
def test_a_cursor_brings_back_what_was_signed(after: object) -> None:
    cursor = paging.sign_cursor(after, BINDING)
    assert set(cursor) <= set(string.ascii_letters + string.digits + "-_")
    assert paging.verify_cursor(cursor, BINDING) == after


@pytest.mark.parametrize("position", range(4))
def test_a_cursor_is_bound_to_all_of_its_binding(position: int) -> None:
    cursor = paging.sign_cursor("x", BINDING)
    other = tuple("other" if place == position else part for place, part in enumerate(BINDING))
    assert refusal_of(cursor, other) == ("cursor", "bad_cursor")


def test_the_parts_of_a_binding_do_not_run_into_each_other() -> None:
    cursor = paging.sign_cursor("x", ("ab", "c"))
    assert refusal_of(cursor, ("a", "bc"))


def test_no_changed_cursor_is_accepted() -> None:
    cursor = paging.sign_cursor("abc", BINDING)
    for place, character in enumerate(cursor):
        other = "A" if character != "A" else "B"
        assert refusal_of(cursor[:place] + other + cursor[place + 1 :], BINDING)


@pytest.mark.parametrize("cursor", ["", "x", "=", "é", "a b", "A" * 42, "A" * 43, "A" * 5000, "\x00"])
def test_nonsense_is_refused(cursor: str) -> None:
    assert refusal_of(cursor, BINDING) == ("cursor", "bad_cursor")


def test_another_spelling_of_the_same_bytes_is_refused() -> None:
    cursor = paging.sign_cursor("abc", BINDING)
    raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    padded = base64.urlsafe_b64encode(raw).decode()
    assert padded != cursor
    assert refusal_of(padded, BINDING)


def test_another_deployment_refuses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    cursor = paging.sign_cursor("abc", BINDING)
    monkeypatch.setenv("SIGNING_KEY", "another key of more than 32 characters")
    settings.cache_clear()
    assert refusal_of(cursor, BINDING)


def refusal_of(cursor: str, binding: tuple[str, ...]) -> tuple[str, str]:
    with pytest.raises(InvalidInput) as refusal:
        paging.verify_cursor(cursor, binding)
    (fault,) = refusal.value.fields
    return fault.field, fault.code
