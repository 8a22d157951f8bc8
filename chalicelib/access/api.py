"""Access rules, API keys and the caller itself, over HTTP."""

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from chalicelib.access import access_rules, api_keys, rules, whoami
from chalicelib.access.access_rules import AccessRule
from chalicelib.access.inputs import AccessRuleBody
from chalicelib.api import Body, Listing, Reply, Request, Routes, View
from chalicelib.permissions import SCOPES, STAFF_ROLES, list_permitted_operations

access_routes = Routes("access")

Scope = Literal[SCOPES]  # type: ignore[valid-type]


class ApiKeyBody(Body):
    """A new API key."""

    name: str = Field(
        min_length=1,
        max_length=rules.MAX_KEY_NAME_LENGTH,
        description="Names the system that will use the key. Two keys of one name can be valid at once.",
        examples=["billing system"],
    )
    scopes: list[Scope] = Field(min_length=1, max_length=len(SCOPES), examples=[["accounts:read"]])


class ApiKeyReply(View):
    """An API key."""

    key_id: str
    name: str
    scopes: list[str]
    created_at: datetime
    last_used_at: datetime | None = Field(description="To the hour.")
    revoked_at: datetime | None
    api_key: str | None = Field(
        default=None, description="The bearer token. Shown once, in the response that creates the key."
    )


class EntryView(View):
    """Someone who signed in by a rule."""

    email: str
    at: datetime = Field(description="Last sign-in, to the hour.")


class AccessRuleView(View):
    """Who may sign in to a bill group's portal, or who may not although their domain may."""

    rule_id: str
    bill_group_id: str
    kind: Literal["email", "domain", "denial"] = Field(
        description="A denial blocks one address of a domain that may sign in. It was added when that "
        "contact was removed. Delete it to lift it."
    )
    value: str | None = Field(description="The address or domain; null for a denial whose person was erased.")
    permissions: list[str]
    starts_at: datetime | None = Field(description="When it takes effect.")
    created_at: datetime
    created_by: str
    last_used_at: datetime | None = Field(description="To the hour.")
    last_used_by: str | None
    entries: list[EntryView] = Field(description="Who signed in by it, latest first; at most 20.")


class AccountOfCaller(View):
    """An account that the caller has access to."""

    account_id: str
    name: str


class BillGroupOfCaller(View):
    """A bill group whose portal the caller has access to now, and what they may do there."""

    bill_group_id: str
    account_id: str
    entity_id: str
    name: str
    permissions: list[str]
    read_only: bool = Field(description="True after the end of the contract: only viewing and paying.")


class PrincipalReply(View):
    """The caller."""

    kind: Literal["api_key", "staff", "portal_user", "preview"]
    id: str
    name: str
    email: str | None = Field(description="Of whom signed in; of a preview, the staff member who looks.")
    role: Literal[STAFF_ROLES] | None = Field(description="Of staff.")  # type: ignore[valid-type]
    session_id: str | None
    scopes: list[str] = Field(description="Of an API key.")
    accounts: list[AccountOfCaller] = Field(description="Of portal users: what the bill groups belong to.")
    bill_groups: list[BillGroupOfCaller] = Field(
        description="Of portal users: the bill groups they have access to now."
    )
    operations: list[str] = Field(
        description="What this principal may do, as the routes declare it; a portal user, at some of the bill groups."
    )


@access_routes.get("/v1/me", may="me.read", returns={200: PrincipalReply})
def get_me(request: Request[None, None]) -> Reply:
    """Read the caller, what they have access to, and what they may do."""
    principal = request.principal
    places = whoami.list_accessible_bill_groups(principal)
    accounts = {place.account_id: place.account_name for place in places}
    return Reply(
        PrincipalReply(
            kind=principal.kind,
            id=principal.id,
            name=principal.name,
            email=None if principal.kind == "api_key" else principal.id,
            role=principal.role,
            session_id=principal.session_id,
            scopes=sorted(principal.scopes),
            accounts=[AccountOfCaller(account_id=key, name=name) for key, name in sorted(accounts.items())],
            bill_groups=[
                BillGroupOfCaller(
                    bill_group_id=place.bill_group_id,
                    account_id=place.account_id,
                    entity_id=place.entity_id,
                    name=place.name,
                    permissions=list(place.permissions),
                    read_only=place.read_only,
                )
                for place in places
            ],
            operations=list_permitted_operations(principal),
        )
    )


