import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from chalicelib import errors
from chalicelib.api import Body, Listing, Query, Reply, Request, Routes, View
from chalicelib.http import pipeline
from chalicelib.http.json_api import JsonApi
from chalicelib.permissions import Principal

ORIGIN = "https://portal.example.com"
READER = Principal("api_key", "key_1", "reader", frozenset({"accounts:read"}))
WRITER = Principal("api_key", "key_2", "writer", frozenset({"accounts:read", "accounts:write"}))
CONTACT = "con_01JABCDEFGHJKMNPQRSTVWXYZ0"


class ThingBody(Body):
    name: str


class ThingQuery(Query):
    q: str | None = None


class ThingReply(View):
    id: str
    name: str = "a thing"


routes = Routes("things")
seen: list[Request[Any, Any]] = []
raised: list[Exception] = []


def note(request: Request[Any, Any]) -> None:
    seen.append(request)
    if raised:
        raise raised.pop()


@routes.get("/v1/things/{account_id}/parts/{contact_id}", may="accounts.read", returns={200: ThingReply}, tagged=True)
def get_part(request: Request[None, None]) -> Reply:
    note(request)
    return Reply(ThingReply(id=request.path["contact_id"]), version=7)


@routes.post("/v1/things/{account_id}/parts", may="accounts.write", body=ThingBody,
             returns={201: ThingReply}, replay=get_part, tagged=True)  # fmt: skip
def post_part(request: Request[ThingBody, None]) -> Reply:
    note(request)
    return Reply(ThingReply(id="new", name=request.body.name), status=201, version=1)


@routes.patch("/v1/things/{account_id}", may="accounts.write", body=ThingBody, returns={204: None})
def patch_thing(request: Request[ThingBody, None]) -> Reply:
    note(request)
    return Reply(status=204)


@routes.delete("/v1/things/{account_id}", may="accounts.write", returns={204: None}, versioned=True)
def delete_thing(request: Request[None, None]) -> Reply:
    note(request)
    return Reply(status=204)


@routes.get("/v1/things", may="accounts.read", query=ThingQuery, returns={200: Listing[ThingReply]}, paged=True)
def list_things(request: Request[None, ThingQuery]) -> Reply:
    note(request)
    return Reply(Listing(items=[ThingReply(id="1")]), after={"last": "1"})


COPIES, OTHERS = "/v1/things/{account_id}/copies", "/v1/things/{account_id}/others"
DECLARED: dict[str, Any] = {"may": "accounts.write", "body": ThingBody, "query": ThingQuery, "returns": {204: None}}


@routes.post(COPIES, **DECLARED)
@routes.put(COPIES, **DECLARED)
@routes.post(OTHERS, **DECLARED)
def write_copies(request: Request[ThingBody, ThingQuery]) -> Reply:
    note(request)
    return Reply(status=204)


@routes.get("/v1/hidden", may="no.such.operation", returns={200: ThingReply})
def get_hidden(request: Request[None, None]) -> Reply:
    note(request)
    return Reply(ThingReply(id="1"))


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: str
    json: Any = field(init=False)

    def __post_init__(self) -> None:
        self.json = json.loads(self.body) if self.body else None


@pytest.fixture(autouse=True)
def _nobody_was_here(environment: None, monkeypatch: pytest.MonkeyPatch) -> None:
    seen.clear()
    raised.clear()
    known = {"reader": READER, "writer": WRITER}

    def authenticate(token: str, now: object, path: object) -> Principal:
        if token not in known:
            raise errors.Unauthenticated
        return known[token]

    monkeypatch.setattr("chalicelib.http.pipeline.authenticate_token", authenticate)


def ask(
    method: str,
    template: str,
    *,
    token: str | None = "writer",
    path: dict[str, str] | None = None,
    query: dict[str, list[str]] | None = None,
    body: Any = None,
    headers: dict[str, str] | None = None,
    **event: Any,
) -> Answer:
    surface = JsonApi()
    surface.add([routes])
    sent = {"Origin": ORIGIN}
    if token is not None:
        sent["Authorization"] = f"Bearer {token}"
    if body is not None and not isinstance(body, str | bytes):
        body = json.dumps(body)
        sent["Content-Type"] = "application/json"
    sent.update(headers or {})
    answer = pipeline.answer(
        surface,
        {
            "requestContext": {"httpMethod": method, "resourcePath": template},
            "headers": sent,
            "pathParameters": path,
            "multiValueQueryStringParameters": query,
            "body": body,
            **event,
        },
    )
    return Answer(answer["statusCode"], answer["headers"], answer["body"])


