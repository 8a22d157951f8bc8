"""Accounts over HTTP."""

from typing import Any

from pydantic import Field

from chalicelib.accounts import owner, service
from chalicelib.accounts.inputs import AccountBody, OwnerBody
from chalicelib.accounts.rules import MAX_ROLE_HOLDERS, MIN_ROLE_HOLDERS, Account
from chalicelib.accounts.service import RoleHolders
from chalicelib.api import Listing, Query, Reply, Request, Routes, View
from chalicelib.api.views import OverrideView
from chalicelib.errors import Forbidden
from chalicelib.field_types import EmailAddress
from chalicelib.permissions import is_permitted

accounts_routes = Routes("accounts")


class PaymentTermsView(View):
    """When the account pays."""

    kind: str
    days: int | None


class RoleCoverageView(View):
    """Who holds a contact role, and how many may and must (C2)."""

    contact_ids: list[str]
    minimum: int = Field(description="0 until both roles were held for the first time, 1 from then on.")
    maximum: int
    complete: bool = Field(description="False while nobody holds the role.")
    reachable: bool = Field(description="Whether one of them has an address that works.")


class AccountListed(View):
    """An account: a customer company."""

    account_id: str
    entity_id: str
    name: str
    currency: str
    payment_terms: PaymentTermsView
    country: str | None
    subdivision: str | None
    cost_center_billing: bool
    locale: str | None
    time_zone: str | None
    owner_contact_id: str | None = Field(description="The contact who manages access for the other contacts.")
    version: int


class OwnerView(View):
    """The owner of an account: the contact who manages access for the others."""

    contact_id: str | None


class AccountView(AccountListed):
    """An account: a customer company."""

    role_coverage: dict[str, RoleCoverageView]
    differences: dict[str, Any] = Field(
        description="Fields that were changed here, with the value that the billing system last sent."
    )


class AccountWritten(AccountListed):
    """An account after a write."""

    overrides: list[OverrideView]


class AccountQuery(Query):
    """How accounts are searched for."""

    q: str | None = Field(default=None, max_length=200, description="The start of one or more words in the name.")
    email: EmailAddress | None = Field(default=None, description="The email of one of the active contacts.")


def _listed_fields(account: Account) -> dict[str, Any]:
    return AccountListed.model_validate(account, from_attributes=True).model_dump()


def _to_coverage_views(holders: RoleHolders) -> dict[str, RoleCoverageView]:
    return {
        role: RoleCoverageView(
            contact_ids=sorted(ids),
            minimum=MIN_ROLE_HOLDERS if holders.both_held else 0,
            maximum=MAX_ROLE_HOLDERS,
            complete=bool(ids),
            reachable=role in holders.reachable,
        )
        for role, ids in (("invoicing", holders.invoicing), ("accounts_payable", holders.accounts_payable))
    }


@accounts_routes.get(
    "/v1/accounts", may="accounts.read", query=AccountQuery, returns={200: Listing[AccountListed]}, paged=True
)
def list_accounts(request: Request[None, AccountQuery]) -> Reply:
    """List accounts: all, by the start of words in their name, or by a contact's email."""
    if request.principal.is_portal:
        return _list_own_accounts(request)
    accounts, after = service.list_accounts(
        request.query.q, request.query.email, request.page.after, request.page.limit
    )
    return Reply(Listing(items=[AccountListed(**_listed_fields(account)) for account in accounts]), after=after)


def _list_own_accounts(request: Request[None, AccountQuery]) -> Reply:
    """List those accounts of a session of whose profile it may know, each once (A9)."""
    if request.query.q is not None or request.query.email is not None:
        raise Forbidden("search_not_yours", "Only the vendor's staff can search. Leave out q and email.")
    caller = request.principal
    ids = sorted({account for group, account in caller.bill_groups if caller.has("profile", group)})
    page = [one for one in ids if request.page.after is None or one > request.page.after][: request.page.limit + 1]
    shown = page[: request.page.limit]
    after = shown[-1] if len(page) > len(shown) else None
    listed = service.get_accounts(shown)
    return Reply(Listing(items=[AccountListed(**_listed_fields(account)) for account in listed]), after=after)


@accounts_routes.get("/v1/accounts/{account_id}", may="accounts.read", returns={200: AccountView}, tagged=True)
def get_account(request: Request[None, None]) -> Reply:
    """Read an account with the coverage of its contact roles."""
    found = service.get_account(request.path["account_id"])
    coverage, differences = _to_coverage_views(found.holders), found.differences
    if request.principal.is_portal:
        differences = {}
        if not is_permitted(request.principal, "contacts.read"):
            coverage = {}
    view = AccountView(**_listed_fields(found.account), role_coverage=coverage, differences=differences)
    return Reply(view, version=found.account.version)


@accounts_routes.get("/v1/accounts/{account_id}/owner", may="owner.read", returns={200: OwnerView})
def get_owner(request: Request[None, None]) -> Reply:
    """Read the owner of an account."""
    return Reply(OwnerView(contact_id=owner.get_owner(request.path["account_id"])))


@accounts_routes.put(
    "/v1/accounts/{account_id}/owner", may="owner.write", body=OwnerBody, returns={200: OwnerView}, replay=get_owner
)
def put_owner(request: Request[OwnerBody, None]) -> Reply:
    """Set the owner of an account, who has all permissions. An owner can transfer ownership."""
    contact_id = owner.put_owner(request.context, request.path["account_id"], request.body.contact_id)
    return Reply(OwnerView(contact_id=contact_id))


def _rebuild(request: Request[Any, Any]) -> Reply:
    """Answer a repeated write: with no overrides, since the repetition replaces nothing."""
    account = service.get_account(request.path["account_id"]).account
    return Reply(AccountWritten(**_listed_fields(account), overrides=[]), version=account.version)


@accounts_routes.put(
    "/v1/accounts/{account_id}",
    may="accounts.write",
    body=AccountBody,
    returns={200: AccountWritten, 201: AccountWritten},
    raises=("stale_version",),
    tagged=True,
    versioned=True,
    replay=_rebuild,
)
def put_account(request: Request[AccountBody, None]) -> Reply:
    """Create an account or change the fields that are sent; null clears a field.

    A value that was changed here stays while the billing system repeats its earlier one. When it sends a different
    one, that one is stored and listed under `overrides`.
    """
    written = service.put_account(request.context, request.path["account_id"], request.body.given(), request.if_match)
    view = AccountWritten(
        **_listed_fields(written.account), overrides=[OverrideView(**vars(one)) for one in written.overrides]
    )
    return Reply(view, status=201 if written.created else 200, version=written.account.version)
