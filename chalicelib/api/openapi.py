"""The OpenAPI 3.1 document, generated from the declarations of the routes alone."""

import inspect
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.json_schema import models_json_schema

from chalicelib.api import paging, paths, problems
from chalicelib.api.models import Problem
from chalicelib.api.routes import WRITE_METHODS, Route
from chalicelib.permissions import OPERATION_REQUIREMENTS
from chalicelib.version import VERSION

_SCHEMA_REFERENCE = "#/components/schemas/{model}"
_STRING_SCHEMA = {"type": "string"}
_ETAG_SCHEMA = {"type": "string", "pattern": '^"(0|[1-9][0-9]{0,14})"$', "examples": ['"3"']}

_STATUS_DESCRIPTIONS = {
    200: "Done.",
    201: "Created.",
    202: "Accepted. It is processed later.",
    204: "Done. No content.",
    302: "Redirect.",
    400: "The request is malformed.",
    401: "Authentication is required.",
    403: "The caller may not do this.",
    404: "Not found.",
    409: "The current state does not allow this.",
    413: "The body is too large.",
    415: "The content type is not JSON.",
    422: "The content cannot be accepted; `errors` names the fields.",
    428: "If-Match is missing.",
    429: "Too many requests.",
    500: "Internal error. Report the correlation id.",
    503: "A dependency does not respond. Try again.",
}


_DESCRIPTION = """\
Billing contacts, invoices by email, payment reminders and a customer portal.

Every address answers OPTIONS, and HEAD where it answers GET; other methods are 405 with `Allow`. Errors are
`application/problem+json` (RFC 9457) with a stable `code`. Bodies are JSON objects in UTF-8, no deeper than 20
levels, without duplicate names. In a body, an absent field stays as it is, and null clears it.
`X-Correlation-Id` (8 to 64 of `A-Za-z0-9._-`) is taken over from the request, or made, and returned.
"""


class Document(BaseModel):
    """An OpenAPI 3.1 document."""

    model_config = ConfigDict(extra="allow")

    openapi: str


def build_openapi_document(routes: Iterable[Route], server: str) -> dict[str, Any]:
    """Return the document for ``routes`` as served at the address ``server``."""
    declared = list(routes)
    schemas, definitions = _schemas(declared)
    tags = list(dict.fromkeys(route.tag for route in declared))
    described: dict[str, Any] = {}
    for route in declared:
        methods = described.setdefault(route.path, {})
        if route.parameters:
            methods.setdefault("parameters", [_path_parameter(name) for name in route.parameters])
        methods[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Counterfoil",
            "version": VERSION,
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": server}],
        "tags": [{"name": tag} for tag in tags],
        "paths": described,
        "components": {
            "schemas": definitions,
            "responses": {f"Problem{status}": _problem_response(status) for status in _PROBLEM_STATUSES},
            "securitySchemes": {"apiKey": {"type": "http", "scheme": "bearer", "bearerFormat": "cf_…"}},
        },
    }


_PROBLEM_STATUSES = sorted(set(problems.STATUS_BY_ERROR.values()) - {405})


def _schemas(routes: list[Route]) -> tuple[dict[Any, Any], dict[str, Any]]:
    """Return for each model the reference to its schema, and all schemas by name."""
    wanted: dict[tuple[Any, Any], None] = {(Problem, "serialization"): None}
    for route in routes:
        if route.body is not None:
            wanted[(route.body, "validation")] = None
        for model in route.returns.values():
            if model is not None:
                wanted[(model, "serialization")] = None
    references, whole = models_json_schema(list(wanted), ref_template=_SCHEMA_REFERENCE)
    return dict(references), whole.get("$defs", {})


def _operation(route: Route, schemas: dict[Any, Any]) -> dict[str, Any]:
    text = inspect.getdoc(route.view) or ""
    summary, _, description = text.partition("\n")
    operation: dict[str, Any] = {
        "operationId": getattr(route.view, "__name__", route.path),
        "summary": summary.rstrip("."),
        "tags": [route.tag],
        "security": [] if route.public else [{"apiKey": []}],
        "responses": _responses(route, schemas),
    }
    notes = [description.strip(), _scope_note(route), _codes_note(route)]
    if any(notes):
        operation["description"] = "\n\n".join(note for note in notes if note)
    parameters = _query_parameters(route) + _header_parameters(route)
    if parameters:
        operation["parameters"] = parameters
    if route.body is not None:
        operation["requestBody"] = {
            "required": not route.body_optional,
            "content": {"application/json": {"schema": schemas[(route.body, "validation")]}},
        }
    return operation