PART = {"account_id": "acme", "contact_id": CONTACT}
TEMPLATE = "/v1/things/{account_id}/parts/{contact_id}"
PARTS = "/v1/things/{account_id}/parts"
THING = "/v1/things/{account_id}"


def test_a_view_gets_what_was_checked() -> None:
    answer = ask("POST", PARTS, path={"account_id": "ac%2Dme"}, body={"name": "x"},
                 headers={"Idempotency-Key": "k 1", "X-Correlation-Id": "billing-12345"})  # fmt: skip
    assert (answer.status, answer.json) == (201, {"id": "new", "name": "x"})
    assert answer.headers["ETag"] == '"1"'
    assert answer.headers["X-Correlation-Id"] == "billing-12345"
    (request,) = seen
    assert (request.path, request.body.name, request.principal) == ({"account_id": "ac-me"}, "x", WRITER)
    assert request.context.actor.id == "key_2"
    assert request.context.correlation_id == "billing-12345"
    assert request.context.now.utcoffset() is not None
    assert request.context.idempotency
    assert (request.context.idempotency.principal, request.context.idempotency.key) == ("api_key:writer", "k 1")


@pytest.mark.parametrize(
    ("error", "status", "code", "headers"),
    [
        (errors.Unauthenticated(), 401, "unauthenticated", {"WWW-Authenticate": 'Bearer realm="counterfoil"'}),
        (errors.Forbidden("nope", "No."), 403, "nope", {}),
        (errors.NotFound(), 404, "not_found", {}),
        (errors.Conflict("taken", "Taken."), 409, "taken", {}),
        (errors.StaleVersion(4), 409, "stale_version", {}),
        (errors.InvalidInput.field("name", "bad", "Bad."), 422, "invalid", {}),
        (errors.LimitReached("limit", "Slow.", 9), 429, "limit", {"Retry-After": "9"}),
        (errors.Unavailable("Later."), 503, "unavailable", {"Retry-After": "2"}),
        (RuntimeError("canary"), 500, "internal_error", {}),
        (errors.CounterfoilError("odd", "Odd."), 500, "odd", {}),
    ],
)
def test_every_error_becomes_a_problem_with_cors(
    error: Exception, status: int, code: str, headers: dict[str, str]
) -> None:
    raised.append(error)
    answer = ask("GET", TEMPLATE, path=PART, headers={"X-Correlation-Id": "abcdefgh"})
    assert (answer.status, answer.json["status"], answer.json["code"]) == (status, status, code)
    assert {"type", "title", "status", "detail", "code", "correlation_id"} <= set(answer.json)
    assert answer.json["correlation_id"] == "abcdefgh"
    assert "canary" not in answer.body
    expected = {
        "Content-Type": "application/problem+json",
        "Access-Control-Allow-Origin": ORIGIN,
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        **headers,
    }
    assert expected.items() <= answer.headers.items()
    assert "Origin" in answer.headers["Vary"]


def test_fields_and_details_are_reported() -> None:
    raised.append(errors.InvalidInput.field("name", "bad", "Bad."))
    assert ask("GET", TEMPLATE, path=PART).json["errors"] == [{"field": "name", "code": "bad", "message": "Bad."}]
    raised.append(errors.StaleVersion(4))
    assert ask("GET", TEMPLATE, path=PART).json["details"] == {"current_version": 4}


@pytest.mark.parametrize("header", [None, "", "Basic abc", "Bearer", "Bearer ", "Bearer nobody", "writer"])
def test_without_a_principal_401_comes_before_everything_else(header: str | None) -> None:
    answer = ask("PATCH", THING, token=None, path={"account_id": "!"}, body="{",
                 headers={"Authorization": header} if header is not None else {})  # fmt: skip
    assert (answer.status, seen) == (401, [])


def test_a_scope_that_is_missing_is_403_and_named() -> None:
    answer = ask("DELETE", THING, token="reader", path={"account_id": "acme"})
    assert (answer.status, answer.json["code"], seen) == (403, "forbidden", [])
    assert "accounts:write" in answer.json["detail"]


def test_an_operation_that_is_not_in_the_table_is_refused_to_everybody() -> None:
    assert ask("GET", "/v1/hidden").status == 403
    assert seen == []


@pytest.mark.parametrize(
    "path",
    [
        {"account_id": "acme", "contact_id": "con_1"},
        {"account_id": "acme", "contact_id": CONTACT.lower()},
        {"account_id": "a%20b", "contact_id": CONTACT},
        {"account_id": "%ff", "contact_id": CONTACT},
        {"account_id": "a%00", "contact_id": CONTACT},
        {"account_id": "-a", "contact_id": CONTACT},
        {"account_id": "a" * 65, "contact_id": CONTACT},
        {"account_id": "acme\n", "contact_id": CONTACT},
        {},
    ],
)
def test_an_id_of_another_shape_is_404(path: dict[str, str]) -> None:
    answer = ask("GET", TEMPLATE, path=path)
    assert (answer.status, seen) == (404, [])


