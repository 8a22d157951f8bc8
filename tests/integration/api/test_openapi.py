"""The document is valid and describes the routes; schemathesis finds no undocumented response."""

import os
import re
import tomllib
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from openapi_spec_validator import validate
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from app import app
from chalicelib.api.routes import WRITE_METHODS, Route
from chalicelib.version import VERSION
from tests.integration.api.gateway import send, wsgi

ROOT = Path(__file__).resolve().parents[3]
ROUTES = app.json_api.all_routes()
FULL = os.environ.get("COUNTERFOIL_PROOF") == "1"


@pytest.fixture
def document(aws: None) -> dict[str, Any]:
    answer = send("GET", "/v1/openapi.json")
    assert answer.status == 200
    return dict(answer.json)


def test_the_document_is_valid(document: dict[str, Any]) -> None:
    validate(document)
    assert document["openapi"].startswith("3.1")


def test_no_name_of_a_module_shows_in_a_schema(document: dict[str, Any]) -> None:
    # Two models of one name are told apart by their modules.
    assert [name for name in document["components"]["schemas"] if "__" in name or "." in name] == []


def test_project_service_template_and_changelog_agree_on_the_version(document: dict[str, Any]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    template = (ROOT / "infra" / "resources.yaml").read_text("utf-8")
    assert document["info"]["version"] == VERSION == project["project"]["version"]
    assert re.findall(r"^## (\d+\.\d+\.\d+)", changelog, re.MULTILINE)[0] == VERSION
    assert re.findall(r"^Description: Counterfoil (\S+),", template, re.MULTILINE) == [VERSION]


def test_every_route_is_described(document: dict[str, Any]) -> None:
    described = {
        (method.upper(), path)
        for path, methods in document["paths"].items()
        for method in methods
        if method != "parameters"
    }
    assert described == {(route.method, route.path) for route in ROUTES}
    names = [
        one["operationId"]
        for methods in document["paths"].values()
        for key, one in methods.items()
        if key != "parameters"
    ]
    assert len(names) == len(set(names))


def test_what_a_route_declares_is_reported(document: dict[str, Any]) -> None:
    for route in ROUTES:
        told = document["paths"][route.path][route.method.lower()]
        headers = {one["name"] for one in told.get("parameters", []) if one["in"] == "header"}
        assert told["summary"]
        assert bool(told["security"]) is not route.public
        assert ("401" in told["responses"]) is not route.public
        assert ("If-Match" in headers) is route.versioned
        assert ("428" in told["responses"]) is (route.method == "PATCH")
        assert ("Idempotency-Key" in headers) is (route.repeatable and route.method in WRITE_METHODS)
        assert ("requestBody" in told) is (route.body is not None)
        assert {str(status) for status in route.returns} <= set(told["responses"])
        assert all(code in told["description"] for code in route.raises)


def what_does_not_fit_is_refused(context: Any, answer: Any, case: schemathesis.Case) -> Any:
    """Check as schemathesis does, but accept 413: a body that is too large is not read."""
    if answer.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return None
    return negative_data_rejection(context, answer, case)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_every_answer_is_documented(token: str, route: Route) -> None:
    """Schemathesis sends what fits the document and what does not; every check of its own runs."""
    operation = schemathesis.openapi.from_wsgi("/v1/openapi.json", wsgi)[route.path][route.method]

    @given(case=operation.as_strategy(GenerationMode.POSITIVE) | operation.as_strategy(GenerationMode.NEGATIVE))
    @settings(
        max_examples=300 if FULL else 10,
        deadline=None,
        derandomize=not FULL,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.generate],
        database=None,
    )
    def send_case(case: schemathesis.Case) -> None:
        # Rules go beyond what a schema can say, so what fits the schema may still be refused (422).
        case.call_and_validate(
            headers={"Authorization": f"Bearer {token}"},
            additional_checks=[what_does_not_fit_is_refused],
            excluded_checks=[positive_data_acceptance, negative_data_rejection],
        )

    send_case()
