"""A deployment with a bill group, its users, and everybody's inbox."""

from typing import Any

import boto3
import pytest

from chalicelib.permissions import DEFAULT_PERMISSIONS
from chalicelib.table import keys, store
from chalicelib.table.items import AccessPointerItem, DomainAccessItem, StaffItem, SuppressionItem
from tests.integration.service import Service
from tests.integration.sign_in.people import Inbox

__all__: list[str] = []


def admit(service: Service, email: str, bill_group_id: str = "b1", account_id: str = "a1", **rule: Any) -> None:
    """Enter an access rule for an address, as ``access`` stores it."""
    domain = email.rpartition("@")[2]
    entered = {
        "rule_id": f"rul_{bill_group_id}",
        "permissions": sorted(DEFAULT_PERMISSIONS),
        "starts_at": keys.format_instant(service.clock.now),
        **rule,
    }
    key = keys.domain_access(bill_group_id, domain)
    ids = {"bill_group_id": bill_group_id, "account_id": account_id}
    store.create_item(DomainAccessItem(key.pk, key.sk, domain=domain, addresses={email: entered}, **ids))
    pointer = keys.access_rule_by_address(email, bill_group_id)
    store.create_item(AccessPointerItem(pointer.pk, pointer.sk, **ids))


@pytest.fixture
def portal(service: Service) -> Service:
    """The bill group b1 of a1, that ada@customer.example may enter."""
    boto3.client("sesv2").create_email_identity(EmailIdentity="billing@acme.example")
    account = service.account()
    service.bill_group("b1", account)
    admit(service, "ada@customer.example")
    later = keys.format_instant(service.clock.now.replace(month=2, day=1))
    admit(service, "later@soon.example", starts_at=later)
    admit(service, "bounced@gone.example")
    for email, kind in (("bounced@gone.example", "suppression"), ("sam@vendor.example", "staff")):
        key = keys.suppression(email) if kind == "suppression" else keys.staff(email)
        if kind == "suppression":
            store.create_item(SuppressionItem(key.pk, key.sk, email=email, reason="permanent", since=service.clock.now))
        else:
            store.create_item(
                StaffItem(
                    key.pk, key.sk, email=email, name="Sam", role="agent", status="active", created_at=service.clock.now
                )
            )
    return service


@pytest.fixture
def inbox(portal: Service) -> Inbox:
    return Inbox()