def test_methods() -> None:
    answer = ask("PUT", THING)
    assert (answer.status, answer.headers["Allow"]) == (405, "DELETE, OPTIONS, PATCH")
    assert ask("GET", "/v1/nowhere").status == 404


def test_head_is_get_without_a_body() -> None:
    get, head = ask("GET", TEMPLATE, path=PART), ask("HEAD", TEMPLATE, path=PART)
    assert (head.status, head.body) == (200, "")
    assert {**get.headers, "X-Correlation-Id": ""} == {**head.headers, "X-Correlation-Id": ""}
    assert ask("HEAD", THING, path=PART).status == 405


def test_preflight() -> None:
    answer = ask("OPTIONS", THING, token=None, headers={"Access-Control-Request-Method": "PATCH"})
    assert (answer.status, answer.body, seen) == (204, "", [])
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert answer.headers["Access-Control-Allow-Methods"] == "DELETE, OPTIONS, PATCH"
    allowed = answer.headers["Access-Control-Allow-Headers"].split(", ")
    assert {"Authorization", "Content-Type", "If-Match", "Idempotency-Key", "X-Correlation-Id"} == set(allowed)


@pytest.mark.parametrize("method", ["OPTIONS", "GET"])
def test_a_foreign_origin_gets_no_permission(method: str) -> None:
    answer = ask(method, TEMPLATE, path=PART, headers={"Origin": "https://evil.example"})
    assert not [name for name in answer.headers if name.startswith("Access-Control")]
    assert answer.headers["Vary"] == "Origin"


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        ('{"name": "x"}', {}, 415, "unsupported_media_type"),
        ('{"name": "x"}', {"Content-Type": "text/plain"}, 415, "unsupported_media_type"),
        (None, {"Content-Type": "application/json"}, 400, "body_missing"),
        ("{", {"Content-Type": "application/json"}, 400, "not_json"),
        ('{"name": "\ud800"}', {"Content-Type": "application/json"}, 400, "not_utf_8"),
        ('{"name": "' + "x" * 70_000 + '"}', {"Content-Type": "application/json"}, 413, "body_too_large"),
        ({"name": 1}, {}, 422, "invalid_body"),
        ({"name": "x"}, {"Idempotency-Key": "é"}, 400, "bad_idempotency_key"),
    ],
)
def test_bodies_that_are_refused(body: Any, headers: dict[str, str], status: int, code: str) -> None:
    answer = ask("POST", PARTS, path={"account_id": "acme"}, body=body, headers=headers)
    assert (answer.status, answer.json["code"], seen) == (status, code, [])


def test_a_body_in_base64_is_read() -> None:
    answer = ask("POST", PARTS, path={"account_id": "a"}, body="eyJuYW1lIjoieCJ9", isBase64Encoded=True,
                 headers={"Content-Type": "application/json"})  # fmt: skip
    assert (answer.status, answer.json["name"]) == (201, "x")


def test_a_body_that_nobody_requested_is_refused() -> None:
    path = {"account_id": "acme"}
    assert ask("DELETE", THING, path=path, body={"name": "x"}).json["code"] == "body_not_expected"
    assert ask("DELETE", THING, path=path).status == 204
    assert ask("DELETE", THING, path=path, body={}).status == 204


def test_versions() -> None:
    path, body = {"account_id": "acme"}, {"name": "x"}
    assert ask("PATCH", THING, path=path, body=body).status == 428
    assert ask("PATCH", THING, path=path, body=body, headers={"If-Match": "*"}).json["code"] == "bad_if_match"
    assert ask("PATCH", THING, path=path, body=body, headers={"If-Match": '"3"'}).status == 204
    assert ask("DELETE", THING, path=path).status == 204
    assert [request.if_match for request in seen] == [3, None]


def test_a_header_that_stands_twice_is_refused() -> None:
    answer = ask("GET", TEMPLATE, path=PART, multiValueHeaders={"If-Match": ['"1"', '"2"']})
    assert (answer.status, answer.json["code"]) == (400, "repeated_header")


def test_pages() -> None:
    first = ask("GET", "/v1/things", query={"limit": ["2"], "q": ["x"]})
    cursor = first.json["next_cursor"]
    assert ask("GET", "/v1/things", query={"limit": ["3"], "q": ["x"], "cursor": [cursor]}).status == 200
    assert first.json["items"] == [{"id": "1", "name": "a thing"}]
    assert [(request.page.limit, request.page.after) for request in seen] == [(2, None), (3, {"last": "1"})]
    assert ask("GET", "/v1/things", query={"q": ["y"], "cursor": [cursor]}).status == 422
    assert ask("GET", "/v1/things", query={"q": ["x"], "cursor": [cursor]}, token="reader").status == 422


