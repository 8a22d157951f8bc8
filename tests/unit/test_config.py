import pytest

from chalicelib.config import ConfigurationError, Settings
from tests.unit.conftest import ENVIRONMENT

NEEDED = {name: value for name, value in ENVIRONMENT.items() if name != "ALLOWED_ORIGINS"} | {
    "PUBLIC_URL": "https://api.example.com/"
}


def fault(**changed: str | None) -> str:
    environment = {name: value for name, value in {**NEEDED, **changed}.items() if value is not None}
    with pytest.raises(ConfigurationError) as refusal:
        Settings.from_env(environment)
    return str(refusal.value)


def test_what_is_needed_suffices() -> None:
    settings = Settings.from_env(NEEDED)
    assert (settings.mail_mode, settings.log_level, settings.allowed_origins) == ("capture", "INFO", ())
    assert settings.public_url == "https://api.example.com"


def test_every_missing_variable_is_named_at_once() -> None:
    with pytest.raises(ConfigurationError) as refusal:
        Settings.from_env({})
    assert all(f"{name} is missing" in str(refusal.value) for name in NEEDED)


@pytest.mark.parametrize("name", sorted(NEEDED))
@pytest.mark.parametrize("value", [None, "", "  "])
def test_one_that_is_missing_or_blank_is_named_alone(name: str, value: str | None) -> None:
    message = fault(**{name: value})
    assert [other for other in NEEDED if f"{other} is missing" in message] == [name]


def test_an_unknown_mail_mode_is_named_with_the_known_ones() -> None:
    message = fault(MAIL_MODE="send")
    assert "MAIL_MODE" in message
    assert "capture, redirect, allowlist, live" in message


def test_modes_need_what_they_work_with() -> None:
    assert "MAIL_REDIRECT_TO" in fault(MAIL_MODE="redirect")
    assert "MAIL_ALLOWLIST" in fault(MAIL_MODE="allowlist", MAIL_ALLOWLIST=" , ")
    assert Settings.from_env({**NEEDED, "MAIL_MODE": "redirect", "MAIL_REDIRECT_TO": "a@b.com"}).mail_mode == "redirect"
    listed = Settings.from_env({**NEEDED, "MAIL_MODE": "allowlist", "MAIL_ALLOWLIST": "A@b.com, c.com"})
    assert listed.mail_allowlist == ("a@b.com", "c.com")


def test_a_short_signing_key_is_refused_and_not_shown() -> None:
    message = fault(SIGNING_KEY="too-short-a-secret")
    assert "SIGNING_KEY" in message
    assert "too-short-a-secret" not in message


def test_all_faults_are_reported_together() -> None:
    message = fault(TABLE_NAME=None, MAIL_MODE="redirect", SIGNING_KEY="short")
    assert all(name in message for name in ("TABLE_NAME", "MAIL_REDIRECT_TO", "SIGNING_KEY"))
