"""Bill groups and their subscriptions over HTTP."""

from datetime import date
from typing import Any

from pydantic import Field

from chalicelib.api import Listing, Reply, Request, Routes, View
from chalicelib.api.views import AddressView, OverrideView
from chalicelib.bill_groups import portal_link, service, subscriptions, summary
from chalicelib.bill_groups.inputs import BillGroupBody, BillGroupDetails, SubscriptionBody
from chalicelib.bill_groups.rules import BillGroup, Subscription

bill_groups_routes = Routes("bill groups")


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
        description="Fields that were changed here, with the value that the billing system last sent."
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


class PortalLinkView(View):
    """Where the sign-in page of a bill group's portal is."""

    url: str | None = Field(description="Can be copied and shared. It gives no access by itself.")


class SummaryEntityView(View):
    """Whose brand the portal wears."""

    entity_id: str
    name: str
    colour: str
    website: str | None
    support_email: str | None


class SummaryView(View):
    """The summary of a bill group."""

    bill_group_id: str
    bill_group_name: str
    account_id: str
    account_name: str
    currency: str
    cost_center_billing: bool = Field(description="When true, only the vendor manages the contacts.")
    entity: SummaryEntityView
    permissions: list[str] = Field(description="What the caller may do here; empty for staff and API keys.")
    read_only: bool = Field(description="True after the contract's end, while a balance is open.")
    po_number: str | None = Field(description="Null also without the permission profile.")
    next_billing_date: date | None = Field(description="Null also without the permission profile.")
    contact_role_holders: dict[str, int] = Field(description="Empty without the permission contacts.")
    unreachable_roles: list[str] = Field(
        description="Contact roles without a working email address. Empty without the permission contacts."
    )
    open_balances: dict[str, int] | None = Field(
        description="What is owed, in minor units by currency. Null without the permission invoices."
    )
    open_invoices: int | None = Field(description="How many invoices are open. Null without the permission invoices.")


def _listed_fields(group: BillGroup) -> dict[str, Any]:
    return BillGroupListed.model_validate(group, from_attributes=True).model_dump()


def _write_reply(written: service.BillGroupWriteResult) -> Reply:
    overrides = [OverrideView(**vars(one)) for one in written.overrides]
    view = BillGroupWritten(**_listed_fields(written.bill_group), overrides=overrides)
    return Reply(view, status=201 if written.created else 200, version=written.bill_group.version)


def _rebuild(request: Request[Any, Any]) -> Reply:
    """Answer a repeated write: with no overrides, since the repetition replaces nothing."""
    group = service.get_bill_group(request.path["bill_group_id"]).bill_group
    return _write_reply(service.BillGroupWriteResult(group, created=False, overrides=()))


@bill_groups_routes.get(
    "/v1/accounts/{account_id}/bill-groups",
    may="bill_groups.read",
    returns={200: Listing[BillGroupListed]},
    paged=True,
)
def list_bill_groups(request: Request[None, None]) -> Reply:
    """List an account's bill groups in order of their ids."""
    if request.principal.is_portal:
        return _list_own_bill_groups(request)
    groups, after = service.list_bill_groups(request.path["account_id"], request.page.after, request.page.limit)
    return Reply(Listing(items=[BillGroupListed(**_listed_fields(group)) for group in groups]), after=after)


def _list_own_bill_groups(request: Request[None, None]) -> Reply:
    """List those bill groups of the account whose profile a session may see (A9)."""
    caller = request.principal
    after = request.page.after
    ids = sorted(group for group in caller.grants if caller.has("profile", group) and (after is None or group > after))
    shown = ids[: request.page.limit]
    listed = [BillGroupListed(**_listed_fields(group)) for group in service.get_bill_groups(shown)]
    return Reply(Listing(items=listed), after=shown[-1] if len(ids) > len(shown) else None)


