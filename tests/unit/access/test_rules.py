import pytest

from chalicelib.access import rules
from chalicelib.access.rules import NOBODY, PERMISSIONS, SCOPES, Principal
from chalicelib.errors import Invalid

KEY = "key_01JABCDEFGHJKMNPQRSTVWXYZ0"
RANDOM = "a" * 43


def holder(*scopes: str) -> Principal:
    return Principal("api_key", KEY, "billing", frozenset(scopes))


def test_nobody_may_anything() -> None:
    assert rules.operations_of(NOBODY) == []


@pytest.mark.parametrize("operation", sorted(PERMISSIONS))
def test_an_operation_needs_just_its_scope(operation: str) -> None:
    scope = PERMISSIONS[operation].scope
    assert scope is not None
    others = set(SCOPES) - {scope}
    assert rules.permits(holder(*SCOPES), operation)
    if scope:
        assert rules.permits(holder(scope), operation)
        assert not rules.permits(holder(*others), operation)
    else:
        assert rules.permits(holder(), operation)


@pytest.mark.parametrize("operation", ["", "accounts", "accounts.erase", "ACCOUNTS.READ", "accounts.read "])
def test_what_is_not_in_the_table_is_refused_to_everybody(operation: str) -> None:
    assert not rules.permits(holder(*SCOPES), operation)


@pytest.mark.parametrize("kind", ["nobody", "staff", "portal_user", "preview", ""])
def test_other_kinds_of_principals_do_not_profit_from_scopes(kind: str) -> None:
    assert not rules.permits(Principal(kind, "x", "x", frozenset(SCOPES)), "accounts.read")


def test_writing_is_never_open_to_those_who_may_only_view() -> None:
    for operation, needs in PERMISSIONS.items():
        if not operation.endswith(".read"):
            assert needs.staff in {"agent", "admin"}
            assert needs.scope
            assert needs.portal in {None, "contacts"}


def test_tokens() -> None:
    token = rules.token_of(KEY, RANDOM)
    assert rules.key_id_of(token) == KEY
    assert rules.matches(token, rules.hash_of(token))
    assert not rules.matches(token, rules.hash_of(token + "x"))
    assert not rules.matches(token, "")
    assert RANDOM not in rules.hash_of(token)


@pytest.mark.parametrize(
    "token", ["", "cf_", "key_1", f"cf_{KEY}_{RANDOM}", f"xx_{KEY[4:]}_{RANDOM}", f"cf_{KEY[4:]}_{RANDOM}\n",
              f"cf_{KEY[4:]}_{RANDOM}a", f"cf_{KEY[4:].lower()}_{RANDOM}", f"cf_{KEY[4:]}_{'é' * 43}"]
)  # fmt: skip
def test_what_is_no_token(token: str) -> None:
    assert rules.key_id_of(token) is None


def test_a_key_to_be_made_is_tidied() -> None:
    assert rules.check_key(" Billing ", ["changes:read", "accounts:read", "changes:read"]) == (
        "Billing",
        ("accounts:read", "changes:read"),
    )


def test_every_fault_of_a_key_is_named() -> None:
    with pytest.raises(Invalid) as refusal:
        rules.check_key("\n", ["all", "accounts:read"])
    assert [(fault.field, fault.code) for fault in refusal.value.fields] == [
        ("name", "bad_name"),
        ("scopes", "unknown_scope"),
    ]
    with pytest.raises(Invalid) as refusal:
        rules.check_key("x" * 81, [])
    assert [fault.code for fault in refusal.value.fields] == ["bad_name", "required"]


def test_rotation_keeps_the_identity() -> None:
    assert Principal("api_key", "key_1", "billing").identity == Principal("api_key", "key_2", "billing").identity
    assert Principal("api_key", "key_1", "billing").identity != Principal("staff", "key_1", "billing").identity
