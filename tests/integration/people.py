"""People who are signed in, for tests: staff, portal users, previews; without the mails that bring them in."""

from collections.abc import Iterable
from contextlib import suppress

from chalicelib.errors import Conflict
from chalicelib.sessions.service import open_session
from chalicelib.staff import service as members
from chalicelib.table import keys, store
from chalicelib.table.items import DomainAccessItem
from tests.integration.service import Service


def open_for(
    service: Service, kind: str, email: str, bill_groups: Iterable[tuple[str, str]] = (), origin: str = "link"
) -> str:
    """Return the token of a session, opened at the service's present."""
    transaction = store.Transaction(service.context)
    _, token = open_session(
        transaction, service.context, kind=kind, email=email, bill_groups=bill_groups, origin=origin, client="Test 1.0"
    )
    transaction.commit()
    return token


def staff(service: Service, email: str, role: str) -> str:
    """Make a staff member, and the first admin if there is none, and return the token of a session of theirs."""
    if role != "admin":
        with suppress(Conflict):
            members.add_staff_member(service.context, "first@vendor.example", "First", "admin")
    members.add_staff_member(service.context, email, email.split("@")[0].title(), role)
    return open_for(service, "staff", email)


def admit(email: str, bill_group_id: str, account_id: str, permissions: Iterable[str], rule_id: str = "rul_1") -> None:
    """Write an access rule of one address as it is stored."""
    key = keys.domain_access(bill_group_id, email.split("@")[1])
    item = store.get_item(DomainAccessItem, key) or DomainAccessItem(
        key.pk, key.sk, bill_group_id=bill_group_id, account_id=account_id, domain=email.split("@")[1]
    )
    rule = {"rule_id": rule_id, "permissions": sorted(permissions), "starts_at": "2020-01-01T00:00:00.000Z"}
    item.addresses = {**item.addresses, email: rule}
    item.save()


def expel(email: str, bill_group_id: str) -> None:
    """Take the access rules of an address away."""
    item = store.get_item(DomainAccessItem, keys.domain_access(bill_group_id, email.split("@")[1]))
    assert item is not None
    item.addresses = {other: rule for other, rule in item.addresses.items() if other != email}
    item.save()


def portal(service: Service, email: str, permissions: Iterable[str], *groups: tuple[str, str]) -> str:
    """Admit an address to bill groups and return the token of a session of theirs."""
    pairs = groups or (("b1", "a1"),)
    for bill_group_id, account_id in pairs:
        admit(email, bill_group_id, account_id, permissions)
    return open_for(service, "portal_user", email, pairs)
