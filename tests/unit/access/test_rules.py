import pytest

from chalicelib import tokens
from chalicelib.access import rules
from chalicelib.errors import InvalidInput

KEY = "key_01JABCDEFGHJKMNPQRSTVWXYZ0"
RANDOM = "a" * 43


def test_tokens() -> None:
    token = rules.format_api_key_token(KEY, RANDOM)
    assert rules.parse_key_id(token) == KEY
    assert tokens.token_matches_hash(token, tokens.sha256_hex(token))
    assert not tokens.token_matches_hash(token, tokens.sha256_hex(token + "x"))
    assert not tokens.token_matches_hash(token, "")
    assert RANDOM not in tokens.sha256_hex(token)


@pytest.mark.parametrize(
    "token", ["", "cf_", "key_1", f"cf_{KEY}_{RANDOM}", f"xx_{KEY[4:]}_{RANDOM}", f"cf_{KEY[4:]}_{RANDOM}\n",
              f"cf_{KEY[4:]}_{RANDOM}a", f"cf_{KEY[4:].lower()}_{RANDOM}", f"cf_{KEY[4:]}_{'é' * 43}"]
)  # fmt: skip
def test_what_is_no_token(token: str) -> None:
    assert rules.parse_key_id(token) is None


def test_a_key_to_be_made_is_tidied() -> None:
    assert rules.check_api_key_fields(" Billing ", ["changes:read", "accounts:read", "changes:read"]) == (
        "Billing",
        ("accounts:read", "changes:read"),
    )


def test_every_fault_of_a_key_is_named() -> None:
    with pytest.raises(InvalidInput) as refusal:
        rules.check_api_key_fields("\n", ["all", "accounts:read"])
    assert [(fault.field, fault.code) for fault in refusal.value.fields] == [
        ("name", "bad_name"),
        ("scopes", "unknown_scope"),
    ]
    with pytest.raises(InvalidInput) as refusal:
        rules.check_api_key_fields("x" * 81, [])
    assert [(fault.field, fault.code) for fault in refusal.value.fields] == [
        ("name", "bad_name"),
        ("scopes", "required"),
    ]
    assert refusal.value.code == "invalid"


@pytest.mark.parametrize("name", ["x", "é" * 80])
def test_names_that_a_key_may_have(name: str) -> None:
    assert rules.check_api_key_fields(name, ["accounts:read"])[0] == name


@pytest.mark.parametrize("name", ["", " ", "é" * 81, "a\x00b"])
def test_names_that_no_key_has(name: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        rules.check_api_key_fields(name, ["accounts:read"])
    assert [(fault.field, fault.code) for fault in refusal.value.fields] == [("name", "bad_name")]
