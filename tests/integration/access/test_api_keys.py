from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib import clock
from chalicelib.access import api_keys, rules
from chalicelib.errors import Unauthenticated
from chalicelib.functions.api_keys import create_api_key
from chalicelib.request_context import RequestContext
from chalicelib.table import keys, store
from chalicelib.table.items import ApiKeyItem, ApiKeyNameItem
from tests.aws import TABLE, client
from tests.integration.api.gateway import send

NOW = datetime(2026, 1, 31, 9, tzinfo=UTC)
SCOPES = {"scopes": ["accounts:read"]}


def rows() -> list[dict[str, Any]]:
    """Every row of the table."""
    return client("dynamodb").scan(TableName=TABLE)["Items"]


def make(token: str, name: str = "crm", **headers: str) -> Any:
    return send("POST", "/v1/api-keys", token=token, body={"name": name, **SCOPES}, headers=headers)


def test_a_key_is_shown_once_and_works(token: str) -> None:
    made = make(token)
    assert (made.status, made.json["name"], made.json["scopes"]) == (201, "crm", ["accounts:read"])
    secret = made.json["api_key"]
    me = send("GET", "/v1/me", token=secret).json
    assert (me["id"], me["name"], me["scopes"]) == (made.json["key_id"], "crm", ["accounts:read"])
    assert "accounts.read" in me["operations"]
    assert "accounts.write" not in me["operations"]
    read = send("GET", f"/v1/api-keys/{made.json['key_id']}", token=token)
    assert (read.status, read.json["api_key"]) == (200, None)
    assert secret not in str(rows())
    assert secret.rsplit("_", 1)[-1] not in str(rows())


def test_a_repeat_under_the_same_key_makes_nothing_and_shows_no_secret(token: str) -> None:
    first = make(token, **{"Idempotency-Key": "once"})
    before = rows()
    again = make(token, **{"Idempotency-Key": "once"})
    assert (again.status, again.json) == (201, {**first.json, "api_key": None})
    assert rows() == before
    other = make(token, "other", **{"Idempotency-Key": "once"})
    assert (other.status, other.json["code"]) == (422, "idempotency_key_reused")
    assert rows() == before


def test_two_keys_of_a_name_are_valid_while_rotating(token: str) -> None:
    first, second = make(token).json, make(token).json
    third = make(token)
    assert (third.status, third.json["code"]) == (409, "too_many_keys")
    assert third.json["details"]["key_ids"] == [first["key_id"], second["key_id"]]
    assert send("GET", "/v1/me", token=first["api_key"]).status == 200
    assert send("DELETE", f"/v1/api-keys/{first['key_id']}", token=token).status == 204
    refused = send("GET", "/v1/me", token=first["api_key"])
    assert (refused.status, refused.json["code"]) == (401, "unauthenticated")
    assert send("GET", "/v1/me", token=second["api_key"]).status == 200
    assert make(token).status == 201


def test_revoking_again_changes_nothing(token: str) -> None:
    key_id = make(token).json["key_id"]
    headers = {"Idempotency-Key": "revoke"}
    assert send("DELETE", f"/v1/api-keys/{key_id}", token=token, headers=headers).status == 204
    before = rows()
    assert send("DELETE", f"/v1/api-keys/{key_id}", token=token, headers=headers).status == 204
    assert send("DELETE", f"/v1/api-keys/{key_id}", token=token).status == 204
    assert rows() == before
    assert send("GET", f"/v1/api-keys/{key_id}", token=token).json["revoked_at"]


def test_unknown_keys_are_404(token: str) -> None:
    address = "/v1/api-keys/key_01JABCDEFGHJKMNPQRSTVWXYZ0"
    for method in ("GET", "DELETE"):
        refused = send(method, address, token=token)
        assert (refused.status, refused.json["code"]) == (404, "not_found")


def test_a_key_gives_no_more_than_it_has(context: RequestContext) -> None:
    _, weak = api_keys.create(context, "weak", ["keys:write", "accounts:read"])
    refused = send("POST", "/v1/api-keys", token=weak, body={"name": "strong", "scopes": ["contacts:erase"]})
    assert (refused.status, refused.json["code"]) == (403, "scope_not_held")
    assert "contacts:erase" in refused.json["detail"]
    assert send("POST", "/v1/api-keys", token=weak, body={"name": "same", **SCOPES}).status == 201


def test_the_list_is_paged(token: str) -> None:
    made = {make(token, f"name {number}").json["key_id"] for number in range(5)}
    seen, cursor, pages = [], "", 0
    while cursor is not None:
        page = send("GET", f"/v1/api-keys?limit=2{f'&cursor={cursor}' if cursor else ''}", token=token).json
        seen += [item["key_id"] for item in page["items"]]
        assert len(page["items"]) <= 2
        cursor, pages = page["next_cursor"], pages + 1
    assert made < set(seen)
    assert len(seen) == len(set(seen)) == 6
    assert pages >= 3


def test_creation_and_revocation_are_audited(token: str) -> None:
    key_id = make(token).json["key_id"]
    send("DELETE", f"/v1/api-keys/{key_id}", token=token, headers={"X-Correlation-Id": "correlation-1"})
    page = store.query_items(keys.deployment_audit_event("").pk, "AUDIT#", limit=10)
    told = [(event.action, event.resource_id, event.actor_name) for event in page.items]
    assert ("api_key.created", key_id, "billing") in told
    assert ("api_key.revoked", key_id, "billing") in told
    assert [event.correlation_id for event in page.items if event.action == "api_key.revoked"] == ["correlation-1"]


