import pytest

from chalicelib.entities.rules import Rollout


@pytest.mark.parametrize(
    ("mode", "named", "another"),
    [("off", "off", "off"), ("shadow", "shadow", "shadow"), ("pilot", "live", "shadow"), ("live", "live", "live")],
)
def test_what_becomes_of_an_accounts_mail(mode: str, named: str, another: str) -> None:
    rollout = Rollout(mode, ("a1",))
    assert (rollout.mode_for_account("a1"), rollout.mode_for_account("a2")) == (named, another)