@access_routes.get("/v1/api-keys", may="api_keys.read", returns={200: Listing[ApiKeyReply]}, paged=True)
def list_api_keys(request: Request[None, None]) -> Reply:
    """List the API keys by name, revoked ones included."""
    found, after = api_keys.list_keys(request.page.limit, request.page.after)
    return Reply(Listing[ApiKeyReply](items=[_to_key_reply(key) for key in found]), after=after)


@access_routes.get("/v1/api-keys/{key_id}", may="api_keys.read", returns={200: ApiKeyReply})
def get_api_key(request: Request[None, None]) -> Reply:
    """Read one API key."""
    return Reply(_to_key_reply(api_keys.get(request.path["key_id"])))


@access_routes.post(
    "/v1/api-keys",
    may="api_keys.write",
    body=ApiKeyBody,
    returns={201: ApiKeyReply},
    raises=("too_many_keys",),
    replay=get_api_key,
)
def create_api_key(request: Request[ApiKeyBody, None]) -> Reply:
    """Create an API key. A key can grant only scopes that it has; an admin can grant all."""
    caller_scopes = request.principal.scopes if request.principal.kind == "api_key" else None
    key, token = api_keys.create(request.context, request.body.name, list(request.body.scopes), grantable=caller_scopes)
    return Reply(_to_key_reply(key, token), status=201)


@access_routes.delete("/v1/api-keys/{key_id}", may="api_keys.write", returns={204: None})
def revoke_api_key(request: Request[None, None]) -> Reply:
    """Revoke an API key immediately."""
    api_keys.revoke(request.context, request.path["key_id"])
    return Reply(status=204)


def _to_key_reply(key: api_keys.ApiKey, token: str | None = None) -> ApiKeyReply:
    return ApiKeyReply(
        key_id=key.key_id,
        name=key.name,
        scopes=list(key.scopes),
        created_at=key.created_at,
        last_used_at=key.last_used_at,
        revoked_at=key.revoked_at,
        api_key=token,
    )


def _to_rule_view(rule: AccessRule) -> AccessRuleView:
    entries = [EntryView(email=email, at=at) for email, at in rule.entries]
    return AccessRuleView(
        rule_id=rule.rule_id,
        bill_group_id=rule.bill_group_id,
        kind=rule.kind,
        value=rule.value,
        permissions=list(rule.permissions),
        starts_at=rule.starts_at,
        created_at=rule.created_at,
        created_by=rule.created_by,
        last_used_at=entries[0].at if entries else None,
        last_used_by=entries[0].email if entries else None,
        entries=entries,
    )


def _rebuild_rule(request: Request[Any, Any]) -> Reply:
    return Reply(_to_rule_view(access_rules.get_access_rule(request.path["bill_group_id"], request.path["rule_id"])))


@access_routes.get(
    "/v1/bill-groups/{bill_group_id}/access-rules",
    may="access_rules.read",
    returns={200: Listing[AccessRuleView]},
    paged=True,
)
def list_access_rules(request: Request[None, None]) -> Reply:
    """List who can sign in to a bill group's portal, by domain, including denials."""
    found, after = access_rules.list_rules(request.path["bill_group_id"], request.page.after, request.page.limit)
    return Reply(Listing(items=[_to_rule_view(rule) for rule in found]), after=after)


@access_routes.post(
    "/v1/bill-groups/{bill_group_id}/access-rules",
    may="access_rules.write",
    body=AccessRuleBody,
    returns={201: AccessRuleView},
    raises=(
        "access_rule_exists",
        "email_under_domain",
        "domain_over_emails",
        "address_denied",
        "too_many_addresses",
    ),
    replay=_rebuild_rule,
)
def add_access_rule(request: Request[AccessRuleBody, None]) -> Reply:
    """Let an email address, or everyone at a domain, sign in to a bill group's portal."""
    made = access_rules.create_access_rule(
        request.context,
        request.path["bill_group_id"],
        request.body.read(),
        request.body.permissions,
        replace_emails=request.body.replace_emails,
    )
    return Reply(_to_rule_view(made), status=201)


@access_routes.delete(
    "/v1/bill-groups/{bill_group_id}/access-rules/{rule_id}", may="access_rules.write", returns={204: None}
)
def delete_access_rule(request: Request[None, None]) -> Reply:
    """Delete an access rule, which ends the access of people who signed in by it immediately, or a denial."""
    access_rules.remove_access_rule(request.context, request.path["bill_group_id"], request.path["rule_id"])
    return Reply(status=204)