def _scope_note(route: Route) -> str:
    needs = OPERATION_REQUIREMENTS.get(route.may or "")
    return f"Scope of the API key: `{needs.scope}`." if needs and needs.scope else ""


def _codes_note(route: Route) -> str:
    return f"Error codes: {', '.join(f'`{code}`' for code in route.raises)}." if route.raises else ""


def _responses(route: Route, schemas: dict[Any, Any]) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for status, model in route.returns.items():
        answer: dict[str, Any] = {"description": _STATUS_DESCRIPTIONS.get(status, HTTPStatus(status).phrase)}
        headers: dict[str, Any] = {"X-Correlation-Id": {"schema": _STRING_SCHEMA}}
        if route.tagged:
            headers["ETag"] = {"schema": _ETAG_SCHEMA}
        if model is not None:
            answer["content"] = {"application/json": {"schema": schemas[(model, "serialization")]}}
        responses[str(status)] = {**answer, "headers": headers}
    for status in problem_statuses_of(route):
        responses[str(status)] = {"$ref": f"#/components/responses/Problem{status}"}
    return responses


def problem_statuses_of(route: Route) -> list[int]:
    """Return every status of a problem that the route can answer with, in order."""
    statuses = {400, 422, 500, 503}
    if not route.public:
        statuses |= {401, 403, 429}
    elif route.method in WRITE_METHODS:
        # What strangers may do is limited.
        statuses.add(429)
    if route.parameters:
        statuses.add(404)
    if route.method in WRITE_METHODS:
        statuses |= {404, 409}
    if route.body is not None:
        statuses |= {413, 415}
    if route.method == "PATCH":
        statuses.add(428)
    return sorted(statuses)


def _problem_response(status: int) -> dict[str, Any]:
    headers: dict[str, Any] = {"X-Correlation-Id": {"schema": _STRING_SCHEMA}}
    if status == 401:
        headers["WWW-Authenticate"] = {"schema": _STRING_SCHEMA}
    if status in (429, 503):
        headers["Retry-After"] = {"schema": {"type": "string", "pattern": "^[0-9]+$"}, "description": "Seconds."}
    example = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": _STATUS_DESCRIPTIONS[status],
        "code": {401: "unauthenticated", 404: "not_found"}.get(status, "a_stable_code"),
        "correlation_id": "0f6f2f1b9d3c4a5e8b7a6c5d4e3f2a1b",
    }
    schema = {"$ref": _SCHEMA_REFERENCE.format(model="Problem")}
    content = {problems.PROBLEM_CONTENT_TYPE: {"schema": schema, "example": example}}
    return {"description": _STATUS_DESCRIPTIONS[status], "headers": headers, "content": content}


def _path_parameter(name: str) -> dict[str, Any]:
    schema = {"type": "string", "pattern": f"^{paths.PARAMETER_PATTERNS[name]}$"}
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _query_parameters(route: Route) -> list[dict[str, Any]]:
    models: list[type[BaseModel]] = [route.query] if route.query else []
    if route.paged:
        models.append(paging.PageQuery)
    found = []
    for model in models:
        schema = model.model_json_schema()
        definitions = schema.get("$defs", {})
        for name, property_schema in schema.get("properties", {}).items():
            plain = _without_null(property_schema, definitions)
            parameter = {"name": name, "in": "query", "required": name in schema.get("required", [])}
            if "description" in plain:
                parameter["description"] = plain.pop("description")
            found.append({**parameter, "schema": plain})
    return found


def _without_null(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a query parameter, which can be absent but not null."""
    result = {name: value for name, value in schema.items() if name not in ("anyOf", "title", "default")}
    variants = [one for one in schema.get("anyOf", []) if one != {"type": "null"}]
    if len(variants) == 1:
        result |= variants[0]
    elif variants:
        result["anyOf"] = variants
    if schema.get("default") is not None:
        result["default"] = schema["default"]
    if "$ref" in result:
        result |= definitions[result.pop("$ref").rsplit("/", 1)[-1]]
    return result


def _header_parameters(route: Route) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    if route.versioned:
        found.append(
            {
                "name": "If-Match",
                "in": "header",
                "required": route.method == "PATCH",
                "schema": _ETAG_SCHEMA,
                "description": "The version that was read: its ETag. Another version is 409.",
            }
        )
    if route.repeatable and route.method in WRITE_METHODS:
        found.append(
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": False,
                "schema": {"type": "string", "pattern": "^[!-~]([ -~]{0,253}[!-~])?$"},
                "description": "A key of your own, such as a UUID. Within 24 hours the same request under the "
                "same key takes effect once, and its answer is repeated without secrets.",
            }
        )
    return found
