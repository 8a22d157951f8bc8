"""API keys: create, list, revoke, authenticate (A11)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from chalicelib import ids, tokens
from chalicelib.access import rules
from chalicelib.audit.rules import FieldChange
from chalicelib.audit.service import record_audit_event
from chalicelib.errors import Conflict, Forbidden, NotFound, Unauthenticated
from chalicelib.observability import logger
from chalicelib.permissions import Principal
from chalicelib.request_context import RequestContext
from chalicelib.table import keys, store
from chalicelib.table.items import ApiKeyItem, ApiKeyNameItem


@dataclass(frozen=True)
class ApiKey:
    """An API key without its secret."""

    key_id: str
    name: str
    scopes: tuple[str, ...]
    created_at: datetime
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None


def create(
    context: RequestContext, name: str, scopes: list[str], grantable: frozenset[str] | None = None
) -> tuple[ApiKey, str]:
    """Create a key and return it with its bearer token, which is shown only now and stored as a hash.

    ``grantable`` are the scopes that the caller holds, None for all. Raises InvalidInput for a bad name or scope,
    Forbidden for a scope that the caller lacks, and for the name of keys that have or had such a scope; Conflict when
    two keys of this name are valid already.
    """
    name, tidy_scopes = rules.check_api_key_fields(name, scopes)
    lacking = [scope for scope in tidy_scopes if grantable is not None and scope not in grantable]
    if lacking:
        raise Forbidden("scope_not_held", f"A key can only give scopes that it has. It lacks: {', '.join(lacking)}.")

    def attempt() -> tuple[ApiKey, str]:
        (named,) = store.get_items_for_write(context, keys.api_key_name(name))
        valid = list(named.key_ids) if named else []
        held = _scopes_of_name(named) if named else frozenset[str]()
        if grantable is not None and not held <= grantable:
            # Keys of one name are one caller: they share idempotency keys and cursors, and two of them are valid.
            raise Forbidden(
                "name_of_another_key",
                "Other keys have this name, with scopes that this key lacks. Choose another name.",
            )
        if len(valid) >= rules.MAX_ACTIVE_KEYS_PER_NAME:
            raise Conflict(
                "too_many_keys",
                "Two keys of this name are valid already. Revoke one, or choose another name.",
                details={"key_ids": valid},
            )
        key = ApiKey(ids.new_id(ids.API_KEY_PREFIX, context.now), name, tidy_scopes, context.now)
        token = rules.format_api_key_token(key.key_id, tokens.new_secret())
        transaction = store.Transaction(context)
        transaction.create(_to_item(key, token, context))
        if named:
            named.key_ids = [*valid, key.key_id]
            named.scopes = sorted(held | set(tidy_scopes))
            transaction.replace(named)
        else:
            named_key = keys.api_key_name(name)
            transaction.create(
                ApiKeyNameItem(named_key.pk, named_key.sk, name=name, key_ids=[key.key_id], scopes=list(tidy_scopes))
            )
        changes = (FieldChange("name", None, name), FieldChange("scopes", None, list(tidy_scopes)))
        record_audit_event(transaction, context, "api_key.created", "api_key", key.key_id, changes)
        transaction.record_response(key.key_id, 201)
        transaction.commit()
        return key, token

    return store.retry_on_conflict(attempt)


def _scopes_of_name(named: ApiKeyNameItem) -> frozenset[str]:
    """Return all scopes that keys of a name have had; of rows from before, those of its valid keys."""
    rows = store.batch_get_items([keys.api_key(key_id) for key_id in named.key_ids]) if named.key_ids else {}
    return frozenset(named.scopes).union(*(row.scopes for row in rows.values()))


def _to_item(key: ApiKey, token: str, context: RequestContext) -> ApiKeyItem:
    own, listed = keys.api_key(key.key_id), keys.api_key_listed(key.name, key.key_id)
    return ApiKeyItem(
        own.pk,
        own.sk,
        gsi1_pk=listed.pk,
        gsi1_sk=listed.sk,
        key_id=key.key_id,
        name=key.name,
        scopes=list(key.scopes),
        secret_hash=tokens.sha256_hex(token),
        created_at=key.created_at,
        created_by=f"{context.actor.kind}:{context.actor.id}",
    )


def get(key_id: str) -> ApiKey:
    """Return a key, revoked or not. Raises NotFound."""
    item = store.get_item(ApiKeyItem, keys.api_key(key_id))
    if item is None:
        raise NotFound
    return store.from_item(ApiKey, item)


def list_keys(limit: int, after: Any) -> tuple[list[ApiKey], Any]:
    """Return a page of all keys by name, revoked ones included, and where the next page begins."""
    page = store.query_items_by_index(keys.api_key_listed("", "").pk, limit=limit, after=after)
    return [store.from_item(ApiKey, item) for item in page.items], page.after


def revoke(context: RequestContext, key_id: str) -> None:
    """Revoke a key at once. Revoking it again changes nothing. Raises NotFound."""

    def attempt() -> None:
        (item,) = store.get_items_for_write(context, keys.api_key(key_id))
        if item is None:
            raise NotFound
        if item.revoked_at is not None:
            return
        transaction = store.Transaction(context)
        item.revoked_at = context.now
        transaction.replace(item)
        named = store.get_item(ApiKeyNameItem, keys.api_key_name(item.name))
        if named is not None:
            named.key_ids = [other for other in named.key_ids if other != key_id]
            transaction.replace(named)
        changes = (FieldChange("revoked_at", None, keys.format_instant(context.now)),)
        record_audit_event(transaction, context, "api_key.revoked", "api_key", key_id, changes)
        transaction.record_response(key_id, 204)
        transaction.commit()

    store.retry_on_conflict(attempt)


def authenticate(token: str, now: datetime) -> Principal:
    """Return the principal of ``token``; one read. Raises Unauthenticated, which does not say what was wrong.

    The use is recorded on the key once an hour; if that fails the request continues.
    """
    key_id = rules.parse_key_id(token)
    if key_id is None:
        raise Unauthenticated
    item = store.get_item(ApiKeyItem, keys.api_key(key_id))
    genuine = tokens.token_matches_hash(token, item.secret_hash if item else "")
    if item is None or not genuine or item.revoked_at is not None:
        raise Unauthenticated
    _record_use(item, now)
    return Principal("api_key", item.key_id, item.name, frozenset(item.scopes))


def _record_use(item: ApiKeyItem, now: datetime) -> None:
    if item.last_used_at and now - item.last_used_at < timedelta(seconds=rules.LAST_USED_INTERVAL_SECONDS):
        return
    item.last_used_at = now
    try:
        store.replace_item(item)
    except Exception:
        # Another request recorded it, or the write failed; either way the request continues.
        logger.warning("The use of an API key could not be noted.", extra={"key_id": item.key_id})
