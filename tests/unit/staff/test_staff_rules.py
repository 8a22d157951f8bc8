"""There is always an admin among the staff."""

import pytest

from chalicelib.errors import Conflict
from chalicelib.staff.rules import admins_after

ANN, BOB = "ann@v.example", "bob@v.example"


@pytest.mark.parametrize(
    ("before", "role", "after"),
    [
        ({ANN}, "admin", {ANN, BOB}),
        ({ANN}, "agent", {ANN}),
        ({ANN}, "viewer", {ANN}),
        ({ANN}, None, {ANN}),
        ({ANN, BOB}, "admin", {ANN, BOB}),
        ({ANN, BOB}, "agent", {ANN}),
        ({ANN, BOB}, None, {ANN}),
        ({BOB}, "admin", {BOB}),
        (set(), "admin", {BOB}),
    ],
)
def test_who_is_admin_afterwards(before: set[str], role: str | None, after: set[str]) -> None:
    assert admins_after(frozenset(before), BOB, role) == after


@pytest.mark.parametrize("role", ["agent", "viewer", None])
@pytest.mark.parametrize(("before", "code"), [({BOB}, "last_admin"), (set(), "first_is_admin")])
def test_nobody_being_admin_is_refused(before: set[str], code: str, role: str | None) -> None:
    with pytest.raises(Conflict) as refusal:
        admins_after(frozenset(before), BOB, role)
    assert refusal.value.code == code