@pytest.mark.parametrize("limit", ["0", "101", "ten", "", "1.0"])
def test_limits_of_pages(limit: str) -> None:
    answer = ask("GET", "/v1/things", query={"limit": [limit]})
    assert (answer.status, answer.json["errors"][0]["field"]) == (422, "limit")


def test_unknown_query_parameters_are_refused() -> None:
    assert ask("GET", "/v1/things", query={"Q": ["x"]}).json["errors"][0]["code"] == "unknown_parameter"
    assert ask("GET", TEMPLATE, path=PART, query={"limit": ["1"]}).status == 422


def test_a_repeated_create_is_answered_by_the_read_with_the_first_status() -> None:
    raised.append(errors.IdempotentReplay(CONTACT, 201))
    answer = ask("POST", PARTS, path={"account_id": "acme"}, body={"name": "x"}, headers={"Idempotency-Key": "k"})
    assert (answer.status, answer.json["id"], answer.headers["ETag"]) == (201, CONTACT, '"7"')
    assert seen[-1].path == {"account_id": "acme"}
    assert seen[-1].path["contact_id"] == CONTACT
    assert seen[-1].context.idempotency is None


def test_a_repeated_write_without_a_reply_has_none_again() -> None:
    raised.append(errors.IdempotentReplay("acme", 204))
    answer = ask("DELETE", THING, path={"account_id": "acme"}, headers={"Idempotency-Key": "k"})
    assert (answer.status, answer.body, len(seen)) == (204, "", 1)


COPY: dict[str, Any] = {
    "method": "POST",
    "template": COPIES,
    "path": {"account_id": "acme"},
    "query": {"q": ["x"]},
    "body": {"name": "x"},
}


@pytest.mark.parametrize(
    "other",
    [
        {"method": "PUT"},
        {"template": OTHERS},
        {"path": {"account_id": "other"}},
        {"query": {"q": ["y"]}},
        {"query": None},
        {"body": {"name": "y"}},
    ],
)
def test_an_idempotency_key_is_for_one_request_alone(other: dict[str, Any]) -> None:
    """What the table compares differs with the method, the route, its parameters, the query and the body."""
    for asked in (COPY, COPY, {**COPY, **other}):
        assert ask(**asked, headers={"Idempotency-Key": "k"}).status == 204
    first, again, another = (request.context.idempotency for request in seen)
    assert first is not None
    assert first == again
    assert another is not None
    assert (another.principal, another.key) == (first.principal, first.key)
    assert another.body_hash != first.body_hash


@pytest.mark.parametrize("given", ["short", "x" * 65, "with space 12", "evil\r\nSet-Cookie: x", "ä" * 10])
def test_a_bad_correlation_id_is_replaced(given: str) -> None:
    answer = ask("GET", TEMPLATE, path=PART, headers={"X-Correlation-Id": given})
    assert answer.headers["X-Correlation-Id"] not in given
    assert seen[0].context.correlation_id == answer.headers["X-Correlation-Id"]


def test_an_event_without_anything_is_answered() -> None:
    answer = pipeline.answer(JsonApi(), {"requestContext": {}})
    assert (answer["statusCode"], json.loads(answer["body"])["code"]) == (404, "not_found")


def test_line_breaks_never_reach_a_header() -> None:
    raised.append(errors.LimitReached("limit", "Slow.", "1\r\nSet-Cookie: a=b"))  # type: ignore[arg-type]
    assert ask("GET", TEMPLATE, path=PART).headers["Retry-After"] == "1  Set-Cookie: a=b"


def test_declarations_that_say_too_little_are_refused() -> None:
    other = Routes("other")
    with pytest.raises(ValueError, match="who may call"):
        other.get("/v1/x", returns={200: ThingReply})
    with pytest.raises(ValueError, match="who may call"):
        other.get("/v1/x", may="me.read", public=True, returns={200: ThingReply})
    with pytest.raises(ValueError, match="shape of nonsense_id"):
        other.get("/v1/x/{nonsense_id}", may="me.read", returns={200: ThingReply})
    with pytest.raises(ValueError, match="replay"):
        other.post("/v1/x", may="me.read", returns={201: ThingReply})
    with pytest.raises(ValueError, match="repeatable=False"):
        other.post("/v1/x", public=True, returns={204: None})
    with pytest.raises(ValueError, match="declared twice"):
        JsonApi().add([routes, routes])
