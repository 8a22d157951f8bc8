"""What must hold for every route; routes that come later join by themselves."""

from typing import Any

import pytest

from app import app
from chalicelib.access import api_keys, rules
from chalicelib.api.paths import PARAMETER_PATTERNS
from chalicelib.api.routes import Route
from chalicelib.permissions import OPERATION_REQUIREMENTS
from chalicelib.request_context import RequestContext
from tests.aws import TABLE, client
from tests.integration.api.gateway import Answer, send

ROUTES = app.json_api.all_routes()
GUARDED = [route for route in ROUTES if not route.public]
ULID = "01JABCDEFGHJKMNPQRSTVWXYZ0"
IDS = {name: shape[:4] + ULID if "{26}" in shape else "nobodys-thing" for name, shape in PARAMETER_PATTERNS.items()}


def for_keys(route: Route) -> bool:
    """Tell whether an API key may ever call it; for the others, see the matrix."""
    return route.may is not None and OPERATION_REQUIREMENTS[route.may].scope is not None


RECORDS = {"AccountBody", "BillGroupBody", "ContactWrite", "EntityBody", "PaymentBody", "StaffBody", "SubscriptionBody"}
WRITES_OF_RECORDS = [route for route in ROUTES if route.body and route.body.__name__ in RECORDS]


every_route = pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
every_guarded_route = pytest.mark.parametrize("route", GUARDED, ids=lambda route: f"{route.method} {route.path}")


def rows() -> list[dict[str, Any]]:
    return client("dynamodb").scan(TableName=TABLE)["Items"]


def ask(route: Route, token: str | None, **headers: str) -> Answer:
    body = {} if route.body is not None else None
    return send(route.method, route.path.format(**IDS), token=token, body=body, headers=headers)


@every_guarded_route
@pytest.mark.parametrize("token", [None, "nonsense", f"cf_{ULID}_{'a' * 43}"])
def test_without_a_principal_it_is_401_and_nothing_is_written(aws: None, route: Route, token: str | None) -> None:
    answer = ask(route, token, Origin="https://portal.example.com")
    assert (answer.status, answer.json["code"]) == (401, "unauthenticated")
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.headers["access-control-allow-origin"] == "https://portal.example.com"
    assert rows() == []


@every_guarded_route
def test_without_the_scope_it_is_403_and_nothing_is_written(context: RequestContext, route: Route) -> None:
    needs = OPERATION_REQUIREMENTS[route.may or ""]
    if not needs.scope:
        pytest.skip("open to every API key")
    _, token = api_keys.create(context, "weak", [scope for scope in rules.SCOPES if scope != needs.scope])
    api_keys.authenticate(token, context.now)
    before = rows()
    answer = ask(route, token)
    assert (answer.status, answer.json["code"]) == (403, "forbidden")
    assert rows() == before


@every_guarded_route
def test_its_operation_stands_in_the_permission_table(route: Route) -> None:
    assert route.may in OPERATION_REQUIREMENTS
    assert not route.may.endswith(".read") or route.method == "GET"
    assert not (route.method == "GET" and route.may.endswith(".write"))


@every_route
def test_methods_that_it_lacks_are_405_and_reported(aws: None, route: Route) -> None:
    allowed = {*app.json_api.routes[route.path], "OPTIONS"} | (
        {"HEAD"} & {"HEAD" if "GET" in app.json_api.routes[route.path] else ""}
    )
    for method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"} - allowed:
        answer = send(method, route.path.format(**IDS))
        assert answer.status == 405
        assert set(answer.headers["allow"].split(", ")) == allowed


@every_route
def test_preflight_allows_its_methods(aws: None, route: Route) -> None:
    answer = send("OPTIONS", route.path.format(**IDS), headers={"Origin": "https://portal.example.com"})
    assert answer.status == 204
    assert route.method in answer.headers["access-control-allow-methods"].split(", ")


@pytest.mark.parametrize(
    "route",
    [route for route in GUARDED if route.parameters and for_keys(route)],
    ids=lambda route: f"{route.method} {route.path}",
)
def test_an_id_of_another_shape_is_404(token: str, route: Route) -> None:
    for name in route.parameters:
        path = route.path.format(**{**IDS, name: "!"})
        headers = {"If-Match": '"1"'}
        assert send(route.method, path, token=token, headers=headers).status == 404


@pytest.mark.parametrize(
    "route",
    [route for route in GUARDED if route.parameters and route.method == "GET" and for_keys(route)],
    ids=lambda route: f"{route.method} {route.path}",
)
def test_what_does_not_exist_is_404(token: str, route: Route) -> None:
    answer = ask(route, token)
    assert (answer.status, answer.json["code"]) == (404, "not_found")


@every_route
def test_every_method_reaches_the_app_through_the_gateway(route: Route) -> None:
    registered = app.routes[route.path]
    assert set(registered) == {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
    assert all(not entry.content_types and entry.cors is None for entry in registered.values())


def test_an_unknown_address_is_a_problem(aws: None) -> None:
    answer = send("GET", "/v1/nowhere", headers={"Origin": "https://portal.example.com"})
    assert (answer.status, answer.json["code"]) == (404, "not_found")
    assert answer.headers["access-control-allow-origin"] == "https://portal.example.com"


def test_health_reads_nothing(monkeypatch: pytest.MonkeyPatch, aws: None) -> None:
    def never(*arguments: object, **keywords: object) -> None:
        raise AssertionError("AWS was called")

    monkeypatch.setattr("botocore.client.BaseClient._make_api_call", never)
    answer = send("GET", "/v1/health")
    assert (answer.status, answer.json["status"], answer.json["deployment"]) == (200, "ok", "test")
    assert answer.headers["cache-control"] == "no-store"


def test_an_incomplete_environment_is_a_500_that_says_nothing(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    from chalicelib.config import settings

    monkeypatch.delenv("SIGNING_KEY")
    settings.cache_clear()
    answer = send("GET", "/v1/health")
    assert (answer.status, answer.json["code"]) == (500, "internal_error")
    assert "SIGNING_KEY" not in answer.text


def test_every_record_is_written_by_a_route() -> None:
    assert {route.body.__name__ for route in WRITES_OF_RECORDS if route.body} == RECORDS


@pytest.mark.parametrize("route", WRITES_OF_RECORDS, ids=lambda route: f"{route.method} {route.path}")
def test_every_field_of_a_record_that_is_written_is_read_again(route: Route) -> None:
    assert route.body is not None
    for view in route.returns.values():
        assert set(route.body.model_fields) - set(view.model_fields) == set()