@bill_groups_routes.get(
    "/v1/bill-groups/{bill_group_id}/summary",
    may="summary.read",
    returns={200: SummaryView},
)
def get_summary(request: Request[None, None]) -> Reply:
    """Read the summary that a bill group's portal shows first."""
    found = summary.get_bill_group_summary(request.path["bill_group_id"])
    group, caller = found.bill_group, request.principal
    grant = caller.grants.get(group.bill_group_id)
    profile = not caller.is_portal or caller.has("profile", group.bill_group_id)
    contacts = not caller.is_portal or caller.has("contacts", group.bill_group_id)
    invoices = not caller.is_portal or caller.has("invoices", group.bill_group_id)
    return Reply(
        SummaryView(
            bill_group_id=group.bill_group_id,
            bill_group_name=group.name,
            account_id=found.account.account_id,
            account_name=found.account.name,
            currency=found.account.currency,
            cost_center_billing=found.account.cost_center_billing,
            entity=SummaryEntityView.model_validate(found.entity, from_attributes=True),
            permissions=sorted(grant.permissions) if grant else [],
            read_only=grant.read_only if grant else False,
            po_number=group.po_number if profile else None,
            next_billing_date=group.next_billing_date if profile else None,
            contact_role_holders=found.holders if contacts else {},
            unreachable_roles=list(found.unreachable) if contacts else [],
            open_balances=dict(found.open_balances) if invoices else None,
            open_invoices=found.open_invoices if invoices else None,
        )
    )


@bill_groups_routes.get(
    "/v1/bill-groups/{bill_group_id}/portal-link", may="portal_link.read", returns={200: PortalLinkView}
)
def get_portal_link(request: Request[None, None]) -> Reply:
    """Read a bill group's portal link."""
    return Reply(PortalLinkView(url=portal_link.get_url(request.path["bill_group_id"])))


@bill_groups_routes.post(
    "/v1/bill-groups/{bill_group_id}/portal-link",
    may="portal_link.write",
    returns={200: PortalLinkView},
    replay=get_portal_link,
)
def replace_portal_link(request: Request[None, None]) -> Reply:
    """Replace the portal link. The old one stops working."""
    return Reply(PortalLinkView(url=portal_link.replace(request.context, request.path["bill_group_id"])))


@bill_groups_routes.get(
    "/v1/bill-groups/{bill_group_id}", may="bill_groups.read", returns={200: BillGroupView}, tagged=True
)
def get_bill_group(request: Request[None, None]) -> Reply:
    """Read a bill group."""
    found = service.get_bill_group(request.path["bill_group_id"])
    differences = {} if request.principal.is_portal else found.differences
    view = BillGroupView(**_listed_fields(found.bill_group), differences=differences)
    return Reply(view, version=found.bill_group.version)


@bill_groups_routes.put(
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

    A value that was changed here stays while the billing system repeats its earlier one. When it sends a different
    one, that one is stored and listed under `overrides`.
    """
    return _write_reply(
        service.put_bill_group(request.context, request.path["bill_group_id"], request.body.given(), request.if_match)
    )


@bill_groups_routes.patch(
    "/v1/bill-groups/{bill_group_id}",
    may="bill_groups.edit",
    body=BillGroupDetails,
    returns={200: BillGroupWritten},
    raises=("stale_version",),
    tagged=True,
    replay=_rebuild,
)
def patch_bill_group(request: Request[BillGroupDetails, None]) -> Reply:
    """Change the fields that are sent. Each keeps its value until the billing system sends a different one.

    A portal user can change the PO, VAT and registration numbers, the addresses, and the billing and shipping contact.
    """
    return _write_reply(
        service.patch_bill_group(request.context, request.path["bill_group_id"], request.body.given(), request.if_match)
    )


@bill_groups_routes.get(
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
    return Reply(Listing(items=[_to_subscription_view(one) for one in found]), after=after)


@bill_groups_routes.get(
    "/v1/bill-groups/{bill_group_id}/subscriptions/{subscription_id}",
    may="subscriptions.read",
    returns={200: SubscriptionView},
    tagged=True,
)
def get_subscription(request: Request[None, None]) -> Reply:
    """Read a subscription."""
    found = subscriptions.get_subscription(request.path["bill_group_id"], request.path["subscription_id"])
    return Reply(_to_subscription_view(found), version=found.version)


@bill_groups_routes.put(
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
        request.context, request.path["bill_group_id"], request.path["subscription_id"], request.body.given()
    )
    status = 201 if written.created else 200
    return Reply(_to_subscription_view(written.subscription), status=status, version=written.subscription.version)


@bill_groups_routes.delete(
    "/v1/bill-groups/{bill_group_id}/subscriptions/{subscription_id}",
    may="subscriptions.write",
    returns={204: None},
)
def delete_subscription(request: Request[None, None]) -> Reply:
    """Delete a subscription."""
    subscriptions.delete_subscription(request.context, request.path["bill_group_id"], request.path["subscription_id"])
    return Reply(status=204)


def _to_subscription_view(subscription: Subscription) -> SubscriptionView:
    return SubscriptionView.model_validate(subscription, from_attributes=True)
