import pytest

from chalicelib import permissions
from chalicelib.permissions import NOBODY, OPERATION_REQUIREMENTS, SCOPES, Grant, Principal

KEY = "key_01JABCDEFGHJKMNPQRSTVWXYZ0"
RANDOM = "a" * 43


def holder(*scopes: str) -> Principal:
    return Principal("api_key", KEY, "billing", frozenset(scopes))


def test_nobody_may_anything() -> None:
    assert permissions.list_permitted_operations(NOBODY) == []


@pytest.mark.parametrize("operation", sorted(OPERATION_REQUIREMENTS))
def test_an_operation_needs_just_its_scope(operation: str) -> None:
    scope = OPERATION_REQUIREMENTS[operation].scope
    if scope is None:
        assert not permissions.is_permitted(holder(*SCOPES), operation)
        return
    others = set(SCOPES) - {scope}
    assert permissions.is_permitted(holder(*SCOPES), operation)
    if scope:
        assert permissions.is_permitted(holder(scope), operation)
        assert not permissions.is_permitted(holder(*others), operation)
    else:
        assert permissions.is_permitted(holder(), operation)


@pytest.mark.parametrize("operation", ["", "accounts", "accounts.erase", "ACCOUNTS.READ", "accounts.read "])
def test_what_is_not_in_the_table_is_refused_to_everybody(operation: str) -> None:
    assert not permissions.is_permitted(holder(*SCOPES), operation)


@pytest.mark.parametrize("kind", ["nobody", "staff", "portal_user", "preview", ""])
def test_other_kinds_of_principals_do_not_profit_from_scopes(kind: str) -> None:
    assert not permissions.is_permitted(Principal(kind, "x", "x", frozenset(SCOPES)), "accounts.read")


OWN_AFFAIRS = {"sessions.end", "previews.open"}
"""Writes of sessions only, which change nothing that anybody else sees."""
OF_READERS = {"disputes.raise", "emails.resend", "invoices.send", "statements.ask"}
"""What a portal user who sees an invoice or an email may do with it."""
QUESTIONS_BY_POST = {"reminder_policies.preview"}
"""Questions with a body, which write nothing."""


def test_writing_is_never_open_to_those_who_may_only_view() -> None:
    for operation, needs in OPERATION_REQUIREMENTS.items():
        if operation in OF_READERS:
            assert needs.staff == "agent"
            continue
        if operation in QUESTIONS_BY_POST:
            assert (needs.scope or "").endswith(":read")
            assert needs.portal is None
            continue
        if not needs.reads and operation not in OWN_AFFAIRS:
            assert needs.staff in {"agent", "admin"}
            assert needs.scope != ""
            assert needs.portal in {None, "profile", "contacts", "access", "pay"}


def portal(kind: str, *permissions: str, read_only: bool = False) -> Principal:
    return Principal(kind, "ann@x.example", "", grants={"b1": Grant(frozenset(permissions), ("r",), read_only)})


@pytest.mark.parametrize("operation", sorted(OPERATION_REQUIREMENTS))
def test_a_preview_and_a_portal_that_only_reads_write_nothing(operation: str) -> None:
    needs = OPERATION_REQUIREMENTS[operation]
    everything = portal("preview", *permissions.PORTAL_PERMISSIONS)
    assert permissions.is_permitted(everything, operation) == (needs.reads and needs.portal is not None)
    over = portal("portal_user", *permissions.PORTAL_PERMISSIONS, read_only=True)
    open_still = needs.portal is not None and (needs.reads or needs.portal in {"pay", permissions.ANY_SIGNED_IN})
    assert permissions.is_permitted(over, operation) == open_still


@pytest.mark.parametrize(("needed", "may"), [("pay", True), ("profile", False), (permissions.ANY_SIGNED_IN, True)])
def test_after_the_end_of_a_contract_paying_stays_open(needed: str, may: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(OPERATION_REQUIREMENTS, "some.write", permissions.OperationRequirement(None, None, needed))
    over = portal("portal_user", "pay", "profile", read_only=True)
    assert permissions.is_permitted(over, "some.write") == may


@pytest.mark.parametrize("operation", sorted(OPERATION_REQUIREMENTS))
def test_a_portal_user_needs_just_its_permission(operation: str) -> None:
    wanted = OPERATION_REQUIREMENTS[operation].portal
    others = set(permissions.PORTAL_PERMISSIONS) - {wanted}
    assert permissions.is_permitted(portal("portal_user", *permissions.PORTAL_PERMISSIONS), operation) == (
        wanted is not None
    )
    assert permissions.is_permitted(portal("portal_user", *others), operation) == (wanted == permissions.ANY_SIGNED_IN)


@pytest.mark.parametrize("operation", sorted(OPERATION_REQUIREMENTS))
def test_staff_need_at_least_their_role(operation: str) -> None:
    least = OPERATION_REQUIREMENTS[operation].staff
    for rank, role in enumerate(permissions.STAFF_ROLES):
        may = least is not None and rank >= permissions.STAFF_ROLES.index(least)
        assert permissions.is_permitted(Principal("staff", "s@v.example", "", role=role), operation) == may
    assert not permissions.is_permitted(Principal("staff", "s@v.example", "", role=None), operation)
    assert not permissions.is_permitted(Principal("staff", "s@v.example", "", role="owner"), operation)


def test_the_operations_of_a_caller_are_those_that_it_may_perform() -> None:
    assert permissions.list_permitted_operations(holder("changes:read")) == ["changes.read", "me.read"]
    assert permissions.list_permitted_operations(Principal("staff", "s@v.example", "", role="admin")) == sorted(
        operation for operation, needs in OPERATION_REQUIREMENTS.items() if needs.staff
    )


def test_a_permission_is_had_at_the_bill_group_that_grants_it() -> None:
    ann = portal("portal_user", "profile")
    assert ann.has("profile", "b1")
    assert not ann.has("pay", "b1")
    assert not ann.has("profile", "b2")


def test_rotation_keeps_the_identity() -> None:
    assert Principal("api_key", "key_1", "billing").identity == Principal("api_key", "key_2", "billing").identity
    assert Principal("api_key", "key_1", "billing").identity != Principal("staff", "key_1", "billing").identity
