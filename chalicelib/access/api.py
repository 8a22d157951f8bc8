"""API keys and the caller itself, over HTTP."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from chalicelib.access import api_keys, rules
from chalicelib.api import Body, Listing, Reply, Request, Routes, View

routes = Routes("access")

Scope = Literal[rules.SCOPES]  # type: ignore[valid-type]


class ApiKeyBody(Body):
    """A key to be made."""

    name: str = Field(
        min_length=1,
        max_length=rules.NAME_CHARACTERS,
        description="Names the system that will use the key. Two keys of one name can be valid at once.",
        examples=["billing system"],
    )
    scopes: list[Scope] = Field(min_length=1, max_length=len(rules.SCOPES), examples=[["accounts:read"]])


class ApiKeyReply(View):
    """An API key."""

    key_id: str
    name: str
    scopes: list[str]
    created_at: datetime
    last_used_at: datetime | None = Field(description="To the hour.")
    revoked_at: datetime | None
    api_key: str | None = Field(
        default=None, description="The bearer token; only in the answer that made the key, and only once."
    )


class PrincipalReply(View):
    """Who calls."""

    kind: Literal["api_key"]
    id: str
    name: str
    scopes: list[str]
    operations: list[str] = Field(description="What this principal may do, as the routes declare it.")


@routes.get("/v1/me", may="me.read", returns={200: PrincipalReply})
def get_me(request: Request[None, None]) -> Reply:
    """Tell who calls and what they may do."""
    caller = request.principal
    return Reply(
        PrincipalReply(
            kind="api_key",
            id=caller.id,
            name=caller.name,
            scopes=sorted(caller.scopes),
            operations=rules.operations_of(caller),
        )
    )


@routes.get("/v1/api-keys", may="api_keys.read", returns={200: Listing[ApiKeyReply]}, paged=True)
def list_api_keys(request: Request[None, None]) -> Reply:
    """List the API keys by name, revoked ones included."""
    found, after = api_keys.list_keys(request.page.limit, request.page.after)
    return Reply(Listing[ApiKeyReply](items=[_reply(key) for key in found]), after=after)


@routes.get("/v1/api-keys/{key_id}", may="api_keys.read", returns={200: ApiKeyReply})
def get_api_key(request: Request[None, None]) -> Reply:
    """Read one API key."""
    return Reply(_reply(api_keys.get(request.path["key_id"])))


@routes.post(
    "/v1/api-keys",
    may="api_keys.write",
    body=ApiKeyBody,
    returns={201: ApiKeyReply},
    raises=("too_many_keys",),
    replay=get_api_key,
)
def create_api_key(request: Request[ApiKeyBody, None]) -> Reply:
    """Make an API key, with no more scopes than the caller has."""
    key, token = api_keys.create(
        request.call, request.body.name, list(request.body.scopes), grantable=request.principal.scopes
    )
    return Reply(_reply(key, token), status=201)


@routes.delete("/v1/api-keys/{key_id}", may="api_keys.write", returns={204: None})
def revoke_api_key(request: Request[None, None]) -> Reply:
    """Revoke an API key at once."""
    api_keys.revoke(request.call, request.path["key_id"])
    return Reply(status=204)


def _reply(key: api_keys.ApiKey, token: str | None = None) -> ApiKeyReply:
    return ApiKeyReply(
        key_id=key.key_id,
        name=key.name,
        scopes=list(key.scopes),
        created_at=key.created_at,
        last_used_at=key.last_used_at,
        revoked_at=key.revoked_at,
        api_key=token,
    )
