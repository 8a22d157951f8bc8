"""What API Gateway does, for tests: from a request to an event, through the app, to an answer.

Chalice's own test client answers unknown addresses itself and cannot send raw bytes as a gateway would.
"""

import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from app import app


@dataclass(frozen=True)
class Answer:
    """An answer, with its headers' names in lower case."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.text)


def send(
    method: str,
    url: str,
    *,
    token: str | None = None,
    body: Any = None,
    headers: dict[str, str] | None = None,
) -> Answer:
    """Send a request to the app as API Gateway would; a ``body`` that is no text is sent as JSON."""
    parts = urlsplit(url)
    sent = {name.lower(): value for name, value in (headers or {}).items()}
    if token is not None:
        sent["authorization"] = f"Bearer {token}"
    if body is not None and not isinstance(body, str | bytes):
        body = json.dumps(body)
        sent.setdefault("content-type", "application/json")
    template, path = match(parts.path)
    answer = app(
        {
            "requestContext": {"httpMethod": method, "resourcePath": template, "identity": {"sourceIp": "192.0.2.1"}},
            "headers": sent,
            "pathParameters": path,
            "multiValueQueryStringParameters": parse_qs(parts.query, keep_blank_values=True) or None,
            "stageVariables": None,
            "body": body,
        },
        None,
    )
    lower = {name.lower(): value for name, value in answer["headers"].items()}
    return Answer(answer["statusCode"], lower, answer["body"])


def match(path: str) -> tuple[str, dict[str, str] | None]:
    """Return the template of a path, and its parameters; a path that fits none is its own template."""
    steps = path.split("/")
    for template in sorted(app.json_api.routes):
        wanted = template.split("/")
        pairs = list(zip(steps, wanted, strict=False))
        if len(steps) == len(wanted) and all(want.startswith("{") or step == want for step, want in pairs):
            return template, {want[1:-1]: step for step, want in pairs if want.startswith("{")} or None
    return path, None


def wsgi(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Serve the app over WSGI, for tools that speak it."""
    headers = {
        name.removeprefix("HTTP_").replace("_", "-"): value
        for name, value in environ.items()
        if name.startswith("HTTP_") or (name == "CONTENT_TYPE" and value)
    }
    url = quote(environ["PATH_INFO"].encode("latin-1"))
    if environ.get("QUERY_STRING"):
        url += "?" + environ["QUERY_STRING"]
    length = int(environ.get("CONTENT_LENGTH") or 0)
    answer = send(environ["REQUEST_METHOD"], url, body=environ["wsgi.input"].read(length) or None, headers=headers)
    start_response(f"{answer.status} {HTTPStatus(answer.status).phrase}", list(answer.headers.items()))
    return [answer.text.encode()]