@pytest.mark.parametrize(
    "spoil",
    [lambda t: t[:-1] + ("A" if t[-1] != "A" else "B"), lambda t: t[:20] + ("0" if t[20] != "0" else "1") + t[21:]],
)
def test_a_wrong_token_is_refused(token: str, spoil: Any) -> None:
    with pytest.raises(Unauthenticated):
        api_keys.authenticate(spoil(token), NOW)


def test_the_secret_of_another_key_is_refused(token: str, context: RequestContext) -> None:
    key, other = api_keys.create(context, "other", ["accounts:read"])
    crossed = rules.format_api_key_token(key.key_id, token[30:])
    assert rules.parse_key_id(crossed) == key.key_id
    with pytest.raises(Unauthenticated):
        api_keys.authenticate(crossed, NOW)
    assert api_keys.authenticate(other, NOW).name == "other"


def test_use_is_recorded_once_an_hour(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    key_id = rules.parse_key_id(token)
    assert key_id
    written: list[datetime] = []
    replace = store.replace_item

    def counting(item: ApiKeyItem) -> None:
        written.append(item.last_used_at)
        replace(item)

    monkeypatch.setattr(store, "replace_item", counting)
    for minutes in (0, 1, 59, 60, 61, 119, 121):
        api_keys.authenticate(token, NOW + timedelta(minutes=minutes))
    assert written == [NOW, NOW + timedelta(minutes=60), NOW + timedelta(minutes=121)]
    assert api_keys.get(key_id).last_used_at == written[-1]


def test_a_use_that_cannot_be_recorded_does_not_matter(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(item: ApiKeyItem) -> None:
        raise store.WriteConflict

    monkeypatch.setattr(store, "replace_item", failing)
    assert api_keys.authenticate(token, NOW).name == "billing"


def test_noting_the_use_never_brings_a_revoked_key_back(
    token: str, context: RequestContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    key_id = rules.parse_key_id(token)
    assert key_id
    replace = store.replace_item

    def revoked_in_between(item: ApiKeyItem) -> None:
        monkeypatch.setattr(store, "replace_item", replace)
        api_keys.revoke(context, key_id)
        replace(item)

    monkeypatch.setattr(store, "replace_item", revoked_in_between)
    assert api_keys.authenticate(token, NOW)
    with pytest.raises(Unauthenticated):
        api_keys.authenticate(token, NOW)


EVENT = {"name": "first", "scopes": ["keys:write"]}


class TestConsoleFunction:
    def test_a_dry_run_writes_nothing(self, aws: None) -> None:
        result = create_api_key(EVENT, None)
        assert result["dry_run"] is True
        assert result["would_create"] == EVENT
        assert rows() == []

    def test_it_makes_a_key_that_works(self, aws: None) -> None:
        result = create_api_key({**EVENT, "confirm": True}, None)
        assert api_keys.authenticate(result["api_key"], clock.utc_now()).scopes == {"keys:write"}

    @pytest.mark.parametrize(
        ("event", "fields"),
        [
            (None, [""]),
            ({}, ["name", "scopes"]),
            ({"name": "x", "scopes": "all", "confirm": "yes", "more": 1}, ["confirm", "scopes", "more"]),
            ({"name": "", "scopes": ["nonsense"], "confirm": True}, ["name", "scopes"]),
        ],
    )
    def test_it_names_every_fault(self, aws: None, event: Any, fields: list[str]) -> None:
        result = create_api_key(event, None)
        assert sorted(fault["field"] for fault in result["errors"]) == sorted(fields)
        assert rows() == []


def test_a_key_cannot_take_a_place_under_the_name_of_another(context: RequestContext) -> None:
    """Keys of one name share idempotency keys, and only two are valid: a third party blocks the rotation."""
    _, billing = api_keys.create(context, "billing", ["accounts:read", "keys:write"])
    _, squatter = api_keys.create(context, "squatter", ["keys:write"])
    before = rows()
    for scopes in (["keys:write"], ["accounts:read"]):
        refused = send("POST", "/v1/api-keys", token=squatter, body={"name": "billing", "scopes": scopes})
        assert refused.status == 403, refused.text
        assert refused.json["code"] in ("name_of_another_key", "scope_not_held")
    named = [row for row in rows() if row["cls"]["S"] == "api_key_name"]
    assert named == [row for row in before if row["cls"]["S"] == "api_key_name"]
    rotated = send(
        "POST", "/v1/api-keys", token=billing, body={"name": "billing", "scopes": ["accounts:read", "keys:write"]}
    )
    assert rotated.status == 201, rotated.text
    own = send("POST", "/v1/api-keys", token=squatter, body={"name": "squatter", "scopes": ["keys:write"]})
    assert own.status == 201, own.text


def test_a_name_stays_reserved_after_its_keys_are_revoked(context: RequestContext) -> None:
    old, _ = api_keys.create(context, "billing", ["accounts:read"])
    api_keys.revoke(context, old.key_id)
    _, squatter = api_keys.create(context, "squatter", ["keys:write"])
    refused = send("POST", "/v1/api-keys", token=squatter, body={"name": "billing", "scopes": ["keys:write"]})
    assert (refused.status, refused.json["code"]) == (403, "name_of_another_key")
    assert api_keys.create(context, "billing", ["keys:write"])[0].name == "billing"


def test_a_name_from_before_is_reserved_by_the_scopes_of_its_valid_keys(context: RequestContext) -> None:
    api_keys.create(context, "billing", ["accounts:read"])
    named = store.get_item(ApiKeyNameItem, keys.api_key_name("billing"))
    assert named is not None
    named.scopes = []
    store.replace_item(named)
    _, squatter = api_keys.create(context, "squatter", ["keys:write"])
    refused = send("POST", "/v1/api-keys", token=squatter, body={"name": "billing", "scopes": ["keys:write"]})
    assert (refused.status, refused.json["code"]) == (403, "name_of_another_key")
