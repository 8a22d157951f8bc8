"""Bill groups and their subscriptions over HTTP."""

from datetime import date
from typing import Any

from pydantic import Field

from chalicelib.api import Listing, Reply, Request, Routes, View
from chalicelib.api.views import AddressView, OverrideView
from chalicelib.bill_groups import service, subscriptions
from chalicelib.bill_groups.inputs import BillGroupBody, BillGroupDetails, SubscriptionBody
from chalicelib.bill_groups.rules import BillGroup, Subscription

routes = Routes("bill groups")


class BillGroupListed(View):
    """A bill group: the unit that is billed and that has a portal."""

    bill_group_id: str
    account_id: str
    entity_id: str
    name: str
    po_number: str | None
    vat_number: str | None
    registration_number: str | None
    billing_address: AddressView | None
    shipping_address: AddressView | None
    billing_frequency: str | None
    next_billing_date: date | None
    auto_pay: bool
    contract_start: date | None
    contract_end: date | None
    billing_contact_id: str | None
    shipping_contact_id: str | None
    invoicing_contact_ids: list[str]
    accounts_payable_contact_ids: list[str]
    version: int


class BillGroupView(BillGroupListed):
    """A bill group: the unit that is billed and that has a portal."""

    differences: dict[str, Any] = Field(
        description="Fields that were changed here, with the value that the billing system last brought."
    )


class BillGroupWritten(BillGroupListed):
    """A bill group after a write."""

    overrides: list[OverrideView]


class SubscriptionView(View):
    """What a bill group subscribes to."""

    subscription_id: str
    bill_group_id: str
    account_id: str
    name: str
    status: str
    product_code: str | None
    description: str | None
    quantity: str | None
    unit_amount: int | None
    currency: str | None
    billing_frequency: str | None
    start_date: date | None
    end_date: date | None
    renews_on: date | None
    version: int


def _listed(group: BillGroup) -> dict[str, Any]:
    return BillGroupListed.model_validate(group, from_attributes=True).model_dump()


def _written(written: service.Written) -> Reply:
    overrides = [OverrideView(**vars(one)) for one in written.overrides]
    view = BillGroupWritten(**_listed(written.bill_group), overrides=overrides)
    return Reply(view, status=201 if written.created else 200, version=written.bill_group.version)


def _rebuild(request: Request[Any, Any]) -> Reply:
    """Answer a repeated write: with no overrides, since the repetition replaces nothing."""
    group = service.get_bill_group(request.path["bill_group_id"]).bill_group
    return _written(service.Written(group, created=False, overrides=()))


@routes.get(
    "/v1/accounts/{account_id}/bill-groups",
    may="bill_groups.read",
    returns={200: Listing[BillGroupListed]},
    paged=True,
)
def list_bill_groups(request: Request[None, None]) -> Reply:
    """List an account's bill groups in order of their ids."""
    groups, after = service.list_bill_groups(request.path["account_id"], request.page.after, request.page.limit)
    return Reply(Listing(items=[BillGroupListed(**_listed(group)) for group in groups]), after=after)


@routes.get("/v1/bill-groups/{bill_group_id}", may="bill_groups.read", returns={200: BillGroupView}, tagged=True)
def get_bill_group(request: Request[None, None]) -> Reply:
    """Read a bill group."""
    found = service.get_bill_group(request.path["bill_group_id"])
    view = BillGroupView(**_listed(found.bill_group), differences=found.differences)
    return Reply(view, version=found.bill_group.version)


@routes.put(
    "/v1/bill-groups/{bill_group_id}",
    may="bill_groups.write",
    body=BillGroupBody,
    returns={200: BillGroupWritten, 201: BillGroupWritten},
    raises=("stale_version", "bill_group_is_fixed"),
    tagged=True,
    versioned=True,
    replay=_rebuild,
)
def put_bill_group(request: Request[BillGroupBody, None]) -> Reply:
    """Create a bill group or change the fields that are sent; null clears a field.

    A value that was changed here stands while the billing system repeats the one it brought before; when it brings
    another, that one is taken and told under `overrides`.
    """
    return _written(
        service.put_bill_group(request.call, request.path["bill_group_id"], request.body.given(), request.if_match)
    )


@routes.patch(
    "/v1/bill-groups/{bill_group_id}",
    may="bill_groups.write",
    body=BillGroupDetails,
    returns={200: BillGroupWritten},
    raises=("stale_version",),
    tagged=True,
    replay=_rebuild,
)
def patch_bill_group(request: Request[BillGroupDetails, None]) -> Reply:
    """Change the fields that are sent here; they stand until the billing system brings other values."""
    return _written(
        service.patch_bill_group(request.call, request.path["bill_group_id"], request.body.given(), request.if_match)
    )


@routes.get(
    "/v1/bill-groups/{bill_group_id}/subscriptions",
    may="subscriptions.read",
    returns={200: Listing[SubscriptionView]},
    paged=True,
)
def list_subscriptions(request: Request[None, None]) -> Reply:
    """List a bill group's subscriptions in order of their ids."""
    found, after = subscriptions.list_subscriptions(
        request.path["bill_group_id"], request.page.after, request.page.limit
    )
    return Reply(Listing(items=[_subscription(one) for one in found]), after=after)


@routes.get(
    "/v1/bill-groups/{bill_group_id}/subscriptions/{subscription_id}",
    may="subscriptions.read",
    returns={200: SubscriptionView},
    tagged=True,
)
def get_subscription(request: Request[None, None]) -> Reply:
    """Read a subscription."""
    found = subscriptions.get_subscription(request.path["bill_group_id"], request.path["subscription_id"])
    return Reply(_subscription(found), version=found.version)


@routes.put(
    "/v1/bill-groups/{bill_group_id}/subscriptions/{subscription_id}",
    may="subscriptions.write",
    body=SubscriptionBody,
    returns={200: SubscriptionView, 201: SubscriptionView},
    tagged=True,
    replay=get_subscription,
)
def put_subscription(request: Request[SubscriptionBody, None]) -> Reply:
    """Create a subscription or change the fields that are sent; null clears a field."""
    written = subscriptions.put_subscription(
        request.call, request.path["bill_group_id"], request.path["subscription_id"], request.body.given()
    )
    status = 201 if written.created else 200
    return Reply(_subscription(written.subscription), status=status, version=written.subscription.version)


@routes.delete(
    "/v1/bill-groups/{bill_group_id}/subscriptions/{subscription_id}",
    may="subscriptions.write",
    returns={204: None},
)
def delete_subscription(request: Request[None, None]) -> Reply:
    """Delete a subscription."""
    subscriptions.delete_subscription(request.call, request.path["bill_group_id"], request.path["subscription_id"])
    return Reply(status=204)


def _subscription(subscription: Subscription) -> SubscriptionView:
    return SubscriptionView.model_validate(subscription, from_attributes=True)
